//! What the scheme makes of a permit on a real chain: whether it may be charged, and what a batch of it is.

use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol;
use alloy::sol_types::SolCall;
use x402_facilitator::chain::evm::work::Work;
use x402_facilitator::chain::evm::{self, Reads};
use x402_facilitator::clock::Clock;
use x402_facilitator::dev::contracts;
use x402_facilitator::protocol::payment::Purpose;
use x402_facilitator::protocol::{Amount, Reason, request};
use x402_facilitator::scheme::upto_evm::UptoEvm;
use x402_facilitator::scheme::{
    self, Batches as _, Check, PermitState, Refusal, Request, Scheme as _, SessionChecked, Standing,
};
use x402_facilitator::store::{Enqueued, Keeper, NewSession, Opened, Session, Unclaimed};

use super::{Scene, transferCall};
use crate::harness::batch::CAP;
use crate::harness::chain::USDC;
use crate::harness::proxy::{ALWAYS, Fault};
use crate::harness::scratch;

sol! {
    function approve(address spender, uint256 value) external returns (bool);
}

/// The scheme as the service wires it.
fn upto(scene: &Scene) -> UptoEvm {
    let network = scene.settings.load().evm.networks.remove(0);
    let rpc = Arc::new(evm::connect(&network, scratch::client()));
    let spender = scene.signer.address();
    let reads = Arc::new(Reads::new(rpc, spender));
    let chain = scheme::evm::Chain::new(network, reads, vec![spender]);
    UptoEvm::new(vec![chain]).with_sessions(scene.batches.store().clone(), Clock::system())
}

fn checked(scene: &Scene, price: u64) -> Box<dyn SessionChecked> {
    let body = scene.batches.body(price).to_string();
    let payment = request::parse(Purpose::Verify, body.as_bytes(), |_| None).expect("a request");
    let now = Clock::system().now();
    match upto(scene).check(&payment, now).expect("it can be read") {
        Check::Session(checked) => checked,
        Check::Payment(_) => panic!("not a payment of its own"),
    }
}

const FRESH: Standing = Standing {
    permit_landed: false,
    outstanding: Amount::ZERO,
};
const LANDED: Standing = Standing {
    permit_landed: true,
    outstanding: Amount::ZERO,
};

async fn seen(scene: &Scene, standing: &Standing) -> Result<PermitState, Refusal> {
    let checked = checked(scene, 100);
    assert_eq!(checked.rejection(), None);
    checked.verify(standing).await.map(|sees| sees.permit)
}

#[track_caller]
fn refused<T: std::fmt::Debug>(answer: Result<T, Refusal>, reason: Reason) {
    match answer {
        Err(Refusal::Rejected(rejection)) => assert_eq!(rejection.reason, reason),
        other => panic!("{other:?}"),
    }
}

/// The session of the scene's permit, on record.
async fn session(scene: &Scene) -> Session {
    let checked = checked(scene, 100);
    let opening = checked.opening().clone();
    let new = NewSession {
        id: opening.id,
        permit_key: opening.permit_key,
        fingerprint: opening.fingerprint,
        network: opening.network,
        wire_network: opening.wire_network,
        asset: opening.asset,
        owner: opening.owner,
        spender: opening.spender,
        pay_to: opening.pay_to,
        caller: "anonymous".to_owned(),
        payer: opening.payer,
        cap: opening.cap,
        deadline: opening.deadline,
        permit: opening.permit,
        keeper: Keeper::Merchant,
    };
    let opened = scene.batches.store().open_session(&new, Unclaimed::Release);
    let Opened::Ready(session) = opened.await.expect("asked") else {
        panic!("another session is in the way")
    };
    *session
}

/// Makes a batch and queues it; its settlement's id, and whether the permit goes with it.
async fn queue(scene: &Scene, session: &Session, amount: u64, sequence: u64) -> (String, bool) {
    let scheme = upto(scene);
    let verified = scheme.batch(session, Amount::from(amount), sequence).await;
    let request = Request {
        caller: "anonymous",
        wire_network: "eip155:84532",
        deadline: Clock::system().now().plus(Duration::from_mins(1)),
        quotas: &[],
    };
    let store = scene.batches.store();
    let enqueued = verified.expect("it may be made").enqueue(store, request);
    let Enqueued::First(id) = enqueued.await.expect("queued") else {
        panic!("batch {sequence} is there already")
    };
    let work: Work = serde_json::from_str(&scene.batches.row(&id).await.work).expect("JSON");
    (id, work.permit.is_some())
}

/// A call by somebody else, in a block.
async fn by_other(scene: &Scene, nonce: u64, call: Bytes) {
    let theirs = scene
        .chain
        .send_by(&scene.other, nonce, USDC, call, 50)
        .await;
    assert_eq!(scene.chain.receipt(theirs).await["status"], "0x1");
}

/// A call by the owner itself, in a block.
async fn by_owner(scene: &Scene, nonce: u64, call: impl SolCall) {
    let (owner, call) = (&scene.batches.owner, call.abi_encode().into());
    let theirs = scene.chain.send_by(owner, nonce, USDC, call, 50).await;
    assert_eq!(scene.chain.receipt(theirs).await["status"], "0x1");
}

#[tokio::test]
async fn a_first_batch_brings_its_permit_and_the_next_goes_without() {
    let scene = Scene::new().await;
    assert_eq!(seen(&scene, &FRESH).await, Ok(PermitState::NotLanded));
    let mut session = session(&scene).await;

    let (first, brings_permit) = queue(&scene, &session, 2_500, 0).await;
    assert!(brings_permit);
    scene.batches.becomes(&first, "settled").await;
    assert_eq!(seen(&scene, &LANDED).await, Ok(PermitState::Landed));

    session.permit_seen = true;
    let (second, brings_permit) = queue(&scene, &session, 700, 1).await;
    assert!(!brings_permit);
    scene.batches.becomes(&second, "settled").await;
    assert_eq!(scene.paid().await, [2_500, 700].map(U256::from));
    scene.close().await;
}

#[tokio::test]
async fn a_check_costs_one_read() {
    let scene = Scene::new().await;
    let checked = checked(&scene, 100);
    assert_eq!(scene.proxy.calls("eth_call").len(), 0, "none before");
    checked.verify(&FRESH).await.expect("good");
    assert_eq!(scene.proxy.calls("eth_call").len(), 1);
    scene.close().await;
}

#[tokio::test]
async fn a_permit_that_somebody_sent_first_is_found_and_not_sent_again() {
    let scene = Scene::new().await;
    by_other(&scene, 0, scene.batches.permit_call()).await;
    assert_eq!(seen(&scene, &FRESH).await, Ok(PermitState::FrontRun));

    let session = session(&scene).await;
    let (id, brings_permit) = queue(&scene, &session, 2_500, 0).await;

    assert!(!brings_permit);
    scene.batches.becomes(&id, "settled").await;
    scene.close().await;
}

/// H2 of the replaced system: a consumed permit verified until its deadline, and an allowance that another permit made was spent for it.
#[tokio::test]
async fn an_old_permit_is_never_charged_on_a_newer_ones_allowance() {
    let mut scene = Scene::new().await;
    let old = scene.batches.permit.clone();
    by_other(&scene, 0, scene.batches.permit_call()).await;
    let old_session = session(&scene).await;
    // The same cap again, by the owner's next permit.
    scene.batches.permit = scene.batches.permit_after(1);
    by_other(&scene, 1, scene.batches.permit_call()).await;
    assert_eq!(seen(&scene, &FRESH).await, Ok(PermitState::FrontRun));

    scene.batches.permit = old;
    refused(seen(&scene, &FRESH).await, Reason::PermitFailed);
    let batch = upto(&scene)
        .batch(&old_session, Amount::from(100_u64), 0)
        .await;
    refused(batch, Reason::PermitFailed);
    scene.close().await;
}

/// H5: of two permits with one nonce only the first to land works.
#[tokio::test]
async fn of_two_permits_with_one_nonce_the_second_is_refused() {
    let mut scene = Scene::new().await;
    by_other(&scene, 0, scene.batches.permit_call()).await;
    scene.batches.permit.message.value += U256::ONE;
    refused(seen(&scene, &FRESH).await, Reason::PermitFailed);
    // One whose turn has not come is no better.
    scene.batches.permit = scene.batches.permit_after(2);
    refused(seen(&scene, &FRESH).await, Reason::PermitFailed);
    scene.close().await;
}

#[tokio::test]
async fn an_allowance_by_hand_does_not_stand_in_for_the_permit() {
    let mut scene = Scene::new().await;
    let spender = scene.signer.address();
    by_owner(
        &scene,
        0,
        approveCall {
            spender,
            value: U256::MAX,
        },
    )
    .await;
    scene.batches.permit = scene.batches.permit_after(1);
    refused(seen(&scene, &FRESH).await, Reason::PermitFailed);
    scene.close().await;
}

#[tokio::test]
async fn money_and_allowance_that_are_gone_are_told_apart() {
    let scene = Scene::new().await;
    by_other(&scene, 0, scene.batches.permit_call()).await;
    let spender = scene.signer.address();
    by_owner(
        &scene,
        0,
        approveCall {
            spender,
            value: U256::from(99),
        },
    )
    .await;
    refused(seen(&scene, &LANDED).await, Reason::InsufficientAllowance);

    let owner = scene.batches.owner.address();
    let has = scene.chain.balance_of(USDC, owner).await;
    let (to, value) = (Address::repeat_byte(0xee), has - U256::from(99));
    by_owner(&scene, 1, transferCall { to, value }).await;
    refused(seen(&scene, &LANDED).await, Reason::InsufficientBalance);
    let owing = Standing {
        outstanding: Amount::from(CAP),
        ..LANDED
    };
    refused(seen(&scene, &owing).await, Reason::InsufficientBalance);
    scene.close().await;
}

#[tokio::test]
async fn an_owner_whose_code_takes_no_signature_is_refused_and_one_whose_code_does_is_not() {
    for (contract, expected) in [
        ("Delegate7702", Ok(PermitState::NotLanded)),
        ("StrictDelegate7702", Err(Reason::UnsupportedSignatureType)),
    ] {
        let scene = Scene::new().await;
        let code = contracts::runtime(contract).expect("a contract of ours");
        let owner = scene.batches.owner.address();
        scene.chain.set_code(owner, &code).await;
        match expected {
            Ok(state) => assert_eq!(seen(&scene, &FRESH).await, Ok(state)),
            Err(reason) => refused(seen(&scene, &FRESH).await, reason),
        }
        scene.close().await;
    }
}

#[tokio::test]
async fn an_asset_that_cannot_be_permitted_is_refused() {
    let scene = Scene::new().await;
    let empty = contracts::runtime("EmptyContract").expect("a contract of ours");
    scene.chain.set_code(USDC, &empty).await;
    refused(seen(&scene, &FRESH).await, Reason::PermitFailed);
    scene.chain.set_code(USDC, &Bytes::new()).await;
    refused(seen(&scene, &FRESH).await, Reason::AssetNotDeployedContract);
    scene.close().await;
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_no_verdict() {
    let scene = Scene::new().await;
    let (checked, session) = (checked(&scene, 100), session(&scene).await);
    scene.proxy.plan("eth_call", ALWAYS, Fault::Drop);
    let answer = checked.verify(&FRESH).await;
    assert!(matches!(answer, Err(Refusal::Unavailable(_))), "{answer:?}");
    let batch = upto(&scene).batch(&session, Amount::from(100_u64), 0).await;
    assert!(matches!(batch, Err(Refusal::Unavailable(_))), "{batch:?}");
    scene.proxy.heal();
    scene.close().await;
}
