//! A scene on the Solana ledger and the facilitator that serves it and sees the ledger only through a node that can be told to misbehave.

use std::ops::Deref;

use serde_json::Value;

use super::facilitator::{Facilitator, Settings};
use super::http::{Answer, Client};
use super::mint::Mint;
use super::oracle::eventually;
use super::proxy::Proxy;
use super::scene::Scene;
use super::sign_svm::SvmPayment;
use super::svm_wire::{Transaction, Version};

pub(crate) struct SvmWorld {
    pub(crate) scene: Scene,
    pub(crate) proxy: Proxy,
    pub(crate) client: Client,
    /// Good as long as no test lets slots pass.
    blockhash: [u8; 32],
    /// Reads of the node at the start, of no payment.
    reads_before: usize,
    facilitator: Facilitator,
}

impl Deref for SvmWorld {
    type Target = Scene;

    fn deref(&self) -> &Scene {
        &self.scene
    }
}

impl SvmWorld {
    pub(crate) async fn new() -> Self {
        Self::with(Mint::token(), |settings| settings).await
    }

    pub(crate) async fn with(mint: Mint, change: impl FnOnce(Settings) -> Settings) -> Self {
        let scene = Scene::with(mint).await;
        let proxy = Proxy::start(scene.ledger.url()).await;
        let settings = change(settings(&scene, proxy.url()));
        let facilitator = Facilitator::start(settings).await;
        let client = facilitator.client();
        // It waits for the first look at every node.
        client.get("/readyz").await;
        let blockhash = scene.ledger.blockhash().await;
        let mut world = Self {
            client,
            blockhash,
            reads_before: 0,
            scene,
            proxy,
            facilitator,
        };
        world.reads_before = world.reads();
        world
    }

    /// A payment of the payer, not signed yet.
    pub(crate) fn draft(&self) -> SvmPayment {
        SvmPayment::new(&self.terms, self.payer.key(), self.blockhash)
    }

    /// Calls of the node that reading a payment takes, so far. What the service reads in the background does not count.
    pub(crate) fn reads(&self) -> usize {
        let methods = [
            "simulateTransaction",
            "getLatestBlockhash",
            "getAccountInfo",
            "getMultipleAccounts",
        ];
        let calls: usize = methods.map(|m| self.proxy.calls(m).len()).iter().sum();
        calls - self.reads_before
    }

    /// Transactions sent so far, those sent again among them.
    pub(crate) fn sends(&self) -> usize {
        self.proxy.calls("sendTransaction").len()
    }

    /// Settles while nothing is executed; once the transaction was sent, `meanwhile` happens, and then it lands.
    pub(crate) async fn settle_after(
        &self,
        body: &Value,
        meanwhile: impl Future<Output = ()>,
    ) -> Answer {
        let sends = self.sends();
        self.ledger.hold().await;
        let interfere = async {
            let sent = || async { (self.sends() > sends).then_some(()) };
            eventually("a transaction that is sent", sent).await;
            meanwhile.await;
            self.ledger.release().await;
        };
        let (answer, ()) = tokio::join!(self.client.settle(body), interfere);
        answer
    }

    pub(crate) fn url(&self) -> String {
        self.facilitator.url()
    }

    pub(crate) async fn close(self) {
        assert!(self.facilitator.stop().await);
    }
}

/// Devnet at these RPC URLs, and no EVM network.
pub(crate) fn settings(scene: &Scene, rpc_urls: &str) -> Settings {
    Settings::new("")
        .without("EVM_PRIVATE_KEY")
        .without("EVM_RPC_URL_BASE_SEPOLIA")
        .set("EVM_NETWORKS", "")
        .set("SVM_NETWORKS", "solana-devnet")
        .set("SVM_RPC_URL_SOLANA_DEVNET", rpc_urls)
        .set("SVM_PRIVATE_KEY", &scene.fee_payer.secret())
        .set("SVM_ANY_ASSET", "true")
}

/// A payment as the buyer hands it over, and what it will be called on the chain.
pub(crate) struct SvmRequest {
    pub(crate) transaction: Transaction,
    pub(crate) id: String,
    pub(crate) body: Value,
}

impl SvmRequest {
    pub(crate) async fn new(scene: &Scene) -> Self {
        Self::changed(scene, |_| {}).await
    }

    pub(crate) async fn legacy(scene: &Scene) -> Self {
        Self::changed(scene, |payment| payment.version = Version::Legacy).await
    }

    pub(crate) async fn changed(scene: &Scene, change: impl FnOnce(&mut SvmPayment)) -> Self {
        let mut payment = scene.payment().await;
        change(&mut payment);
        let transaction = payment.signed_by(&scene.payer);
        Self {
            id: scene.sign(&payment).id(),
            body: scene.terms.v2(&transaction),
            transaction,
        }
    }
}
