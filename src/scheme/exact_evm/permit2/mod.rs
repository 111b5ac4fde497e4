//! A payment by Permit2 through the x402 `exact` proxy.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy::sol_types::SolCall;
use async_trait::async_trait;

use super::NAME;
use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, ExactPermit2Proxy, ExactWitness};
use crate::chain::evm::work::{Guard, Kind};
use crate::clock::UnixMillis;
use crate::protocol::Reason;
use crate::protocol::payment::Payment;
use crate::scheme::evm::Chain;
use crate::scheme::evm::permit2::{Permitted, Trial, wire};
use crate::scheme::evm::requested::{self, Requested};
use crate::scheme::evm::sponsoring::Sponsoring;
use crate::scheme::verified::{Identity, Verified};
use crate::scheme::{Checked, Refusal, Rejection};

/// A Permit2 payment whose in-process checks are done.
#[derive(Debug)]
pub(super) struct Exact {
    permitted: Permitted,
    identity: Identity,
    rejection: Option<Rejection>,
}

/// Does every check that needs no chain.
///
/// # Errors
/// Requirements that cannot be read.
pub(super) fn check(
    chain: Arc<Chain>,
    payment: &Payment,
    payload: wire::Payload,
    now: UnixMillis,
) -> Result<Exact, Rejection> {
    let requested = Requested::parse(NAME, &payment.requirements)
        .map_err(|rejection| rejection.of(&payload.payer))?;
    let permitted = Permitted::new(chain, requested, payment, payload, now);
    Ok(Exact {
        rejection: flaw(&permitted, payment),
        identity: permitted.identity(&permitted.requested),
        permitted,
    })
}

/// The first failure in the reference order that no chain read can overrule.
fn flaw(permitted: &Permitted, payment: &Payment) -> Option<Rejection> {
    let flaw = permitted
        .requested
        .flaw()
        .map(|(reason, message)| (reason, Some(message)))
        .or_else(|| flaw_before_signature(permitted, payment).map(|reason| (reason, None)))
        .or_else(|| permitted.flaw_of_proof(false));
    flaw.map(|flaw| permitted.rejected(flaw))
}

fn flaw_before_signature(permitted: &Permitted, payment: &Payment) -> Option<Reason> {
    if !requested::schemes_agree(payment, NAME) {
        return Some(Reason::UnsupportedPayloadType);
    }
    if !requested::networks_agree(payment) {
        return Some(Reason::InvalidExactEvmNetworkMismatch);
    }
    permitted
        .flaw_of_parties(EXACT_PERMIT2_PROXY)
        .or_else(|| permitted.flaw_of_window())
        .or_else(|| flaw_of_amount(permitted))
        .or_else(|| permitted.flaw_of_token())
}

fn flaw_of_amount(permitted: &Permitted) -> Option<Reason> {
    let differs = permitted.transfer.amount != permitted.requested.amount;
    differs.then_some(Reason::Permit2AmountMismatch)
}

/// What a lane would send.
fn trial(permitted: &Permitted) -> Trial {
    let permit = permitted.permit();
    let witness = ExactWitness {
        to: permitted.transfer.to,
        validAfter: permitted.transfer.valid_after,
    };
    let (owner, signature) = (permitted.owner, permitted.signed.bytes.clone());
    let data = match &permitted.sponsoring {
        Sponsoring::Absent | Sponsoring::Malformed(..) => ExactPermit2Proxy::settleCall {
            permit,
            owner,
            witness,
            signature,
        }
        .abi_encode(),
        Sponsoring::Present { sponsored, .. } => ExactPermit2Proxy::settleWithPermitCall {
            permit2612: sponsored.argument(),
            permit,
            owner,
            witness,
            signature,
        }
        .abi_encode(),
    };
    Trial {
        proxy: EXACT_PERMIT2_PROXY,
        from: None,
        data: data.into(),
        amount: permitted.transfer.amount,
    }
}

#[async_trait]
impl Checked for Exact {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    fn expired(&self) -> Reason {
        Reason::Permit2DeadlineExpired
    }

    async fn verify(self: Box<Self>) -> Result<Verified, Refusal> {
        if let Some(rejection) = self.rejection {
            return Err(Refusal::Rejected(rejection));
        }
        let permitted = self.permitted;
        let work = permitted.confirm(&trial(&permitted)).await?;
        let requested = &permitted.requested;
        let batchable = work.kind == Kind::Permit2 && permitted.chain.lists(requested.asset);
        let guard = Guard::Permit2 {
            nonce: permitted.transfer.nonce,
            deadline: permitted.transfer.deadline,
            ceiling: None,
        };
        let terms = requested.terms(permitted.owner, &work, guard, batchable);
        Ok(Verified::new(self.identity, terms))
    }
}
