//! A session's batches on chain: the permit once, then one transfer each; never twice, never lost.

mod crash;
mod outcomes;
mod refusals;
mod scheme;

use alloy::primitives::{Address, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use crate::harness::batch::{Batches, CAP, transaction};
use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::oracle::{eventually, text, waiting};
use crate::harness::proxy::Proxy;

sol! {
    function transfer(address to, uint256 value) external returns (bool);
}

const SEND: &str = "eth_sendRawTransaction";

/// A chain, a service on it behind a proxy, and an owner's permit for its signer.
struct Scene {
    chain: Sandbox,
    proxy: Proxy,
    signer: PrivateKeySigner,
    settings: Settings,
    facilitator: Facilitator,
    batches: Batches,
    /// Somebody else with gas.
    other: PrivateKeySigner,
}

impl Scene {
    async fn new() -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let other = chain.signer(1).await;
        let owner = chain.payers(1).await.remove(0);
        let wei = U256::from(10).pow(U256::from(18));
        chain.set_balance(owner.address(), wei).await;
        let proxy = Proxy::start(chain.url()).await;
        let settings = Settings::new(proxy.url()).set("EVM_MAX_FEE_GWEI_BASE_SEPOLIA", "500");
        let facilitator = Facilitator::start(settings.clone()).await;
        let batches = Batches::new(&settings, &owner, signer.address()).await;
        Self {
            chain,
            proxy,
            signer,
            settings,
            facilitator,
            batches,
            other,
        }
    }

    /// The signer's transactions in the pool, once there are so many.
    async fn in_pool(&self, count: usize) -> Vec<Value> {
        eventually(&format!("{count} transactions in the pool"), || async {
            let waiting = waiting(&self.chain, self.signer.address()).await;
            (waiting.len() == count).then_some(waiting)
        })
        .await
    }

    /// Queues the first batch, and puts a call of somebody's into the block before its two transactions. The batch and that block's number.
    async fn overtaken(&self, by: &PrivateKeySigner, call: Bytes) -> (String, u64) {
        self.chain.hold_blocks().await;
        let id = self.batches.first(2_500).await;
        self.in_pool(2).await;
        let theirs = self.chain.send_by(by, 0, USDC, call, 400).await;
        self.chain.release_blocks().await;
        self.chain.mine(1).await;
        let receipt = self.chain.receipt(theirs).await;
        assert_eq!(receipt["status"], "0x1");
        let block: U256 = text(&receipt["blockNumber"]).parse().expect("a number");
        (id, block.to())
    }

    /// Takes back every block from this one on.
    async fn reorg_from(&self, block: u64) {
        let head = self.chain.block_number().await;
        self.chain.reorg(head + 1 - block).await;
    }

    /// The owner's whole balance, sent away.
    async fn away(&self) -> Bytes {
        let owner = self.batches.owner.address();
        let value = self.chain.balance_of(USDC, owner).await;
        let to = Address::repeat_byte(0xee);
        transferCall { to, value }.abi_encode().into()
    }

    async fn account_nonce(&self) -> u64 {
        self.chain.nonce(self.signer.address()).await
    }

    /// What the batches moved, in order.
    async fn paid(&self) -> Vec<U256> {
        let transfers = self.batches.transfers(&self.chain).await;
        transfers.into_iter().map(|(_, amount)| amount).collect()
    }

    async fn close(self) {
        assert!(
            self.facilitator.stop().await,
            "a task of the service failed"
        );
    }
}

#[tokio::test]
async fn permit_and_payment_go_out_together_and_later_batches_go_alone() {
    let scene = Scene::new().await;
    scene.chain.hold_blocks().await;

    let first = scene.batches.first(2_500).await;
    let pool = scene.in_pool(2).await;
    assert_eq!(pool[0]["input"], json!(scene.batches.permit_call()));
    assert_eq!(
        [&pool[0]["nonce"], &pool[1]["nonce"]],
        ["0x0", "0x1"],
        "no block was waited for"
    );
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;
    let paid = transaction(&scene.batches.becomes(&first, "settled").await);
    assert_eq!(json!(paid), pool[1]["hash"], "the payment, not the permit");
    assert_eq!(scene.batches.nonce(&scene.chain).await, U256::ONE);

    let second = scene.batches.next(1, 700).await;
    scene.batches.becomes(&second, "settled").await;

    assert_eq!(scene.paid().await, [2_500, 700].map(U256::from));
    let left = scene.batches.allowance(&scene.chain).await;
    assert_eq!(left, U256::from(CAP - 2_500 - 700));
    assert_eq!(scene.account_nonce().await, 3);
    scene.close().await;
}

#[tokio::test]
async fn both_transactions_are_told_as_the_settlements() {
    let scene = Scene::new().await;
    let id = scene.batches.first(2_500).await;
    scene.batches.becomes(&id, "settled").await;

    let sent = scene.proxy.calls(SEND);
    assert_eq!(sent.len(), 2);
    for raw in sent {
        let raw: Bytes = text(&raw[0]).parse().expect("bytes");
        let hash = alloy::primitives::keccak256(raw);
        let client = scene.facilitator.client();
        let found = client.get(&format!("/settlements/{hash}")).await;
        assert_eq!(found.body[0]["id"], json!(id), "{}", found.body);
    }
    scene.close().await;
}

#[tokio::test]
async fn a_fee_raise_keeps_permit_and_payment_what_they_are() {
    let scene = Scene::new().await;
    scene.chain.hold_blocks().await;
    let id = scene.batches.first(2_500).await;
    let cheap = scene.in_pool(2).await;

    scene.chain.set_next_base_fee(40_000_000_000).await;
    scene.chain.mine(1).await;
    let dear = eventually("dearer ones", || async {
        let pool = scene.in_pool(2).await;
        let both = pool.iter().zip(&cheap).all(|(a, b)| a["hash"] != b["hash"]);
        both.then_some(pool)
    })
    .await;
    for (dear, cheap) in dear.iter().zip(&cheap) {
        assert_eq!(dear["nonce"], cheap["nonce"]);
        assert_eq!(dear["input"], cheap["input"], "also while the permit waits");
    }
    eventually("both in blocks", || async {
        scene.chain.mine(1).await;
        let pool = waiting(&scene.chain, scene.signer.address()).await;
        pool.is_empty().then_some(())
    })
    .await;

    scene.batches.becomes(&id, "settled").await;
    assert_eq!(scene.paid().await, [U256::from(2_500)]);
    assert_eq!(scene.account_nonce().await, 2);
    scene.close().await;
}

#[tokio::test]
async fn many_batches_at_once_take_two_account_nonces_each() {
    let scene = Scene::new().await;
    let owners = scene.chain.payers(24).await;
    let mut queued = Vec::new();
    for owner in &owners {
        let batches = Batches::new(&scene.settings, owner, scene.signer.address()).await;
        let id = batches.first(100).await;
        queued.push((batches, id));
    }
    for (batches, id) in &queued {
        batches.becomes(id, "settled").await;
        assert_eq!(batches.transfers(&scene.chain).await.len(), 1);
    }
    assert_eq!(scene.account_nonce().await, 48);
    scene.close().await;
}
