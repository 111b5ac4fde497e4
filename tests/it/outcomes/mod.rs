//! What became of a payment is what the chain says, also when it changes its mind or somebody else was faster.

mod reorgs;

use alloy::primitives::{Address, B256, Bytes, U256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::Client;
use crate::harness::oracle::{Payment, eventually, failure, success, text, violations, waiting};
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::sign;

sol! {
    function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes signature) external;
    function transfer(address to, uint256 value) external returns (bool);
}

const SEND: &str = "eth_sendRawTransaction";

/// A chain, a service, a payer, and somebody else with gas.
struct Scene {
    chain: Sandbox,
    /// Between the service and the chain.
    proxy: Proxy,
    signer: PrivateKeySigner,
    facilitator: Facilitator,
    client: Client,
    payer: PrivateKeySigner,
    other: PrivateKeySigner,
}

impl Scene {
    async fn new() -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let proxy = Proxy::start(chain.url()).await;
        let facilitator = Facilitator::start(Settings::new(proxy.url())).await;
        let payer = chain.payers(1).await.remove(0);
        let other = chain.signer(1).await;
        // Payers pay no gas as buyers; here one acts for himself.
        chain
            .set_balance(payer.address(), U256::from(10).pow(U256::from(18)))
            .await;
        Self {
            client: facilitator.client(),
            chain,
            proxy,
            signer,
            facilitator,
            payer,
            other,
        }
    }

    /// Settles, and lets somebody do something with a block that holds that before our transaction.
    async fn overtaken(
        &self,
        payment: &Payment,
        to: &PrivateKeySigner,
        call: Bytes,
    ) -> (Value, B256) {
        self.chain.hold_blocks().await;
        let (answer, theirs) = tokio::join!(self.client.settle(&payment.body), async {
            eventually("our transaction", || async {
                let waiting = waiting(&self.chain, self.signer.address()).await;
                (!waiting.is_empty()).then_some(())
            })
            .await;
            let theirs = self.chain.send_by(to, 0, USDC, call, 400).await;
            self.chain.release_blocks().await;
            self.chain.mine(1).await;
            theirs
        });
        assert_eq!(self.chain.receipt(theirs).await["status"], "0x1");
        (answer.body, theirs)
    }

    async fn is_right_about(&self, payment: &Payment) {
        let found = violations(&self.chain, &self.client, &[(payment, vec![])]).await;
        assert_eq!(found, [""; 0]);
    }
}

/// The payment as anybody may submit it.
fn submission(payment: &Payment, payer: &PrivateKeySigner) -> Bytes {
    let message = &payment.eip3009().message;
    let call = transferWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        signature: sign::signature(payer, payment.eip3009().digest()),
    };
    call.abi_encode().into()
}

#[tokio::test]
async fn a_payment_that_somebody_else_submitted_first_is_never_told_as_ours() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);

    let call = submission(&payment, &scene.payer);
    let (answer, theirs) = scene.overtaken(&payment, &scene.other, call).await;

    assert_eq!(answer["errorReason"], "duplicate_settlement", "{answer}");
    assert_eq!(answer["transaction"], json!(theirs));
    let again = scene.client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), theirs.to_string());
    let record = payment.record(&scene.client).await.expect("a record");
    assert_eq!(record["state"], "settled_elsewhere");
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    let next = Payment::new(&scene.payer);
    success(&scene.client.settle(&next.body).await);
    scene.is_right_about(&payment).await;
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_payment_that_was_paid_before_it_was_asked_for_is_refused() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let call = submission(&payment, &scene.payer);
    let theirs = scene.chain.send_by(&scene.other, 0, USDC, call, 50).await;
    scene.chain.receipt(theirs).await;

    let answer = scene.client.settle(&payment.body).await;

    failure(&answer, "invalid_exact_evm_nonce_already_used");
    assert_eq!(payment.transfers(&scene.chain).await.len(), 1);
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn an_authorization_that_was_cancelled_fails() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let message = &payment.eip3009().message;
    let typehash = keccak256("CancelAuthorization(address authorizer,bytes32 nonce)");
    let hash = keccak256((typehash, message.from, message.nonce).abi_encode());
    let separator = payment.eip3009().domain.separator();
    let digest = keccak256([&[0x19, 0x01], &separator[..], &hash[..]].concat());
    let call = cancelAuthorizationCall {
        authorizer: message.from,
        nonce: message.nonce,
        signature: sign::signature(&scene.payer, digest),
    };

    let (answer, _) = scene
        .overtaken(&payment, &scene.other, call.abi_encode().into())
        .await;

    assert_eq!(
        answer["errorReason"], "invalid_exact_evm_nonce_already_used",
        "{answer}"
    );
    assert_eq!(payment.transfers(&scene.chain).await, [""; 0]);
    let record = payment.record(&scene.client).await.expect("a record");
    assert_eq!(record["state"], "failed");
    let next = Payment::new(&scene.payer);
    success(&scene.client.settle(&next.body).await);
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_payment_whose_authorization_paid_another_fails() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let other = Payment::changed(&scene.payer, |authorization| {
        authorization.message.nonce = payment.eip3009().message.nonce;
    });

    let call = submission(&other, &scene.payer);
    let (answer, _) = scene.overtaken(&payment, &scene.other, call).await;

    assert_eq!(
        answer["errorReason"], "invalid_exact_evm_nonce_already_used",
        "{answer}"
    );
    assert_eq!(payment.transfers(&scene.chain).await, [""; 0]);
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_failed_payment_that_somebody_else_makes_later_counts_as_made() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let all = scene.chain.balance_of(USDC, scene.payer.address()).await;
    let away = transferCall {
        to: Address::repeat_byte(0xee),
        value: all,
    };

    let (answer, _) = scene
        .overtaken(&payment, &scene.payer, away.abi_encode().into())
        .await;
    assert_eq!(
        answer["errorReason"], "invalid_exact_evm_transaction_failed",
        "{answer}"
    );
    assert_ne!(answer["transaction"], "");
    assert_eq!(
        payment.becomes(&scene.client, "failed").await["transaction"],
        answer["transaction"]
    );

    scene.chain.mint(USDC, scene.payer.address(), 5000).await;
    let call = submission(&payment, &scene.payer);
    let theirs = scene.chain.send_by(&scene.other, 0, USDC, call, 50).await;
    scene.chain.receipt(theirs).await;
    let record = payment.becomes(&scene.client, "settled_elsewhere").await;
    assert_eq!(record["transaction"], json!(theirs));
    let again = scene.client.settle(&payment.body).await;
    assert_eq!(failure(&again, "duplicate_settlement"), theirs.to_string());
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_payment_that_cannot_be_judged_yet_keeps_no_other_waiting() {
    let scene = Scene::new().await;
    let payment = Payment::new(&scene.payer);
    let call = submission(&payment, &scene.payer);
    scene
        .proxy
        .plan("eth_getLogs", ALWAYS, Fault::Refuse("logs are gone"));

    let client = &scene.client;
    let (unjudged, other) = tokio::join!(scene.overtaken(&payment, &scene.other, call), async {
        eventually("a look for the log", || async {
            (!scene.proxy.calls("eth_getLogs").is_empty()).then_some(())
        })
        .await;
        let other = client.settle(&Payment::new(&scene.payer).body).await;
        assert_eq!(
            payment.becomes(client, "submitted").await["delivered"],
            false
        );
        scene.proxy.heal();
        other
    });

    success(&other);
    let (answer, theirs) = unjudged;
    assert_eq!(answer["errorReason"], "duplicate_settlement", "{answer}");
    assert_eq!(answer["transaction"], json!(theirs));
    scene.facilitator.stop().await;
}

#[tokio::test]
async fn a_payer_cannot_spend_the_same_balance_twice() {
    let scene = Scene::new().await;
    let poor = keys::account("payer", 7);
    scene.chain.mint(USDC, poor.address(), 4000).await;
    let payments = [Payment::new(&poor), Payment::new(&poor)];

    let (one, two) = tokio::join!(
        scene.client.settle(&payments[0].body),
        scene.client.settle(&payments[1].body)
    );

    let told = [one, two];
    let paid = told.iter().filter(|answer| answer.body["success"] == true);
    assert_eq!(paid.count(), 1, "{told:?}");
    let sent = scene.chain.nonce(scene.signer.address()).await;
    assert_eq!(sent, 1, "no gas for what cannot pay");
    let refused = told.iter().find(|answer| answer.body["success"] == false);
    let reason = text(&refused.expect("one is refused").body["errorReason"]);
    assert!(
        [
            "invalid_exact_evm_insufficient_balance",
            "settlement_capacity_exceeded"
        ]
        .contains(&reason.as_str()),
        "{reason}"
    );
    scene.facilitator.stop().await;
}
