//! `/openapi.json` says what really comes: one answer of each kind is held against it.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::http::{Answer, Client};
use crate::harness::sign::Eip3009;
use crate::harness::world::{World, price};

const TOKEN: &str = "a-token-of-more-than-16";

struct Contract {
    document: Value,
    client: Client,
    /// Answers that were held against it.
    held: usize,
}

impl Contract {
    async fn of(client: &Client) -> Self {
        Self {
            document: client.get("/openapi.json").await.body,
            client: client.clone(),
            held: 0,
        }
    }

    /// The answer has a documented status and type, and its body is as its schema says.
    fn holds(&mut self, method: &str, path: &str, answer: &Answer) {
        let status = answer.status.as_str();
        let documented = &self.document["paths"][path][method]["responses"][status];
        assert!(
            documented.is_object(),
            "{method} {path} {status} is not documented: {}",
            answer.text
        );
        let kind = answer
            .header("content-type")
            .split(';')
            .next()
            .unwrap_or_default()
            .trim();
        let content = &documented["content"][kind];
        assert!(
            content.is_object(),
            "{method} {path} {status}: {kind} is not documented"
        );
        self.held += 1;
        if kind != "application/json" {
            return;
        }
        let mut schema = content["schema"].clone();
        schema["components"] = self.document["components"].clone();
        let validator = jsonschema::validator_for(&schema).expect("a JSON schema");
        let errors: Vec<String> = validator
            .iter_errors(&answer.body)
            .map(|e| e.to_string())
            .collect();
        assert!(
            errors.is_empty(),
            "{method} {path} {status}: {errors:?} in {}",
            answer.body
        );
    }

    async fn get(&mut self, template: &str, path: &str, status: u16) -> Answer {
        let answer = self.client.get(path).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.text);
        self.holds("get", template, &answer);
        answer
    }

    async fn refuses_what_cannot_be_read(&mut self) {
        for path in ["/verify", "/settle"] {
            let garbage = self.client.post_text(path, "{").await;
            assert_eq!(garbage.status.as_u16(), 400);
            self.holds("post", path, &garbage);
            let large = self.client.post_text(path, &" ".repeat(100_000)).await;
            assert_eq!(large.status.as_u16(), 413);
            self.holds("post", path, &large);
        }
    }
}

#[tokio::test]
async fn real_answers_are_as_the_document_says() {
    let world = World::new().await;
    let mut contract = Contract::of(&world.client).await;
    let body = world.eip3009(|_| {});

    contract.get("/readyz", "/readyz?verbose", 200).await;

    let valid = world.client.verify(&body).await;
    contract.holds("post", "/verify", &valid);
    let settled = world.client.settle(&body).await;
    assert_eq!(settled.body["success"], true);
    contract.holds("post", "/settle", &settled);
    let again = world.client.settle(&body).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    contract.holds("post", "/settle", &again);
    let mut forged = Eip3009::new(&price(), world.payer.address()).signed_by(&world.payer);
    forged["authorization"]["to"] = json!("0x000000000000000000000000000000000000dEaD");
    let forged = price().v2(&forged, &Value::Null);
    contract.holds("post", "/verify", &world.client.verify(&forged).await);
    contract.holds("post", "/settle", &world.client.settle(&forged).await);
    contract.refuses_what_cannot_be_read().await;

    let transaction = settled.body["transaction"].as_str().unwrap();
    let listed = contract
        .get(
            "/settlements/{reference}",
            &format!("/settlements/{transaction}"),
            200,
        )
        .await;
    let id = listed.body[0]["id"]
        .as_str()
        .expect("a list of one")
        .to_owned();
    for path in ["/settlements", "/tx"] {
        let template = format!("{path}/{{reference}}");
        contract.get(&template, &format!("{path}/{id}"), 200).await;
        contract
            .get(&template, &format!("{path}/unheard-of"), 404)
            .await;
        contract.get(&template, &format!("{path}/a%20b"), 400).await;
    }
    contract
        .get("/tx", &format!("/tx?reference={id}"), 200)
        .await;
    contract.get("/tx", "/tx?reference=unheard-of", 404).await;
    contract.get("/tx", "/tx", 400).await;
    let status = contract.get("/status.json", "/status.json", 200).await;
    assert_eq!(status.body["settled24h"], 1);
    assert_eq!(status.body["recent"][0]["id"], json!(id));
    for path in [
        "/healthz",
        "/health",
        "/livez",
        "/readyz",
        "/supported",
        "/docs",
        "/",
    ] {
        contract.get(path, path, 200).await;
    }
    let about = world
        .client
        .send(Method::GET, "/", &[("accept", "application/json")], "")
        .await;
    contract.holds("get", "/", &about);
    contract.get("/admin", "/admin", 404).await;
    assert_eq!(contract.held, 30);
    world.close().await;
}

#[tokio::test]
async fn refusals_of_strangers_are_as_the_document_says() {
    let world = World::with(|s| s.set("BEARER_TOKEN", TOKEN).set("ADMIN_TOKEN", TOKEN)).await;
    let mut contract = Contract::of(&world.client).await;
    let body = world.eip3009(|_| {});

    contract.holds("post", "/verify", &world.client.verify(&body).await);
    contract.holds("post", "/settle", &world.client.settle(&body).await);
    contract
        .get("/settlements/{reference}", "/settlements/x", 401)
        .await;
    contract.get("/admin", "/admin", 401).await;
    let stranger = world
        .client
        .send(Method::POST, "/admin/pause", &[], "")
        .await;
    assert_eq!(stranger.status.as_u16(), 401);
    contract.holds("post", "/admin/pause", &stranger);
    world.close().await;
}

#[tokio::test]
async fn a_document_that_says_something_else_is_found_out() {
    let world = World::new().await;
    let mut contract = Contract::of(&world.client).await;
    contract.document["components"]["schemas"]["Alive"]["required"] = json!(["pulse"]);
    let alive = world.client.get("/healthz").await;
    let hold = std::panic::AssertUnwindSafe(|| contract.holds("get", "/healthz", &alive));
    assert!(std::panic::catch_unwind(hold).is_err());
    world.close().await;
}
