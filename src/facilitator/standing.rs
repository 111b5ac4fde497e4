//! How a network stands: whether its nodes answer, and whether some lane of it takes payments.

use std::collections::HashMap;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Check, LaneView, NetworkView};
use crate::chain::pulse::{Pulse, Shown};
use crate::observe::{self, Purse};
use crate::protocol::Network;
use crate::store::LaneRow;

/// A lane whose holder shows no sign of life for so long is nobody's: somebody will take it.
const LIFELESS: Duration = Duration::from_secs(12);

/// Since when each lane's heartbeat is what it is.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<HashMap<(String, String), (i64, Instant)>>);

impl Holds {
    pub(super) fn note(&self, row: &LaneRow, now: Instant) {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (row.network.clone(), row.signer.clone());
        let beat = beats.entry(key).or_insert((row.heartbeat, now));
        if beat.0 != row.heartbeat {
            *beat = (row.heartbeat, now);
        }
    }

    /// Whether the row's holder lives, as far as anybody can tell who looks on.
    fn is_leased(&self, row: &LaneRow, now: Instant) -> bool {
        let beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (row.network.clone(), row.signer.clone());
        let is_fresh =
            |(_, since): &(i64, Instant)| now.saturating_duration_since(*since) < LIFELESS;
        row.is_held && beats.get(&key).is_some_and(is_fresh)
    }
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lane {
    signer: String,
    is_leased: bool,
    next_nonce: Option<u64>,
    paused: Option<String>,
    purse: Purse,
}

/// One network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Standing {
    network: Network,
    /// Operator-facing name.
    name: String,
    /// Which nodes answer.
    up: Vec<bool>,
    shown: Option<Shown>,
    lanes: Vec<Lane>,
}

impl Standing {
    pub(super) fn new(
        pulse: &Pulse,
        rows: &[LaneRow],
        holds: &Holds,
        purses: &HashMap<(String, String), Purse>,
    ) -> Self {
        let now = Instant::now();
        let lane = |signer: &String| {
            let row = rows
                .iter()
                .find(|row| row.network == pulse.network.as_str() && &row.signer == signer);
            let key = (pulse.network.to_string(), signer.clone());
            Lane {
                signer: signer.clone(),
                is_leased: row.is_some_and(|row| holds.is_leased(row, now)),
                next_nonce: row.map(|row| row.next_nonce),
                paused: row.and_then(|row| row.paused.clone()),
                purse: purses.get(&key).copied().unwrap_or_default(),
            }
        };
        Self {
            network: pulse.network.clone(),
            name: pulse.name.clone(),
            up: pulse.up(),
            shown: pulse.shown(),
            lanes: pulse.signers.iter().map(lane).collect(),
        }
    }

    /// Whether a payment of this network would be settled now: some node answers, and some lane is not paused. A lane that nobody holds at the
    /// moment counts, as its next holder takes it within seconds.
    pub(super) fn can_settle(&self) -> bool {
        self.is_reachable() && self.lanes.iter().any(|lane| lane.paused.is_none())
    }

    fn is_reachable(&self) -> bool {
        self.up.contains(&true)
    }

    pub(super) fn observe(&self) {
        observe::endpoints(&self.network, &self.up);
        observe::network_ready(&self.network, self.can_settle());
        for lane in &self.lanes {
            observe::lane_state(&self.network, &lane.signer, lane.paused.as_deref());
            observe::lane_leased(&self.network, &lane.signer, lane.is_leased);
            // Where there are account nonces, one was read.
            let has_nonce = self.network.chain_id().is_some();
            if let Some(nonce) = lane.next_nonce.filter(|_| has_nonce) {
                observe::nonces(&self.network, &lane.signer, "db", nonce);
            }
        }
    }

    /// The network's line of `/readyz?verbose` and those of its lanes.
    pub(super) fn checks(&self) -> Vec<Check> {
        let up = self.up.iter().filter(|up| **up).count();
        let active = self.lanes.iter().filter(|lane| lane.paused.is_none());
        let head = match &self.shown {
            Some(shown) => format!(
                "block {} was {} s old when last looked at",
                shown.head,
                shown.head_age.as_secs()
            ),
            None => "no block was read yet".to_owned(),
        };
        let network = Check {
            name: format!("network {}", self.network),
            ok: self.can_settle(),
            detail: format!(
                "{}: {up} of {} nodes answer on the right chain; {head}; {} of {} lanes take payments",
                self.name,
                self.up.len(),
                active.count(),
                self.lanes.len(),
            ),
        };
        let lane = |lane: &Lane| Check {
            name: format!("lane {} {}", self.network, lane.signer),
            ok: lane.is_leased && lane.paused.is_none(),
            detail: lane.detail(),
        };
        let lanes = self.lanes.iter().map(lane);
        std::iter::once(network).chain(lanes).collect()
    }
}

impl From<&Standing> for NetworkView {
    fn from(standing: &Standing) -> Self {
        let lane = |lane: &Lane| LaneView {
            signer: lane.signer.clone(),
            is_leased: lane.is_leased,
            next_nonce: lane.next_nonce,
            paused: lane.paused.clone(),
            purse: lane.purse,
        };
        let shown = standing.shown.as_ref();
        Self {
            network: standing.network.to_string(),
            is_ready: standing.can_settle(),
            nodes_up: standing.up.iter().filter(|up| **up).count(),
            nodes: standing.up.len(),
            head: shown.map(|shown| shown.head),
            head_age: shown.map(|shown| shown.head_age),
            lanes: standing.lanes.iter().map(lane).collect(),
        }
    }
}

impl Lane {
    fn detail(&self) -> String {
        let held = if self.is_leased {
            "leased"
        } else {
            "held by nobody at the moment"
        };
        let state = match &self.paused {
            Some(reason) => format!("paused: {reason}"),
            None => "takes payments".to_owned(),
        };
        let mut detail = format!("{held}; {state}");
        if let Some(balance) = self.purse.balance {
            let _ = write!(detail, "; funds {}", coins(balance));
        }
        if let Some(runway) = self.purse.runway {
            let _ = write!(detail, ", for about {runway} settlements");
        }
        if let (Some(spent), Some(cap)) = (self.purse.spent_today, self.purse.daily_cap) {
            let (spent, cap) = (coins(spent), coins(cap));
            let _ = write!(detail, "; spent today {spent} of {cap}");
        }
        detail
    }
}

/// Billionths of billionths of the native coin, in coins, to six places.
pub fn coins(wei: u128) -> String {
    const COIN: u128 = 1_000_000_000_000_000_000;
    const PLACE: u128 = 1_000_000_000_000;
    let text = format!("{}.{:06}", wei / COIN, wei % COIN / PLACE);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(heartbeat: i64) -> LaneRow {
        LaneRow {
            network: "eip155:1".to_owned(),
            signer: "0xa".to_owned(),
            heartbeat,
            is_held: true,
            next_nonce: 0,
            paused: None,
        }
    }

    fn lane(paused: Option<&str>) -> Lane {
        Lane {
            signer: "0xa".to_owned(),
            is_leased: true,
            next_nonce: Some(1),
            paused: paused.map(ToOwned::to_owned),
            purse: Purse {
                balance: Some(1_500_000_000_000_000_000),
                runway: Some(12),
                spent_today: Some(0),
                daily_cap: Some(100_000_000_000_000_000),
                in_flight: Some(0),
            },
        }
    }

    fn standing(up: &[bool], lanes: Vec<Lane>) -> Standing {
        Standing {
            network: Network::eip155(1),
            name: "ethereum".to_owned(),
            up: up.to_vec(),
            shown: None,
            lanes,
        }
    }

    #[test]
    fn a_network_settles_with_one_node_and_one_lane() {
        let paused = || lane(Some("the signer cannot pay for gas"));
        for (up, lanes, can_settle) in [
            (&[false, true][..], vec![paused(), lane(None)], true),
            (&[true], vec![paused(), paused()], false),
            (&[false, false], vec![lane(None)], false),
            (&[], vec![lane(None)], false),
            (&[true], vec![], false),
        ] {
            let standing = standing(up, lanes);
            assert_eq!(standing.can_settle(), can_settle, "{standing:?}");
        }
    }

    #[test]
    fn a_lane_tells_why_it_is_paused_and_what_it_has() {
        let paused = lane(Some("the daily spend cap is reached"));
        let checks = standing(&[true], vec![lane(None), paused]).checks();
        let told: Vec<(&str, bool)> = checks
            .iter()
            .map(|check| (check.name.as_str(), check.ok))
            .collect();
        let lane = "lane eip155:1 0xa";
        assert_eq!(
            told,
            [("network eip155:1", true), (lane, true), (lane, false)]
        );
        assert_eq!(
            checks[2].detail,
            "leased; paused: the daily spend cap is reached; funds 1.5, for about 12 settlements; spent today 0 of 0.1"
        );
    }

    #[test]
    fn a_holder_whose_heart_stands_still_is_nobody() {
        let holds = Holds::default();
        let start = Instant::now();
        let after = |seconds| start + Duration::from_secs(seconds);
        holds.note(&row(1), start);
        assert!(holds.is_leased(&row(1), after(11)));
        holds.note(&row(1), after(11));
        assert!(!holds.is_leased(&row(1), after(12)));
        holds.note(&row(2), after(13));
        assert!(holds.is_leased(&row(2), after(14)));
        let given_back = LaneRow {
            is_held: false,
            ..row(2)
        };
        assert!(!holds.is_leased(&given_back, after(14)));
    }

    #[test]
    fn coins_are_told_as_people_write_them() {
        for (wei, text) in [
            (0, "0"),
            (1, "0"),
            (1_000_000_000_000, "0.000001"),
            (2_050_000_000_000_000_000, "2.05"),
            (30_000_000_000_000_000_000, "30"),
        ] {
            assert_eq!(coins(wei), text);
        }
    }
}
