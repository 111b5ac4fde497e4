//! Whether a transaction that landed has paid.

use serde_json::Value;

use super::effect::Effect;
use super::work::Expect;
use crate::protocol::Reason;

/// A confirmed transaction, as its node tells it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Landed {
    /// The runtime's `TransactionError`, as JSON: the fee was paid, and nothing else happened.
    pub error: Option<Value>,
    /// Its instructions, top level and inner; `None` where they could not be had.
    pub effects: Option<Vec<Effect>>,
    /// What the destination gained, from the token balances before and after; `None` where they could not be had.
    pub gained: Option<i128>,
}

/// The verdict.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Landing {
    Paid,
    /// It ended with an error.
    Failed {
        message: String,
    },
    /// It succeeded without paying: a smart wallet did something else than in the simulation.
    NotPaid,
    /// Not enough is known. Ask again.
    Unproven,
}

impl Landing {
    /// The code of a landing that is no payment.
    pub fn reason(&self) -> Option<Reason> {
        match self {
            Self::Failed { .. } => Some(Reason::InvalidExactSvmTransactionFailed),
            Self::NotPaid => Some(Reason::PostSettlementTransferNotConfirmed),
            Self::Paid | Self::Unproven => None,
        }
    }
}

/// Judges what landed. Both the transfer and the gain have to be right where both are known; one of them has to be known.
pub fn judge(expect: &Expect, landed: &Landed) -> Landing {
    if let Some(error) = &landed.error {
        return Landing::Failed {
            message: format!("Transaction failed onchain: {error}"),
        };
    }
    let gained_enough = match (expect.gain, landed.gained) {
        (Some(least), Some(gained)) => Some(gained >= i128::from(least)),
        (None, _) | (_, None) => None,
    };
    let was_transferred = landed.effects.as_deref().map(|effects| {
        effects.iter().any(|effect| pays(expect, effect))
            && (gained_enough.is_some() || !is_taken_back(expect, effects))
    });
    match (was_transferred, gained_enough) {
        (Some(false), _) | (_, Some(false)) => Landing::NotPaid,
        (Some(true), _) | (None, Some(true)) => Landing::Paid,
        (None, None) => Landing::Unproven,
    }
}

fn pays(expect: &Expect, effect: &Effect) -> bool {
    effect.transfer.as_ref().is_some_and(|transfer| {
        transfer.mint == expect.mint
            && transfer.destination == expect.destination
            && transfer.source != expect.destination
            && transfer.amount >= expect.amount
    })
}

fn is_taken_back(expect: &Expect, effects: &[Effect]) -> bool {
    let mut taken = effects.iter().filter_map(|effect| effect.takes_from);
    taken.any(|account| account == expect.destination)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use solana_pubkey::Pubkey;

    use super::*;
    use crate::chain::svm::programs;
    use crate::chain::svm::token::Transfer;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn expect() -> Expect {
        Expect {
            mint: key(1),
            source: key(2),
            authority: key(3),
            destination: key(4),
            amount: 100,
            gain: Some(100),
        }
    }

    fn transfer(source: u8, destination: u8, amount: u64) -> Effect {
        let transfer = Transfer {
            token_program: programs::TOKEN,
            source: key(source),
            mint: key(1),
            destination: key(destination),
            authority: key(3),
            amount,
        };
        Effect {
            program: programs::TOKEN,
            accounts: vec![],
            takes_from: Some(transfer.source),
            transfer: Some(transfer),
        }
    }

    #[test]
    fn a_landing_is_judged_by_what_is_known_of_it() {
        let (paid, short) = (transfer(2, 4, 100), transfer(2, 4, 99));
        let back = transfer(4, 2, 100);
        for (effects, gained, landing) in [
            (Some(vec![paid.clone()]), Some(100), Landing::Paid),
            (Some(vec![paid.clone()]), None, Landing::Paid),
            (None, Some(100), Landing::Paid),
            (Some(vec![transfer(2, 4, 101)]), Some(101), Landing::Paid),
            (None, None, Landing::Unproven),
            (None, Some(99), Landing::NotPaid),
            (None, Some(-1), Landing::NotPaid),
            (Some(vec![]), Some(100), Landing::NotPaid),
            (Some(vec![short]), None, Landing::NotPaid),
            (Some(vec![transfer(2, 5, 100)]), None, Landing::NotPaid),
            (Some(vec![transfer(4, 4, 100)]), None, Landing::NotPaid),
            (Some(vec![paid.clone()]), Some(0), Landing::NotPaid),
            (Some(vec![paid.clone(), back]), None, Landing::NotPaid),
        ] {
            let landed = Landed {
                error: None,
                effects,
                gained,
            };
            assert_eq!(judge(&expect(), &landed), landing, "{landed:?}");
        }
        let kept = Landed {
            gained: Some(98),
            effects: Some(vec![paid]),
            error: None,
        };
        let with_fee = Expect {
            gain: None,
            ..expect()
        };
        assert_eq!(judge(&with_fee, &kept), Landing::Paid);
    }

    #[test]
    fn an_error_is_a_failure_whatever_else_is_shown() {
        let landed = Landed {
            error: Some(json!({"InstructionError": [2, {"Custom": 1}]})),
            effects: Some(vec![transfer(2, 4, 100)]),
            gained: Some(100),
        };
        let landing = judge(&expect(), &landed);
        let reason = Some(Reason::InvalidExactSvmTransactionFailed);
        assert_eq!(landing.reason(), reason);
        let message = r#"Transaction failed onchain: {"InstructionError":[2,{"Custom":1}]}"#;
        assert_eq!(
            landing,
            Landing::Failed {
                message: message.to_owned()
            }
        );
        let not_paid = Some(Reason::PostSettlementTransferNotConfirmed);
        assert_eq!(Landing::NotPaid.reason(), not_paid);
    }
}
