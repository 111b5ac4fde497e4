//! The buyer's Permit2 payload.

use alloy::primitives::{Address, Bytes};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::chain::evm::eip712::PermitTransfer;
use crate::protocol::Object;
use crate::scheme::Rejection;
use crate::scheme::evm::wire::{
    Unreadable, address, malformed, member, number, payer, read, signature,
};

/// A Permit2 payload whose members are what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Payload {
    /// `permit2Authorization.from` as written.
    pub(in crate::scheme) payer: String,
    pub(in crate::scheme) owner: Address,
    pub(in crate::scheme) transfer: PermitTransfer,
    pub(in crate::scheme) signature: Bytes,
}

/// A payload as it was written: every member is there and is a string. `W` is the proxy's witness.
#[derive(Deserialize)]
#[serde(
    rename_all = "camelCase",
    bound(deserialize = "W: serde::de::DeserializeOwned")
)]
pub(in crate::scheme) struct Written<W> {
    signature: String,
    permit2_authorization: Object<WrittenAuthorization<W>>,
}

#[derive(Deserialize)]
#[serde(bound(deserialize = "W: serde::de::DeserializeOwned"))]
struct WrittenAuthorization<W> {
    from: String,
    permitted: Object<WrittenPermitted>,
    spender: String,
    nonce: String,
    deadline: String,
    witness: Object<W>,
}

#[derive(Deserialize)]
struct WrittenPermitted {
    token: String,
    amount: String,
}

/// What a payer says beside the permit itself.
pub(in crate::scheme) trait Witness: DeserializeOwned {
    fn to(&self) -> &str;
    fn facilitator(&self) -> Option<&str>;
    fn valid_after(&self) -> &str;
}

/// The witness of the `exact` proxy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::scheme) struct ExactWitness {
    to: String,
    valid_after: String,
}

/// The witness of the `upto` proxy.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::scheme) struct UptoWitness {
    to: String,
    facilitator: String,
    valid_after: String,
}

impl Witness for ExactWitness {
    fn to(&self) -> &str {
        &self.to
    }

    fn facilitator(&self) -> Option<&str> {
        None
    }

    fn valid_after(&self) -> &str {
        &self.valid_after
    }
}

impl Witness for UptoWitness {
    fn to(&self) -> &str {
        &self.to
    }

    fn facilitator(&self) -> Option<&str> {
        Some(&self.facilitator)
    }

    fn valid_after(&self) -> &str {
        &self.valid_after
    }
}

impl<W: Witness> Written<W> {
    /// # Errors
    /// `invalid_payload`: a member is missing, or is no string.
    pub(in crate::scheme) fn read(raw: &RawValue) -> Result<Self, Rejection> {
        read(raw)
    }

    /// # Errors
    /// `invalid_payload`, with the payer where one could be read: a member is not what contracts take.
    pub(in crate::scheme) fn parse(self) -> Result<Payload, Rejection> {
        let Object(written) = self.permit2_authorization;
        let owner = payer(&written.from)?;
        let signature = member("signature", signature(&self.signature));
        let parsed = transfer(&written).and_then(|transfer| Ok((transfer, signature?)));
        let (transfer, signature) = parsed.map_err(|name| malformed(name).of(&written.from))?;
        Ok(Payload {
            payer: written.from,
            owner,
            transfer,
            signature,
        })
    }
}

fn transfer<W: Witness>(written: &WrittenAuthorization<W>) -> Result<PermitTransfer, Unreadable> {
    let (permitted, witness) = (&written.permitted.0, &written.witness.0);
    let facilitator = witness.facilitator().map(address);
    let facilitator = facilitator.map(|read| member("witness.facilitator", read));
    Ok(PermitTransfer {
        token: member("permitted.token", address(&permitted.token))?,
        amount: member("permitted.amount", number(&permitted.amount))?,
        spender: member("spender", address(&written.spender))?,
        nonce: member("nonce", number(&written.nonce))?,
        deadline: member("deadline", number(&written.deadline))?,
        to: member("witness.to", address(witness.to()))?,
        facilitator: facilitator.transpose()?,
        valid_after: member("witness.validAfter", number(witness.valid_after()))?,
    })
}
