//! What is charged, from which account, and what is told about it.

use alloy::primitives::{Address, U256, address};
use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::{Answer, Client};
use crate::harness::sign::{Eip2612, Permit2};
use crate::harness::sign_upto::{UPTO_PROXY, Upto, body, charge};
use crate::harness::world::{PAYEE, PRICE, World, price};

const WALLET: Address = address!("0x00000000000000000000000000000000be1c00aa");

/// Verifies the ceiling, then charges; every member of both answers and the money must be right. Returns the transaction.
async fn assert_charged(world: &World, body: &Value, payer: Address, units: u64) -> Value {
    let before = world.sandbox.balance_of(USDC, payer).await;
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;
    let name = payer.to_checksum(None);

    let verified = world.client.verify(body).await;
    let valid = json!({"isValid": true, "payer": name});
    assert_eq!((verified.status.as_u16(), verified.body), (200, valid));

    let settled = world.client.settle(&charge(body, units)).await;
    let hash = settled.body["transaction"].clone();
    let success = json!({
        "success": true, "payer": name, "transaction": hash, "network": "eip155:84532", "amount": units.to_string(),
    });
    assert_eq!((settled.status.as_u16(), settled.body), (200, success));
    let taken = before - world.sandbox.balance_of(USDC, payer).await;
    let arrived = world.sandbox.balance_of(USDC, PAYEE).await - earned;
    let units = U256::from(units);
    assert_eq!((taken, arrived), (units, units));
    let transaction: Value = world
        .sandbox
        .call("eth_getTransactionByHash", json!([hash]))
        .await;
    assert_eq!(transaction["to"], json!(UPTO_PROXY));
    transaction
}

fn refused(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 200);
    assert_eq!(answer.reason(), reason, "{}", answer.text);
}

#[tokio::test]
async fn any_part_of_the_ceiling_is_charged_once_the_work_is_done() {
    let world = World::new().await;
    for units in [1, 900, PRICE] {
        let transaction =
            assert_charged(&world, &world.upto(|_| {}), world.payer.address(), units).await;
        assert_eq!(transaction["from"], json!(world.signer));
    }
    world.close().await;
}

#[tokio::test]
async fn a_charge_of_nothing_takes_no_transaction_and_closes_the_ceiling() {
    let world = World::new().await;
    let body = world.upto(|_| {});
    let payer = world.payer.address().to_checksum(None);
    let earned = world.sandbox.balance_of(USDC, PAYEE).await;

    let closed = world.client.settle(&charge(&body, 0)).await;

    let expected = json!({"success": true, "payer": payer, "transaction": "", "network": "eip155:84532", "amount": "0"});
    assert_eq!((closed.status.as_u16(), closed.body), (200, expected));
    for units in [0, 1, PRICE] {
        let again = world.client.settle(&charge(&body, units)).await;
        refused(&again, "duplicate_settlement");
        assert_eq!(again.body["transaction"], "");
    }
    refused(&world.client.verify(&body).await, "duplicate_settlement");
    assert_eq!(world.sandbox.balance_of(USDC, PAYEE).await, earned);
    assert_eq!(world.sends(), 0);
    let nonce = body["paymentPayload"]["payload"]["permit2Authorization"]["nonce"].clone();
    let nonce: U256 = nonce.as_str().expect("text").parse().expect("a number");
    let key = format!("permit2:84532:{:#x}:{nonce:#066x}", world.payer.address());
    let record = world.client.get(&format!("/settlements/{key}")).await.body;
    assert_eq!(
        (&record["state"], &record["amount"], &record["transaction"]),
        (&json!("closed"), &json!("0"), &Value::Null)
    );
    assert_eq!(
        (&record["delivered"], &record["final"]),
        (&json!(true), &json!(true))
    );
    world.close().await;
}

#[tokio::test]
async fn a_charge_of_nothing_is_refused_where_the_ceiling_could_not_be_charged() {
    let world = World::new().await;
    let forged = {
        let payment = Upto::new(&price(), world.payer.address(), world.signer);
        let payload = payment.signed_by(&keys::account("thief", 0));
        body(&price(), &payload, &Value::Null)
    };

    let answer = world.client.settle(&charge(&forged, 0)).await;

    refused(&answer, "invalid_permit2_signature");
    let nothing = world.upto(|payment| payment.message.permitted.amount = U256::ZERO);
    let answer = world.client.settle(&charge(&nothing, 0)).await;
    refused(&answer, "invalid_payment_requirements");
    world.close().await;
}

#[tokio::test]
async fn a_charge_over_the_ceiling_or_in_no_number_moves_nothing() {
    let world = World::new().await;
    let ceiling = world.upto(|_| {});
    let over = world.client.settle(&charge(&ceiling, PRICE + 1)).await;
    refused(&over, "invalid_upto_evm_payload_settlement_exceeds_amount");
    for garbage in [
        json!("abc"),
        json!("-1"),
        json!("0x10"),
        json!(900),
        json!("9e2"),
        json!(""),
    ] {
        let mut body = ceiling.clone();
        body["paymentRequirements"]["amount"] = garbage.clone();
        let answer = world.client.settle(&body).await;
        refused(&answer, "invalid_payment_requirements");
    }
    assert_eq!(world.sends(), 0);

    assert_charged(&world, &ceiling, world.payer.address(), 7).await;
    world.close().await;
}

#[tokio::test]
async fn what_is_verified_is_the_ceiling() {
    let world = World::new().await;
    let body = world.upto(|_| {});
    for units in [0, PRICE - 1, PRICE + 1] {
        let answer = world.client.verify(&charge(&body, units)).await;
        let zero = "invalid_payment_requirements";
        refused(
            &answer,
            if units == 0 {
                zero
            } else {
                "permit2_amount_mismatch"
            },
        );
    }
    world.close().await;
}

#[tokio::test]
async fn the_simulation_is_of_the_account_that_the_payer_named_and_takes_one_request() {
    let world = World::new().await;
    // What the service asks in the background now and then is not the verification's.
    let mut least = usize::MAX;
    for _ in 0..10 {
        let requests = world.proxy.requests();
        let answer = world.client.verify(&world.upto(|_| {})).await;
        assert_eq!(answer.body["isValid"], true, "{}", answer.text);
        least = least.min(world.proxy.requests() - requests);
    }
    assert_eq!(least, 1);

    let selector = "0xff11e7b4";
    let calls = world.proxy.calls("eth_call");
    let settles = |call: &&Value| {
        let data = call[0]["data"].as_str().unwrap_or_default();
        data.starts_with(selector)
    };
    let simulated: Vec<_> = calls.iter().filter(settles).collect();
    assert!(!simulated.is_empty());
    for call in simulated {
        assert_eq!(call[0]["from"], json!(world.signer));
    }
    world.close().await;
}

#[tokio::test]
async fn a_contract_wallet_is_charged() {
    let world = World::new().await;
    world
        .place_wallet("BenchWallet", WALLET, world.payer.address())
        .await;
    let payment = Upto::new(&price(), WALLET, world.signer);
    let ceiling = body(&price(), &payment.signed_by(&world.payer), &Value::Null);

    assert_charged(&world, &ceiling, WALLET, 900).await;
    world.close().await;
}

#[tokio::test]
async fn a_newcomer_is_charged_with_the_approval_that_it_signed() {
    let world = World::new().await;
    let newcomer = keys::account("newcomer", 0);
    let address = newcomer.address();
    world.sandbox.mint(USDC, address, PRICE).await;
    let payload = Upto::new(&price(), address, world.signer).signed_by(&newcomer);
    let unapproved = body(&price(), &payload, &Value::Null);
    let answer = world.client.verify(&unapproved).await;
    refused(&answer, "permit2_allowance_required");

    let permit = Eip2612::new(&price(), address, 0).signed_by(&newcomer);
    let approved = body(&price(), &payload, &permit);
    let transaction = assert_charged(&world, &approved, address, 900).await;

    let input = transaction["input"].as_str().expect("calldata");
    assert!(input.starts_with("0x016c1748"), "settleWithPermit");
    world.close().await;
}

#[tokio::test]
async fn a_payer_who_has_less_than_the_ceiling_is_charged_what_the_work_came_to() {
    let world = World::new().await;
    let payer = keys::account("newcomer", 0);
    world.sandbox.mint(USDC, payer.address(), 900).await;
    let payload = Upto::new(&price(), payer.address(), world.signer).signed_by(&payer);
    let permit = Eip2612::new(&price(), payer.address(), 0).signed_by(&payer);
    let ceiling = body(&price(), &payload, &permit);
    refused(
        &world.client.verify(&ceiling).await,
        "permit2_insufficient_balance",
    );

    let answer = world.client.settle(&charge(&ceiling, 901)).await;
    refused(&answer, "permit2_insufficient_balance");
    let answer = world.client.settle(&charge(&ceiling, 900)).await;
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    world.close().await;
}

#[tokio::test]
async fn only_the_account_that_the_payer_named_charges() {
    let sandbox = Sandbox::start().await;
    for index in 0..2 {
        sandbox.signer(index).await;
    }
    let payer = sandbox.payers(1).await.remove(0);
    let both = format!("{},{}", keys::key("signer", 0), keys::key("signer", 1));
    let settings = Settings::new(sandbox.url()).set("EVM_PRIVATE_KEY", &both);
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();

    for index in [1, 0, 1, 1] {
        let named = keys::account("signer", index).address();
        let transaction = charged_by(&sandbox, &client, &payer, named).await;
        assert_eq!(transaction["from"], json!(named));
    }
    let offered = [offered(&client).await, offered(&client).await];
    assert_ne!(offered[0], offered[1], "each in its turn");
    assert!(facilitator.stop().await);
}

async fn charged_by(
    sandbox: &Sandbox,
    client: &Client,
    payer: &PrivateKeySigner,
    named: Address,
) -> Value {
    let payload = Upto::new(&price(), payer.address(), named).signed_by(payer);
    let ceiling = body(&price(), &payload, &Value::Null);
    let answer = client.settle(&charge(&ceiling, 900)).await;
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    let hash = &answer.body["transaction"];
    sandbox
        .call("eth_getTransactionByHash", json!([hash]))
        .await
}

/// The account that `/supported` names for payers to name.
async fn offered(client: &Client) -> Value {
    let supported = client.get("/supported").await.body;
    let kinds = supported["kinds"].as_array().expect("kinds");
    let mut upto = kinds.iter().filter(|kind| kind["scheme"] == "upto");
    let kind = upto.next().expect("upto is offered");
    assert_eq!(upto.next(), None);
    assert_eq!(kind["x402Version"], 2);
    assert_eq!(kind["network"], "eip155:84532");
    kind["extra"]["facilitatorAddress"].clone()
}

#[tokio::test]
async fn supported_tells_the_account_and_the_dialect() {
    let world = World::new().await;
    let supported = world.client.get("/supported").await.body;
    let kinds = supported["kinds"].as_array().expect("kinds");
    let upto = kinds.iter().find(|kind| kind["scheme"] == "upto");
    let expected = json!({
        "x402Version": 2, "scheme": "upto", "network": "eip155:84532",
        "extra": {"facilitatorAddress": world.signer.to_checksum(None), "dialects": ["permit2", "erc2612"]},
    });
    assert_eq!(upto, Some(&expected));
    world.close().await;
}

#[tokio::test]
async fn where_anybody_may_settle_real_money_upto_is_not_offered() {
    let settings = Settings::new("http://127.0.0.1:1")
        .set("EVM_NETWORKS", "base,base-sepolia")
        .set("EVM_RPC_URL_BASE", "http://127.0.0.1:1");
    let open = Facilitator::start(settings.clone().set("SETTLE_AUTH", "off")).await;
    offered(&open.client()).await;
    let payer = keys::account("payer", 0);
    let mut terms = price();
    terms.chain_id = 8453;
    let signer = keys::account("signer", 0).address();
    let payload = Upto::new(&terms, payer.address(), signer).signed_by(&payer);
    let answer = open
        .client()
        .settle(&body(&terms, &payload, &Value::Null))
        .await;
    refused(&answer, "invalid_network");

    let guarded = settings.set("BEARER_TOKEN", "a-token-long-enough");
    let guarded = Facilitator::start(guarded).await;
    let supported = guarded.client().get("/supported").await.body;
    let kinds = supported["kinds"].as_array().expect("kinds");
    let upto = kinds.iter().filter(|kind| kind["scheme"] == "upto");
    assert_eq!(upto.count(), 2, "{supported}");
}

#[tokio::test]
async fn a_payload_of_another_shape_is_told_apart() {
    let world = World::new().await;
    let mut without_facilitator = world.upto(|_| {});
    let payload = &mut without_facilitator["paymentPayload"]["payload"];
    let witness = payload["permit2Authorization"]["witness"].as_object_mut();
    witness.expect("a witness").remove("facilitator");
    let exact = Permit2::new(&price(), world.payer.address()).signed_by(&world.payer);
    let mut number = world.upto(|_| {});
    number["paymentPayload"]["payload"]["permit2Authorization"]["nonce"] = json!(7);
    for body in [
        without_facilitator,
        body(&price(), &exact, &Value::Null),
        number,
    ] {
        let answer = world.client.verify(&body).await;
        refused(&answer, "unsupported_payload_type");
        assert_eq!(answer.body["payer"], "");
    }
    let v1 = price().v1("base-sepolia", &exact);
    let mut v1 = v1.clone();
    v1["paymentRequirements"]["scheme"] = json!("upto");
    v1["paymentPayload"]["scheme"] = json!("upto");
    refused(&world.client.verify(&v1).await, "invalid_network");
    world.close().await;
}
