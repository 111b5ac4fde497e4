//! What happens to good payments on Solana between the last look and the block.

use serde_json::{Value, json};

use super::wallet::{CALL, calling, due, furnish, held_by, owner};
use super::{body, payment, with_wallets};
use crate::harness::http::Answer;
use crate::harness::oracle::{eventually, success};
use crate::harness::proxy::{ALWAYS, Fault};
use crate::harness::scene::AMOUNT;
use crate::harness::sign_svm::{SQUADS, When, through_fickle_wallet};
use crate::harness::svm_wire::Key;
use crate::harness::svm_world::SvmWorld;
use crate::harness::world::Version;

/// Two signatures and the least for priority.
const FEE: u64 = 10_001;
const RENT: u64 = 10_000_000;

/// The payer's tokens are gone when the block comes.
pub(in crate::reasons) async fn tokens_gone_before_the_block(version: Version) {
    let world = SvmWorld::new().await;
    let body = payment::good(&world, version).body;
    let lamports = world.ledger.lamports(world.fee_payer.key()).await;
    let (mint, payer) = (&world.terms.mint, world.payer.key());

    let answer = world
        .settle_after(&body, world.ledger.fund(mint, payer, AMOUNT - 1))
        .await;

    let reason = match version {
        Version::V1 => "transaction_failed",
        Version::V2 => "invalid_exact_svm_transaction_failed",
    };
    let told = assert_failed(&world, &body, &answer, reason, payer).await;
    let message = answer.body["errorMessage"].as_str().unwrap_or_default();
    let prefix = "Transaction failed onchain: ";
    assert!(message.starts_with(prefix), "{message}");
    assert_ne!(world.ledger.status(&told).await["err"], Value::Null);
    let left = world.ledger.lamports(world.fee_payer.key()).await;
    assert_eq!((world.received().await, lamports - left), (0, FEE));
    world.close().await;
}

/// The wallet's rules have changed when the block comes: its program succeeds and pays nothing.
pub(in crate::reasons) async fn wallet_changed_before_the_block() {
    let world = with_wallets().await;
    furnish(&world).await;
    let rule = Key::fresh();
    assert_unpaid(
        &world,
        When::Gone(rule),
        world.ledger.set_lamports(rule, RENT),
    )
    .await;
    assert_unpaid(&world, When::There(rule), world.ledger.remove_account(rule)).await;
    world.close().await;
}

/// Of a call that is made only `when`, and not any more once the rules have changed.
async fn assert_unpaid(world: &SvmWorld, when: When, change: impl Future<Output = ()>) {
    let mut payment = world.draft();
    let call = through_fickle_wallet(Key::of(SQUADS), &[(when, &due(world))]);
    payment.instructions[CALL] = held_by(world.payer.key(), call);
    let body = body(world, Version::V2, &payment.signed_by(&world.payer));

    let answer = world.settle_after(&body, change).await;

    let reason = "post_settlement_transfer_not_confirmed";
    let told = assert_failed(world, &body, &answer, reason, owner()).await;
    let status = world.ledger.status(&told).await;
    assert_eq!(status["err"], Value::Null, "it alone would say paid");
    assert_eq!(world.received().await, 0);
}

#[tokio::test]
async fn a_wallet_that_pays_is_the_payer_in_every_answer() {
    let world = with_wallets().await;
    furnish(&world).await;
    let payment = calling(&world, &[due(&world)]);
    let id = world.sign(&payment).id();
    let body = body(&world, Version::V2, &payment.signed_by(&world.payer));
    let payer = owner().to_string();

    let verified = world.client.verify(&body).await;
    assert_eq!(verified.body, json!({"isValid": true, "payer": payer}));
    let settled = world.client.settle(&body).await;
    let network = &body["paymentRequirements"]["network"];
    let success = json!({"success": true, "payer": payer, "transaction": id, "network": network});
    assert_eq!(settled.body, success);
    assert_eq!(world.received().await, AMOUNT);
    for answer in [
        world.client.settle(&body).await,
        world.client.verify(&body).await,
    ] {
        assert_eq!(answer.reason(), "duplicate_settlement");
        assert_eq!(answer.body["payer"], payer);
    }
    world.close().await;
}

#[tokio::test]
async fn what_cannot_pay_any_more_at_the_last_look_is_refused_and_never_sent() {
    for (version, reason) in [
        (Version::V1, "transaction_simulation_failed"),
        (
            Version::V2,
            "invalid_exact_svm_transaction_simulation_failed",
        ),
    ] {
        let world = SvmWorld::new().await;
        let body = payment::good(&world, version).body;
        assert_given_up(&world, &body, reason, world.payer.key()).await;
        world.close().await;
    }
    let world = with_wallets().await;
    furnish(&world).await;
    let transaction = calling(&world, &[due(&world)]).signed_by(&world.payer);
    let body = body(&world, Version::V2, &transaction);
    let reason = "invalid_exact_svm_smart_wallet_simulation_failed";
    assert_given_up(&world, &body, reason, owner()).await;
    world.close().await;
}

/// The tokens go while the payment is queued. It is told that it cannot pay, costs nothing, and may be tried again.
async fn assert_given_up(world: &SvmWorld, body: &Value, reason: &str, payer: Key) {
    let (ledger, mint) = (&world.ledger, &world.terms.mint);
    let lamports = ledger.lamports(world.fee_payer.key()).await;
    // Waits for the look around that every start begins with: it asks for balances too.
    world.client.get("/readyz").await;
    let looked = world.proxy.calls("getBalance").len();
    // Without its balance the lane takes nothing on.
    world
        .proxy
        .plan("getBalance", ALWAYS, Fault::Refuse("not now"));
    let interfere = async {
        let asked = || async { (world.proxy.calls("getBalance").len() > looked).then_some(()) };
        eventually("a lane that looks", asked).await;
        ledger.fund(mint, payer, AMOUNT - 1).await;
        world.proxy.heal();
    };
    let (answer, ()) = tokio::join!(world.client.settle(body), interfere);

    let (message, network) = (
        &answer.body["errorMessage"],
        &body["paymentRequirements"]["network"],
    );
    let expected = json!({
        "success": false, "errorReason": reason, "errorMessage": message,
        "transaction": "", "network": network, "payer": payer.to_string(),
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected));
    assert_eq!(world.sends(), 0);
    let left = ledger.lamports(world.fee_payer.key()).await;
    assert_eq!(left, lamports);

    ledger.fund(mint, payer, AMOUNT).await;
    success(&world.client.settle(body).await);
    assert_eq!(world.received().await, AMOUNT);
}

/// Told as a failure with its transaction, now and from now on. Returns the transaction.
async fn assert_failed(
    world: &SvmWorld,
    body: &Value,
    answer: &Answer,
    reason: &str,
    payer: Key,
) -> String {
    let (message, transaction) = (&answer.body["errorMessage"], &answer.body["transaction"]);
    let network = &body["paymentRequirements"]["network"];
    let expected = json!({
        "success": false, "errorReason": reason, "errorMessage": message,
        "transaction": transaction, "network": network, "payer": payer.to_string(),
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected));
    let again = world.client.settle(body).await;
    assert_eq!((again.status.as_u16(), &again.body), (200, &expected));
    let verified = world.client.verify(body).await;
    assert_eq!(verified.body["isValid"], false, "{}", verified.body);
    assert_eq!(verified.body["invalidReason"], reason);
    assert_eq!(verified.body["payer"], payer.to_string());
    transaction.as_str().expect("text").to_owned()
}
