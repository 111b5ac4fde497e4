//! Somebody who has seen a ceiling, or who signed it, wants more than what is due.

use alloy::primitives::{Address, U256, address};
use reqwest::Method;
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::USDC;
use crate::harness::http::Answer;
use crate::harness::oracle::{failure, success};
use crate::harness::sign::Eip2612;
use crate::harness::sign_upto::{UPTO_PROXY, Upto, body, charge};
use crate::harness::world::{PAYEE, PRICE, World, price};

const THIEF: Address = address!("0x00000000000000000000000000000000000bad00");
const ALICE: &str = "alice-alice-alice-alice";
const BOB: &str = "bob-bob-bob-bob-bob";

async fn guarded() -> World {
    let tokens = [ALICE, BOB].join(",");
    World::with(|settings| settings.set("BEARER_TOKENS", &tokens)).await
}

async fn ask(world: &World, path: &str, token: &str, body: &Value) -> Answer {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", bearer.as_str())];
    let sent = world
        .client
        .send(Method::POST, path, &headers, body.to_string());
    sent.await
}

#[tokio::test]
async fn a_ceiling_pays_nobody_but_whom_it_was_signed_for() {
    let world = World::new().await;
    let mut stolen = charge(&world.upto(|_| {}), 900);
    stolen["paymentRequirements"]["payTo"] = json!(THIEF);
    let answer = world.client.settle(&stolen).await;
    failure(&answer, "invalid_permit2_recipient_mismatch");

    stolen["paymentPayload"]["payload"]["permit2Authorization"]["witness"]["to"] = json!(THIEF);
    let answer = world.client.settle(&stolen).await;
    failure(&answer, "invalid_permit2_signature");
    assert_eq!(world.sandbox.balance_of(USDC, THIEF).await, U256::ZERO);
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn nobody_else_can_send_what_the_named_account_would_send() {
    let world = World::new().await;
    let ceiling = world.upto(|_| {});
    assert_eq!(world.client.verify(&ceiling).await.body["isValid"], true);
    let calls = world.proxy.calls("eth_call");
    let is_settle = |data: &&str| data.starts_with("0xff11e7b4");
    let mut tried = calls.iter().filter_map(|call| call[0]["data"].as_str());
    let seen = tried.find(is_settle).expect("the ceiling was tried");
    let stranger = world.sandbox.rich_account().await;
    let call = json!([{"from": stranger, "to": UPTO_PROXY, "data": seen}, "latest"]);
    let refused = world.sandbox.try_call("eth_call", call).await;
    assert_eq!(refused.expect_err("it reverts")["data"], "0x0f6fae87");

    success(&world.client.settle(&charge(&ceiling, 900)).await);
    world.close().await;
}

#[tokio::test]
async fn a_raised_ceiling_or_a_raised_charge_takes_nothing_more() {
    let world = World::new().await;
    let ceiling = world.upto(|_| {});
    let hash = success(&world.client.settle(&charge(&ceiling, 100)).await);
    let raised = world.client.settle(&charge(&ceiling, PRICE)).await;
    assert_eq!(failure(&raised, "duplicate_settlement"), hash);

    let mut forged = ceiling.clone();
    forged["paymentPayload"]["payload"]["permit2Authorization"]["permitted"]["amount"] =
        json!((PRICE * 10).to_string());
    let raised = world.client.settle(&charge(&forged, PRICE * 10)).await;
    failure(&raised, "invalid_permit2_signature");
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    assert_eq!(earned, U256::from(100));
    world.close().await;
}

#[tokio::test]
async fn a_closed_ceiling_is_charged_by_nobody() {
    let world = guarded().await;
    let ceiling = world.upto(|_| {});
    let closed = ask(&world, "/settle", ALICE, &charge(&ceiling, 0)).await;
    assert_eq!(closed.body["amount"], "0", "{}", closed.text);

    let again = ask(&world, "/settle", ALICE, &charge(&ceiling, PRICE)).await;
    failure(&again, "duplicate_settlement");
    let again = ask(&world, "/verify", ALICE, &ceiling).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    for path in ["/verify", "/settle"] {
        let stolen = ask(&world, path, BOB, &ceiling).await;
        assert_eq!(stolen.reason(), "upto_caller_mismatch", "{}", stolen.text);
    }
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn another_caller_neither_closes_nor_charges_what_one_has_verified() {
    let world = guarded().await;
    let ceiling = world.upto(|_| {});
    let verified = ask(&world, "/verify", ALICE, &ceiling).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.text);

    for units in [0, 1, PRICE] {
        let stolen = ask(&world, "/settle", BOB, &charge(&ceiling, units)).await;
        failure(&stolen, "upto_caller_mismatch");
    }
    assert_eq!(world.sends(), 0);

    let settled = ask(&world, "/settle", ALICE, &charge(&ceiling, 900)).await;
    success(&settled);
    // Nor is its success told to anybody else.
    let stolen = ask(&world, "/settle", BOB, &charge(&ceiling, 900)).await;
    assert_eq!(failure(&stolen, "upto_caller_mismatch"), "");
    world.close().await;
}

#[tokio::test]
async fn a_caller_that_asks_for_a_charge_first_is_the_one_that_verified_it_first() {
    let world = guarded().await;
    let ceiling = world.upto(|_| {});
    success(&ask(&world, "/settle", ALICE, &charge(&ceiling, 900)).await);
    let late = ask(&world, "/verify", BOB, &ceiling).await;
    assert_eq!(late.reason(), "upto_caller_mismatch");
    // What is refused is claimed by nobody.
    let forged = {
        let payment = Upto::new(&price(), world.payer.address(), world.signer);
        body(
            &price(),
            &payment.signed_by(&keys::account("thief", 0)),
            &Value::Null,
        )
    };
    let refused = ask(&world, "/verify", BOB, &forged).await;
    assert_eq!(refused.reason(), "invalid_permit2_signature");
    let refused = ask(&world, "/verify", ALICE, &forged).await;
    assert_eq!(refused.reason(), "invalid_permit2_signature");
    world.close().await;
}

#[tokio::test]
async fn an_exact_payment_is_nobodys_before_it_is_settled() {
    let world = guarded().await;
    let body = world.permit2(|_| {});
    assert_eq!(
        ask(&world, "/verify", ALICE, &body).await.body["isValid"],
        true
    );
    success(&ask(&world, "/settle", BOB, &body).await);
    world.close().await;
}

#[tokio::test]
async fn a_permit_for_more_than_the_ceiling_approves_nothing() {
    let world = World::new().await;
    let newcomer = keys::account("newcomer", 0);
    let address = newcomer.address();
    world.sandbox.mint(USDC, address, PRICE * 10).await;
    let payload = Upto::new(&price(), address, world.signer).signed_by(&newcomer);
    let mut permit = Eip2612::new(&price(), address, 0);
    permit.message.value = U256::MAX;
    let greedy = body(&price(), &payload, &permit.signed_by(&newcomer));

    let answer = world.client.settle(&charge(&greedy, 900)).await;

    failure(&answer, "permit2_2612_amount_mismatch");
    assert_eq!(world.sends(), 0);
    world.close().await;
}
