//! API keys from the command line to the door.

use reqwest::Method;
use serde_json::{Value, json};

use super::{PAYEE, over_limit};
use crate::harness::binary::Binary;
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::Answer;
use crate::harness::keyring;
use crate::harness::oracle::{eventually, success, text};
use crate::harness::sign::{Eip3009, Terms};
use crate::harness::world::World;

async fn chain() -> (Sandbox, Settings) {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let settings = Settings::new(sandbox.url()).set("API_KEYS", "on");
    (sandbox, settings)
}

async fn payment(sandbox: &Sandbox) -> Value {
    let payer = sandbox.payers(1).await.remove(0);
    let terms = Terms::usdc(PAYEE, 2500);
    terms.v2(
        &Eip3009::new(&terms, payer.address()).signed_by(&payer),
        &Value::Null,
    )
}

#[tokio::test]
async fn a_key_opens_the_door_until_it_is_revoked_and_is_never_seen_again() {
    let (sandbox, settings) = chain().await;
    let settings = settings.set("RUST_LOG", "debug");
    let key = keyring::create(&settings, "shop", &[]).await;
    let secret = key.rsplit('_').next().expect("a secret").to_owned();
    let mut program = Binary::start(settings.path(), &settings.pairs()).await;
    let body = payment(&sandbox).await;
    let mut answers = Vec::new();

    let bearer = format!("Bearer {key}");
    for (name, value) in [("authorization", &bearer), ("x-api-key", &key)] {
        let headers = [(name, value.as_str())];
        let answer = program
            .client
            .send(Method::POST, "/verify", &headers, body.to_string())
            .await;
        assert_eq!(answer.body["isValid"], true, "{name}: {}", answer.body);
        answers.push(answer);
    }
    let wrong = format!(
        "{}_{}",
        &key[..17],
        secret.chars().rev().collect::<String>()
    );
    let wrong = keyring::call(&program.client, &wrong, "/settle", &body).await;
    assert_unauthorized(&wrong);
    answers.extend([
        wrong,
        keyring::call(&program.client, &key, "/settle", &body).await,
    ]);
    success(answers.last().expect("one"));
    let listed = keyring::keys(&settings, &["list"]).await;
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(
        listed.contains(&key[..17]) && listed.contains("shop"),
        "{listed}"
    );

    let done = keyring::keys(&settings, &["revoke", "shop"]).await;
    assert!(done.status.success());
    let began = std::time::Instant::now();
    let refused = eventually("a revoked key refused", || async {
        let answer = keyring::call(&program.client, &key, "/verify", &body).await;
        (answer.status == 401).then_some(answer)
    });
    assert_unauthorized(&refused.await);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
    assert!(
        !keyring::keys(&settings, &["revoke", "shop"])
            .await
            .status
            .success()
    );

    program.signal("INT").await;
    program.ended().await;
    let log = program.log();
    assert!(log.contains("DEBUG"), "the log is at debug level");
    let database = std::fs::read(settings.path().join("facilitator.db")).expect("the database");
    let stored = database
        .windows(secret.len())
        .any(|part| part == secret.as_bytes());
    assert!(!stored, "the database has the secret");
    for seen in [&log, &listed]
        .into_iter()
        .chain(answers.iter().map(|a| &a.text))
    {
        assert!(!seen.contains(&secret), "{seen}");
    }
}

#[track_caller]
fn assert_unauthorized(answer: &Answer) {
    assert_eq!(answer.status.as_u16(), 401, "{}", answer.body);
    assert_eq!(
        answer.header("www-authenticate"),
        r#"Bearer realm="facilitator""#
    );
    assert_eq!(answer.body["error"], "Unauthorized");
    assert_eq!(answer.reason(), "unexpected_error");
}

#[tokio::test]
async fn a_bound_key_settles_for_its_payee_and_tenants_see_their_own_payments() {
    let (sandbox, settings) = chain().await;
    let payee = PAYEE.to_checksum(None);
    let bindings = ["--pay-to", &payee, "--networks", "base-sepolia"];
    let bound = keyring::create(&settings, "bound", &bindings).await;
    let other = keyring::create(&settings, "other", &[]).await;
    let admin = keyring::create(&settings, "admin", &["--scopes", "admin"]).await;
    let service = Facilitator::start(settings).await;
    let (client, body) = (service.client(), payment(&sandbox).await);

    let transaction = success(&keyring::call(&client, &bound, "/settle", &body).await);

    for (key, status) in [(&bound, 200), (&other, 404), (&admin, 200)] {
        let headers = [("x-api-key", key.as_str())];
        let path = format!("/settlements/{transaction}");
        let seen = client.send(Method::GET, &path, &headers, "").await;
        assert_eq!(seen.status.as_u16(), status, "{}", seen.body);
        if status == 200 {
            assert_eq!(seen.body[0]["state"], "settled");
        }
    }
    // A key for operators settles nothing.
    let answer = keyring::call(&client, &admin, "/settle", &body).await;
    assert_eq!(
        (answer.status.as_u16(), answer.reason()),
        (403, "insufficient_scope")
    );
    // Nobody learns of another's payment by asking again: it is told as a duplicate, never as a success.
    let again = keyring::call(&client, &other, "/settle", &body).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    assert!(service.stop().await);
}

#[tokio::test]
async fn a_key_has_the_rate_and_the_daily_number_it_was_made_with() {
    let sandbox_free = Settings::new("http://127.0.0.1:1").set("API_KEYS", "on");
    let slow = keyring::create(&sandbox_free, "slow", &["--rate", "2"]).await;
    let rare = keyring::create(&sandbox_free, "rare", &["--daily", "1"]).await;
    let world = World::with(|other| sandbox_free.at_node_of(&other)).await;
    let body = world.eip3009(|_| {});

    for _ in 0..2 {
        let answer = keyring::call(&world.client, &slow, "/verify", &body).await;
        assert_eq!(answer.body["isValid"], true, "{}", answer.body);
    }
    let answer = keyring::call(&world.client, &slow, "/verify", &body).await;
    assert!(over_limit(&answer, "seller_verify_cap_exceeded") <= 30);

    success(&keyring::call(&world.client, &rare, "/settle", &body).await);
    let another = world.eip3009(|_| {});
    let answer = keyring::call(&world.client, &rare, "/settle", &another).await;
    over_limit(&answer, "seller_settle_cap_exceeded");
    // What is on record is told whatever is used up.
    let again = keyring::call(&world.client, &rare, "/settle", &body).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    success(&keyring::call(&world.client, &slow, "/settle", &another).await);
    world.close().await;
}

#[tokio::test]
async fn a_key_that_would_not_do_what_was_meant_is_not_made() {
    let settings = Settings::new("http://127.0.0.1:1");
    for (bindings, complaint) in [
        (
            &["--name", "shop", "--pay-to", "0x12"][..],
            "must be an address",
        ),
        (
            &["--name", "shop", "--networks", "bse"],
            "bse is no network",
        ),
        (
            &["--name", "shop", "--scopes", "settle,amdin"],
            "must be verify, settle or admin",
        ),
        (&["--name", ""], "printable ASCII"),
        (
            &["--pay-to", "0x036CbD53842c5426634e7929541eC2318f3dCF7e"],
            "--name",
        ),
    ] {
        let arguments: Vec<&str> = ["create"].iter().chain(bindings).copied().collect();
        let output = keyring::keys(&settings, &arguments).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && said.contains(complaint),
            "{said}"
        );
        assert!(output.stdout.is_empty());
    }
    keyring::create(&settings, "shop", &[]).await;
    let twin = keyring::keys(&settings, &["create", "--name", "shop"]).await;
    let said = String::from_utf8_lossy(&twin.stderr).into_owned();
    assert!(
        !twin.status.success() && said.contains("is in use"),
        "{said}"
    );
}

#[tokio::test]
async fn with_keys_asked_for_and_none_made_nobody_gets_in() {
    let settings = Settings::new("http://127.0.0.1:1").set("API_KEYS", "on");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    program.said("no API key is in use").await;
    let answer = program.client.settle(&json!({})).await;
    assert_unauthorized(&answer);
    assert_eq!(text(&answer.body["network"]), "unknown:unknown");
}
