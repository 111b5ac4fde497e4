//! Whatever comes in, a protocol-shaped answer goes out, and nothing bad is ever valid, stored or sent.

mod bodies;
mod members;
mod wire;

use alloy::primitives::{Address, U256, address};
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::{Answer, Client};
use crate::harness::sign::{Eip3009, Permit2, Terms};

const PAYEE: Address = address!("0x00000000000000000000000000000000000d0012");

/// A chain, a service on it, and good payments that nobody has settled.
struct Door {
    sandbox: Sandbox,
    settings: Settings,
    _facilitator: Facilitator,
    client: Client,
}

impl Door {
    async fn open() -> Self {
        Self::with(&[]).await
    }

    async fn with(variables: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start().await;
        sandbox.signer(0).await;
        let settings = Settings::new(sandbox.url());
        let settings = variables.iter().fold(settings, |settings, (name, value)| {
            settings.set(name, value)
        });
        let facilitator = Facilitator::start(settings.clone()).await;
        Self {
            sandbox,
            settings,
            client: facilitator.client(),
            _facilitator: facilitator,
        }
    }

    /// Version 2 by EIP-3009, version 2 by Permit2, version 1.
    async fn payments(&self) -> [Value; 3] {
        let payer = self.sandbox.payers(1).await.remove(0);
        let (terms, from) = (Terms::usdc(PAYEE, 2_500), payer.address());
        let eip3009 = || Eip3009::new(&terms, from).signed_by(&payer);
        let permit2 = Permit2::new(&terms, from).signed_by(&payer);
        let mut v2 = terms.v2(&eip3009(), &json!({"unknown": {"info": {}}}));
        v2["paymentRequirements"]["extra"]["assetTransferMethod"] = json!("eip3009");
        [
            v2,
            terms.v2(&permit2, &Value::Null),
            terms.v1("base-sepolia", &eip3009()),
        ]
    }

    async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.client.send(Method::POST, path, &[], body).await
    }

    /// Both endpoints refuse the body, in shape.
    async fn refuses(&self, body: &str) -> [Answer; 2] {
        let verdict = self.post("/verify", body.to_owned()).await;
        assert_eq!(verdict.body["isValid"], false, "{}", verdict.text);
        let outcome = self.post("/settle", body.to_owned()).await;
        assert_eq!(outcome.body["success"], false, "{}", outcome.text);
        for answer in [&verdict, &outcome] {
            shaped(answer);
            assert_ne!(answer.reason(), "", "{}", answer.text);
        }
        [verdict, outcome]
    }

    /// Nothing is on record, and no transaction was made.
    async fn is_untouched(&self) {
        assert_eq!(self.settings.rows().await, 0, "rows are stored");
        let signer = self.sandbox.signer(0).await.address();
        let sent: U256 = self
            .sandbox
            .call("eth_getTransactionCount", json!([signer, "pending"]))
            .await;
        assert_eq!(sent, U256::ZERO, "transactions were sent");
    }
}

/// What every answer of `/verify` and `/settle` has.
fn shaped(answer: &Answer) {
    let text = &answer.text;
    assert!(answer.status.as_u16() < 500, "{} {text}", answer.status);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert_ne!(answer.header("x-request-id"), "");
    let body = &answer.body;
    let controls = text.chars().any(char::is_control);
    assert!(!controls, "control characters in {text:?}");
    if body["isValid"].is_boolean() {
        return;
    }
    assert!(body["success"].is_boolean(), "neither shape: {text}");
    assert!(body["transaction"].is_string(), "{text}");
    assert!(
        body["network"].as_str().is_some_and(|n| !n.is_empty()),
        "{text}"
    );
}

/// The body with another value at a pointer, or with the member gone.
fn substituted(body: &Value, pointer: &str, substitute: Option<&Value>) -> Value {
    let mut body = body.clone();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let parent = body.pointer_mut(parent).expect("it is there");
    let parent = parent.as_object_mut().expect("an object");
    match substitute {
        Some(value) => parent.insert(name.to_owned(), value.clone()),
        None => parent.remove(name),
    };
    body
}
