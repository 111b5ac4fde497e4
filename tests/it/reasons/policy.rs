//! What an operator's policy refuses: good payments, and the chain hears nothing of them.

use alloy::primitives::{Address, address};
use serde_json::{Value, json};
use x402_facilitator::protocol::Reason;

use crate::harness::chain::USDC;
use crate::harness::facilitator::Settings;
use crate::harness::http::Answer;
use crate::harness::receiver::Receiver;
use crate::harness::sign::{Eip3009, Terms};
use crate::harness::world::{PAYEE, PRICE, World, price};

const SECRET: &str = "whsec_c2VjcmV0cyBhcmUgMjQgYnl0ZXMgb3IgbW9yZQ==";
const WALLET: Address = address!("0x00000000000000000000000000000000be1c00ac");

/// Where it is refused, and what it costs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    /// Both endpoints, without a read.
    Both,
    /// Both endpoints, once the chain was asked.
    BothOnChain,
    /// Only `/settle`, without a read.
    Settle,
}

pub(super) async fn too_much() {
    let most = (PRICE - 1).to_string();
    let message = format!("amount {PRICE} exceeds SETTLE_MAX_AMOUNT ({most})");
    let world = World::with(|s| s.set("SETTLE_MAX_AMOUNT", &most)).await;
    refused(world, Reason::PolicyAmountTooHigh, &message, At::Both).await;
}

pub(super) async fn too_little() {
    let least = format!("1, {USDC:#x}={}", PRICE + 1);
    let message = format!("amount {PRICE} is below MIN_AMOUNT ({})", PRICE + 1);
    let world = World::with(|s| s.set("MIN_AMOUNT", &least)).await;
    refused(world, Reason::PolicyAmountTooLow, &message, At::Both).await;
}

pub(super) async fn to_a_stranger() {
    let world = World::with(|s| s.set("SETTLE_PAYTO_ALLOWLIST", &WALLET.to_string())).await;
    let message = "payTo not in SETTLE_PAYTO_ALLOWLIST";
    refused(world, Reason::PolicyPayToNotAllowed, message, At::Both).await;
}

pub(super) async fn on_another_network() {
    let world = World::with(|s| s.set("SETTLE_NETWORK_ALLOWLIST", "base,eip155:8453")).await;
    let message = "network not in SETTLE_NETWORK_ALLOWLIST";
    refused(world, Reason::PolicyNetworkNotAllowed, message, At::Both).await;
}

pub(super) async fn to_somebody_denied() {
    let world = World::with(|s| denying(s, &[PAYEE])).await;
    let message = "this payTo is not served here";
    refused(world, Reason::PolicyPayToDenied, message, At::Both).await;
}

pub(super) async fn by_somebody_denied() {
    // Payers of a sandbox come in a fixed order.
    let payer = World::new().await;
    let denied = payer.payer.address();
    payer.close().await;
    let world = World::with(|s| denying(s, &[denied])).await;
    let message = "this payer is not served here";
    refused(world, Reason::PolicyPayerDenied, message, At::Both).await;
}

pub(super) async fn to_oneself() {
    let world = World::new().await;
    let terms = Terms::usdc(world.payer.address(), PRICE);
    let payment = Eip3009::new(&terms, world.payer.address()).signed_by(&world.payer);
    let body = terms.v2(&payment, &Value::Null);
    let message = "payer and payTo are the same";
    let reason = Reason::PolicyPayerIsPayTo;
    refused_with(world, body, reason, message, At::Both).await;
}

pub(super) async fn by_a_contract_wallet() {
    let world = World::with(|s| s.set("CONTRACT_WALLETS", "refuse")).await;
    let owner = world.payer.address();
    world.place_wallet("BenchWallet", WALLET, owner).await;
    let payment = Eip3009::new(&price(), WALLET).signed_by(&world.payer);
    let body = price().v2(&payment, &Value::Null);
    let message = "only payers without code are served here";
    let reason = Reason::PolicyContractWallet;
    refused_with(world, body, reason, message, At::BothOnChain).await;
}

pub(super) async fn by_preflight() {
    let receiver = Receiver::start().await;
    receiver.plan(403, "");
    let url = receiver.url();
    let world = World::with(|s| s.set("SETTLE_PREFLIGHT_URL", &url)).await;
    let message = "preflight denied (HTTP 403)";
    refused(world, Reason::PolicyPreflightDenied, message, At::Settle).await;
    let asked = json!({
        "payTo": PAYEE.to_checksum(None), "network": "eip155:84532", "amount": PRICE.to_string(), "asset": USDC.to_checksum(None),
    });
    let posted = receiver.posted();
    let told = posted[0].json();
    assert_eq!(
        told.to_string().to_lowercase(),
        asked.to_string().to_lowercase()
    );
}

pub(super) async fn by_hook() {
    let receiver = Receiver::start().await;
    for _ in 0..2 {
        receiver.plan(200, r#"{"abort": true, "reason": "not on Sundays"}"#);
    }
    let url = receiver.url();
    let world = World::with(|s| hooked(s, &url)).await;
    let reason = Reason::PolicyHookDenied;
    refused(world, reason, "not on Sundays", At::Both).await;
    let types: Vec<Value> = receiver
        .posted()
        .iter()
        .map(|p| p.json()["type"].clone())
        .collect();
    assert_eq!(types, ["verify.before", "settle.before"]);
}

pub(super) async fn holding_too_little() {
    let gate = format!("eip155:84532/{USDC}=1000000000000");
    let world = World::with(|s| s.set("TOKEN_GATE", &gate)).await;
    let message = "the payer does not hold enough of a token that is asked for here";
    refused(world, Reason::PolicyTokenGate, message, At::BothOnChain).await;
}

pub(super) async fn while_nobody_answers() {
    let world = World::with(|s| hooked(s, "http://127.0.0.1:1/")).await;
    let reads = world.reads();
    let body = world.eip3009(|_| {});
    for (path, name) in [("/verify", "verify.before"), ("/settle", "settle.before")] {
        let answer = world.client.post_text(path, &body.to_string()).await;
        assert_eq!(answer.status.as_u16(), 503, "{}", answer.body);
        assert_eq!(answer.reason(), "policy_unavailable");
        assert_eq!(answer.header("retry-after"), "2");
        assert_eq!(
            message(&answer),
            format!("{name} request failed: no connection")
        );
    }
    assert_eq!((world.reads(), world.sends()), (reads, 0));
    world.close().await;
}

async fn refused(world: World, reason: Reason, message: &str, at: At) {
    let body = world.eip3009(|_| {});
    refused_with(world, body, reason, message, at).await;
}

async fn refused_with(world: World, body: Value, reason: Reason, text: &str, at: At) {
    let code = reason.as_str();
    let payer = &body["paymentPayload"]["payload"]["authorization"]["from"];
    let verified = world.client.verify(&body).await;
    assert_eq!(verified.status.as_u16(), 200, "{code}");
    if at == At::Settle {
        assert_eq!(verified.body["isValid"], true, "{code}: {}", verified.body);
    } else {
        let expected = json!({"isValid": false, "invalidReason": code, "invalidMessage": text, "payer": payer});
        assert_eq!(verified.body, expected);
    }
    let reads = world.reads();
    assert!(at != At::Both || reads == 0, "{code}: a node was asked");
    let settled = world.client.settle(&body).await;
    let expected = json!({
        "success": false, "errorReason": code, "errorMessage": text, "payer": payer, "transaction": "", "network": "eip155:84532",
    });
    assert_eq!((settled.status.as_u16(), settled.body), (200, expected));
    assert!(at == At::BothOnChain || world.reads() == reads, "{code}");
    assert_eq!(world.sends(), 0, "{code}");
    world.close().await;
}

fn message(answer: &Answer) -> &str {
    let members = ["errorMessage", "invalidMessage"];
    let texts = members.map(|name| answer.body[name].as_str());
    texts.into_iter().flatten().next().unwrap_or_default()
}

fn denying(settings: Settings, denied: &[Address]) -> Settings {
    let file = settings.path().join("denied.txt");
    let lines: Vec<String> = denied.iter().map(|one| format!("{one} # listed")).collect();
    std::fs::write(&file, lines.join("\n")).expect("the list is written");
    settings.set("DENY_LIST_FILE", &file.display().to_string())
}

fn hooked(settings: Settings, url: &str) -> Settings {
    settings
        .set("HOOK_BEFORE_VERIFY_URL", url)
        .set("HOOK_BEFORE_SETTLE_URL", url)
        .set("WEBHOOK_SECRETS", SECRET)
}
