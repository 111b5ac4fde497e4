use alloy::primitives::U256;

use super::permit;
use crate::protocol::Reason;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::simulation::Simulated;
use crate::scheme::session::PermitState;
use crate::scheme::upto_evm::session::onchain::{Flaw, Needs, Seen, judge};

/// The permit is next, and the owner is good for the cap.
fn fresh() -> Seen {
    Seen {
        owner: Payer::WithoutCode,
        is_contract: true,
        timestamp: 1_700_000_000,
        nonce: Some(permit().nonce),
        balance: Some(permit().value),
        allowance: Some(U256::ZERO),
        permit: Simulated::Paid,
    }
}

/// The permit was executed, and nothing was taken yet.
fn executed() -> Seen {
    Seen {
        nonce: Some(permit().nonce + U256::ONE),
        allowance: Some(permit().value),
        permit: Simulated::Reverted("0x".parse().unwrap()),
        ..fresh()
    }
}

fn needs() -> Needs {
    Needs {
        amount: U256::from(10),
        outstanding: U256::ZERO,
        permit_landed: false,
    }
}

fn landed() -> Needs {
    Needs {
        permit_landed: true,
        ..needs()
    }
}

#[track_caller]
fn refused(seen: &Seen, needs: &Needs, reason: Reason) {
    match judge(seen, &permit(), needs) {
        Err(Flaw::Rejected(told, _)) => assert_eq!(told, reason),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn unclear(seen: &Seen, needs: &Needs) {
    let judged = judge(seen, &permit(), needs);
    assert!(matches!(judged, Err(Flaw::Unclear(_))), "{judged:?}");
}

fn state(seen: &Seen, needs: &Needs) -> Result<PermitState, Flaw> {
    judge(seen, &permit(), needs)
}

#[test]
fn a_permit_that_runs_has_not_landed() {
    assert_eq!(state(&fresh(), &needs()), Ok(PermitState::NotLanded));
}

#[test]
fn a_permit_that_is_known_to_have_landed_pays_from_its_allowance() {
    let partly = Seen {
        allowance: Some(U256::from(10)),
        ..executed()
    };
    assert_eq!(state(&partly, &landed()), Ok(PermitState::Landed));
    let less = Seen {
        allowance: Some(U256::from(9)),
        ..executed()
    };
    refused(&less, &landed(), Reason::InsufficientAllowance);
}

#[test]
fn a_permit_that_somebody_sent_first_is_known_by_its_allowance() {
    assert_eq!(state(&executed(), &needs()), Ok(PermitState::FrontRun));
}

/// The hole of the replaced system: any allowance that covered the amount was spent.
#[test]
fn an_allowance_of_another_permit_is_never_spent() {
    let (one, cap) = (U256::ONE, permit().value);
    for allowance in [cap - one, cap + one, U256::MAX, U256::from(10)] {
        let other = Seen {
            allowance: Some(allowance),
            ..executed()
        };
        refused(&other, &needs(), Reason::PermitFailed);
    }
    // The same cap again, by a later permit.
    let later = Seen {
        nonce: Some(permit().nonce + U256::from(2)),
        ..executed()
    };
    refused(&later, &needs(), Reason::PermitFailed);
    // An allowance by hand does not help a permit that does not run.
    let by_hand = Seen {
        allowance: Some(U256::MAX),
        permit: Simulated::Reverted("0x".parse().unwrap()),
        ..fresh()
    };
    refused(&by_hand, &needs(), Reason::PermitFailed);
}

#[test]
fn a_permit_whose_turn_has_not_come_is_refused() {
    let early = Seen {
        nonce: Some(permit().nonce - U256::ONE),
        ..fresh()
    };
    refused(&early, &needs(), Reason::PermitFailed);
}

#[test]
fn the_balance_bears_what_is_promised_and_owed_besides() {
    let needs = Needs {
        outstanding: permit().value - U256::from(10),
        ..needs()
    };
    assert_eq!(state(&fresh(), &needs), Ok(PermitState::NotLanded));
    let poor = Seen {
        balance: Some(permit().value - U256::ONE),
        ..fresh()
    };
    refused(&poor, &needs, Reason::InsufficientBalance);
    let most = Needs {
        outstanding: U256::MAX,
        ..needs
    };
    refused(&fresh(), &most, Reason::InsufficientBalance);
}

#[test]
fn what_is_in_between_is_unclear_and_no_verdict() {
    // A reorg took the permit back.
    unclear(&fresh(), &landed());
    // Our batch is in a block, and not on record yet.
    let landing = Seen {
        allowance: Some(permit().value - U256::from(30)),
        ..executed()
    };
    let owing = Needs {
        outstanding: U256::from(30),
        ..needs()
    };
    unclear(&landing, &owing);
    for silent in [
        Seen {
            balance: None,
            ..fresh()
        },
        Seen {
            allowance: None,
            ..fresh()
        },
    ] {
        unclear(&silent, &needs());
    }
}

#[test]
fn tokens_and_owners_that_can_never_be_charged_are_refused() {
    let none = Seen {
        is_contract: false,
        ..fresh()
    };
    refused(&none, &needs(), Reason::AssetNotDeployedContract);
    let without_permits = Seen {
        nonce: None,
        ..fresh()
    };
    refused(&without_permits, &needs(), Reason::PermitFailed);
    let dear = Seen {
        permit: Simulated::TooDear,
        ..fresh()
    };
    refused(&dear, &needs(), Reason::PermitFailed);
    let wallet = Seen {
        owner: Payer::WithCode,
        permit: Simulated::Reverted("0x".parse().unwrap()),
        ..fresh()
    };
    refused(&wallet, &needs(), Reason::UnsupportedSignatureType);
    // A delegated account whose token takes its key's signature is as good as any.
    let delegated = Seen {
        owner: Payer::WithCode,
        ..fresh()
    };
    assert_eq!(state(&delegated, &needs()), Ok(PermitState::NotLanded));
}

#[test]
fn a_permit_is_executed_until_its_deadline_and_not_after() {
    let deadline = permit().deadline.to::<u64>();
    let last = Seen {
        timestamp: deadline,
        ..fresh()
    };
    assert_eq!(state(&last, &needs()), Ok(PermitState::NotLanded));
    let past = Seen {
        timestamp: deadline + 1,
        ..fresh()
    };
    refused(&past, &needs(), Reason::AuthorizationExpired);
    let executed = Seen {
        timestamp: deadline + 1,
        ..executed()
    };
    assert_eq!(state(&executed, &landed()), Ok(PermitState::Landed));
}
