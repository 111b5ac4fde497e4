//! `payload.authorization` and `payload.signature`, read strictly: numbers are decimal text, and what cannot be read is refused, never zero.

use alloy::hex;
use alloy::primitives::{Address, Bytes, U256};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::chain::evm::eip712::Permit;
use crate::chain::evm::signature::Ecdsa;
use crate::protocol::payment::Payment;
use crate::protocol::{Object, Reason};
use crate::scheme::Rejection;
use crate::scheme::evm::wire::{self, Unreadable};

/// A permit as it was posted.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) permit: Permit,
    pub(super) signature: Signature,
    /// The owner as written.
    pub(super) payer: String,
    pub(super) session_id: String,
}

/// What the owner signed with, as far as a token could execute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signature {
    Ecdsa(Ecdsa),
    /// A high `s`: the mirror image of a signature, which tokens refuse.
    Mirrored,
    /// Not 65 bytes with `v` of 0, 1, 27 or 28: a wallet's own, which `permit` cannot take.
    Foreign,
}

#[derive(Deserialize)]
struct Written {
    authorization: Option<Value>,
    signature: Option<Value>,
}

/// Every member as it is: what has another type than text is as bad as what is missing.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Authorization {
    from: Option<Value>,
    to: Option<Value>,
    value: Option<Value>,
    valid_before: Option<Value>,
    nonce: Option<Value>,
}

/// What a session is named after, in this order.
#[derive(Serialize)]
struct Named<'a> {
    network: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<&'a str>,
    owner: &'a str,
    spender: &'a str,
    cap: &'a str,
    nonce: &'a str,
    deadline: &'a str,
    signature: &'a str,
}

impl Payload {
    /// # Errors
    /// `invalid_upto_evm_payload`, with the owner as payer where it can be read.
    pub(super) fn read(payment: &Payment) -> Result<Self, Rejection> {
        let Ok(Object(written)) = serde_json::from_str::<Object<Written>>(payment.payload.get())
        else {
            return Err(malformed("payload"));
        };
        let authorization = written.authorization.map(serde_json::from_value);
        let Some(Ok(Object(authorization))) = authorization else {
            return Err(malformed("authorization"));
        };
        let authorization: Authorization = authorization;
        let payer = text(authorization.from.as_ref());
        let owner = payer.and_then(wire::address);
        let owner = owner.filter(|owner| !owner.is_zero());
        let (Some(payer), Some(owner)) = (payer, owner) else {
            return Err(malformed("from"));
        };
        authorization
            .read(payment, owner, written.signature.as_ref())
            .map_err(|member| malformed(member).of(payer))
    }

    /// The signature in the form that tokens take, where there is one.
    pub(super) fn ecdsa(&self) -> Option<Ecdsa> {
        match self.signature {
            Signature::Ecdsa(parts) => Some(parts),
            Signature::Mirrored | Signature::Foreign => None,
        }
    }
}

impl Authorization {
    /// # Errors
    /// The name of the first member that cannot be read.
    fn read(
        &self,
        payment: &Payment,
        owner: Address,
        signature: Option<&Value>,
    ) -> Result<Payload, Unreadable> {
        // A payload without a spender means the recipient.
        let spender = match &self.to {
            None | Some(Value::Null) => Some(payment.requirements.pay_to.as_str()),
            Some(to) => to.as_str(),
        };
        let spender = spender.ok_or("to")?;
        let (nonce, nonce_as_written) = number("nonce", self.nonce.as_ref())?;
        let (deadline, deadline_as_written) = number("validBefore", self.valid_before.as_ref())?;
        let (value, cap) = number("value", self.value.as_ref())?;
        let payer = text(self.from.as_ref()).ok_or("from")?;
        let signature = text(signature).ok_or("signature")?;
        let named = Named {
            network: &payment.accepted_network,
            asset: payment.accepted_asset.as_deref(),
            owner: payer,
            spender,
            cap,
            nonce: nonce_as_written,
            deadline: deadline_as_written,
            signature,
        };
        Ok(Payload {
            session_id: named.digest(),
            permit: Permit {
                owner,
                spender: wire::address(spender).ok_or("to")?,
                value,
                nonce,
                deadline,
            },
            signature: Signature::read(&wire::signature(signature).ok_or("signature")?),
            payer: payer.to_owned(),
        })
    }
}

fn malformed(member: &str) -> Rejection {
    Rejection::new(Reason::InvalidUptoEvmPayload).because(format!("{member} is malformed"))
}

/// A number and its text.
fn number(name: Unreadable, member: Option<&Value>) -> Result<(U256, &str), Unreadable> {
    let written = text(member).ok_or(name)?;
    Ok((wire::number(written).ok_or(name)?, written))
}

impl Named<'_> {
    fn digest(&self) -> String {
        let text = serde_json::to_string(self).expect("text is JSON");
        hex::encode(Sha256::digest(text))
    }
}

fn text(member: Option<&Value>) -> Option<&str> {
    member?.as_str()
}

impl Signature {
    fn read(bytes: &Bytes) -> Self {
        let can_run = bytes.len() == 65 && matches!(bytes[64], 0 | 1 | 27 | 28);
        match Ecdsa::parse(bytes) {
            Some(parts) => Self::Ecdsa(parts),
            None if can_run => Self::Mirrored,
            None => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_named_as_in_the_system_that_this_replaces() {
        let named = Named {
            network: "eip155:8453",
            asset: Some("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"),
            owner: "0x1234567890123456789012345678901234567890",
            spender: "0xabcdefabcdefabcdefabcdefabcdefabcdefabcd",
            cap: "1000000",
            nonce: "0",
            deadline: "1800000000",
            signature: "0xdeadbeef",
        };
        assert_eq!(
            named.digest(),
            "f6ff89aeef4594ad59e74a2f42bd8296e12dfc98c72ad8e4fe0b9ce0c071f32e"
        );
    }

    #[test]
    fn every_member_is_part_of_the_name_and_so_is_its_spelling() {
        let plain = || Named {
            network: "eip155:8453",
            asset: Some("0xAA"),
            owner: "0x12",
            spender: "0xab",
            cap: "1000000",
            nonce: "0",
            deadline: "1800000000",
            signature: "0xdeadbeef",
        };
        let changed = [
            Named {
                network: "eip155:1",
                ..plain()
            },
            Named {
                asset: Some("0xaa"),
                ..plain()
            },
            Named {
                asset: None,
                ..plain()
            },
            Named {
                owner: "0x13",
                ..plain()
            },
            Named {
                spender: "0xAB",
                ..plain()
            },
            Named {
                cap: "01000000",
                ..plain()
            },
            Named {
                nonce: "1",
                ..plain()
            },
            Named {
                deadline: "1800000001",
                ..plain()
            },
            Named {
                signature: "0xdeadbeee",
                ..plain()
            },
        ];
        let mut names: Vec<_> = changed.iter().map(Named::digest).collect();
        names.push(plain().digest());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
