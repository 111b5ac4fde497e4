//! SIGKILL at every point of the money path: nothing is lost, nothing is paid twice, and the right answer comes after the restart.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256};
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::{Payment, eventually, failure, success, text, violations, waiting};
use crate::harness::postgres;

/// From a restart until no payment is undecided: a dead holder's lease stands for 10 s of it.
const RECOVERY: Duration = Duration::from_secs(30);

/// What the chain does while the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// A block per transaction, at once.
    Made,
    /// No blocks until the process is back and has sent again.
    Held,
    /// No blocks, and the node forgets what it had in the pool.
    HeldAndForgotten,
}

/// A chain, its facilitator's settings, and a payment to make.
pub(crate) struct Scene {
    pub(crate) chain: Sandbox,
    pub(crate) signer: PrivateKeySigner,
    pub(crate) settings: Settings,
    pub(crate) payment: Payment,
}

impl Scene {
    async fn new(database: Option<String>) -> Self {
        Self::paying(database, |payer, _| Payment::new(payer)).await
    }

    /// With a payment by this payer, through this signer.
    pub(crate) async fn paying(
        database: Option<String>,
        pay: impl FnOnce(&PrivateKeySigner, Address) -> Payment,
    ) -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let payment = pay(&chain.payers(1).await[0], signer.address());
        // Long enough that the first request's deadline is not past before a dead holder's lease is.
        let mut settings = Settings::new(chain.url()).set("SETTLE_TIMEOUT_MS", "28000");
        if let Some(url) = database {
            settings = settings.set("DATABASE_URL", &url);
        }
        Self {
            chain,
            signer,
            settings,
            payment,
        }
    }

    /// Starts a process, settles with it and kills it at the point.
    pub(crate) async fn kill_at(&self, point: &str) {
        let mut process = Process::start(&self.settings, Some(point)).await;
        let client = process.client.clone();
        let (answer, ()) = tokio::join!(client.try_post("/settle", &self.payment.body), async {
            process.reached(point).await;
            process.kill().await;
        });
        assert!(answer.is_err(), "the connection died with the process");
    }

    /// The hashes of the signer's transactions in the pool.
    async fn pool(&self) -> Vec<String> {
        let waiting = waiting(&self.chain, self.signer.address()).await;
        waiting.iter().map(|waits| text(&waits["hash"])).collect()
    }

    /// Starts over and asks again until there is an answer; then once more. Returns what the oracle has to say.
    async fn recover(&self) -> (Process, Vec<String>) {
        let started = Instant::now();
        let process = Process::start(&self.settings, None).await;
        let mut answers = self.payment.insist(&process.client).await;
        answers.push(process.client.settle(&self.payment.body).await);
        let found = violations(
            &self.chain,
            &process.client,
            &[(&self.payment, answers.clone())],
        )
        .await;
        if found.is_empty() {
            let [.., first, second] = &answers[..] else {
                panic!("two answers at least")
            };
            let transaction = success(first);
            assert_eq!(failure(second, "duplicate_settlement"), transaction);
            assert_eq!(self.payment.transfers(&self.chain).await, [transaction]);
            assert!(started.elapsed() < RECOVERY, "{:?}", started.elapsed());
        }
        (process, found)
    }
}

/// Kills at the point, starts over, and expects everything to be right.
pub(crate) async fn survives(scene: &Scene, point: &str, blocks: Blocks) {
    if blocks != Blocks::Made {
        scene.chain.hold_blocks().await;
    }
    scene.kill_at(point).await;
    let before = scene.pool().await;
    if blocks == Blocks::HeldAndForgotten {
        let hash: B256 = before[0].parse().expect("a hash");
        scene.chain.drop_transaction(hash).await;
        assert_eq!(scene.pool().await, [""; 0]);
    }
    let (recovered, ()) = tokio::join!(scene.recover(), async {
        if blocks == Blocks::Made {
            return;
        }
        let after = eventually("the transaction in the pool", || async {
            let pool = scene.pool().await;
            (!pool.is_empty()).then_some(pool)
        })
        .await;
        if !before.is_empty() {
            assert_eq!(after, before, "the same bytes");
        }
        // Held until the new process owns the lane, so that it finds its transaction unmined.
        scene.chain.release_blocks().await;
        scene.chain.mine(1).await;
    });
    let (process, found) = recovered;
    assert_eq!(found, [""; 0]);
    process.kill().await;
}

macro_rules! kills {
    ($($name:ident: $point:literal, $blocks:ident;)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() {
                super::survives(&super::Scene::new(None).await, $point, super::Blocks::$blocks).await;
            })*
        }
        mod postgresql {
            $(#[tokio::test] async fn $name() {
                let scene = super::Scene::new(Some(super::postgres::database().await)).await;
                super::survives(&scene, $point, super::Blocks::$blocks).await;
            })*
        }
    };
}

kills! {
    a_kill_after_enqueueing_loses_and_doubles_nothing: "Enqueued", Made;
    a_kill_after_choosing_the_account_nonce_loses_and_doubles_nothing: "NonceChosen", Made;
    a_kill_after_signing_loses_and_doubles_nothing: "Signed", Made;
    a_kill_after_storing_loses_and_doubles_nothing: "Stored", Held;
    a_kill_after_sending_loses_and_doubles_nothing: "Sent", Made;
    a_kill_with_a_transaction_in_the_pool_loses_and_doubles_nothing: "Sent", Held;
    a_kill_with_a_forgotten_transaction_sends_the_same_bytes_again: "Sent", HeldAndForgotten;
    a_kill_after_reading_the_receipt_loses_and_doubles_nothing: "Received", Made;
    a_kill_before_telling_the_success_leaves_it_to_be_told_once: "Settled", Made;
}

#[tokio::test]
async fn nothing_is_sent_before_it_is_stored() {
    let scene = Scene::new(None).await;
    scene.chain.hold_blocks().await;

    scene.kill_at("Stored").await;

    assert_eq!(scene.pool().await, [""; 0]);
}

/// The control: were the bytes sent before they are stored, the oracle would say so.
#[tokio::test]
async fn the_oracle_reports_a_service_that_sends_before_it_stores() {
    let scene = Scene::new(None).await;

    scene.kill_at("SendThenDie").await;
    let (process, found) = scene.recover().await;

    assert!(!found.is_empty());
    assert!(found[0].contains("paid on chain"), "{found:?}");
    process.kill().await;
}

#[tokio::test]
async fn a_dead_holders_claim_keeps_no_payment_waiting() {
    let mut scene = Scene::new(None).await;
    // The default: less than a claim and a lease together.
    scene.settings = scene.settings.set("SETTLE_TIMEOUT_MS", "20000");
    let mut first = Process::start(&scene.settings, Some("NonceChosen")).await;
    let client = first.client.clone();
    let (answer, before) = tokio::join!(client.try_post("/settle", &scene.payment.body), async {
        first.reached("NonceChosen").await;
        let before = scene.payment.record(&client).await.expect("a record");
        first.kill().await;
        before
    });
    assert!(answer.is_err());

    let (process, found) = scene.recover().await;

    assert_eq!(found, [""; 0]);
    let after = scene
        .payment
        .record(&process.client)
        .await
        .expect("a record");
    assert_eq!(
        before["id"], after["id"],
        "the first request's row, not another one"
    );
    process.kill().await;
}

#[tokio::test]
async fn two_kills_in_a_row_lose_and_double_nothing() {
    let scene = Scene::new(None).await;
    scene.chain.hold_blocks().await;
    scene.kill_at("Stored").await;

    // The second process sends what the first one stored, and dies over it.
    let mut second = Process::start(&scene.settings, Some("Sent")).await;
    second.reached("Sent").await;
    second.kill().await;
    assert_eq!(scene.pool().await.len(), 1);
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;

    let (process, found) = scene.recover().await;
    assert_eq!(found, [""; 0]);
    process.kill().await;
}

#[tokio::test]
async fn a_payment_that_landed_while_nobody_was_there_is_settled_without_a_request() {
    let scene = Scene::new(None).await;
    scene.kill_at("Sent").await;

    let process = Process::start(&scene.settings, None).await;
    let record = scene.payment.becomes(&process.client, "settled").await;

    assert_eq!(record["delivered"], false);
    let paid = scene.payment.transfers(&scene.chain).await;
    assert_eq!(record["transaction"], Value::from(paid[0].clone()));
    process.kill().await;
}
