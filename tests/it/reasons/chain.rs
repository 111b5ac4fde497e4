//! Payments with one flaw that only the chain knows.

use alloy::primitives::{Address, B256, Bytes, U256};
use serde_json::Value;
use x402_facilitator::dev::keys;

use crate::harness::chain::USDC;
use crate::harness::sign::{EXACT_PROXY, Eip3009, PERMIT2, Permit2, Terms};
use crate::harness::world::{
    ELSEWHERE, PRICE, World, permit2_nonces_slot, price, price_elsewhere, setPausedCall,
    transfer_call,
};

type Stage = (World, Value);

pub(super) async fn no_token() -> Stage {
    let assets = ELSEWHERE.to_string();
    let world = World::with(|s| s.set("EVM_ASSETS_BASE_SEPOLIA", &assets)).await;
    elsewhere(world, |_| {})
}

pub(super) async fn legacy_token() -> Stage {
    let world = World::with_token("LegacyToken").await;
    elsewhere(world, |terms| {
        terms.name = "Legacy USD";
        terms.version = "1";
    })
}

pub(super) async fn other_name() -> Stage {
    elsewhere(World::with_token("RenamedToken").await, |_| {})
}

pub(super) async fn other_version() -> Stage {
    let world = World::with_token("RenamedToken").await;
    elsewhere(world, |terms| terms.name = "Other USD")
}

pub(super) async fn used_authorization() -> Stage {
    let world = World::new().await;
    let body = world.eip3009(|_| {});
    let rich = world.sandbox.rich_account().await;
    let transaction = world.sandbox.send(rich, USDC, transfer_call(&body)).await;
    assert_eq!(world.sandbox.receipt(transaction).await["status"], "0x1");
    (world, body)
}

pub(super) async fn poor_payer() -> Stage {
    let world = World::new().await;
    let payer = keys::account("poor", 0);
    world.sandbox.mint(USDC, payer.address(), PRICE - 1).await;
    let payment = Eip3009::new(&price(), payer.address());
    let body = price().v2(&payment.signed_by(&payer), &Value::Null);
    (world, body)
}

pub(super) async fn paused_token() -> Stage {
    let world = World::new().await;
    world.call(USDC, setPausedCall { on: true }).await;
    let body = world.eip3009(|_| {});
    (world, body)
}

pub(super) async fn no_proxy() -> Stage {
    let world = World::new().await;
    world.sandbox.set_code(EXACT_PROXY, &Bytes::new()).await;
    let body = world.permit2(|_| {});
    (world, body)
}

pub(super) async fn poor_permit2_payer() -> Stage {
    newcomer(PRICE - 1).await
}

pub(super) async fn no_allowance() -> Stage {
    newcomer(PRICE).await
}

pub(super) async fn used_permit2_nonce() -> Stage {
    let world = World::new().await;
    let payment = Permit2::new(&price(), world.payer.address());
    let slot = permit2_nonces_slot(payment.from, payment.message.nonce >> 8);
    let used = B256::from(U256::MAX);
    world.sandbox.set_storage(PERMIT2, slot, used).await;
    let payload = payment.signed_by(&world.payer);
    let body = price().v2(&payload, &Value::Null);
    (world, body)
}

pub(super) async fn paused_token_by_permit2() -> Stage {
    let world = World::new().await;
    world.call(USDC, setPausedCall { on: true }).await;
    let body = world.permit2(|_| {});
    (world, body)
}

/// The payer pays in the token at [`ELSEWHERE`], on changed terms.
fn elsewhere(world: World, change: impl FnOnce(&mut Terms)) -> Stage {
    let mut terms = price_elsewhere();
    change(&mut terms);
    let payment = Eip3009::new(&terms, world.payer.address());
    let body = terms.v2(&payment.signed_by(&world.payer), &Value::Null);
    (world, body)
}

/// Somebody with so many units who has approved nothing pays by Permit2.
async fn newcomer(units: u64) -> Stage {
    let world = World::new().await;
    let payer = keys::account("newcomer", 0);
    let address: Address = payer.address();
    world.sandbox.mint(USDC, address, units).await;
    let payment = Permit2::new(&price(), address);
    let body = price().v2(&payment.signed_by(&payer), &Value::Null);
    (world, body)
}
