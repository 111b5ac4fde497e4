//! `eip2612GasSponsoring`: an EIP-2612 permit that gives Permit2 its allowance in the settlement itself.

use alloy::primitives::{Address, U256};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::wire;
use crate::chain::evm::contracts::{PERMIT2, Permit2612};
use crate::chain::evm::eip712::Permit;
use crate::chain::evm::signature::Ecdsa;
use crate::protocol::{Object, Reason};

/// The extension's id.
pub(in crate::scheme) const EXTENSION: &str = "eip2612GasSponsoring";

/// What the permit must agree with.
#[derive(Debug, Clone, Copy)]
pub(in crate::scheme) struct Expected {
    pub(in crate::scheme) payer: Address,
    pub(in crate::scheme) asset: Address,
    pub(in crate::scheme) amount: U256,
    /// Unix seconds that the deadline must reach.
    pub(in crate::scheme) open_until: U256,
}

/// A permit whose fields are in order. Whether the payer signed it is another question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Sponsored {
    pub(in crate::scheme) permit: Permit,
    pub(in crate::scheme) signature: Ecdsa,
}

impl Sponsored {
    /// The argument of `settleWithPermit`.
    pub(in crate::scheme) fn argument(&self) -> Permit2612 {
        Permit2612 {
            value: self.permit.value,
            deadline: self.permit.deadline,
            r: self.signature.r,
            s: self.signature.s,
            v: self.signature.v,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    info: Option<&'a RawValue>,
}

/// Every member as it is: one that is missing makes the extension absent, one of another type makes it malformed.
#[derive(Deserialize)]
struct Info {
    from: Option<Value>,
    asset: Option<Value>,
    spender: Option<Value>,
    amount: Option<Value>,
    nonce: Option<Value>,
    deadline: Option<Value>,
    signature: Option<Value>,
    version: Option<Value>,
}

/// Reads the extension; `None` when it is absent, which it also is when a required member is.
///
/// # Errors
/// The first failure in the reference order, with a sentence for people.
pub(in crate::scheme) fn read(
    extension: Option<&RawValue>,
    expected: &Expected,
) -> Option<Result<Sponsored, (Reason, &'static str)>> {
    let Object(envelope): Object<Envelope<'_>> = serde_json::from_str(extension?.get()).ok()?;
    let info = envelope.info?.get();
    let Ok(Object(info)) = serde_json::from_str::<Object<Info>>(info) else {
        let is_object = info.trim_start().starts_with('{');
        let twice = (
            Reason::InvalidEip2612ExtensionFormat,
            "a member is given twice",
        );
        return is_object.then_some(Err(twice));
    };
    let members = complete([
        info.from,
        info.asset,
        info.spender,
        info.amount,
        info.nonce,
        info.deadline,
        info.signature,
        info.version,
    ])?;
    Some(check(&members, expected))
}

/// The members when none is missing, `null` or empty.
fn complete<const N: usize>(members: [Option<Value>; N]) -> Option<[Value; N]> {
    let present = |member: &Option<Value>| match member {
        Some(Value::Null) | None => false,
        Some(Value::String(text)) => !text.is_empty(),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => true,
    };
    let whole = members.iter().all(present);
    whole.then(|| members.map(Option::unwrap_or_default))
}

fn check(members: &[Value; 8], expected: &Expected) -> Result<Sponsored, (Reason, &'static str)> {
    let malformed = |message| (Reason::InvalidEip2612ExtensionFormat, message);
    let text = |n: usize| members[n].as_str().unwrap_or_default();
    let address = |n, message| wire::address(text(n)).ok_or_else(|| malformed(message));
    let number = |n, message| wire::number(text(n)).ok_or_else(|| malformed(message));
    let from = address(0, "info.from is not an address")?;
    let asset = address(1, "info.asset is not an address")?;
    let spender = address(2, "info.spender is not an address")?;
    let amount = number(3, "info.amount is not a number")?;
    let nonce = number(4, "info.nonce is not a number")?;
    let deadline = number(5, "info.deadline is not a number")?;
    let signature = wire::signature(text(6)).and_then(|bytes| Ecdsa::parse(&bytes));
    let signature = signature
        .ok_or_else(|| malformed("info.signature is not 65 bytes that a token would take"))?;
    if !is_version(text(7)) {
        return Err(malformed("info.version is not a version"));
    }
    if from != expected.payer {
        return Err((
            Reason::Eip2612FromMismatch,
            "the permit is not by the payer",
        ));
    }
    if asset != expected.asset {
        return Err((
            Reason::Eip2612AssetMismatch,
            "the permit is for another asset",
        ));
    }
    if spender != PERMIT2 {
        return Err((
            Reason::Eip2612SpenderNotPermit2,
            "the permit is not for Permit2",
        ));
    }
    if deadline < expected.open_until {
        return Err((Reason::Eip2612DeadlineExpired, "the permit has expired"));
    }
    if amount != expected.amount {
        // The proxy demands equality and reverts otherwise.
        return Err((
            Reason::Permit2Permit2612AmountMismatch,
            "the permit is for another amount than the transfer",
        ));
    }
    Ok(Sponsored {
        permit: Permit {
            owner: from,
            spender,
            value: amount,
            nonce,
            deadline,
        },
        signature,
    })
}

/// `1`, `1.0`, `1.0.2`
fn is_version(text: &str) -> bool {
    text.split('.')
        .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::address;
    use serde_json::json;

    use super::*;

    const PAYER: Address = Address::repeat_byte(0xa1);
    const ASSET: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");

    fn expected() -> Expected {
        Expected {
            payer: PAYER,
            asset: ASSET,
            amount: U256::from(10_000),
            open_until: U256::from(1006),
        }
    }

    fn info() -> Value {
        json!({
            "from": PAYER,
            "asset": ASSET,
            "spender": PERMIT2,
            "amount": "10000",
            "nonce": "0",
            "deadline": "1006",
            "signature": format!("0x{}{}1b", "11".repeat(32), "22".repeat(32)),
            "version": "1",
        })
    }

    fn read_info(info: &Value) -> Option<Result<Sponsored, Reason>> {
        let text = json!({"info": info, "schema": {}}).to_string();
        let raw = RawValue::from_string(text).unwrap();
        read(Some(&raw), &expected()).map(|read| read.map_err(|(reason, _)| reason))
    }

    #[test]
    fn reads_a_complete_permit() {
        let sponsored = read_info(&info()).unwrap().unwrap();
        assert_eq!(sponsored.permit.owner, PAYER);
        assert_eq!(sponsored.permit.deadline, U256::from(1006));
        assert_eq!(sponsored.argument().v, 27);
    }

    #[test]
    fn one_wrong_member_has_its_own_reason() {
        let format = Reason::InvalidEip2612ExtensionFormat;
        let high_s = format!("0x{}{}1b", "11".repeat(32), "ff".repeat(32));
        for (member, value, reason) in [
            ("from", json!("0x12"), format),
            ("asset", json!("USDC"), format),
            ("spender", json!(7), format),
            ("amount", json!("-1"), format),
            ("amount", json!(10_000), format),
            ("nonce", json!("0x0"), format),
            ("deadline", json!("soon"), format),
            ("signature", json!("0x1234"), format),
            ("signature", json!(high_s), format),
            ("version", json!("v1"), format),
            ("from", json!(ASSET), Reason::Eip2612FromMismatch),
            ("asset", json!(PAYER), Reason::Eip2612AssetMismatch),
            ("spender", json!(PAYER), Reason::Eip2612SpenderNotPermit2),
            ("deadline", json!("1005"), Reason::Eip2612DeadlineExpired),
            (
                "amount",
                json!("10001"),
                Reason::Permit2Permit2612AmountMismatch,
            ),
        ] {
            let mut info = info();
            info[member] = value.clone();
            assert_eq!(read_info(&info), Some(Err(reason)), "{member} = {value}");
        }
    }

    #[test]
    fn an_incomplete_permit_is_absent() {
        for member in [
            "from",
            "asset",
            "spender",
            "amount",
            "nonce",
            "deadline",
            "signature",
            "version",
        ] {
            let mut missing = info();
            missing.as_object_mut().unwrap().remove(member);
            assert_eq!(read_info(&missing), None, "without {member}");
            for empty in [json!(null), json!("")] {
                let mut emptied = info();
                emptied[member] = empty;
                assert_eq!(read_info(&emptied), None, "{member} empty");
            }
        }
        assert_eq!(read_info(&json!(null)), None);
        assert_eq!(read_info(&json!("text")), None);
        assert!(read(None, &expected()).is_none());
    }

    #[test]
    fn refuses_a_member_given_twice() {
        let text = r#"{"info": {"from": "0x1", "from": "0x2"}}"#;
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        let read = read(Some(&raw), &expected()).unwrap();
        assert_eq!(
            read.map_err(|(reason, _)| reason),
            Err(Reason::InvalidEip2612ExtensionFormat)
        );
    }
}
