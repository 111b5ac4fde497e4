//! The buyer's payload, read strictly: whatever a contract would choke on is refused here.

use alloy::primitives::{Address, Bytes};
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::chain::evm::eip712::Authorization;
use crate::protocol::payment::{Payment, Version};
use crate::protocol::{Object, Reason};
use crate::scheme::Rejection;
use crate::scheme::evm::permit2::{
    self,
    wire::{ExactWitness, Written},
};
use crate::scheme::evm::wire::{
    Unreadable, address, malformed, member, number, payer, read, signature, word,
};

/// The kinds of payload that this scheme takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Payload {
    Eip3009(Eip3009),
    Permit2(permit2::wire::Payload),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Eip3009 {
    /// `authorization.from` as written.
    pub(super) payer: String,
    pub(super) authorization: Authorization,
    pub(super) signature: Bytes,
}

/// The members that tell kinds of payload apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    permit2_authorization: Option<IgnoredAny>,
    delegation_manager: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct WireEip3009 {
    signature: String,
    authorization: Object<WireAuthorization>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireAuthorization {
    from: String,
    to: String,
    value: String,
    valid_after: String,
    valid_before: String,
    nonce: String,
}

/// Reads the payload; its shape alone tells EIP-3009 from Permit2.
///
/// # Errors
/// `invalid_payload`, with the payer where one could be read; `unsupported_payload_type` for delegations (ERC-7710) and for Permit2 in version 1.
pub(super) fn parse(payment: &Payment) -> Result<Payload, Rejection> {
    let shape: Shape = read(&payment.payload)?;
    let is_permit2 = shape.permit2_authorization.is_some();
    let unsupported = match payment.version {
        Version::V1 => is_permit2 || shape.delegation_manager.is_some(),
        Version::V2 => !is_permit2 && shape.delegation_manager.is_some(),
    };
    if unsupported {
        return Err(Rejection::new(Reason::UnsupportedPayloadType));
    }
    if is_permit2 {
        let written = Written::<ExactWitness>::read(&payment.payload)?;
        written.parse().map(Payload::Permit2)
    } else {
        let wire: WireEip3009 = read(&payment.payload)?;
        parse_eip3009(wire).map(Payload::Eip3009)
    }
}

fn parse_eip3009(wire: WireEip3009) -> Result<Eip3009, Rejection> {
    let Object(written) = wire.authorization;
    let from = payer(&written.from)?;
    let signature = member("signature", signature(&wire.signature));
    let read = read_authorization(from, &written).and_then(|read| Ok((read, signature?)));
    let (authorization, signature) = read.map_err(|m| malformed(m).of(&written.from))?;
    Ok(Eip3009 {
        payer: written.from,
        authorization,
        signature,
    })
}

fn read_authorization(
    from: Address,
    written: &WireAuthorization,
) -> Result<Authorization, Unreadable> {
    Ok(Authorization {
        from,
        to: member("to", address(&written.to))?,
        value: member("value", number(&written.value))?,
        valid_after: member("validAfter", number(&written.valid_after))?,
        valid_before: member("validBefore", number(&written.valid_before))?,
        nonce: member("nonce", word(&written.nonce))?,
    })
}

#[cfg(test)]
mod tests {
    use alloy::primitives::Address;
    use serde_json::value::RawValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::scheme::evm::testing::*;
    use crate::scheme::evm::wire::SIGNATURE_MAX;

    fn refusal(payload: &Value) -> Rejection {
        parse(&Envelope::new().payment(payload)).unwrap_err()
    }

    #[test]
    fn one_malformed_member_makes_the_payload_invalid() {
        let over = format!("1{}", "0".repeat(78));
        for (payload, member, value) in [
            (
                eip3009_payload(&authorization()),
                "/authorization",
                vec![
                    ("to", json!("0x1234")),
                    ("to", json!(format!("{:x}", PAY_TO))),
                    ("value", json!("-1")),
                    ("value", json!("0x10")),
                    ("value", json!(10_000)),
                    ("value", json!(over)),
                    ("validAfter", json!("1.5")),
                    ("validBefore", json!("")),
                    ("nonce", json!("0x11")),
                    ("nonce", json!("1")),
                    ("nonce", json!(null)),
                ],
            ),
            (
                permit2_payload(&transfer()),
                "/permit2Authorization",
                vec![
                    ("spender", json!("proxy")),
                    ("nonce", json!("0x1")),
                    ("deadline", json!("never")),
                    ("permitted", json!({"token": USDC, "amount": "1e3"})),
                    ("permitted", json!({"token": "USDC", "amount": "1"})),
                    ("permitted", json!({"token": USDC})),
                    ("witness", json!({"to": "me", "validAfter": "0"})),
                    ("witness", json!({"to": PAY_TO, "validAfter": "+0"})),
                ],
            ),
        ] {
            for (name, wrong) in value {
                let mut payload = payload.clone();
                payload.pointer_mut(member).unwrap()[name] = wrong.clone();
                let rejection = refusal(&payload);
                assert_eq!(rejection.reason, Reason::InvalidPayload, "{name} = {wrong}");
            }
        }
    }

    #[test]
    fn a_malformed_signature_makes_the_payload_invalid() {
        let long = format!("0x{}", "00".repeat(SIGNATURE_MAX + 1));
        for wrong in ["0x123", "1234", "0xzz", "", long.as_str()] {
            for mut payload in [
                eip3009_payload(&authorization()),
                permit2_payload(&transfer()),
            ] {
                payload["signature"] = json!(wrong);
                let rejection = refusal(&payload);
                assert_eq!(rejection.reason, Reason::InvalidPayload);
                assert_eq!(rejection.payer, Some(format!("{:#x}", key().address())));
            }
        }
    }

    #[test]
    fn a_payer_that_is_no_account_makes_the_payload_invalid() {
        for wrong in [json!("0x12"), json!(Address::ZERO), json!(7)] {
            let mut eip3009 = eip3009_payload(&authorization());
            eip3009["authorization"]["from"] = wrong.clone();
            let mut permit2 = permit2_payload(&transfer());
            permit2["permit2Authorization"]["from"] = wrong;
            for payload in [eip3009, permit2] {
                let rejection = refusal(&payload);
                assert_eq!(rejection.reason, Reason::InvalidPayload);
                assert_eq!(rejection.payer, None);
            }
        }
    }

    #[test]
    fn a_member_given_twice_makes_the_payload_invalid() {
        let text = eip3009_payload(&authorization()).to_string();
        let twice = text.replacen("\"nonce\"", "\"value\":\"1\",\"nonce\"", 1);
        let mut payment = Envelope::new().payment(&json!({}));
        payment.payload = RawValue::from_string(twice).unwrap();
        assert_eq!(parse(&payment).unwrap_err().reason, Reason::InvalidPayload);
    }

    #[test]
    fn reads_addresses_in_any_case_and_ignores_unknown_members() {
        let mut payload = eip3009_payload(&authorization());
        payload["authorization"]["to"] = json!(format!("0x{}", hex_upper(PAY_TO)));
        payload["memo"] = json!("hello");
        let read = parse(&Envelope::new().payment(&payload)).unwrap();
        let Payload::Eip3009(read) = read else {
            panic!("not EIP-3009: {read:?}");
        };
        assert_eq!(read.authorization, authorization());
    }

    fn hex_upper(address: Address) -> String {
        format!("{address:x}")
            .trim_start_matches("0x")
            .to_uppercase()
    }
}
