//! What mints and token accounts on Solana can do to a payment: refused before anything is signed, with the real programs.

use serde_json::json;

use super::assert_unsent;
use crate::harness::mint::{Extension, Mint};
use crate::harness::oracle::success;
use crate::harness::scene::AMOUNT;
use crate::harness::sign_svm::SYSTEM;
use crate::harness::svm_wire::Key;
use crate::harness::svm_world::{SvmRequest, SvmWorld};

/// For which a message must still be good.
const LEAST_BLOCKS_LEFT: u64 = 50;
const RENT: u64 = 10_000_000;
/// Where a token account keeps its state, and the state of a frozen one.
const STATE_AT: usize = 108;
const FROZEN: u8 = 2;

const NOT_ALLOWED: &str = "asset_not_allowed";
const FAILS: &str = "invalid_exact_svm_transaction_simulation_failed";
const RECIPIENT: &str = "invalid_exact_svm_payload_recipient_mismatch";

/// A tenth of each transfer.
fn fee() -> Extension {
    Extension::TransferFee {
        basis_points: 1_000,
        maximum: u64::MAX,
    }
}

fn flags(number: u16, data: &[u8]) -> Extension {
    Extension::Other(number, data.to_vec())
}

/// Its code at both endpoints, and nothing sent.
async fn assert_refused(world: &SvmWorld, what: &str, reason: &str) {
    let request = SvmRequest::new(world).await;
    let before = world.ledger.lamports(world.fee_payer.key()).await;

    let verified = world.client.verify(&request.body).await;
    assert_eq!(verified.reason(), reason, "{what}: {}", verified.text);
    let payer = json!(world.payer.key().to_string());
    assert_eq!(verified.body["payer"], payer, "{what}");
    let settled = world.client.settle(&request.body).await;

    assert_unsent(&settled, reason);
    let after = world.ledger.lamports(world.fee_payer.key()).await;
    assert_eq!((world.sends(), after), (0, before), "{what}");
}

#[tokio::test]
async fn a_mint_that_may_change_a_payment_is_not_paid_with() {
    for (name, extension, reason) in [
        ("a transfer fee", fee(), NOT_ALLOWED),
        (
            "no fee yet",
            Extension::TransferFee {
                basis_points: 0,
                maximum: 0,
            },
            NOT_ALLOWED,
        ),
        (
            "a permanent delegate",
            Extension::PermanentDelegate(Key::fresh()),
            NOT_ALLOWED,
        ),
        (
            "a hook to come",
            Extension::TransferHook(Key::of(SYSTEM)),
            NOT_ALLOWED,
        ),
        ("a hook", Extension::TransferHook(Key::fresh()), FAILS),
        ("confidential transfers", flags(4, &[0; 65]), NOT_ALLOWED),
        (
            "accounts that may begin frozen",
            flags(6, &[1]),
            NOT_ALLOWED,
        ),
        ("no transfers at all", flags(9, &[]), NOT_ALLOWED),
        ("a pause to come", flags(26, &[0; 33]), NOT_ALLOWED),
    ] {
        let world = SvmWorld::with(Mint::token_2022(&[extension]), |it| it).await;
        assert_refused(&world, name, reason).await;
        world.close().await;
    }
}

#[tokio::test]
async fn a_mint_that_its_operator_accepts_is_paid_with_for_what_it_is() {
    let delegate = Extension::PermanentDelegate(Key::fresh());
    for (extension, names, arrives) in [
        (delegate, "transfer_fee+permanent_delegate", AMOUNT),
        (fee(), "transfer_fee", AMOUNT - AMOUNT / 10),
    ] {
        let mint = Mint::token_2022(&[extension]);
        let accepted = format!("{}:{names}", mint.key);
        let world = SvmWorld::with(mint, |it| it.set("SVM_TOKEN_2022_EXTENSIONS", &accepted)).await;
        let request = SvmRequest::new(&world).await;
        assert_eq!(
            success(&world.client.settle(&request.body).await),
            request.id
        );
        assert_eq!(world.received().await, arrives);
        world.close().await;
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_paid_is_not_paid_into() {
    let world = SvmWorld::new().await;
    let (ledger, mint, pay_to) = (&world.ledger, &world.terms.mint, world.terms.pay_to);
    let payee = mint.account_of(pay_to);

    // Its address does not say whose it is.
    let given_away = mint.account_data(Key::fresh(), 0);
    ledger
        .set_account(payee, mint.program, RENT, &given_away)
        .await;
    assert_refused(&world, "given away", RECIPIENT).await;
    let mut frozen = mint.account_data(pay_to, 0);
    frozen[STATE_AT] = FROZEN;
    ledger.set_account(payee, mint.program, RENT, &frozen).await;
    assert_refused(&world, "frozen", FAILS).await;
    ledger.remove_account(payee).await;
    assert_refused(&world, "not there", FAILS).await;
    world.close().await;
}

#[tokio::test]
async fn a_message_that_may_not_land_any_more_is_not_signed() {
    let world = SvmWorld::new().await;
    let payment = SvmRequest::new(&world).await;
    let never = SvmRequest::changed(&world, |payment| payment.blockhash = [7; 32]).await;
    // 20 seconds are 50 blocks. What the service knows of the height is some seconds old at most.
    world
        .ledger
        .advance_slots(150 - LEAST_BLOCKS_LEFT + 1)
        .await;

    for request in [&payment, &never] {
        let verified = world.client.verify(&request.body).await;
        assert_eq!(verified.reason(), FAILS, "{}", verified.text);
        assert_unsent(&world.client.settle(&request.body).await, FAILS);
    }
    let verified = world.client.verify(&payment.body).await;
    let message = "the blockhash is about to expire";
    assert_eq!(verified.body["invalidMessage"], message);
    world.ledger.advance_slots(LEAST_BLOCKS_LEFT).await;
    let verified = world.client.verify(&payment.body).await;
    let message = "Simulation failed: \"BlockhashNotFound\"";
    assert_eq!(verified.body["invalidMessage"], message);
    assert_eq!(world.sends(), 0);
    world.close().await;
}

#[tokio::test]
async fn a_message_with_some_life_left_is_signed() {
    let world = SvmWorld::new().await;
    let request = SvmRequest::new(&world).await;
    // A little more than needed: a slow test takes some of it.
    let passed = 150 - LEAST_BLOCKS_LEFT - 40;
    world.ledger.advance_slots(passed).await;
    assert_eq!(
        success(&world.client.settle(&request.body).await),
        request.id
    );
    world.close().await;
}
