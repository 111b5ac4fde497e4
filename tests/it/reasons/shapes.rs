//! Other requests that are good but for one thing: each had, or could have, a wrong answer of its own.

use alloy::primitives::{Address, Bytes, U256, b256, uint};
use serde_json::{Value, json};

use super::warm_up;
use crate::harness::sign::{self, EXACT_PROXY, Eip3009, Permit2};
use crate::harness::world::{PAYEE, World, price};

/// The order of the curve, of which a signature's `s` is taken modulo.
const ORDER: U256 = uint!(0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141_U256);

#[tokio::test]
async fn signatures_that_a_token_would_refuse_cost_no_read() {
    let world = World::new().await;
    warm_up(&world).await;
    for (name, change) in SIGNATURES {
        let mut body = world.eip3009(|_| {});
        change_signature(&mut body, change);
        assert_refusal(&world, name, &body, "invalid_exact_evm_signature").await;
        let mut body = world.permit2(|_| {});
        change_signature(&mut body, change);
        assert_refusal(&world, name, &body, "invalid_permit2_signature").await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_signature_for_another_domain_is_no_signature_here() {
    let world = World::new().await;
    warm_up(&world).await;
    let reason = "invalid_exact_evm_signature";
    let other_chain = world.eip3009(|p| p.domain.chain_id = Some(U256::from(8453)));
    let other_contract = world.eip3009(|p| p.domain.verifying_contract = Some(PAYEE));
    let other_version = world.eip3009(|p| p.domain.version = Some("1".into()));
    let other_name = world.eip3009(|p| p.domain.name = Some("USD Coin".into()));
    for body in [other_chain, other_contract, other_version, other_name] {
        assert_refusal(&world, "eip3009", &body, reason).await;
    }
    let reason = "invalid_permit2_signature";
    let other_chain = world.permit2(|p| p.domain.chain_id = Some(U256::from(8453)));
    let other_contract = world.permit2(|p| p.domain.verifying_contract = Some(EXACT_PROXY));
    let with_version = world.permit2(|p| p.domain.version = Some("1".into()));
    for body in [other_chain, other_contract, with_version] {
        assert_refusal(&world, "permit2", &body, reason).await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_field_tampered_with_breaks_the_signature_first() {
    let world = World::new().await;
    for (member, value) in [
        ("to", json!(Address::repeat_byte(7))),
        ("value", json!("1")),
        ("validBefore", json!("1")),
        ("validAfter", json!("9999999999")),
        (
            "nonce",
            json!(b256!(
                "0x0101010101010101010101010101010101010101010101010101010101010101"
            )),
        ),
    ] {
        let mut body = world.eip3009(|_| {});
        body["paymentPayload"]["payload"]["authorization"][member] = value;
        let answer = world.client.verify(&body).await;
        let told = &answer.body["invalidReason"];
        assert_eq!(told, "invalid_exact_evm_signature", "{member}");
    }
    world.close().await;
}

#[tokio::test]
async fn payloads_and_terms_that_no_contract_would_take_cost_no_read() {
    let world = World::new().await;
    for (name, pointer, value, reason) in malformed() {
        let mut body = world.eip3009(|_| {});
        *body.pointer_mut(pointer).expect("a member") = value;
        assert_refusal(&world, name, &body, reason).await;
    }
    world.close().await;
}

#[tokio::test]
async fn payloads_of_another_kind_are_named_as_such() {
    let world = World::new().await;
    let reason = "unsupported_payload_type";
    let permit2 = Permit2::new(&price(), world.payer.address()).signed_by(&world.payer);
    let body = price().v1("base-sepolia", &permit2);
    assert_refusal(&world, "Permit2 in version 1", &body, reason).await;
    let delegation =
        json!({"delegationManager": PAYEE, "permissionContext": "0x", "delegator": PAYEE});
    let body = price().v2(&delegation, &Value::Null);
    assert_refusal(&world, "ERC-7710", &body, reason).await;
    let payment = Eip3009::new(&price(), world.payer.address()).signed_by(&world.payer);
    let body = price().v1("base", &payment);
    assert_refusal(&world, "another name", &body, "invalid_network").await;
    let body = price().v1("eip155:84532", &payment);
    assert_refusal(&world, "CAIP-2 in version 1", &body, "invalid_network").await;
    world.close().await;
}

/// A name, the member that is wrong, what it is instead, and the reason.
#[rustfmt::skip]
fn malformed() -> [(&'static str, &'static str, Value, &'static str); 16] {
    const TERMS: &str = "invalid_payment_requirements";
    const PAYLOAD: &str = "invalid_payload";
    [
        ("zero price", "/paymentRequirements/amount", json!("0"), TERMS),
        ("no price", "/paymentRequirements/amount", json!(null), TERMS),
        ("negative price", "/paymentRequirements/amount", json!("-1"), TERMS),
        ("price as a number", "/paymentRequirements/amount", json!(2500), TERMS),
        ("nobody paid", "/paymentRequirements/payTo", json!(Address::ZERO), TERMS),
        ("short payee", "/paymentRequirements/payTo", json!("0x12"), TERMS),
        ("no time", "/paymentRequirements/maxTimeoutSeconds", json!(0), TERMS),
        ("version 1 name", "/paymentRequirements/network", json!("base-sepolia"), "invalid_network"),
        ("no payload", "/paymentPayload/payload", json!("text"), PAYLOAD),
        ("other version", "/x402Version", json!(1), "invalid_x402_version"),
        ("no version", "/paymentPayload/x402Version", json!(null), "invalid_x402_version"),
        ("short payer", "/paymentPayload/payload/authorization/from", json!("0x12"), PAYLOAD),
        ("no payer", "/paymentPayload/payload/authorization/from", json!(Address::ZERO), PAYLOAD),
        ("hexadecimal value", "/paymentPayload/payload/authorization/value", json!("0x9c4"), PAYLOAD),
        ("odd signature", "/paymentPayload/payload/signature", json!("0x123"), PAYLOAD),
        ("a wrapper of nothing", "/paymentPayload/payload/signature", json!(empty_wrapper()), PAYLOAD),
    ]
}

type Change = fn(Vec<u8>) -> Vec<u8>;

const SIGNATURES: [(&str, Change); 5] = [
    ("its mirror image", mirrored),
    ("EIP-2098 compact", |bytes| bytes[..64].to_vec()),
    ("one byte more", |mut bytes| {
        bytes.push(0);
        bytes
    }),
    ("nothing", |_| Vec::new()),
    ("another parity", |mut bytes| {
        bytes[64] = 55 - bytes[64];
        bytes
    }),
];

/// The other signature of the same key over the same digest: `s` above half of the order.
fn mirrored(mut bytes: Vec<u8>) -> Vec<u8> {
    let s = ORDER - U256::from_be_slice(&bytes[32..64]);
    bytes[32..64].copy_from_slice(&s.to_be_bytes::<32>());
    bytes[64] = 55 - bytes[64];
    bytes
}

fn change_signature(body: &mut Value, change: Change) {
    let signature = &mut body["paymentPayload"]["payload"]["signature"];
    let bytes: Bytes = signature.as_str().expect("text").parse().expect("bytes");
    *signature = json!(Bytes::from(change(bytes.to_vec())));
}

/// Ends like a wrapped signature, with nothing in it that could be read.
fn empty_wrapper() -> Bytes {
    let wrapped = sign::undeployed(PAYEE, &Bytes::new(), &Bytes::new());
    wrapped.slice(wrapped.len() - 64..)
}

async fn assert_refusal(world: &World, name: &str, body: &Value, reason: &str) {
    let reads = world.reads();
    let verified = world.client.verify(body).await;
    assert_eq!(verified.status.as_u16(), 200, "{name}");
    let told = &verified.body["invalidReason"];
    assert_eq!(told, reason, "{name}: {}", verified.body);
    let settled = world.client.settle(body).await;
    assert_eq!(settled.status.as_u16(), 200, "{name}");
    let told = &settled.body["errorReason"];
    assert_eq!(told, reason, "{name}: {}", settled.body);
    assert_eq!(settled.body["transaction"], "", "{name}");
    assert_eq!((world.reads(), world.sends()), (reads, 0), "{name}");
}
