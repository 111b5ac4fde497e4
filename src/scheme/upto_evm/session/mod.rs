//! ERC-2612 sessions: the owner permits a cap to an account of ours, and many calls are charged under it.
//!
//! Here is what a permit says and what the chain says of it. How much of it is promised, owed and settled is the facilitator's account.

mod batch;
mod onchain;
mod permit;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use async_trait::async_trait;
use serde_json::Value;

use self::permit::SignedPermit;
use self::wire::{Payload, Signature};
use super::NAME;
use crate::chain::evm::eip712::Domain;
use crate::clock::UnixMillis;
use crate::protocol::payment::{Payment, Purpose, Requirements};
use crate::protocol::{Amount, Reason};
use crate::scheme::evm::identity::{permit_fingerprint, permit_key};
use crate::scheme::evm::requested::{self, Requested};
use crate::scheme::evm::{Chain, wire as members};
use crate::scheme::session::{ChainSees, Opening, SessionChecked, Standing};
use crate::scheme::{Refusal, Rejection};

pub(super) use batch::{Wanted, batch};

/// Time that a permit must have left, seconds: a block or two to be executed in.
const TIME_LEFT: u64 = 6;

/// A call under a permit whose in-process checks are done.
#[derive(Debug)]
pub(super) struct Call {
    chain: Arc<Chain>,
    requested: Requested,
    permit: SignedPermit,
    opening: Opening,
    rejection: Option<Rejection>,
    now: UnixMillis,
}

/// Does every check that needs no chain.
///
/// # Errors
/// `invalid_upto_evm_payload` or `invalid_payment_requirements`: there is no permit to speak of, or nothing is asked for.
pub(super) fn check(
    chain: Arc<Chain>,
    payment: &Payment,
    now: UnixMillis,
) -> Result<Call, Rejection> {
    let agree = requested::schemes_agree(payment, NAME);
    let payload = Payload::read(payment).map_err(|rejection| {
        // What it is meant for comes before what is wrong with it.
        let reason = if agree {
            rejection.reason
        } else {
            Reason::UnsupportedScheme
        };
        Rejection {
            reason,
            ..rejection
        }
    })?;
    let requested = Requested::parse(NAME, &payment.requirements)
        .map_err(|rejection| rejection.of(&payload.payer))?;
    let digest = digest(&chain, &payment.requirements, &requested, &payload);
    let permit = SignedPermit {
        permit: payload.permit.clone(),
        signature: payload.ecdsa(),
    };
    let flaw = Checks {
        chain: &chain,
        payment,
        requested: &requested,
        payload: &payload,
        digest,
        now,
    }
    .flaw();
    let rejection = flaw.map(|(reason, message)| Rejection {
        reason,
        message: message.map(ToOwned::to_owned),
        payer: Some(payload.payer.clone()),
        retry_after: None,
    });
    let opening = Opening {
        id: payload.session_id.clone(),
        permit_key: permit_key(chain.network.chain_id, requested.asset, &payload.permit),
        fingerprint: permit_fingerprint(&payload.permit, digest.unwrap_or_default()),
        network: requested.network.clone(),
        wire_network: payment.wire_network.clone(),
        asset: format!("{:#x}", requested.asset),
        owner: format!("{:#x}", payload.permit.owner),
        spender: format!("{:#x}", payload.permit.spender),
        pay_to: format!("{:#x}", requested.pay_to),
        payer: payload.payer.clone(),
        cap: Amount::from(payload.permit.value),
        deadline: i64::try_from(payload.permit.deadline).unwrap_or(i64::MAX),
        permit: permit.to_json(),
    };
    Ok(Call {
        chain,
        requested,
        permit,
        opening,
        rejection,
        now,
    })
}

/// What the owner signs; `None` without the token's name and version.
fn digest(
    chain: &Chain,
    requirements: &Requirements,
    requested: &Requested,
    payload: &Payload,
) -> Option<B256> {
    let (name, version) = requirements
        .extra_text("name")
        .zip(requirements.extra_text("version"))?;
    let domain = Domain {
        chain_id: chain.network.chain_id,
        contract: requested.asset,
        name: name.to_owned(),
        version: version.to_owned(),
    };
    Some(payload.permit.digest(chain.domains.separator(&domain)))
}

type Flaw = (Reason, Option<&'static str>);

/// What the checks look at.
struct Checks<'a> {
    chain: &'a Chain,
    payment: &'a Payment,
    requested: &'a Requested,
    payload: &'a Payload,
    digest: Option<B256>,
    now: UnixMillis,
}

impl Checks<'_> {
    /// The first failure in the order of the system that this dialect comes from.
    fn flaw(&self) -> Option<Flaw> {
        let plain = |reason: Option<Reason>| reason.map(|reason| (reason, None));
        plain(self.flaw_of_envelope())
            .or_else(|| self.flaw_of_asset())
            .or_else(|| plain(self.flaw_of_spender()))
            .or_else(|| self.flaw_of_cap())
            .or_else(|| plain(self.flaw_of_time()))
            .or_else(|| self.flaw_of_signature())
    }

    fn flaw_of_envelope(&self) -> Option<Reason> {
        if !requested::schemes_agree(self.payment, NAME) {
            return Some(Reason::UnsupportedScheme);
        }
        if !requested::networks_agree(self.payment) {
            return Some(Reason::NetworkMismatch);
        }
        self.digest.is_none().then_some(Reason::MissingEip712Domain)
    }

    fn flaw_of_asset(&self) -> Option<Flaw> {
        let accepted = self.payment.accepted_asset.as_deref();
        // The session is named after the asset that the buyer accepted, and the permit is checked for the one that is asked for.
        if accepted.and_then(members::address) != Some(self.requested.asset) {
            let message = "the accepted asset is not the one that is asked for";
            return Some((Reason::InvalidUptoEvmPayload, Some(message)));
        }
        requested::asset_flaw(self.chain, self.requested.asset).map(|reason| (reason, None))
    }

    fn flaw_of_spender(&self) -> Option<Reason> {
        let is_ours = self.chain.signers.contains(&self.payload.permit.spender);
        (!is_ours).then_some(Reason::SpenderNotFacilitator)
    }

    fn flaw_of_cap(&self) -> Option<Flaw> {
        let (cap, amount) = (self.payload.permit.value, self.requested.amount);
        // A call may turn out to cost nothing; one that is asked for at a price of nothing is a mistake.
        if amount.is_zero() && self.payment.purpose == Purpose::Verify {
            let message = "amount must be more than zero";
            return Some((Reason::InvalidPaymentRequirements, Some(message)));
        }
        if cap < amount || cap.is_zero() {
            return Some((Reason::CapTooLow, None));
        }
        match least_cap(&self.payment.requirements) {
            Ok(least) => (cap < least).then_some((Reason::CapBelowRequiredMax, None)),
            Err(message) => Some((Reason::InvalidPaymentRequirements, Some(message))),
        }
    }

    fn flaw_of_time(&self) -> Option<Reason> {
        let soonest = U256::from(self.now.as_secs().saturating_add(TIME_LEFT));
        (self.payload.permit.deadline < soonest).then_some(Reason::AuthorizationExpired)
    }

    /// A permit is executed with the parts of one ECDSA signature: whatever else a wallet may sign with could never be settled.
    fn flaw_of_signature(&self) -> Option<Flaw> {
        let owner = match self.payload.signature {
            Signature::Ecdsa(parts) => self.digest.and_then(|digest| parts.recover(digest)),
            Signature::Mirrored => None,
            Signature::Foreign => {
                let message = "only 65 bytes with v of 0, 1, 27 or 28 can be executed";
                return Some((Reason::UnsupportedSignatureType, Some(message)));
            }
        };
        let is_signed = owner == Some(self.payload.permit.owner);
        (!is_signed).then_some((Reason::InvalidPermitSignature, None))
    }
}

/// The least cap that the resource server takes: `extra.maxAmountRequired`, else `extra.maxAmount`, else nothing.
fn least_cap(requirements: &Requirements) -> Result<U256, &'static str> {
    let present = |name: &str| requirements.extra.get(name).filter(|v| !v.is_null());
    let Some(least) = present("maxAmountRequired").or_else(|| present("maxAmount")) else {
        return Ok(U256::ZERO);
    };
    let read = match least {
        Value::String(text) => Amount::parse(text).map(Amount::units),
        Value::Number(number) => number.as_u64().map(U256::from),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    };
    read.ok_or("maxAmountRequired and maxAmount must be decimal digits of atomic units")
}

#[async_trait]
impl SessionChecked for Call {
    fn opening(&self) -> &Opening {
        &self.opening
    }

    fn amount(&self) -> Amount {
        Amount::from(self.requested.amount)
    }

    fn rejection(&self) -> Option<&Rejection> {
        self.rejection.as_ref()
    }

    async fn verify(&self, standing: &Standing) -> Result<ChainSees, Refusal> {
        if let Some(rejection) = &self.rejection {
            return Err(Refusal::Rejected(rejection.clone()));
        }
        let token = onchain::Token {
            chain: &self.chain,
            asset: self.requested.asset,
        };
        let seen = token.read(&self.permit, self.now).await?;
        let needs = onchain::Needs {
            amount: self.requested.amount,
            outstanding: standing.outstanding.units(),
            permit_landed: standing.permit_landed,
        };
        let permit = onchain::judge(&seen, &self.permit.permit, &needs)
            .map_err(|flaw| flaw.of(&self.opening.payer))?;
        Ok(ChainSees { permit })
    }
}

/// The address of a session's column.
fn address(text: &str) -> Option<Address> {
    members::address(text)
}
