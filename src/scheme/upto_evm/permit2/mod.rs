//! A payment by Permit2 through the x402 `upto` proxy: the payer permits a ceiling, and only the account of ours that the payer names may charge it.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use async_trait::async_trait;

use super::NAME;
use crate::chain::evm::contracts::{UPTO_PERMIT2_PROXY, UptoPermit2Proxy, UptoWitness};
use crate::chain::evm::work::Guard;
use crate::clock::UnixMillis;
use crate::protocol::payment::{Payment, Purpose};
use crate::protocol::{Amount, Reason};
use crate::scheme::evm::Chain;
use crate::scheme::evm::permit2::{Permitted, Trial, wire};
use crate::scheme::evm::requested::{self, Requested};
use crate::scheme::evm::sponsoring::Sponsoring;
use crate::scheme::verified::{Identity, Verified};
use crate::scheme::{Checked, Refusal, Rejection};

/// A Permit2 payment whose in-process checks are done.
#[derive(Debug)]
pub(super) struct Upto {
    permitted: Permitted,
    /// The account that the payer named: the only one that the proxy lets settle.
    facilitator: Address,
    identity: Identity,
    rejection: Option<Rejection>,
}

/// Does every check that needs no chain.
///
/// # Errors
/// A payload or requirements that cannot be read.
pub(super) fn check(
    chain: Arc<Chain>,
    payment: &Payment,
    now: UnixMillis,
) -> Result<Upto, Rejection> {
    let payload = parse(payment)?;
    let requested = Requested::parse(NAME, &payment.requirements)
        .map_err(|rejection| rejection.of(&payload.payer))?;
    let facilitator = payload.transfer.facilitator.unwrap_or_default();
    let permitted = Permitted::new(chain, requested, payment, payload, now);
    // The ceiling is what was agreed on: a repeated request is the same payment whatever it charges.
    let agreed = Requested {
        amount: permitted.transfer.amount,
        ..permitted.requested.clone()
    };
    let mut checked = Upto {
        identity: permitted.identity(&agreed),
        permitted,
        facilitator,
        rejection: None,
    };
    checked.rejection = checked.flaw(payment);
    Ok(checked)
}

/// A member that is missing or no string makes it another kind of payload, as in the reference.
fn parse(payment: &Payment) -> Result<wire::Payload, Rejection> {
    let written = wire::Written::<wire::UptoWitness>::read(&payment.payload);
    let written = written.map_err(|rejection| Rejection {
        reason: Reason::UnsupportedPayloadType,
        payer: Some(String::new()),
        ..rejection
    })?;
    written.parse()
}

impl Upto {
    /// The first failure in the reference order that no chain read can overrule.
    fn flaw(&self, payment: &Payment) -> Option<Rejection> {
        let exceeds = self.flaw_of_charge(payment.purpose);
        let flaw = self
            .flaw_of_requirements(payment.purpose)
            .or_else(|| {
                self.flaw_before_signature(payment)
                    .map(|reason| (reason, None))
            })
            .or_else(|| self.permitted.flaw_of_proof(exceeds.is_some()))
            .or(exceeds.map(|reason| (reason, None)));
        flaw.map(|flaw| self.permitted.rejected(flaw))
    }

    /// Nothing may be charged, but not permitted.
    fn flaw_of_requirements(&self, purpose: Purpose) -> Option<(Reason, Option<&'static str>)> {
        let ceiling = match purpose {
            Purpose::Verify => self.permitted.requested.amount,
            Purpose::Settle => self.permitted.transfer.amount,
        };
        ceiling.is_zero().then_some((
            Reason::InvalidPaymentRequirements,
            Some("the ceiling must be more than zero"),
        ))
    }

    fn flaw_before_signature(&self, payment: &Payment) -> Option<Reason> {
        if !requested::schemes_agree(payment, NAME) {
            return Some(Reason::InvalidUptoEvmScheme);
        }
        if !requested::networks_agree(payment) {
            return Some(Reason::InvalidUptoEvmNetworkMismatch);
        }
        let permitted = &self.permitted;
        permitted
            .flaw_of_parties(UPTO_PERMIT2_PROXY)
            .or_else(|| self.flaw_of_facilitator())
            .or_else(|| permitted.flaw_of_window())
            .or_else(|| self.flaw_of_ceiling(payment.purpose))
            .or_else(|| permitted.flaw_of_token())
    }

    fn flaw_of_facilitator(&self) -> Option<Reason> {
        let is_ours = self.permitted.chain.signers.contains(&self.facilitator);
        (!is_ours).then_some(Reason::UptoFacilitatorMismatch)
    }

    /// What is asked for at `/verify` is the ceiling.
    fn flaw_of_ceiling(&self, purpose: Purpose) -> Option<Reason> {
        let differs = self.permitted.transfer.amount != self.permitted.requested.amount;
        (purpose == Purpose::Verify && differs).then_some(Reason::Permit2AmountMismatch)
    }

    /// What is asked for at `/settle` is the charge.
    fn flaw_of_charge(&self, purpose: Purpose) -> Option<Reason> {
        let exceeds = self.permitted.requested.amount > self.permitted.transfer.amount;
        (purpose == Purpose::Settle && exceeds)
            .then_some(Reason::InvalidUptoEvmSettlementExceedsAmount)
    }

    /// What a lane would send. The proxy moves no nothing: a charge of zero is tried at the ceiling, which is what the payer agreed to bear.
    fn trial(&self) -> Trial {
        let charge = self.permitted.requested.amount;
        let amount = if charge.is_zero() {
            self.permitted.transfer.amount
        } else {
            charge
        };
        Trial {
            proxy: UPTO_PERMIT2_PROXY,
            from: Some(self.facilitator),
            data: self.call(amount).into(),
            amount,
        }
    }

    fn call(&self, amount: U256) -> Vec<u8> {
        let permit = self.permitted.permit();
        let witness = UptoWitness {
            to: self.permitted.transfer.to,
            facilitator: self.facilitator,
            validAfter: self.permitted.transfer.valid_after,
        };
        let owner = self.permitted.owner;
        let signature = self.permitted.signed.bytes.clone();
        match &self.permitted.sponsoring {
            Sponsoring::Absent | Sponsoring::Malformed(..) => UptoPermit2Proxy::settleCall {
                permit,
                amount,
                owner,
                witness,
                signature,
            }
            .abi_encode(),
            Sponsoring::Present { sponsored, .. } => UptoPermit2Proxy::settleWithPermitCall {
                permit2612: sponsored.argument(),
                permit,
                amount,
                owner,
                witness,
                signature,
            }
            .abi_encode(),
        }
    }
}

#[async_trait]
impl Checked for Upto {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    fn expired(&self) -> Reason {
        Reason::Permit2DeadlineExpired
    }

    fn ceiling(&self) -> Option<Amount> {
        Some(Amount::from(self.permitted.transfer.amount))
    }

    async fn verify(self: Box<Self>) -> Result<Verified, Refusal> {
        if let Some(rejection) = self.rejection {
            return Err(Refusal::Rejected(rejection));
        }
        let permitted = &self.permitted;
        let work = permitted.confirm(&self.trial()).await?;
        let guard = Guard::Permit2 {
            nonce: permitted.transfer.nonce,
            deadline: permitted.transfer.deadline,
            ceiling: Some(permitted.transfer.amount),
        };
        // Alone: the proxy wants to be called by the account itself, which Multicall3 is not.
        let mut terms = permitted
            .requested
            .terms(permitted.owner, &work, guard, false);
        terms.required_sender = Some(format!("{:#x}", self.facilitator));
        if permitted.requested.amount.is_zero() {
            // What was tried would charge the ceiling: it must not be on record as something to send.
            "{}".clone_into(&mut terms.work);
            return Ok(Verified::closing(self.identity, terms));
        }
        Ok(Verified::new(self.identity, terms))
    }
}
