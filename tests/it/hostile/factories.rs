//! Signatures of wallets to come (EIP-6492) that want a call made for them, and assets that nobody listed.

use alloy::primitives::{Address, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol_types::SolCall;
use serde_json::Value;
use x402_facilitator::dev::keys;

use super::assert_refused;
use crate::harness::chain::{USDC, WALLET_FACTORY};
use crate::harness::sign::{self, Eip3009, Permit2};
use crate::harness::world::{
    ELSEWHERE, MULTICALL3, World, createCall, lastCallerCall, price, price_elsewhere, transferCall,
    walletOfCall,
};

#[tokio::test]
async fn an_unlisted_factory_is_refused_whatever_it_is() {
    let world = World::new().await;
    world.place("DrainingFactory", ELSEWHERE).await;
    let (wallet, deployment) = to_come(&world, ELSEWHERE).await;
    world.sandbox.fund(&[world.signer, MULTICALL3]).await;
    let theft = transferCall {
        to: world.payer.address(),
        units: U256::ONE,
    };
    for (factory, calldata) in [
        (ELSEWHERE, deployment.clone()),
        (WALLET_FACTORY, deployment.clone()),
        (USDC, theft.abi_encode().into()),
        (MULTICALL3, deployment.clone()),
        (wallet, deployment),
    ] {
        let body = wrapped(wallet, factory, &calldata, &world.payer);
        assert_refused(&world, &body, "eip6492_factory_not_allowed").await;
    }
    let caller = world.ask(ELSEWHERE, lastCallerCall {}).await;
    assert_eq!(caller, Address::ZERO);
    world.close().await;
}

#[tokio::test]
async fn the_signature_inside_the_wrapper_must_be_the_owners() {
    let world = listing(WALLET_FACTORY).await;
    let (wallet, deployment) = to_come(&world, WALLET_FACTORY).await;
    let thief = keys::account("thief", 0);

    let body = wrapped(wallet, WALLET_FACTORY, &deployment, &thief);

    let reason = "invalid_exact_evm_transaction_simulation_failed";
    assert_refused(&world, &body, reason).await;
    world.close().await;
}

#[tokio::test]
async fn an_empty_or_long_signature_inside_the_wrapper_is_no_signature() {
    let world = listing(WALLET_FACTORY).await;
    let (wallet, deployment) = to_come(&world, WALLET_FACTORY).await;
    let terms = price();
    for length in [0, 64, 66, 4096] {
        let payment = Eip3009::new(&terms, wallet);
        let inner = Bytes::from(vec![0x1b; length]);
        let signature = sign::undeployed(WALLET_FACTORY, &deployment, &inner);
        let body = terms.v2(&payment.payload(&signature), &Value::Null);
        let reason = "invalid_exact_evm_transaction_simulation_failed";
        assert_refused(&world, &body, reason).await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_listed_factory_that_deploys_something_else_pays_nothing() {
    let world = listing(WALLET_FACTORY).await;
    let (wallet, _) = to_come(&world, WALLET_FACTORY).await;
    let of_another = createCall {
        owner: keys::account("thief", 0).address(),
        salt: U256::ZERO,
    };
    let calldata = of_another.abi_encode().into();
    let body = wrapped(wallet, WALLET_FACTORY, &calldata, &world.payer);

    let reason = "invalid_exact_evm_transaction_simulation_failed";
    assert_refused(&world, &body, reason).await;
    world.close().await;
}

#[tokio::test]
async fn a_factory_that_reverts_pays_nothing() {
    let world = listing(ELSEWHERE).await;
    world.place("RevertingFactory", ELSEWHERE).await;
    let (wallet, deployment) = to_come(&world, ELSEWHERE).await;
    let body = wrapped(wallet, ELSEWHERE, &deployment, &world.payer);

    let reason = "invalid_exact_evm_transaction_simulation_failed";
    assert_refused(&world, &body, reason).await;
    world.close().await;
}

#[tokio::test]
async fn a_wrapper_is_no_signature_for_permit2() {
    let world = listing(WALLET_FACTORY).await;
    let (wallet, deployment) = to_come(&world, WALLET_FACTORY).await;
    let terms = price();
    let payment = Permit2::new(&terms, wallet);
    let inner = sign::signature(&world.payer, payment.digest());
    let signature = sign::undeployed(WALLET_FACTORY, &deployment, &inner);
    let body = terms.v2(&payment.payload(&signature), &Value::Null);

    assert_refused(&world, &body, "invalid_permit2_signature").await;
    assert!(world.sandbox.code(wallet).await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn an_unlisted_asset_costs_no_call_of_the_node() {
    let world = World::new().await;
    world.place("SilentToken", ELSEWHERE).await;
    let terms = price_elsewhere();
    let payer = world.payer.address();
    for payload in [
        Eip3009::new(&terms, payer).signed_by(&world.payer),
        Permit2::new(&terms, payer).signed_by(&world.payer),
    ] {
        let body = terms.v2(&payload, &Value::Null);
        assert_refused(&world, &body, "asset_not_allowed").await;
    }
    assert_eq!(world.reads(), 0);
    world.close().await;
}

async fn listing(factory: Address) -> World {
    let factories = factory.to_string();
    World::with(|settings| settings.set("EIP6492_FACTORIES", &factories)).await
}

/// The payer's wallet to come, with money, and what deploys it.
async fn to_come(world: &World, factory: Address) -> (Address, Bytes) {
    let (owner, salt) = (world.payer.address(), U256::ZERO);
    let wallet = world.ask(factory, walletOfCall { owner, salt }).await;
    world.sandbox.fund(&[wallet]).await;
    let deployment = createCall { owner, salt }.abi_encode();
    (wallet, deployment.into())
}

fn wrapped(wallet: Address, factory: Address, calldata: &Bytes, owner: &PrivateKeySigner) -> Value {
    let terms = price();
    let payment = Eip3009::new(&terms, wallet);
    let inner = sign::signature(owner, payment.digest());
    let signature = sign::undeployed(factory, calldata, &inner);
    terms.v2(&payment.payload(&signature), &Value::Null)
}
