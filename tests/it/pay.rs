//! Payments of accounts with a key, end to end: a real chain, balances read by the test itself, and every member of the answers.

use alloy::primitives::{Address, B256, U256, address, b256, bytes};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::USDC;
use crate::harness::sign::{EXACT_PROXY, Eip2612, Eip3009, PERMIT2, Permit2, Terms};
use crate::harness::world::{PAYEE, PRICE, Version, World, price, price_elsewhere};

/// The well-known development key 0 and the payment of the published vectors.
const DEV_KEY: B256 = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
const VECTOR_PAYEE: Address = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
const VECTOR_DEADLINE: u64 = 4_102_444_800;

sol! {

    function allowance(address owner, address spender) external view returns (uint256);
}

#[tokio::test]
async fn an_eoa_pays_by_eip_3009_in_both_versions() {
    let world = World::new().await;
    for version in Version::BOTH {
        let terms = price();
        let payment = Eip3009::new(&terms, world.payer.address());
        let body = version.body(&terms, &payment.signed_by(&world.payer));

        let paid = world
            .assert_paid(&terms, &body, world.payer.address())
            .await;

        assert_eq!((paid.to(), paid.selector()), (USDC, "0xe3ee160e"));
    }
    world.close().await;
}

#[tokio::test]
async fn the_answer_echoes_the_payer_as_it_was_written() {
    let world = World::new().await;
    let mut body = world.eip3009(|_| {});
    let lower = format!("{:#x}", world.payer.address());
    body["paymentPayload"]["payload"]["authorization"]["from"] = json!(lower);

    assert_eq!(world.client.verify(&body).await.body["payer"], json!(lower));
    assert_eq!(world.client.settle(&body).await.body["payer"], json!(lower));
    world.close().await;
}

#[tokio::test]
async fn a_signature_with_a_parity_of_zero_or_one_is_paid_like_any_other() {
    let world = World::new().await;
    let terms = price();
    let mut body = world.eip3009(|_| {});
    let signature = &mut body["paymentPayload"]["payload"]["signature"];
    let text = signature.as_str().unwrap();
    let parity = if text.ends_with("1b") { "00" } else { "01" };
    *signature = json!(format!("{}{parity}", &text[..130]));

    world
        .assert_paid(&terms, &body, world.payer.address())
        .await;
    world.close().await;
}

#[tokio::test]
async fn an_eoa_pays_by_permit2_with_its_allowance() {
    let world = World::new().await;
    let body = world.permit2(|_| {});

    let paid = world
        .assert_paid(&price(), &body, world.payer.address())
        .await;

    assert_eq!((paid.to(), paid.selector()), (EXACT_PROXY, "0x13cd3b53"));
    world.close().await;
}

#[tokio::test]
async fn an_eoa_without_allowance_pays_by_permit2_with_a_sponsored_permit() {
    let world = World::new().await;
    let (terms, payer) = (price(), keys::account("newcomer", 0));
    world.sandbox.mint(USDC, payer.address(), 10_000).await;
    assert_eq!(allowance(&world, payer.address()).await, U256::ZERO);
    let permit = Eip2612::new(&terms, payer.address(), 0).signed_by(&payer);
    let payment = Permit2::new(&terms, payer.address()).signed_by(&payer);

    let paid = world
        .assert_paid(&terms, &terms.v2(&payment, &permit), payer.address())
        .await;

    assert_eq!((paid.to(), paid.selector()), (EXACT_PROXY, "0xfa340378"));
    assert_eq!(
        allowance(&world, payer.address()).await,
        U256::ZERO,
        "used up"
    );
    world.close().await;
}

#[tokio::test]
async fn a_token_without_eip_3009_is_paid_with_by_permit2() {
    let world = World::with_token("LegacyToken").await;
    let (name, version) = ("Legacy USD", "1");
    let terms = Terms {
        name,
        version,
        ..price_elsewhere()
    };
    let payer = world.payer.address();
    let permit = Eip2612::new(&terms, payer, 0).signed_by(&world.payer);
    let payment = Permit2::new(&terms, payer).signed_by(&world.payer);

    world
        .assert_paid(&terms, &terms.v2(&payment, &permit), payer)
        .await;
    world.close().await;
}

#[tokio::test]
async fn several_payments_of_one_payer_are_all_paid() {
    let world = World::new().await;
    let bodies: Vec<Value> = (0..4).map(|_| world.eip3009(|_| {})).collect();

    let settles = bodies.iter().map(|body| world.client.settle(body));
    let answers = futures::future::join_all(settles).await;

    for answer in answers {
        assert_eq!(answer.body["success"], true, "{}", answer.body);
    }
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(earned, U256::from(4 * PRICE));
    world.close().await;
}

#[tokio::test]
async fn the_published_eip_3009_signature_is_paid() {
    let world = World::new().await;
    let (payer, terms) = vector(&world).await;
    let mut payment = Eip3009::new(&terms, payer.address());
    payment.message.validBefore = U256::from(VECTOR_DEADLINE);
    payment.message.nonce = B256::repeat_byte(0x11);
    assert_eq!(
        payment.digest(),
        b256!("0x1831c2f3e187c15e7608b2008f59cd947cb9190aa43329a34bd38becfdde1cae")
    );
    let signature = bytes!(
        "df79cf974d736f9231cbf3a31e1e2bdf8dfeeb6ffb3f4a7a03656d210a57880c6fbd28c6da46717e5e9659ae1a36cb0c8ff6b658111c8a227f5f12246e8103d51b"
    );
    let body = terms.v2(&payment.payload(&signature), &Value::Null);

    world.assert_paid(&terms, &body, payer.address()).await;
    world.close().await;
}

#[tokio::test]
async fn the_published_permit2_signature_is_paid() {
    let world = World::new().await;
    let (payer, terms) = vector(&world).await;
    let mut payment = Permit2::new(&terms, payer.address());
    payment.message.deadline = U256::from(VECTOR_DEADLINE);
    payment.message.nonce = U256::ONE;
    assert_eq!(
        payment.digest(),
        b256!("0x34a4497d4e09e48782aca18e1261e6578e75e6c037f71480e8214f82cba83117")
    );
    let signature = bytes!(
        "02868abdbd5c381584df187e9f453b12f92813825fd8e053a35855ccdb88fdaa15b0c9af63694ba06da8a740188282e0def241bb1b61ae6b7549282d98c945f11b"
    );
    let body = terms.v2(&payment.payload(&signature), &Value::Null);

    world.assert_paid(&terms, &body, payer.address()).await;
    world.close().await;
}

#[tokio::test]
async fn the_sandbox_has_the_published_domain_of_usdc() {
    let world = World::new().await;
    let data = json!([{"to": USDC, "data": "0x3644e515"}, "latest"]);
    let separator: B256 = world.sandbox.call("eth_call", data).await;
    assert_eq!(
        separator,
        b256!("0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818")
    );
    world.close().await;
}

/// The payer of the vectors, with tokens, and their terms.
async fn vector(world: &World) -> (PrivateKeySigner, Terms) {
    let payer = PrivateKeySigner::from_bytes(&DEV_KEY).expect("a valid key");
    assert_eq!(
        payer.address(),
        address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    );
    world.sandbox.fund(&[payer.address()]).await;
    (payer, Terms::usdc(VECTOR_PAYEE, 10_000))
}

async fn allowance(world: &World, owner: Address) -> U256 {
    let call = allowanceCall {
        owner,
        spender: PERMIT2,
    };
    let data =
        json!([{"to": USDC, "data": alloy::primitives::Bytes::from(call.abi_encode())}, "latest"]);
    world.sandbox.call("eth_call", data).await
}
