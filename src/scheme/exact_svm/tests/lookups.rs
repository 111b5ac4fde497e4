//! Accounts that a message takes from lookup tables: they are read before they are judged, and nothing hides behind them.

use super::*;
use crate::chain::svm::ledger::{NotLoaded, Unavailable};
use crate::chain::svm::work::Work;
use crate::scheme::Refusal;
use crate::scheme::exact_svm::policy::{LookupTables, SmartWallet};

fn destination() -> Pubkey {
    account_of(pay_to(), programs::TOKEN)
}

/// A good payment whose mint and destination come from a table.
fn with_table() -> Case {
    Case {
        table: vec![other(), USDC, destination()],
        held: Ok(vec![other(), USDC, destination()]),
        ..Case::new()
    }
}

async fn reason_of(case: &Case) -> Reason {
    assert_eq!(case.rejection(), None, "not before the table is read");
    match case.verify().await {
        Err(Refusal::Rejected(rejection)) => rejection.reason,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_good_payment_is_judged_by_what_the_table_holds() {
    let case = with_table();
    let (scheme, script) = case.scheme();
    let checked = scheme.check(&case.payment(), NOW).unwrap().payment();
    assert_eq!(checked.rejection(), None);
    let verified = checked.verify().await.unwrap();
    assert_eq!(verified.payer(), payer().to_string());
    let trials = script.trials.lock().unwrap();
    assert_eq!(trials[0].accounts, [USDC, destination()]);
    assert!(trials[0].keys.ends_with(&[destination(), USDC]));
}

#[test]
fn the_row_carries_what_was_loaded() {
    let case = with_table();
    let mut sponsored = checked::check(Arc::new(cluster()), &case.payment()).unwrap();
    let loaded = [destination(), USDC];
    sponsored.transaction = sponsored.transaction.load(&loaded).unwrap();
    let validity = crate::chain::svm::ledger::Validity {
        last_valid_block_height: HEIGHT,
        block_height: 0,
        age: 0,
    };
    let paid = checked::Paid {
        kind: crate::chain::svm::work::Kind::Transfer,
        transfer: token::Transfer::parse(&sponsored.transaction.instructions().unwrap()[2])
            .unwrap(),
        fee: checked::MintFee::None,
    };
    let terms = terms::of(&sponsored, &paid, validity);
    let work: Work = serde_json::from_str(&terms.work).unwrap();
    assert_eq!(work.loaded, loaded);
}

#[tokio::test]
async fn no_key_of_ours_is_reached_through_a_table() {
    for key in [fee_payer(), second_fee_payer()] {
        // In an instruction, and as an account that none names before somebody calls with it.
        for place in [1, 2] {
            let mut case = with_table();
            case.held.as_mut().unwrap()[place] = key;
            let reason = Reason::InvalidExactSvmFeePayerNotIsolated;
            assert_eq!(reason_of(&case).await, reason);
        }
        let mut case = with_table();
        case.edit = |message| message.address_table_lookups[0].readonly_indexes.push(0);
        case.held.as_mut().unwrap()[0] = key;
        let reason = Reason::InvalidExactSvmFeePayerNotIsolated;
        assert_eq!(reason_of(&case).await, reason);
    }
}

#[tokio::test]
async fn a_table_that_holds_something_else_pays_nobody() {
    for (place, key, reason) in [
        (1, other(), Reason::InvalidExactSvmMintMismatch),
        (
            2,
            account_of(other(), programs::TOKEN),
            Reason::InvalidExactSvmRecipientMismatch,
        ),
        // Listed and loaded: the runtime takes no account twice.
        (1, payer(), Reason::InvalidExactSvmAltResolutionFailed),
    ] {
        let mut case = with_table();
        case.held.as_mut().unwrap()[place] = key;
        assert_eq!(reason_of(&case).await, reason);
    }
}

#[tokio::test]
async fn a_table_that_cannot_be_used_is_a_verdict_and_one_that_cannot_be_read_is_none() {
    let unusable = Case {
        held: Err(NotLoaded::Unusable("it does not exist".to_owned())),
        ..with_table()
    };
    let reason = Reason::InvalidExactSvmAltResolutionFailed;
    assert_eq!(reason_of(&unusable).await, reason);
    let unavailable = Unavailable("nobody is there".to_owned());
    let unread = Case {
        held: Err(NotLoaded::Unavailable(unavailable)),
        ..with_table()
    };
    let refusal = unread.verify().await.unwrap_err();
    assert_eq!(refusal, Refusal::Unavailable("nobody is there".to_owned()));
}

#[test]
fn what_is_bad_whatever_the_tables_hold_costs_no_read() {
    let change = |change: fn(&mut Case)| {
        let mut case = with_table();
        change(&mut case);
        case
    };
    for (case, reason) in [
        (
            change(|case| case.version = Version::V1),
            Reason::InvalidExactSvmTransactionUndecodable,
        ),
        (
            change(|case| case.policy.lookup_tables = LookupTables::Refused),
            Reason::InvalidExactSvmAltResolutionNotAvailable,
        ),
        (
            change(|case| case.set_budget(200_001, 1)),
            Reason::InvalidExactSvmComputeLimitTooHigh,
        ),
        (
            change(|case| case.instructions.push(guard_by(programs::ASSOCIATED_TOKEN))),
            Reason::InvalidExactSvmUnknownFifthInstruction,
        ),
        (
            change(|case| case.instructions[2].accounts.push(readonly(fee_payer()))),
            Reason::InvalidExactSvmFeePayerNotIsolated,
        ),
        (
            change(|case| {
                case.policy.smart_wallet = Some(SmartWallet::default());
                case.instructions.push(guard_by(SYSTEM));
            }),
            Reason::InvalidExactSvmProgramNotAllowed,
        ),
        (
            change(|case| case.edit = |message| repeat(message, 8)),
            Reason::InvalidExactSvmAltResolutionFailed,
        ),
        (
            change(|case| {
                case.edit = |message| {
                    let indexes = &mut message.address_table_lookups[0].readonly_indexes;
                    indexes.extend([0; 64]);
                }
            }),
            Reason::InvalidExactSvmAltResolutionFailed,
        ),
    ] {
        let rejection = case.rejection().map(|rejection| rejection.reason);
        assert_eq!(rejection, Some(reason));
    }
}

fn guard_by(program: Pubkey) -> solana_instruction::Instruction {
    ix(program, &[], &[5, 0])
}

fn repeat(message: &mut solana_message::v0::Message, more: usize) {
    let lookup = message.address_table_lookups[0].clone();
    let more = std::iter::repeat_n(lookup, more);
    message.address_table_lookups.extend(more);
}
