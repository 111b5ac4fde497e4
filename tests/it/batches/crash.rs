//! SIGKILL between permit and payment, and everywhere else: the owner pays once.

use alloy::primitives::{B256, U256};
use alloy::signers::local::PrivateKeySigner;

use crate::harness::batch::{Batches, CAP, transaction};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::{eventually, text, waiting};
use crate::harness::postgres;

/// What the chain does while the process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blocks {
    /// A block per transaction, at once.
    Made,
    /// No blocks until the process is back and has sent again.
    Held,
    /// No blocks, and the node forgets the permit, or the payment.
    PermitForgotten,
    PaymentForgotten,
}

struct Scene {
    chain: Sandbox,
    signer: PrivateKeySigner,
    settings: Settings,
    batches: Batches,
}

impl Scene {
    async fn new(database: Option<String>) -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let owner = chain.payers(1).await.remove(0);
        let mut settings = Settings::new(chain.url());
        if let Some(url) = database {
            settings = settings.set("DATABASE_URL", &url);
        }
        let batches = Batches::new(&settings, &owner, signer.address()).await;
        Self {
            chain,
            signer,
            settings,
            batches,
        }
    }

    /// The hashes of the signer's transactions in the pool.
    async fn pool(&self) -> Vec<String> {
        let waiting = waiting(&self.chain, self.signer.address()).await;
        waiting.iter().map(|waits| text(&waits["hash"])).collect()
    }

    async fn forget(&self, transaction: &str) {
        let hash: B256 = transaction.parse().expect("a hash");
        self.chain.drop_transaction(hash).await;
    }

    /// The batch is settled by one transfer, and so is the next one on what is left of the allowance.
    async fn is_right(&self, id: &str) {
        let paid = transaction(&self.batches.becomes(id, "settled").await);
        let transfers = self.batches.transfers(&self.chain).await;
        assert_eq!(transfers, [(paid, U256::from(2_500))]);
        assert_eq!(self.batches.nonce(&self.chain).await, U256::ONE);
        let next = self.batches.next(1, 500).await;
        self.batches.becomes(&next, "settled").await;
        let left = self.batches.allowance(&self.chain).await;
        assert_eq!(left, U256::from(CAP - 3_000));
    }
}

/// Kills at the point, starts over, and expects everything to be right.
async fn survives(point: &str, blocks: Blocks, database: Option<String>) {
    let scene = Scene::new(database).await;
    if blocks != Blocks::Made {
        scene.chain.hold_blocks().await;
    }
    let id = scene.batches.first(2_500).await;
    let mut process = Process::start(&scene.settings, Some(point)).await;
    process.reached(point).await;
    process.kill().await;
    let before = scene.pool().await;
    match blocks {
        Blocks::Made | Blocks::Held => {}
        Blocks::PermitForgotten => scene.forget(&before[0]).await,
        Blocks::PaymentForgotten => scene.forget(&before[1]).await,
    }

    let process = Process::start(&scene.settings, None).await;
    if blocks != Blocks::Made {
        let after = eventually("both transactions in the pool", || async {
            let pool = scene.pool().await;
            (pool.len() == 2).then_some(pool)
        })
        .await;
        if !before.is_empty() {
            assert_eq!(after, before, "the same bytes");
        }
        scene.chain.release_blocks().await;
        scene.chain.mine(1).await;
    }
    scene.is_right(&id).await;
    process.kill().await;
}

macro_rules! kills {
    ($($name:ident: $point:literal, $blocks:ident;)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::survives($point, super::Blocks::$blocks, None).await; })*
        }
        mod postgresql {
            $(#[tokio::test] async fn $name() {
                super::survives($point, super::Blocks::$blocks, Some(super::postgres::database().await)).await;
            })*
        }
    };
}

kills! {
    a_kill_after_choosing_the_account_nonces: "NonceChosen", Made;
    a_kill_after_signing_the_permit: "Signed", Made;
    a_kill_after_storing_both: "Stored", Held;
    a_kill_after_sending_both: "Sent", Made;
    a_kill_with_both_in_the_pool: "Sent", Held;
    a_kill_with_only_the_payment_in_the_pool: "Sent", PermitForgotten;
    a_kill_with_only_the_permit_in_the_pool: "Sent", PaymentForgotten;
    a_kill_after_reading_a_receipt: "Received", Made;
}

#[tokio::test]
async fn nothing_is_sent_before_both_are_stored() {
    let scene = Scene::new(None).await;
    scene.chain.hold_blocks().await;
    let id = scene.batches.first(2_500).await;

    let mut process = Process::start(&scene.settings, Some("Stored")).await;
    process.reached("Stored").await;
    process.kill().await;

    assert_eq!(scene.pool().await, [""; 0]);
    let stage = scene.batches.row(&id).await.stage;
    assert_eq!(stage.name(), "submitted");
}

/// The control: a service that sends the permit before anything is stored leaves an allowance that its record knows nothing of.
#[tokio::test]
async fn a_permit_sent_before_it_is_stored_is_not_taken_for_ours() {
    let scene = Scene::new(None).await;
    let id = scene.batches.first(2_500).await;

    let mut process = Process::start(&scene.settings, Some("SendThenDie")).await;
    process.reached("SendThenDie").await;
    process.kill().await;
    let process = Process::start(&scene.settings, None).await;

    scene.batches.becomes(&id, "released").await;
    assert_eq!(scene.batches.nonce(&scene.chain).await, U256::ONE);
    assert_eq!(scene.batches.transfers(&scene.chain).await, []);
    process.kill().await;
}
