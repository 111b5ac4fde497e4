use super::*;
use crate::protocol::Amount;
use crate::store::Unclaimed;

const CAP: u64 = 1000;
const NOW: i64 = 1_700_000_000_000;

fn settings() -> config::Sessions {
    config::Sessions {
        keeper: Keeper::Facilitator,
        unclaimed: Unclaimed::Release,
        sweep_interval: Duration::from_secs(30),
        idle_settle: Duration::from_mins(2),
        long_idle: Duration::from_mins(30),
        deadline_buffer: Duration::from_mins(1),
        cap_threshold: 90,
        attempts: 3,
        archive_after: Duration::from_hours(24),
    }
}

/// Used this moment, and good for an hour.
fn session() -> Session {
    Session {
        id: "s".to_owned(),
        permit_key: "k".to_owned(),
        fingerprint: "f".to_owned(),
        network: Network::eip155(84532),
        wire_network: "eip155:84532".to_owned(),
        asset: "0xasset".to_owned(),
        owner: "0xowner".to_owned(),
        spender: "0xspender".to_owned(),
        pay_to: "0xpayee".to_owned(),
        caller: "anonymous".to_owned(),
        payer: "0xowner".to_owned(),
        cap: Amount::from(CAP),
        deadline: NOW / 1000 + 3600,
        permit: "{}".to_owned(),
        keeper: Keeper::Facilitator,
        held: Amount::ZERO,
        charged: Amount::from(100),
        state: SessionState::Open,
        sequence: 0,
        last_activity: NOW,
        failures: 0,
        failed_sequence: 0,
        next_attempt_at: 0,
        last_reason: None,
        last_failure: None,
        permit_seen: false,
        created_at: NOW,
        updated_at: NOW,
        archived_at: None,
    }
}

/// What is due so many seconds later: the reason, and whether it settles and closes.
fn due_after(
    seconds: u64,
    owes: bool,
    change: impl FnOnce(&mut Session),
) -> Option<(&'static str, bool, bool)> {
    let mut session = session();
    change(&mut session);
    let now = UnixMillis(NOW).plus(Duration::from_secs(seconds));
    due(&session, owes, &settings(), now).map(|due| (due.reason, due.settles, due.closes))
}

#[test]
fn what_is_owed_is_settled_when_idle_near_the_deadline_or_near_the_cap() {
    let short = |s: &mut Session| s.deadline = NOW / 1000 + 100;
    assert_eq!(due_after(119, true, |_| {}), None);
    let idle = Some(("idle_timeout", true, false));
    assert_eq!(due_after(120, true, |_| {}), idle);
    assert_eq!(due_after(39, true, short), None);
    let late = Some(("deadline_buffer", true, true));
    assert_eq!(due_after(40, true, short), late);
    let charged = |units: u64| move |s: &mut Session| s.charged = Amount::from(units);
    assert_eq!(due_after(0, true, charged(899)), None);
    let full = Some(("cap_threshold", true, false));
    assert_eq!(due_after(0, true, charged(900)), full);
    assert_eq!(due_after(0, true, charged(CAP)), full);
}

#[test]
fn idleness_comes_first_and_the_deadline_before_the_cap() {
    let both = |s: &mut Session| {
        s.charged = Amount::from(950);
        s.deadline = NOW / 1000 + 130;
    };
    assert_eq!(due_after(125, true, both).unwrap().0, "idle_timeout");
    assert_eq!(due_after(80, true, both).unwrap().0, "deadline_buffer");
    assert_eq!(due_after(10, true, both).unwrap().0, "cap_threshold");
}

#[test]
fn what_owes_nothing_is_closed_when_long_idle_past_its_deadline_or_used_up() {
    let closed = Some(("auto_close", false, true));
    assert_eq!(due_after(1799, false, |_| {}), None);
    assert_eq!(due_after(1800, false, |_| {}), closed);
    assert_eq!(
        due_after(60, false, |s| s.deadline = NOW / 1000 + 60),
        closed
    );
    assert_eq!(due_after(0, false, |s| s.charged = s.cap), closed);
}

#[test]
fn a_closing_session_is_settled_at_once_and_a_failed_one_by_nobody() {
    let closing = |s: &mut Session| s.state = SessionState::Closing;
    assert_eq!(due_after(0, true, closing), Some(("closing", true, true)));
    let failed = |s: &mut Session| s.state = SessionState::Failed;
    assert_eq!(due_after(0, true, failed), Some(("failed", false, true)));
    let done = |s: &mut Session| s.state = SessionState::Closed;
    assert_eq!(due_after(9999, true, done), None);
}

#[test]
fn a_merchants_session_is_closed_and_never_settled_by_us() {
    let merchants = |s: &mut Session| s.keeper = Keeper::Merchant;
    assert_eq!(due_after(120, true, merchants), None);
    assert_eq!(
        due_after(1800, true, merchants),
        Some(("auto_close", false, true))
    );
}

#[test]
fn a_share_of_the_largest_cap_is_found_without_overflow() {
    let mut session = session();
    session.cap = Amount::from(U256::MAX);
    session.charged = Amount::from(U256::MAX / U256::from(10) * U256::from(9));
    assert!(reaches(&session, 89));
    assert!(!reaches(&session, 91));
    session.charged = session.cap;
    assert!(reaches(&session, 100));
}
