//! What is on record long after, and what late requests hear of it.

use super::*;

#[tokio::test]
async fn after_its_window_a_settled_payment_is_still_a_duplicate_with_its_hash() {
    let stage = Stage::new().await;
    let clock = Clock::manual(Clock::system().now());
    let facilitator = Facilitator::with_clock(stage.settings.clone(), clock.clone()).await;
    let (client, body) = (facilitator.client(), stage.body());
    let transaction = success(&client.settle(&body).await);

    clock.advance(Duration::from_secs(400));

    duplicate(&client.settle(&body).await, &transaction);
    assert_eq!(client.verify(&body).await.reason(), "duplicate_settlement");
    let never_seen = client.settle(&stage.body_of_the_past()).await;
    let expired = "invalid_exact_evm_payload_authorization_valid_before";
    assert_eq!(never_seen.reason(), expired, "{}", never_seen.text);
}

#[tokio::test]
async fn a_payment_that_missed_its_window_stays_failed_and_moves_nothing() {
    let stage = Stage::new().await;
    let clock = Clock::manual(Clock::system().now());
    let facilitator = Facilitator::with_clock(stage.settings.clone(), clock.clone()).await;
    let (client, payment) = (facilitator.client(), stage.payment());
    let body = terms().v2(&payment.signed_by(&stage.payer), &Value::Null);
    let path = format!("/settlements/{}", key_of(&payment));
    stage.sandbox.hold_blocks().await;

    let meanwhile = async {
        until(&client, &path, |view| view["state"] == "submitted").await;
        let _: Value = stage.sandbox.call("evm_increaseTime", json!([400])).await;
        clock.advance(Duration::from_secs(400));
        stage.sandbox.release_blocks().await;
        stage.sandbox.mine(2).await;
    };
    tokio::join!(client.settle(&body), meanwhile);

    let ended = |view: &Value| view["state"] == "failed" || view["state"] == "expired";
    until(&client, &path, ended).await;
    let first = client.settle(&body).await;
    assert_eq!(first.body["success"], false, "{}", first.text);
    assert_ne!(first.reason(), "settlement_pending");
    assert_ne!(first.reason(), "duplicate_settlement");
    assert_eq!(client.settle(&body).await.body, first.body);
    assert_eq!(client.verify(&body).await.body["isValid"], false);
    assert_eq!(stage.arrived().await, U256::ZERO);
}

#[tokio::test]
async fn a_settlement_is_on_record_under_its_id_key_and_transaction_also_after_a_restart() {
    let stage = Stage::new().await.guarded();
    let facilitator = stage.serve().await;
    let (client, payment) = (facilitator.client(), stage.payment());
    let body = terms().v2(&payment.signed_by(&stage.payer), &Value::Null);
    let key = ("idempotency-key", "order-7");
    let first = settle_as(&client, &[ALICE, key], &body).await;
    let transaction = success(&first);
    let get = async |client: &Client, headers: &[(&str, &str)], reference: &str| {
        let path = format!("/settlements/{reference}");
        client.send(Method::GET, &path, headers, "").await
    };

    let by_key = get(&client, &[BOB], &key_of(&payment)).await;
    let view = by_key.body.clone();
    assert_eq!(by_key.status, 200, "{}", by_key.text);
    assert_eq!(by_key.header("cache-control"), "no-store");
    let known = [
        ("state", json!("settled")),
        ("delivered", json!(true)),
        ("transaction", json!(transaction)),
        ("amount", json!("2500")),
        ("network", json!("eip155:84532")),
        ("paymentKey", json!(key_of(&payment))),
    ];
    for (name, value) in known {
        assert_eq!(view[name], value, "{name}");
    }
    let id = view["id"].as_str().unwrap();
    let upper = key_of(&payment).to_uppercase();
    for reference in [id, &id.to_uppercase(), &upper] {
        assert_eq!(
            get(&client, &[ALICE], reference).await.body,
            view,
            "{reference}"
        );
    }
    for reference in [&transaction, &transaction.to_uppercase()] {
        let list = get(&client, &[ALICE], reference).await;
        assert_eq!(list.body, json!([view]), "{reference}");
    }
    assert_eq!(get(&client, &[ALICE], "nothing").await.status, 404);
    assert_eq!(get(&client, &[], id).await.status, 401);
    assert!(facilitator.stop().await);

    let facilitator = stage.serve().await;
    let client = facilitator.client();
    let after = get(&client, &[ALICE], id).await.body;
    assert_eq!(after["transaction"], view["transaction"]);
    assert_eq!(after["delivered"], true);
    duplicate(&settle_as(&client, &[BOB, key], &body).await, &transaction);
    let replayed = settle_as(&client, &[ALICE, key], &body).await;
    assert_eq!(replayed.body, first.body);
    assert_eq!(replayed.header("idempotency-replayed"), "true");
}

#[tokio::test]
async fn a_twin_whose_check_comes_after_the_payment_is_a_duplicate_and_not_a_bad_payment() {
    let stage = Stage::new().await;
    let proxy = Proxy::start(stage.sandbox.url()).await;
    let settings = stage.settings.clone();
    let settings = settings.set("EVM_RPC_URL_BASE_SEPOLIA", proxy.url());
    let facilitator = Facilitator::start(settings).await;
    let (client, body) = (facilitator.client(), stage.body());
    proxy.plan("eth_call", 2, Fault::Delay(Duration::from_secs(2)));

    let first = async {
        // Both late twins have looked at the record and are asking the chain.
        while proxy.calls("eth_call").len() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        client.settle(&body).await
    };
    let (settled, verified, first) =
        tokio::join!(client.settle(&body), client.verify(&body), first);

    let transaction = success(&first);
    duplicate(&settled, &transaction);
    assert_eq!(
        verified.reason(),
        "duplicate_settlement",
        "{}",
        verified.text
    );
}
