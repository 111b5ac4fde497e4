//! SIGTERM to the real program: what is under way is finished, what is new is sent elsewhere, and a second signal ends it at once.

use alloy::primitives::{Address, U256, address};
use serde_json::{Value, json};

use crate::harness::binary::Binary;
use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::Settings;
use crate::harness::proxy::Proxy;
use crate::harness::sign::{Eip3009, Terms};

const PAYEE: Address = address!("0x0000000000000000000000000000000000000d12");

/// A program before a chain that holds its blocks, so that a settlement stays under way.
struct Held {
    sandbox: Sandbox,
    proxy: Proxy,
    settings: Settings,
    program: Binary,
    body: Value,
    other: Value,
}

impl Held {
    async fn start(variables: &[(&str, &str)]) -> Self {
        let sandbox = Sandbox::start().await;
        sandbox.signer(0).await;
        let proxy = Proxy::start(sandbox.url()).await;
        let settings = Settings::new(proxy.url());
        let settings = variables.iter().fold(settings, |settings, (name, value)| {
            settings.set(name, value)
        });
        let program = Binary::start(settings.path(), &settings.pairs()).await;
        let payer = sandbox.payers(1).await.remove(0);
        let terms = Terms::usdc(PAYEE, 2_500);
        let body = || {
            let payment = Eip3009::new(&terms, payer.address());
            terms.v2(&payment.signed_by(&payer), &Value::Null)
        };
        sandbox.hold_blocks().await;
        Self {
            body: body(),
            other: body(),
            sandbox,
            proxy,
            settings,
            program,
        }
    }

    /// Returns once a transaction went out.
    async fn sent(&self) {
        while self.proxy.calls("eth_sendRawTransaction").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }
}

#[tokio::test]
async fn a_drain_answers_what_is_under_way_and_sends_the_rest_elsewhere() {
    let mut held = Held::start(&[("DRAIN_NOTICE_MS", "2000")]).await;
    let client = held.program.client.clone();

    let meanwhile = async {
        held.sent().await;
        held.program.signal("TERM").await;
        held.program.said("draining").await;
        let ready = client.get("/readyz").await;
        let refused = client.settle(&held.other).await;
        held.sandbox.release_blocks().await;
        held.sandbox.mine(1).await;
        (ready, refused)
    };
    let (settled, (ready, refused)) = tokio::join!(client.settle(&held.body), meanwhile);

    assert_eq!(settled.body["success"], true, "{}", settled.text);
    assert_eq!(ready.status, 503);
    assert_eq!(ready.body["draining"], true);
    assert_eq!(refused.status, 503, "{}", refused.text);
    assert_ne!(refused.header("retry-after"), "");
    assert_eq!(refused.body["transaction"], "");
    assert_eq!(
        held.program.ended().await.code(),
        Some(0),
        "{}",
        held.program.log()
    );
    assert_eq!(
        held.sandbox.balance_of(USDC, PAYEE).await,
        U256::from(2_500)
    );
    assert_eq!(held.settings.rows().await, 1);
}

#[tokio::test]
async fn an_interrupt_by_a_person_is_not_delayed() {
    let mut held = Held::start(&[("DRAIN_NOTICE_MS", "600000")]).await;
    held.program.signal("INT").await;
    assert_eq!(held.program.ended().await.code(), Some(0));
    let gone = held.program.client.try_post("/verify", &json!({})).await;
    assert!(gone.is_err());
}

#[tokio::test]
async fn a_second_signal_ends_the_program_at_once_and_loses_nothing() {
    for variables in [("DRAIN_NOTICE_MS", "600000"), ("DRAIN_NOTICE_MS", "0")] {
        let mut held = Held::start(&[variables]).await;
        let client = held.program.client.clone();
        let body = held.body.clone();
        let settling = client.try_post("/settle", &body);
        let meanwhile = async {
            held.sent().await;
            held.program.signal("TERM").await;
            held.program.said("draining").await;
            held.program.signal("TERM").await;
            held.program.ended().await
        };

        let (answer, ended) = tokio::join!(settling, meanwhile);

        assert!(answer.is_err(), "the connection died with the process");
        assert_eq!(ended.code(), Some(1));
        held.sandbox.release_blocks().await;
        held.sandbox.mine(1).await;
        let again = Binary::start(held.settings.path(), &held.settings.pairs()).await;
        let answer = again.client.settle(&held.body).await;
        assert_eq!(answer.body["success"], true, "{}", answer.text);
        assert_eq!(
            held.sandbox.balance_of(USDC, PAYEE).await,
            U256::from(2_500)
        );
    }
}
