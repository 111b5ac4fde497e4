//! A lane among others: dropped and dear transactions, expired payments, strangers at our account nonce, an empty purse.

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;
use x402_facilitator::clock::Clock;

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::Client;
use crate::harness::oracle::{Payment, eventually, failure, success, text, violations, waiting};

/// A chain, a service on it, its signer, and two payers.
struct Scene {
    chain: Sandbox,
    signer: PrivateKeySigner,
    settings: Settings,
    facilitator: Option<Facilitator>,
    payers: Vec<PrivateKeySigner>,
}

impl Scene {
    async fn new() -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let settings = Settings::new(chain.url())
            .set("SETTLE_TIMEOUT_MS", "28000")
            .set("EVM_MAX_FEE_GWEI_BASE_SEPOLIA", "500");
        let facilitator = Facilitator::start(settings.clone()).await;
        let payers = chain.payers(2).await;
        Self {
            chain,
            signer,
            settings,
            facilitator: Some(facilitator),
            payers,
        }
    }

    fn client(&self) -> Client {
        let facilitator = self.facilitator.as_ref();
        facilitator.expect("the service runs").client()
    }

    async fn stop(&mut self) {
        let facilitator = self.facilitator.take().expect("the service runs");
        assert!(facilitator.stop().await);
    }

    async fn start(&mut self) -> Client {
        self.facilitator = Some(Facilitator::start(self.settings.clone()).await);
        self.client()
    }

    /// A settled payment: the lane has recovered and taken an account nonce.
    async fn warm(&self) {
        let payment = Payment::new(&self.payers[1]);
        success(&self.client().settle(&payment.body).await);
    }

    /// The only transaction of the signer in the pool that satisfies.
    async fn in_pool(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        eventually(what, || async {
            let waiting = waiting(&self.chain, self.signer.address()).await;
            waiting.into_iter().find(|transaction| fits(transaction))
        })
        .await
    }

    async fn nonce(&self) -> u64 {
        self.chain.nonce(self.signer.address()).await
    }

    async fn is_right_about(&self, payment: &Payment) {
        let found = violations(&self.chain, &self.client(), &[(payment, vec![])]).await;
        assert_eq!(found, [""; 0]);
    }
}

fn hash(transaction: &Value) -> B256 {
    text(&transaction["hash"]).parse().expect("a hash")
}

#[tokio::test]
async fn a_dropped_transaction_is_sent_again() {
    let mut scene = Scene::new().await;
    let payment = Payment::new(&scene.payers[0]);
    scene.chain.hold_blocks().await;

    let client = scene.client();
    let (answer, first) = tokio::join!(client.settle(&payment.body), async {
        let first = scene.in_pool("the transaction", |_| true).await;
        scene.chain.drop_transaction(hash(&first)).await;
        let again = scene.in_pool("it again", |_| true).await;
        assert_eq!(again["nonce"], first["nonce"]);
        assert_eq!(again["input"], first["input"]);
        scene.chain.release_blocks().await;
        scene.chain.mine(1).await;
        first
    });

    success(&answer);
    assert_eq!(first["nonce"], "0x0");
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    scene.is_right_about(&payment).await;
    scene.stop().await;
}

#[tokio::test]
async fn a_transaction_that_became_too_cheap_is_bid_for_again_at_its_nonce() {
    let mut scene = Scene::new().await;
    let payment = Payment::new(&scene.payers[0]);
    scene.chain.hold_blocks().await;

    let client = scene.client();
    let (answer, (cheap, dear)) = tokio::join!(client.settle(&payment.body), async {
        let cheap = scene.in_pool("the transaction", |_| true).await;
        scene.chain.set_next_base_fee(40_000_000_000).await;
        scene.chain.mine(1).await;
        assert_eq!(scene.chain.receipt_now(hash(&cheap)).await, Value::Null);
        let dear = scene
            .in_pool("a dearer one", |other| other["hash"] != cheap["hash"])
            .await;
        eventually("the dearer one in a block", || async {
            scene.chain.mine(1).await;
            let waiting = waiting(&scene.chain, scene.signer.address()).await;
            waiting.is_empty().then_some(())
        })
        .await;
        (cheap, dear)
    });

    let paid = success(&answer);
    assert_eq!(cheap["nonce"], dear["nonce"]);
    assert_eq!(cheap["input"], dear["input"]);
    assert_eq!(cheap["to"], dear["to"]);
    assert_eq!(payment.transfers(&scene.chain).await, [paid]);
    // Both are names of the payment.
    for name in [&cheap, &dear] {
        let found = client
            .get(&format!("/settlements/{}", text(&name["hash"])))
            .await;
        assert_eq!(found.body[0]["paymentKey"], payment.key(), "{}", found.body);
    }
    assert_eq!(scene.nonce().await, 1);
    scene.is_right_about(&payment).await;
    scene.stop().await;
}

#[tokio::test]
async fn an_expired_payment_gives_its_nonce_to_nobody_and_the_next_one_goes_on() {
    let mut scene = Scene::new().await;
    let end = Clock::system().now().as_secs() + 12;
    let payment = Payment::changed(&scene.payers[0], |authorization| {
        authorization.message.validBefore = U256::from(end);
    });
    scene.chain.hold_blocks().await;

    let client = scene.client();
    let (answer, ()) = tokio::join!(client.settle(&payment.body), async {
        let transfer = scene.in_pool("the transaction", |_| true).await;
        let noop = scene
            .in_pool("a noop", |other| other["input"] == "0x")
            .await;
        assert_eq!(noop["nonce"], transfer["nonce"]);
        assert_eq!(noop["to"], noop["from"]);
        eventually("the end of the window", || async {
            (Clock::system().now().as_secs() > end).then_some(())
        })
        .await;
        scene.chain.release_blocks().await;
        scene.chain.mine(1).await;
    });

    failure(
        &answer,
        "invalid_exact_evm_payload_authorization_valid_before",
    );
    assert_eq!(payment.state(&client).await, "expired");
    assert_eq!(payment.transfers(&scene.chain).await, [""; 0]);
    assert_eq!(scene.nonce().await, 1);
    let next = Payment::new(&scene.payers[0]);
    success(&client.settle(&next.body).await);
    assert_eq!(scene.nonce().await, 2);
    scene.stop().await;
}

#[tokio::test]
async fn an_account_nonce_that_a_stranger_consumed_costs_no_payment() {
    let mut scene = Scene::new().await;
    scene.warm().await;
    let stranger = scene.chain.transfer_by(&scene.signer, 1, 90).await;
    scene.chain.receipt(stranger).await;
    let payment = Payment::new(&scene.payers[0]);

    let client = scene.client();
    let (answers, ()) = tokio::join!(payment.insist(&client), async {
        payment.becomes(&client, "submitted").await;
        // What proves a stranger's transaction is its finality.
        scene.chain.mine(70).await;
    });

    success(answers.last().expect("an answer"));
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    assert_eq!(scene.nonce().await, 3);
    let found = violations(&scene.chain, &client, &[(&payment, answers)]).await;
    assert_eq!(found, [""; 0]);
    scene.stop().await;
}

#[tokio::test]
async fn a_strangers_pending_transaction_pauses_the_lane_until_it_is_gone() {
    let mut scene = Scene::new().await;
    scene.stop().await;
    scene.chain.hold_blocks().await;
    scene.chain.transfer_by(&scene.signer, 0, 90).await;

    let client = scene.start().await;
    let payment = Payment::new(&scene.payers[0]);
    let (answers, ()) = tokio::join!(payment.insist(&client), async {
        payment.becomes(&client, "queued").await;
        let waiting = waiting(&scene.chain, scene.signer.address()).await;
        assert_eq!(waiting.len(), 1, "nothing of ours joins a stranger's");
        scene.chain.release_blocks().await;
        scene.chain.mine(1).await;
    });

    success(answers.last().expect("an answer"));
    assert_eq!(scene.nonce().await, 2);
    scene.stop().await;
}

#[tokio::test]
async fn a_signer_without_funds_says_so_and_goes_on_when_it_has_some() {
    let chain = Sandbox::start().await;
    let signer = chain.signer(0).await;
    chain.set_balance(signer.address(), U256::from(1)).await;
    let settings = Settings::new(chain.url()).set("SETTLE_TIMEOUT_MS", "3000");
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();
    let payment = Payment::new(&chain.payers(1).await[0]);

    let refused = client.settle(&payment.body).await;

    assert_eq!(refused.status, 503, "{}", refused.body);
    assert_eq!(failure(&refused, "settlement_capacity_exceeded"), "");
    assert_eq!(payment.record(&client).await, None, "its key is free again");
    chain.signer(0).await;
    let answers = payment.insist(&client).await;
    success(answers.last().expect("an answer"));
    assert_eq!(payment.transfers(&chain).await.len(), 1);
    facilitator.stop().await;
}

#[tokio::test]
async fn a_gap_that_a_reorg_tore_is_closed() {
    let mut scene = Scene::new().await;
    scene.warm().await;
    // The lane learns of a stranger's nonce, and then the stranger's block is taken away.
    scene.stop().await;
    let stranger = scene.chain.transfer_by(&scene.signer, 1, 90).await;
    scene.chain.receipt(stranger).await;
    let client = scene.start().await;
    let before = Payment::new(&scene.payers[1]);
    success(&client.settle(&before.body).await);
    assert_eq!(scene.nonce().await, 3);

    scene.chain.reorg(2).await;
    assert_eq!(scene.nonce().await, 1);
    let payment = Payment::new(&scene.payers[0]);
    let answers = payment.insist(&client).await;

    success(answers.last().expect("an answer"));
    before.becomes(&client, "settled").await;
    assert_eq!(before.transfers(&scene.chain).await.len(), 1);
    assert_eq!(scene.nonce().await, 4);
    scene.stop().await;
}

#[tokio::test]
async fn many_payments_at_once_take_one_nonce_each() {
    let mut scene = Scene::new().await;
    let payments: Vec<_> = (0..40)
        .map(|i| Payment::new(&scene.payers[i % 2]))
        .collect();

    let client = scene.client();
    let asked = payments.iter().map(|payment| payment.insist(&client));
    let answers = futures::future::join_all(asked).await;

    assert_eq!(scene.nonce().await, 40);
    let told: Vec<_> = payments.iter().zip(answers).collect();
    for (_, answers) in &told {
        success(answers.last().expect("an answer"));
    }
    let found = violations(&scene.chain, &client, &told).await;
    assert_eq!(found, [""; 0]);
    scene.stop().await;
}

#[tokio::test]
async fn nodes_that_make_no_blocks_get_a_pending_answer_with_the_hash() {
    let mut scene = Scene::new().await;
    scene.stop().await;
    scene.settings = scene.settings.set("SETTLE_TIMEOUT_MS", "1500");
    let client = scene.start().await;
    scene.chain.hold_blocks().await;
    let payment = Payment::new(&scene.payers[0]);

    let pending = client.settle(&payment.body).await;
    let named = failure(&pending, "settlement_pending");
    let verified = client.verify(&payment.body).await;
    assert_eq!(verified.body["isValid"], true, "{}", verified.body);
    let record = client.get(&format!("/settlements/{named}")).await;
    assert_eq!(record.body[0]["paymentKey"], payment.key());

    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;
    payment.becomes(&client, "settled").await;
    let verified = client.verify(&payment.body).await;
    assert_eq!(
        verified.body["isValid"], true,
        "still owed: {}",
        verified.body
    );
    let paid = success(&client.settle(&payment.body).await);
    let verified = client.verify(&payment.body).await;
    assert_eq!(verified.body["invalidReason"], "duplicate_settlement");
    let again = client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), paid);
    scene.stop().await;
}
