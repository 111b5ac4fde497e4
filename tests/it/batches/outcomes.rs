//! What became of a batch: paid, or final and unpaid. Nothing else ends it, and nothing is ever sent for it a second time.

use alloy::primitives::{B256, U256};
use x402_facilitator::protocol::Reason;
use x402_facilitator::store::Stage;

use super::{Scene, waiting};
use crate::harness::batch::{CAP, transaction};
use crate::harness::oracle::{eventually, text};

/// More blocks than it takes to be final here.
const FINALITY: u64 = 70;

#[tokio::test]
async fn a_permit_overtaken_in_the_block_still_pays_once() {
    let scene = Scene::new().await;
    let call = scene.batches.permit_call();

    let (id, _) = scene.overtaken(&scene.other, call).await;

    scene.batches.becomes(&id, "settled").await;
    assert_eq!(scene.paid().await, [U256::from(2_500)]);
    let left = scene.batches.allowance(&scene.chain).await;
    assert_eq!(left, U256::from(CAP - 2_500));
    scene.close().await;
}

#[tokio::test]
async fn a_batch_that_reverts_fails_only_when_that_is_final() {
    let scene = Scene::new().await;
    let (call, owner) = (scene.away().await, scene.batches.owner.clone());

    let (id, _) = scene.overtaken(&owner, call).await;

    eventually("both receipts", || async {
        (scene.account_nonce().await == 2).then_some(())
    })
    .await;
    // A later batch settles: the watcher has seen those blocks, and still holds the first one open.
    let wealth = U256::from(5_000);
    scene
        .chain
        .mint(scene.batches.asset, owner.address(), 5_000)
        .await;
    let later = scene.batches.next(1, 700).await;
    scene.batches.becomes(&later, "settled").await;
    let stage = scene.batches.row(&id).await.stage;
    assert_eq!(stage.name(), "submitted");

    scene.chain.mine(FINALITY).await;
    let failed = scene.batches.becomes(&id, "failed").await;
    let Stage::Failed { reason, .. } = &failed else {
        panic!("{failed:?}")
    };
    assert_eq!(*reason, Reason::InvalidTransactionState);
    assert_eq!(
        transaction(&failed),
        transaction(&stage),
        "the hash is kept"
    );
    assert_eq!(scene.paid().await, [U256::from(700)]);
    let has = scene.chain.balance_of(scene.batches.asset, owner.address());
    assert_eq!(has.await, wealth - U256::from(700));
    assert_eq!(scene.account_nonce().await, 3, "nothing was sent again");
    scene.close().await;
}

#[tokio::test]
async fn a_batch_whose_revert_a_reorg_took_back_may_still_pay() {
    let scene = Scene::new().await;
    let (call, owner) = (scene.away().await, scene.batches.owner.clone());
    let (id, block) = scene.overtaken(&owner, call).await;
    eventually("both receipts", || async {
        (scene.account_nonce().await == 2).then_some(())
    })
    .await;

    scene.chain.hold_blocks().await;
    scene.reorg_from(block).await;
    scene.in_pool(2).await;
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;

    scene.batches.becomes(&id, "settled").await;
    assert_eq!(scene.paid().await, [U256::from(2_500)]);
    assert_eq!(scene.account_nonce().await, 2);
    scene.close().await;
}

#[tokio::test]
async fn a_reorg_of_permit_and_payment_sends_the_same_bytes_again() {
    let scene = Scene::new().await;
    scene.chain.hold_blocks().await;
    let id = scene.batches.first(2_500).await;
    scene.in_pool(2).await;
    scene.chain.mine(1).await;
    let paid = transaction(&scene.batches.becomes(&id, "settled").await);
    let hash: B256 = paid.parse().expect("a hash");
    let receipt = scene.chain.receipt(hash).await;
    let block: U256 = text(&receipt["blockNumber"]).parse().expect("a number");

    // Both are in this one block.
    scene.reorg_from(block.to()).await;
    assert_eq!(scene.paid().await, [U256::ZERO; 0]);
    assert_eq!(scene.batches.nonce(&scene.chain).await, U256::ZERO);
    let stage = scene.batches.becomes(&id, "submitted").await;
    assert_eq!(transaction(&stage), paid, "the payment, not the permit");
    let pool = scene.in_pool(2).await;
    assert_eq!(text(&pool[1]["hash"]), paid);
    scene.chain.release_blocks().await;
    scene.chain.mine(1).await;

    let stage = scene.batches.becomes(&id, "settled").await;
    assert_eq!(transaction(&stage), paid);
    assert_eq!(scene.paid().await, [U256::from(2_500)]);
    assert_eq!(scene.account_nonce().await, 2);
    scene.close().await;
}

#[tokio::test]
async fn a_batch_given_up_at_the_end_of_its_permit_pays_nothing_and_fails() {
    let mut scene = Scene::new().await;
    let now = x402_facilitator::clock::Clock::system().now().as_secs();
    scene.batches.permit.message.deadline = U256::from(now + 12);
    scene.chain.hold_blocks().await;
    let id = scene.batches.first(2_500).await;
    scene.in_pool(2).await;

    eventually("noops in their places", || async {
        let pool = waiting(&scene.chain, scene.signer.address()).await;
        let given_up = pool.len() == 2 && pool.iter().all(|one| one["input"] == "0x");
        given_up.then_some(())
    })
    .await;
    scene.chain.release_blocks().await;
    scene.chain.mine(FINALITY).await;

    scene.batches.becomes(&id, "failed").await;
    assert_eq!(scene.paid().await, [U256::ZERO; 0]);
    assert_eq!(scene.batches.nonce(&scene.chain).await, U256::ZERO);
    scene.close().await;
}

/// Nobody can say whether a stranger who has our key paid: that is for a person to find out.
#[tokio::test]
async fn a_batch_whose_account_nonce_a_stranger_consumed_waits_and_is_not_sent_again() {
    let scene = Scene::new().await;
    let first = scene.batches.first(2_500).await;
    scene.batches.becomes(&first, "settled").await;
    scene.chain.hold_blocks().await;
    let id = scene.batches.next(1, 700).await;
    let ours = scene.in_pool(1).await;
    let hash: B256 = text(&ours[0]["hash"]).parse().expect("a hash");
    // The stranger's transaction is in a block before ours can be sent again.
    scene.chain.drop_transaction(hash).await;
    scene.chain.release_blocks().await;
    let stranger = scene.chain.transfer_by(&scene.signer, 2, 400).await;
    scene.chain.receipt(stranger).await;
    scene.chain.mine(FINALITY).await;

    // Longer than the watcher doubts a node's word: by then anything else would have been put back into the queue and paid.
    let looks = || {
        let counts = scene.proxy.calls("eth_getTransactionCount");
        counts.iter().filter(|call| call[1] == "finalized").count()
    };
    eventually("the watcher's verdict on the account nonce", || async {
        (looks() >= 10).then_some(())
    })
    .await;
    let other = scene.batches.next(2, 300).await;
    scene.batches.becomes(&other, "settled").await;

    assert_eq!(scene.batches.row(&id).await.stage.name(), "submitted");
    assert_eq!(scene.paid().await, [2_500, 300].map(U256::from));
    assert_eq!(
        scene.account_nonce().await,
        4,
        "none was sent for it but its own"
    );
    scene.close().await;
}
