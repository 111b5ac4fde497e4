//! What the chain says of a permit: one read, and the decision whether the owner can be charged under it.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;

use super::permit::SignedPermit;
use crate::chain::evm::contracts;
use crate::chain::evm::eip712::Permit;
use crate::chain::evm::reads::{CallResult, Read};
use crate::chain::evm::work::PermitCall;
use crate::clock::UnixMillis;
use crate::protocol::Reason;
use crate::scheme::evm::Chain;
use crate::scheme::evm::payers::Payer;
use crate::scheme::evm::simulation::{Attempt, Simulated, question};
use crate::scheme::session::PermitState;
use crate::scheme::{Refusal, Rejection};

/// A token on a chain.
#[derive(Clone, Copy)]
pub(super) struct Token<'a> {
    pub(super) chain: &'a Chain,
    pub(super) asset: Address,
}

/// One block's word about an owner and a spender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) owner: Payer,
    pub(super) is_contract: bool,
    /// Unix seconds.
    pub(super) timestamp: u64,
    /// The permit nonce that comes next; `None` where the token has no permits.
    pub(super) nonce: Option<U256>,
    pub(super) balance: Option<U256>,
    pub(super) allowance: Option<U256>,
    /// The permit, tried.
    pub(super) permit: Simulated,
}

/// What the owner must be good for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    pub(super) amount: U256,
    /// Promised or owed besides.
    pub(super) outstanding: U256,
    pub(super) permit_landed: bool,
}

/// Why a permit is no good now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Flaw {
    Rejected(Reason, &'static str),
    /// The chain is between two states of ours, or says nothing: a moment later it is clear.
    Unclear(&'static str),
}

impl Flaw {
    pub(super) fn of(self, payer: &str) -> Refusal {
        match self {
            Self::Rejected(reason, message) => {
                Refusal::Rejected(Rejection::new(reason).because(message).of(payer))
            }
            Self::Unclear(message) => Refusal::Unavailable(message.to_owned()),
        }
    }
}

impl Token<'_> {
    pub(super) async fn read(
        &self,
        permit: &SignedPermit,
        now: UnixMillis,
    ) -> Result<Seen, Refusal> {
        let Some(call) = permit.call() else {
            return Err(Refusal::Unavailable("the permit is unreadable".to_owned()));
        };
        let attempt = self.attempt(&call);
        let read = self.questions(&permit.permit, &attempt);
        let (owner, answer) = self.chain.ask(&read, now).await?;
        let [nonce, balance, allowance, tried] = &answer.results[..] else {
            return Err(Refusal::Unavailable("the read is incomplete".to_owned()));
        };
        Ok(Seen {
            owner,
            is_contract: answer.codes.get(1).is_some_and(|code| !code.is_empty()),
            timestamp: answer.timestamp,
            nonce: word(nonce),
            balance: word(balance),
            allowance: word(allowance),
            permit: attempt.judge(tried, call.gas_limit),
        })
    }

    fn attempt(&self, call: &PermitCall) -> Attempt {
        Attempt {
            to: self.asset,
            data: call.data.clone(),
            gas_limit: call.gas_limit,
        }
    }

    /// The permit is tried last: it changes what the others ask for.
    fn questions(&self, permit: &Permit, attempt: &Attempt) -> Read {
        let (owner, spender) = (permit.owner, permit.spender);
        let nonces = contracts::Token::noncesCall { owner };
        let balance = contracts::Token::balanceOfCall { account: owner };
        let allowance = contracts::Token::allowanceCall { owner, spender };
        Read {
            from: None,
            accounts: vec![owner, self.asset],
            calls: vec![
                question(self.asset, nonces.abi_encode()),
                question(self.asset, balance.abi_encode()),
                question(self.asset, allowance.abi_encode()),
                attempt.call(),
            ],
        }
    }
}

fn word(result: &CallResult) -> Option<U256> {
    let word = result.data.get(..32).filter(|_| result.success)?;
    Some(U256::from_be_slice(word))
}

/// Whether the owner can be charged, and where the permit stands. What is reported is the failure that comes first in the reference order: the
/// balance, then the permit, then the allowance.
///
/// An allowance counts only when this permit is known to have made it. `nonces(owner)` beyond the permit's says that *a* permit was consumed; that it
/// was this one is believed only of the very last one, and only while the allowance is exactly what this one gives.
pub(super) fn judge(seen: &Seen, permit: &Permit, needs: &Needs) -> Result<PermitState, Flaw> {
    use Flaw::{Rejected, Unclear};
    if !seen.is_contract {
        return Err(Rejected(
            Reason::AssetNotDeployedContract,
            "the asset has no code",
        ));
    }
    let Some(nonce) = seen.nonce else {
        return Err(Rejected(Reason::PermitFailed, "the token has no permits"));
    };
    let (Some(balance), Some(allowance)) = (seen.balance, seen.allowance) else {
        return Err(Unclear("the token does not tell balance and allowance"));
    };
    let needed = needs.amount.saturating_add(needs.outstanding);
    if balance < needed {
        let message = "the owner has less than is promised and owed";
        return Err(Rejected(Reason::InsufficientBalance, message));
    }
    if needs.permit_landed {
        // A reorg took it back; the lane sends it again.
        if nonce <= permit.nonce {
            return Err(Unclear("the permit is on its way"));
        }
        return if allowance < needed {
            let message = "the allowance is less than is promised and owed";
            Err(Rejected(Reason::InsufficientAllowance, message))
        } else {
            Ok(PermitState::Landed)
        };
    }
    if nonce < permit.nonce {
        let message = "an earlier permit of the owner must be executed first";
        return Err(Rejected(Reason::PermitFailed, message));
    }
    if nonce > permit.nonce {
        return consumed(nonce, allowance, permit, needs);
    }
    runs(seen, permit)
}

/// Its nonce is consumed, and not by a transaction that is known to us.
fn consumed(
    nonce: U256,
    allowance: U256,
    permit: &Permit,
    needs: &Needs,
) -> Result<PermitState, Flaw> {
    let is_last = nonce.checked_sub(permit.nonce) == Some(U256::ONE);
    if is_last && allowance == permit.value {
        return Ok(PermitState::FrontRun);
    }
    // Our own batch may have landed a moment ago: nobody has told the record yet.
    if allowance.saturating_add(needs.outstanding) >= permit.value && !needs.outstanding.is_zero() {
        return Err(Flaw::Unclear("the permit is landing"));
    }
    let message = "the permit's nonce was consumed by another permit";
    Err(Flaw::Rejected(Reason::PermitFailed, message))
}

/// Its nonce is the next one: it must run.
fn runs(seen: &Seen, permit: &Permit) -> Result<PermitState, Flaw> {
    if permit.deadline < U256::from(seen.timestamp) {
        let message = "the permit's deadline has passed";
        return Err(Flaw::Rejected(Reason::AuthorizationExpired, message));
    }
    match (&seen.permit, seen.owner) {
        (Simulated::Paid, _) => Ok(PermitState::NotLanded),
        (Simulated::TooDear, _) => Err(Flaw::Rejected(
            Reason::PermitFailed,
            "the permit needs too much gas",
        )),
        (Simulated::Reverted(_), Payer::WithCode) => Err(Flaw::Rejected(
            Reason::UnsupportedSignatureType,
            "the owner has code, and the token does not take its key's signature",
        )),
        (Simulated::Reverted(_), Payer::WithoutCode) => Err(Flaw::Rejected(
            Reason::PermitFailed,
            "the token refuses the permit",
        )),
    }
}
