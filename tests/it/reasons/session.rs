//! Calls under an ERC-2612 permit with one flaw.

use alloy::primitives::{Address, Bytes, U256};
use serde_json::{Value, json};

use crate::harness::sign::{self, Eip2612};
use crate::harness::sign_upto;
use crate::harness::world::{PRICE, World, price};

/// A call under the payer's permit, changed before it is signed.
fn session(world: &World, change: impl FnOnce(&mut Eip2612)) -> Value {
    let mut permit = Eip2612::new(&price(), world.payer.address(), 0);
    permit.message.spender = world.signer;
    permit.message.value = U256::from(10 * PRICE);
    change(&mut permit);
    let payload = permit.session_payload(&sign::signature(&world.payer, permit.digest()));
    sign_upto::body(&price(), &payload, &Value::Null)
}

/// A good call with something else in a member that was not signed.
fn altered(world: &World, member: &str, value: Value) -> Value {
    let mut body = session(world, |_| {});
    let member = body.pointer_mut(member);
    *member.expect("the member is there") = value;
    body
}

pub(super) fn with_a_cap_that_is_no_number(world: &World) -> Value {
    let cap = "/paymentPayload/payload/authorization/value";
    altered(world, cap, json!("0x10"))
}

pub(super) fn without_domain(world: &World) -> Value {
    altered(world, "/paymentRequirements/extra", json!({}))
}

pub(super) fn for_another_spender(world: &World) -> Value {
    session(world, |permit| {
        permit.message.spender = Address::repeat_byte(0x52);
    })
}

pub(super) fn with_a_cap_below_the_price(world: &World) -> Value {
    session(world, |permit| permit.message.value = U256::from(PRICE - 1))
}

pub(super) fn with_a_cap_below_the_required(world: &World) -> Value {
    let most = json!((10 * PRICE + 1).to_string());
    let mut body = session(world, |_| {});
    body["paymentRequirements"]["extra"]["maxAmountRequired"] = most;
    body
}

pub(super) fn about_to_expire(world: &World) -> Value {
    session(world, |permit| {
        let now = x402_facilitator::clock::Clock::system().now().as_secs();
        permit.message.deadline = U256::from(now + 3);
    })
}

pub(super) fn signed_for_another_nonce(world: &World) -> Value {
    let nonce = "/paymentPayload/payload/authorization/nonce";
    altered(world, nonce, json!("1"))
}

pub(super) fn signed_by_a_wallet(world: &World) -> Value {
    let signature = "/paymentPayload/payload/signature";
    altered(world, signature, json!(Bytes::from(vec![7; 130])))
}
