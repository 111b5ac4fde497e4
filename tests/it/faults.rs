//! Nodes that lose answers, lie, lag or are away: a payment is made once, and doubt is never told as failure.

use std::time::{Duration, Instant};

use hyper::StatusCode;
use serde_json::Value;
use x402_facilitator::dev::chain::Options;
use x402_facilitator::dev::{Chain, keys};

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::oracle::{Payment, eventually, failure, success, violations};
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::{npm, scratch};

const SEND: &str = "eth_sendRawTransaction";
const RECEIPT: &str = "eth_getTransactionReceipt";
const HEAD: &str = "eth_getBlockByNumber";

/// A chain, a node before it that misbehaves on request, and a service that knows only that node.
struct Scene {
    chain: Sandbox,
    proxy: Proxy,
    facilitator: Facilitator,
    payment: Payment,
}

impl Scene {
    async fn new() -> Self {
        let chain = Sandbox::start().await;
        chain.signer(0).await;
        let proxy = Proxy::start(chain.url()).await;
        let settings = Settings::new(proxy.url()).set("SETTLE_TIMEOUT_MS", "28000");
        let facilitator = Facilitator::start(settings).await;
        let payment = Payment::new(&chain.payers(1).await[0]);
        Self {
            chain,
            proxy,
            facilitator,
            payment,
        }
    }

    /// Settles at the first try, is told so once, and everything is right on chain and on record.
    async fn settles(&self) {
        let client = self.facilitator.client();
        let first = client.settle(&self.payment.body).await;
        let second = client.settle(&self.payment.body).await;
        let transaction = success(&first);
        assert_eq!(failure(&second, "duplicate_settlement"), transaction);
        assert_eq!(self.payment.transfers(&self.chain).await, [transaction]);
        let found = violations(
            &self.chain,
            &client,
            &[(&self.payment, vec![first, second])],
        )
        .await;
        assert_eq!(found, [""; 0]);
    }

    /// Settles although the node does this to the next `times` calls of the method.
    async fn settles_despite(method: &str, times: usize, fault: Fault) {
        let scene = Self::new().await;
        scene.proxy.plan(method, times, fault);
        scene.settles().await;
        scene.facilitator.stop().await;
    }
}

#[tokio::test]
async fn a_sent_transaction_whose_answer_is_lost_settles() {
    Scene::settles_despite(SEND, 1, Fault::DropAnswer).await;
}

#[tokio::test]
async fn a_sent_transaction_that_is_answered_503_settles() {
    Scene::settles_despite(SEND, 1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE)).await;
}

#[tokio::test]
async fn a_transaction_that_never_reached_the_node_is_sent_again() {
    Scene::settles_despite(SEND, 2, Fault::Drop).await;
}

#[tokio::test]
async fn a_transaction_that_the_node_calls_known_settles() {
    Scene::settles_despite(SEND, 1, Fault::RefuseAnswer("already known")).await;
}

#[tokio::test]
async fn a_nonce_that_is_too_low_because_ours_landed_settles() {
    Scene::settles_despite(SEND, 1, Fault::RefuseAnswer("nonce too low")).await;
}

#[tokio::test]
async fn a_lane_that_had_to_start_over_goes_on_at_once() {
    let scene = Scene::new().await;
    scene
        .proxy
        .plan(SEND, 1, Fault::RefuseAnswer("nonce too low"));
    scene.settles().await;
    let next = Payment::new(&keys::account("payer", 0));

    let started = Instant::now();
    success(&scene.facilitator.client().settle(&next.body).await);

    // Its own lease would be dead to it after 10 s.
    let took = started.elapsed();
    assert!(took < Duration::from_secs(7), "{took:?}");
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_transaction_that_the_node_hears_twice_pays_once() {
    Scene::settles_despite(SEND, 1, Fault::Twice).await;
}

#[tokio::test]
async fn an_answer_nobody_foresaw_counts_as_sent() {
    Scene::settles_despite(SEND, 1, Fault::RefuseAnswer("the moon is full")).await;
}

#[tokio::test]
async fn another_hash_than_ours_is_not_believed() {
    Scene::settles_despite(SEND, 1, Fault::WrongHash).await;
}

#[tokio::test]
async fn late_answers_settle() {
    Scene::settles_despite("*", 6, Fault::Delay(Duration::from_secs(1))).await;
}

#[tokio::test]
async fn receipts_that_come_late_settle() {
    Scene::settles_despite(RECEIPT, 12, Fault::Null).await;
}

#[tokio::test]
async fn receipts_that_cannot_be_asked_for_settle_later() {
    Scene::settles_despite(RECEIPT, 6, Fault::Status(StatusCode::BAD_GATEWAY)).await;
}

#[tokio::test]
async fn a_simulation_that_cannot_be_asked_for_is_no_failure() {
    // Asked only by lanes, together with the simulation.
    Scene::settles_despite("eth_getBalance", 3, Fault::Refuse("header not found")).await;
}

#[tokio::test]
async fn heads_of_another_block_settle_in_the_end() {
    Scene::settles_despite(HEAD, 6, Fault::WrongHash).await;
}

#[tokio::test]
async fn a_node_that_cannot_call_makes_no_payment_invalid() {
    for fault in [
        Fault::Refuse("header not found"),
        Fault::Drop,
        Fault::Status(StatusCode::TOO_MANY_REQUESTS),
        Fault::Null,
    ] {
        let scene = Scene::new().await;
        let client = scene.facilitator.client();
        scene.proxy.plan("eth_call", ALWAYS, fault.clone());

        let verified = client.verify(&scene.payment.body).await;
        let settled = client.settle(&scene.payment.body).await;

        assert_eq!(verified.status, 503, "{fault:?}: {}", verified.body);
        assert_eq!(verified.body["invalidReason"], "unexpected_verify_error");
        assert!(verified.headers.contains_key("retry-after"));
        assert_eq!(settled.status, 503, "{fault:?}: {}", settled.body);
        assert_eq!(failure(&settled, "unexpected_settle_error"), "");
        assert!(settled.headers.contains_key("retry-after"));
        assert_eq!(scene.payment.record(&client).await, None);
        scene.proxy.heal();
        scene.settles().await;
        scene.facilitator.stop().await;
    }
}

#[tokio::test]
async fn a_node_that_falls_behind_takes_no_settlement_back() {
    let scene = Scene::new().await;
    let client = scene.facilitator.client();
    scene.settles().await;
    scene.chain.mine(2).await;

    scene.proxy.plan("*", ALWAYS, Fault::StaleHead(4));
    let asked = scene.proxy.calls(HEAD).len();
    eventually("four looks at the stale head", || async {
        let record = scene.payment.record(&client).await.expect("a record");
        assert_eq!(record["state"], "settled");
        (scene.proxy.calls(HEAD).len() >= asked + 8).then_some(())
    })
    .await;

    scene.proxy.heal();
    let record = scene.payment.record(&client).await.expect("a record");
    assert_eq!(record["state"], "settled");
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_payment_waits_for_a_node_that_is_behind_its_receipt() {
    let scene = Scene::new().await;
    scene.chain.mine(3).await;
    scene.proxy.plan(HEAD, 8, Fault::StaleHead(2));
    scene.settles().await;
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_node_that_is_away_at_the_start_is_used_when_it_comes() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    let proxy = Proxy::start(chain.url()).await;
    proxy.plan("*", ALWAYS, Fault::Drop);
    let facilitator = Facilitator::start(Settings::new(proxy.url())).await;
    let payment = Payment::new(&chain.payers(1).await[0]);

    let refused = facilitator.client().settle(&payment.body).await;
    assert_eq!(refused.status, 503, "{}", refused.body);
    failure(&refused, "unexpected_settle_error");

    proxy.heal();
    success(&facilitator.client().settle(&payment.body).await);
    assert_eq!(payment.transfers(&chain).await.len(), 1);
    facilitator.stop().await;
}

#[tokio::test]
async fn a_node_on_another_chain_is_never_used() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    let elsewhere = Chain::start(
        &Options {
            anvil: npm::anvil().await,
            chain_id: 1,
            port: None,
        },
        scratch::client(),
    )
    .await
    .expect("anvil starts");
    let wrong = Proxy::start(elsewhere.url()).await;
    let urls = format!("{},{}", wrong.url(), chain.url());
    let facilitator = Facilitator::start(Settings::new(&urls)).await;
    let payment = Payment::new(&chain.payers(1).await[0]);

    success(&facilitator.client().settle(&payment.body).await);

    let asked = wrong.calls("eth_chainId").len();
    assert!(asked > 0);
    assert_eq!(wrong.requests(), asked, "nothing else was asked");
    facilitator.stop().await;
}

#[tokio::test]
async fn a_dead_node_leaves_the_work_to_the_next() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    let dead = format!("http://127.0.0.1:{}", scratch::free_port());
    let urls = format!("{dead},{}", chain.url());
    let facilitator = Facilitator::start(Settings::new(&urls)).await;
    let payment = Payment::new(&chain.payers(1).await[0]);

    let verified = facilitator.client().verify(&payment.body).await;
    let settled = facilitator.client().settle(&payment.body).await;

    assert_eq!(verified.body["isValid"], Value::Bool(true));
    success(&settled);
    assert_eq!(payment.transfers(&chain).await.len(), 1);
    facilitator.stop().await;
}

#[tokio::test]
async fn nobody_but_dead_nodes_is_no_verdict() {
    let dead = format!("http://127.0.0.1:{}", scratch::free_port());
    let facilitator = Facilitator::start(Settings::new(&dead)).await;
    let payment = Payment::new(&keys::account("payer", 0));

    let verified = facilitator.client().verify(&payment.body).await;

    assert_eq!(verified.status, 503, "{}", verified.body);
    assert_eq!(verified.body["invalidReason"], "unexpected_verify_error");
    facilitator.stop().await;
}
