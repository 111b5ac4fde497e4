//! Calls under an ERC-2612 permit with one flaw.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use crate::harness::batch::permit_call;
use crate::harness::chain::{USDC, WEALTH};
use crate::harness::sign::{self, Eip2612};
use crate::harness::sign_upto;
use crate::harness::world::{PRICE, World, approveCall, price, transferCall};

const OTHER: Address = Address::repeat_byte(0xee);
/// More blocks than it takes to be final here.
const FINALITY: u64 = 70;

fn permit(world: &World) -> Eip2612 {
    let mut permit = Eip2612::new(&price(), world.payer.address(), 0);
    permit.message.spender = world.signer;
    permit.message.value = U256::from(10 * PRICE);
    permit
}

/// A call under the payer's permit, changed before it is signed.
fn session(world: &World, change: impl FnOnce(&mut Eip2612)) -> Value {
    let mut permit = permit(world);
    change(&mut permit);
    let payload = permit.session_payload(&sign::signature(&world.payer, permit.digest()));
    sign_upto::body(&price(), &payload, &Value::Null)
}

/// A good call with something else in a member that was not signed.
fn altered(world: &World, member: &str, value: Value) -> Value {
    let mut body = session(world, |_| {});
    let member = body.pointer_mut(member);
    *member.expect("the member is there") = value;
    body
}

pub(super) fn with_a_cap_that_is_no_number(world: &World) -> Value {
    let cap = "/paymentPayload/payload/authorization/value";
    altered(world, cap, json!("0x10"))
}

pub(super) fn without_domain(world: &World) -> Value {
    altered(world, "/paymentRequirements/extra", json!({}))
}

pub(super) fn for_another_spender(world: &World) -> Value {
    session(world, |permit| {
        permit.message.spender = Address::repeat_byte(0x52);
    })
}

pub(super) fn with_a_cap_below_the_price(world: &World) -> Value {
    session(world, |permit| permit.message.value = U256::from(PRICE - 1))
}

pub(super) fn with_a_cap_below_the_required(world: &World) -> Value {
    let most = json!((10 * PRICE + 1).to_string());
    let mut body = session(world, |_| {});
    body["paymentRequirements"]["extra"]["maxAmountRequired"] = most;
    body
}

pub(super) fn about_to_expire(world: &World) -> Value {
    session(world, |permit| {
        let now = x402_facilitator::clock::Clock::system().now().as_secs();
        permit.message.deadline = U256::from(now + 3);
    })
}

pub(super) fn signed_for_another_nonce(world: &World) -> Value {
    let nonce = "/paymentPayload/payload/authorization/nonce";
    altered(world, nonce, json!("1"))
}

pub(super) fn signed_by_a_wallet(world: &World) -> Value {
    let signature = "/paymentPayload/payload/signature";
    altered(world, signature, json!(Bytes::from(vec![7; 130])))
}

/// A call of the token by an account, in a block.
async fn by(world: &World, account: Address, call: Bytes) {
    let sent = world.sandbox.send_first(account, USDC, call).await;
    let receipt = world.sandbox.receipt(sent).await;
    assert_eq!(receipt["status"], "0x1", "{receipt}");
}

fn all_but(units: u64) -> Bytes {
    let units = U256::from(WEALTH - units);
    transferCall { to: OTHER, units }.abi_encode().into()
}

/// `/verify` refuses the call for this, and nothing is sent.
async fn assert_not_valid(world: World, body: &Value, code: &str) {
    let verified = world.client.verify(body).await;
    let message = verified.body["invalidMessage"].clone();
    let payer = world.payer.address().to_checksum(None);
    let expected =
        json!({"isValid": false, "invalidReason": code, "invalidMessage": message, "payer": payer});
    assert_eq!((verified.status.as_u16(), verified.body), (200, expected));
    assert_eq!(world.sends(), 0);
    world.close().await;
}

pub(super) async fn of_an_owner_whose_money_is_gone() {
    let world = World::new().await;
    let body = session(&world, |_| {});
    by(&world, world.payer.address(), all_but(PRICE - 1)).await;
    assert_not_valid(world, &body, "insufficient_balance").await;
}

pub(super) async fn whose_nonce_another_permit_used() {
    let world = World::new().await;
    let mut other = permit(&world);
    other.message.value += U256::ONE;
    by(&world, OTHER, permit_call(&other, &world.payer)).await;
    let body = session(&world, |_| {});
    assert_not_valid(world, &body, "permit_failed").await;
}

pub(super) async fn whose_allowance_was_taken_back() {
    let world = World::new().await;
    let mut ours = permit(&world);
    let body = session(&world, |permit| permit.clone_from(&ours));
    ours.message.spender = world.signer;
    by(&world, OTHER, permit_call(&ours, &world.payer)).await;
    let found = world.client.verify(&body).await;
    assert_eq!(found.body["isValid"], true, "{}", found.body);
    let (spender, units) = (world.signer, U256::from(2 * PRICE - 1));
    let less = approveCall { spender, units }.abi_encode();
    by(&world, world.payer.address(), less.into()).await;
    assert_not_valid(world, &body, "insufficient_allowance").await;
}

/// The permit is executed, the transfer reverts, and that is final.
pub(super) async fn whose_money_went_before_the_block() {
    let world = World::with(|s| s.set("UPTO_SESSIONS", "merchant")).await;
    let body = session(&world, |_| {});
    world.sandbox.hold_blocks().await;
    let (answer, ()) = tokio::join!(world.client.settle(&body), async {
        world.sandbox.pooled(world.signer).await;
        let payer = world.payer.address();
        let first = world.sandbox.send_first(payer, USDC, all_but(1)).await;
        world.sandbox.mine(2).await;
        let receipt = world.sandbox.receipt(first).await;
        assert_eq!(receipt["transactionIndex"], "0x0", "it went first");
        world.sandbox.mine(FINALITY).await;
    });
    let transaction = answer.body["transaction"].clone();
    let expected = json!({
        "success": false, "errorReason": "invalid_transaction_state", "errorMessage": "the transaction reverted",
        "transaction": transaction, "network": "eip155:84532", "payer": world.payer.address().to_checksum(None),
    });
    assert_eq!((answer.status.as_u16(), &answer.body), (200, &expected));
    let receipt: Value = world
        .sandbox
        .call("eth_getTransactionReceipt", json!([transaction]))
        .await;
    assert_eq!(receipt["status"], "0x0", "the hash is kept");
    world.sandbox.release_blocks().await;
    world.close().await;
}
