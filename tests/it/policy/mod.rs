//! What an operator's policy lets through and what it leaves alone. The refusals themselves are in `reasons::policy`.

mod ask;
mod gate;

use std::path::Path;

use serde_json::Value;

use crate::harness::binary::Binary;
use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::Settings;
use crate::harness::oracle::{Payment, success};
use crate::harness::sign::{Eip3009, Terms};
use crate::harness::world::{PAYEE, PRICE, World};

/// As an operator writes it, in another spelling.
fn shouted(address: alloy::primitives::Address) -> String {
    format!("0x{}", address.to_string()[2..].to_uppercase())
}

#[tokio::test]
async fn a_payment_within_every_rule_is_settled() {
    let world = World::with(|s| {
        s.set("SETTLE_MAX_AMOUNT", &PRICE.to_string())
            .set("MIN_AMOUNT", &format!("1000000,{USDC}={PRICE}"))
            .set(
                "SETTLE_PAYTO_ALLOWLIST",
                &format!("{},{USDC}", shouted(PAYEE)),
            )
            .set("SETTLE_NETWORK_ALLOWLIST", "eip155:84532")
            .set("CONTRACT_WALLETS", "refuse")
    });
    let world = world.await;
    let body = world.eip3009(|_| {});
    assert_eq!(world.client.verify(&body).await.body["isValid"], true);
    success(&world.client.settle(&body).await);
    world.close().await;
}

#[tokio::test]
async fn a_network_may_be_listed_by_the_name_that_version_1_has_for_it() {
    let world = World::with(|s| s.set("SETTLE_NETWORK_ALLOWLIST", "base-sepolia")).await;
    let terms = Terms::usdc(PAYEE, PRICE);
    let payment = Eip3009::new(&terms, world.payer.address()).signed_by(&world.payer);
    let named = world
        .client
        .verify(&terms.v1("base-sepolia", &payment))
        .await;
    assert_eq!(named.body["isValid"], true, "{}", named.body);
    let by_id = world.client.verify(&terms.v2(&payment, &Value::Null)).await;
    assert_eq!(by_id.reason(), "policy_network_not_allowed");
    world.close().await;
}

#[tokio::test]
async fn amounts_beyond_every_integer_are_compared_digit_by_digit() {
    let most = "115792089237316195423570985008687907853269984665640564039457584007913129639934";
    let world = World::with(|s| s.set("SETTLE_MAX_AMOUNT", most)).await;
    let mut body = world.eip3009(|_| {});
    let over = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
    body["paymentRequirements"]["amount"] = over.into();
    let answer = world.client.settle(&body).await;
    assert_eq!(answer.reason(), "policy_amount_too_high");
    body["paymentRequirements"]["amount"] = most.into();
    let answer = world.client.settle(&body).await;
    assert_ne!(answer.reason(), "policy_amount_too_high");
    world.close().await;
}

#[tokio::test]
async fn a_rule_comes_before_what_is_wrong_with_the_payment() {
    let world = World::with(|s| s.set("SETTLE_MAX_AMOUNT", "1")).await;
    let mut body = world.eip3009(|_| {});
    body["paymentPayload"]["payload"]["authorization"]["validBefore"] = "1".into();
    let answer = world.client.settle(&body).await;
    assert_eq!(answer.reason(), "policy_amount_too_high");
    world.close().await;
}

#[tokio::test]
async fn the_deny_list_is_read_again_and_what_landed_is_still_told_as_it_is() {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payer = sandbox.payers(1).await.remove(0);
    let settings = Settings::new(sandbox.url());
    let file = settings.path().join("denied.txt");
    write(&file, "# nobody yet\n");
    let settings = settings.set("DENY_LIST_FILE", &file.display().to_string());
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    let (before, after) = (Payment::new(&payer), Payment::new(&payer));
    let paid = success(&program.client.settle(&before.body).await);

    write(&file, &format!("eip155:1:{}\n", shouted(payer.address())));
    program.signal("HUP").await;
    program.said("DENY_LIST_FILE").await;

    let refused = program.client.settle(&after.body).await;
    assert_eq!(refused.reason(), "policy_payer_denied", "{}", refused.body);
    // A rule never calls a payment refused that landed.
    let again = program.client.settle(&before.body).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    assert_eq!(again.body["transaction"], paid.as_str());

    // A line that is no address would deny nobody: the old list holds.
    write(&file, "0xnobody\n");
    program.signal("HUP").await;
    let said = program.said("a file could not be read again").await;
    assert!(said.contains("line 1 is no address"), "{said}");
    let refused = program.client.verify(&after.body).await;
    assert_eq!(refused.reason(), "policy_payer_denied");
}

fn write(file: &Path, text: &str) {
    std::fs::write(file, text).expect("the list is written");
}
