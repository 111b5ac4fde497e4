//! Payments of accounts with code, or with code to come: EIP-1271 wallets, EIP-7702 delegations, EIP-6492 wallets that the payment deploys.

use alloy::primitives::{Address, Bytes, U256, address, bytes};
use alloy::sol_types::SolCall;
use serde_json::Value;

use crate::harness::chain::{USDC, WALLET_FACTORY};
use crate::harness::sign::{self, EXACT_PROXY, Eip2612, Eip3009, Permit2, Terms};
use crate::harness::world::{
    ELSEWHERE, MULTICALL3, Version, World, createCall, lastCallerCall, price, setPreyCall,
    walletOfCall,
};

const WALLET: Address = address!("0x00000000000000000000000000000000be1c00aa");
const THIEF: Address = address!("0x00000000000000000000000000000000000bad00");
const NOBODY: Address = Address::ZERO;
/// A wallet that takes any signature of any length.
const EASY_WALLET: Bytes = bytes!("631626ba7e60e01b5f5260205ff3");
/// The overloads of `transferWithAuthorization`.
const BY_PARTS: &str = "0xe3ee160e";
const BY_BYTES: &str = "0xcf092995";

#[tokio::test]
async fn a_contract_wallet_pays_by_eip_3009_in_both_versions() {
    let world = World::new().await;
    let owner = world.payer.address();
    world.place_wallet("BenchWallet", WALLET, owner).await;
    for version in Version::BOTH {
        let terms = price();
        let payload = Eip3009::new(&terms, WALLET).signed_by(&world.payer);

        let paid = world
            .assert_paid(&terms, &version.body(&terms, &payload), WALLET)
            .await;

        assert_eq!((paid.to(), paid.selector()), (USDC, BY_PARTS));
    }
    world.close().await;
}

#[tokio::test]
async fn a_contract_wallet_pays_with_a_signature_of_its_own_kind() {
    let world = World::new().await;
    world.sandbox.set_code(WALLET, &EASY_WALLET).await;
    world.sandbox.fund(&[WALLET]).await;
    for length in [0, 64, 66, 2000] {
        let terms = price();
        let signature = Bytes::from(vec![0xab; length]);
        let payload = Eip3009::new(&terms, WALLET).payload(&signature);

        let paid = world
            .assert_paid(&terms, &Version::V2.body(&terms, &payload), WALLET)
            .await;

        assert_eq!((paid.to(), paid.selector()), (USDC, BY_BYTES), "{length}");
    }
    world.close().await;
}

#[tokio::test]
async fn a_contract_wallet_pays_by_permit2() {
    let world = World::new().await;
    let owner = world.payer.address();
    world.place_wallet("BenchWallet", WALLET, owner).await;
    let terms = price();
    let payload = Permit2::new(&terms, WALLET).signed_by(&world.payer);

    let paid = world
        .assert_paid(&terms, &Version::V2.body(&terms, &payload), WALLET)
        .await;

    assert_eq!(paid.to(), EXACT_PROXY);
    world.close().await;
}

#[tokio::test]
async fn a_delegated_account_pays_by_every_method_while_its_delegate_takes_its_key() {
    let world = World::new().await;
    world.place("Delegate7702", ELSEWHERE).await;
    let payer = world.payer.address();
    let sandbox = &world.sandbox;
    sandbox.set_code(payer, &delegation(ELSEWHERE)).await;
    let terms = price();
    let authorized = Eip3009::new(&terms, payer).signed_by(&world.payer);
    let permitted = Permit2::new(&terms, payer).signed_by(&world.payer);
    for body in [
        terms.v1("base-sepolia", &authorized.clone()),
        terms.v2(&permitted, &Value::Null),
        terms.v2(
            &Eip3009::new(&terms, payer).signed_by(&world.payer),
            &Value::Null,
        ),
    ] {
        world.assert_paid(&terms, &body, payer).await;
    }
    world.close().await;
}

#[tokio::test]
async fn a_wallet_that_does_not_exist_yet_is_deployed_by_its_payment() {
    for version in Version::BOTH {
        let world = world_with_factory("BenchWalletFactory", WALLET_FACTORY).await;
        let terms = price();
        let (wallet, payload) = undeployed(&world, WALLET_FACTORY, &terms).await;
        assert!(world.sandbox.code(wallet).await.is_empty());

        // Simulates the deployment; leaves nothing behind.
        let paid = world
            .assert_paid(&terms, &version.body(&terms, &payload), wallet)
            .await;

        assert_eq!(paid.to(), MULTICALL3);
        assert!(!world.sandbox.code(wallet).await.is_empty());
        world.close().await;
    }
}

#[tokio::test]
async fn a_verified_wallet_is_not_deployed_before_it_pays() {
    let world = world_with_factory("BenchWalletFactory", WALLET_FACTORY).await;
    let terms = price();
    let (wallet, payload) = undeployed(&world, WALLET_FACTORY, &terms).await;

    let answer = world
        .client
        .verify(&Version::V2.body(&terms, &payload))
        .await;

    assert_eq!(answer.body["isValid"], true, "{}", answer.body);
    assert!(world.sandbox.code(wallet).await.is_empty());
    world.close().await;
}

#[tokio::test]
async fn a_wallet_deployed_meanwhile_pays_with_its_wrapped_signature() {
    let world = world_with_factory("BenchWalletFactory", WALLET_FACTORY).await;
    for _ in 0..2 {
        let terms = price();
        let (wallet, payload) = undeployed(&world, WALLET_FACTORY, &terms).await;
        world.call(WALLET_FACTORY, create(&world)).await;

        let paid = world
            .assert_paid(&terms, &Version::V2.body(&terms, &payload), wallet)
            .await;

        assert_eq!(paid.to(), USDC, "there is nothing to deploy");
    }
    world.close().await;
}

#[tokio::test]
async fn a_wallet_deployed_already_pays_whatever_factory_its_wrapper_names() {
    let world = World::new().await;
    let terms = price();
    let (wallet, payload) = undeployed(&world, WALLET_FACTORY, &terms).await;
    world.call(WALLET_FACTORY, create(&world)).await;

    let paid = world
        .assert_paid(&terms, &Version::V2.body(&terms, &payload), wallet)
        .await;

    assert_eq!(paid.to(), USDC, "an unlisted factory is never called");
    world.close().await;
}

#[tokio::test]
async fn a_wallet_that_somebody_else_deploys_first_pays_all_the_same() {
    let world = world_with_factory("BenchWalletFactory", WALLET_FACTORY).await;
    let terms = price();
    let (wallet, payload) = undeployed(&world, WALLET_FACTORY, &terms).await;
    let body = Version::V2.body(&terms, &payload);
    world.sandbox.hold_blocks().await;
    let interfere = async {
        world.sandbox.pooled(world.signer).await;
        let owner = world.payer.address();
        world.place_wallet("BenchWallet", wallet, owner).await;
        // Real factories revert when the wallet is there.
        world.place("RevertingFactory", WALLET_FACTORY).await;
        world.sandbox.mine(1).await;
    };

    let (answer, ()) = tokio::join!(world.client.settle(&body), interfere);

    assert_eq!(answer.body["success"], true, "{}", answer.body);
    let earned = world.sandbox.balance_of(USDC, terms.pay_to).await;
    assert_eq!(earned, terms.amount);
    world.sandbox.release_blocks().await;
    world.close().await;
}

#[tokio::test]
async fn a_signer_never_calls_a_factory_itself() {
    let world = world_with_factory("DrainingFactory", ELSEWHERE).await;
    let prey = setPreyCall {
        token: USDC,
        thief: THIEF,
    };
    world.call(ELSEWHERE, prey).await;
    world.sandbox.fund(&[world.signer]).await;
    let wealth = world.sandbox.balance_of(USDC, world.signer).await;
    let terms = price();
    let (wallet, payload) = undeployed(&world, ELSEWHERE, &terms).await;

    world
        .assert_paid(&terms, &Version::V2.body(&terms, &payload), wallet)
        .await;

    let caller = world.ask(ELSEWHERE, lastCallerCall {}).await;
    assert_eq!(caller, MULTICALL3);
    let left = world.sandbox.balance_of(USDC, world.signer).await;
    assert_eq!(left, wealth);
    assert_eq!(world.sandbox.balance_of(USDC, THIEF).await, U256::ZERO);
    world.close().await;
}

#[tokio::test]
async fn a_key_that_signs_for_itself_makes_nobody_call_the_factory_of_its_wrapper() {
    let world = world_with_factory("DrainingFactory", ELSEWHERE).await;
    let (terms, payer) = (price(), world.payer.address());
    let payment = Eip3009::new(&terms, payer);
    let signature = sign::signature(&world.payer, payment.digest());
    let calldata = create(&world).abi_encode().into();
    let wrapped = sign::undeployed(ELSEWHERE, &calldata, &signature);
    let body = Version::V2.body(&terms, &payment.payload(&wrapped));

    world.assert_paid(&terms, &body, payer).await;

    assert_eq!(world.ask(ELSEWHERE, lastCallerCall {}).await, NOBODY);
    world.close().await;
}

#[tokio::test]
async fn a_contract_wallet_without_allowance_pays_by_permit2_with_a_permit_of_its_own() {
    let world = World::new().await;
    let (terms, owner) = (price(), world.payer.address());
    world.place("BenchWallet", WALLET).await;
    let sandbox = &world.sandbox;
    let owner = owner.into_word();
    sandbox.set_storage(WALLET, U256::ZERO, owner).await;
    sandbox.mint(USDC, WALLET, 10_000).await;
    let payload = Permit2::new(&terms, WALLET).signed_by(&world.payer);
    let permit = Eip2612::new(&terms, WALLET, 0).signed_by(&world.payer);

    world
        .assert_paid(&terms, &terms.v2(&payload, &permit), WALLET)
        .await;
    world.close().await;
}

async fn world_with_factory(contract: &str, at: Address) -> World {
    let factories = at.to_string();
    let world = World::with(|settings| settings.set("EIP6492_FACTORIES", &factories)).await;
    world.place(contract, at).await;
    world
}

/// The payer's next wallet, funded but not there yet, and its payment of these terms.
async fn undeployed(world: &World, factory: Address, terms: &Terms) -> (Address, Value) {
    let createCall { owner, salt } = create(world);
    let wallet = world.ask(factory, walletOfCall { owner, salt }).await;
    world.sandbox.fund(&[wallet]).await;
    let payment = Eip3009::new(terms, wallet);
    let signature = sign::signature(&world.payer, payment.digest());
    let calldata = create(world).abi_encode().into();
    let wrapped = sign::undeployed(factory, &calldata, &signature);
    (wallet, payment.payload(&wrapped))
}

fn create(world: &World) -> createCall {
    createCall {
        owner: world.payer.address(),
        salt: U256::from(7),
    }
}

fn delegation(delegate: Address) -> Bytes {
    [&[0xef, 0x01, 0x00], delegate.as_slice()].concat().into()
}
