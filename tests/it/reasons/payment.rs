//! Payments with one flaw that needs no node. Where a field is signed, it is wrong before signing: the signature is good.

use alloy::primitives::{Address, Bytes, U256, address};
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::WALLET_FACTORY;
use crate::harness::sign::{self, Eip2612, Eip3009, Permit2, Terms};
use crate::harness::world::{World, price, price_elsewhere};

const OTHER: Address = address!("0x00000000000000000000000000000000000cafe9");
/// What is left of a signature's validity, of 300 seconds, when this much is taken: one second less than is asked for.
const ALL_BUT_FIVE_SECONDS: U256 = U256::from_limbs([295, 0, 0, 0]);
const HALF_OF_IT: U256 = U256::from_limbs([150, 0, 0, 0]);

pub(super) fn accepting_another_scheme(world: &World) -> Value {
    let mut body = world.eip3009(|_| {});
    body["paymentPayload"]["accepted"]["scheme"] = json!("upto");
    body
}

pub(super) fn permit2_accepting_another_scheme(world: &World) -> Value {
    let mut body = world.permit2(|_| {});
    body["paymentPayload"]["accepted"]["scheme"] = json!("upto");
    body
}

pub(super) fn accepting_another_network(world: &World) -> Value {
    let mut body = world.eip3009(|_| {});
    body["paymentPayload"]["accepted"]["network"] = json!("eip155:8453");
    body
}

pub(super) fn without_domain(world: &World) -> Value {
    let mut body = world.eip3009(|_| {});
    for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
        body.pointer_mut(terms).expect("terms")["extra"] = json!({"name": "USDC"});
    }
    body
}

pub(super) fn in_an_unlisted_asset(world: &World) -> Value {
    let terms = price_elsewhere();
    let payment = Eip3009::new(&terms, world.payer.address());
    terms.v2(&payment.signed_by(&world.payer), &Value::Null)
}

pub(super) fn with_an_unlisted_factory(world: &World) -> Value {
    let payment = Eip3009::new(&price(), world.payer.address());
    let signature = sign::signature(&world.payer, payment.digest());
    let deployment = Bytes::from(vec![1; 68]);
    let wrapped = sign::undeployed(WALLET_FACTORY, &deployment, &signature);
    price().v2(&payment.payload(&wrapped), &Value::Null)
}

pub(super) fn signed_by_another(world: &World) -> Value {
    let payment = Eip3009::new(&price(), world.payer.address());
    let payload = payment.signed_by(&keys::account("thief", 0));
    price().v2(&payload, &Value::Null)
}

pub(super) fn to_another(world: &World) -> Value {
    world.eip3009(|payment| payment.message.to = OTHER)
}

pub(super) fn about_to_expire(world: &World) -> Value {
    world.eip3009(|payment| payment.message.validBefore -= ALL_BUT_FIVE_SECONDS)
}

pub(super) fn not_valid_yet(world: &World) -> Value {
    world.eip3009(|payment| {
        payment.message.validAfter = payment.message.validBefore - HALF_OF_IT;
    })
}

pub(super) fn of_another_amount(world: &World) -> Value {
    world.eip3009(|payment| payment.message.value += U256::ONE)
}

pub(super) fn of_another_amount_v1(world: &World) -> Value {
    let mut payment = Eip3009::new(&price(), world.payer.address());
    payment.message.value -= U256::ONE;
    let payload = payment.signed_by(&world.payer);
    price().v1("base-sepolia", &payload)
}

pub(super) fn permit2_for_another_spender(world: &World) -> Value {
    world.permit2(|payment| payment.message.spender = OTHER)
}

pub(super) fn permit2_to_another(world: &World) -> Value {
    world.permit2(|payment| payment.message.witness.to = OTHER)
}

pub(super) fn permit2_about_to_expire(world: &World) -> Value {
    world.permit2(|payment| payment.message.deadline -= ALL_BUT_FIVE_SECONDS)
}

pub(super) fn permit2_not_valid_yet(world: &World) -> Value {
    world.permit2(|payment| {
        payment.message.witness.validAfter = payment.message.deadline - HALF_OF_IT;
    })
}

pub(super) fn permit2_of_another_amount(world: &World) -> Value {
    world.permit2(|payment| payment.message.permitted.amount += U256::ONE)
}

pub(super) fn permit2_in_another_token(world: &World) -> Value {
    world.permit2(|payment| payment.message.permitted.token = OTHER)
}

pub(super) fn permit2_signed_by_another(world: &World) -> Value {
    let payment = Permit2::new(&price(), world.payer.address());
    let payload = payment.signed_by(&keys::account("thief", 0));
    price().v2(&payload, &Value::Null)
}

pub(super) fn with_a_malformed_permit(world: &World) -> Value {
    let mut body = sponsored(world, |_| {}, |_| {});
    let info = &mut body["paymentPayload"]["extensions"]["eip2612GasSponsoring"]["info"];
    info["version"] = json!("one");
    body
}

pub(super) fn with_a_permit_of_another(world: &World) -> Value {
    sponsored(world, |_| {}, |permit| permit.message.owner = OTHER)
}

pub(super) fn with_a_permit_for_another_asset(world: &World) -> Value {
    sponsored(world, |terms| terms.asset = OTHER, |_| {})
}

pub(super) fn with_a_permit_for_another_spender(world: &World) -> Value {
    sponsored(world, |_| {}, |permit| permit.message.spender = OTHER)
}

pub(super) fn with_a_permit_of_another_amount(world: &World) -> Value {
    sponsored(world, |_| {}, |permit| permit.message.value = U256::MAX)
}

pub(super) fn with_a_permit_about_to_expire(world: &World) -> Value {
    let shorten = |permit: &mut Eip2612| permit.message.deadline -= ALL_BUT_FIVE_SECONDS;
    sponsored(world, |_| {}, shorten)
}

/// A good Permit2 payment with a permit for changed terms, changed again before the payer signs it.
fn sponsored(
    world: &World,
    change_terms: impl FnOnce(&mut Terms),
    change: impl FnOnce(&mut Eip2612),
) -> Value {
    let (terms, payer) = (price(), world.payer.address());
    let mut other_terms = terms.clone();
    change_terms(&mut other_terms);
    let mut permit = Eip2612::new(&other_terms, payer, 0);
    change(&mut permit);
    let payload = Permit2::new(&terms, payer).signed_by(&world.payer);
    terms.v2(&payload, &permit.signed_by(&world.payer))
}
