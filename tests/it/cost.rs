//! What a payment costs in requests to the node: counted between the service and the chain, never timed.

use alloy::primitives::{Address, address};
use serde_json::Value;

use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::proxy::Proxy;
use crate::harness::sign::{Eip3009, Terms};

const PAYEE: Address = address!("0x00000000000000000000000000000000000cafe3");

struct Stage {
    sandbox: Sandbox,
    proxy: Proxy,
    facilitator: Facilitator,
}

/// A warm service: it has seen the chain id and made one payment.
async fn stage() -> Stage {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let proxy = Proxy::start(sandbox.url()).await;
    let facilitator = Facilitator::start(Settings::new(proxy.url())).await;
    let stage = Stage {
        sandbox,
        proxy,
        facilitator,
    };
    let body = stage.payment(0).await;
    assert_eq!(
        stage.facilitator.client().settle(&body).await.body["success"],
        true
    );
    stage
}

impl Stage {
    async fn payment(&self, payer: usize) -> Value {
        let payer = self.sandbox.payers(payer + 1).await.remove(payer);
        let terms = Terms::usdc(PAYEE, 100);
        terms.v2(
            &Eip3009::new(&terms, payer.address()).signed_by(&payer),
            &Value::Null,
        )
    }

    /// Calls of a method so far.
    fn count(&self, method: &str) -> usize {
        self.proxy.calls(method).len()
    }
}

#[tokio::test]
async fn a_verification_asks_the_node_once() {
    let stage = stage().await;
    let body = stage.payment(1).await;
    let before = stage.count("eth_call");
    assert_eq!(
        stage.facilitator.client().verify(&body).await.body["isValid"],
        true
    );
    assert_eq!(stage.count("eth_call") - before, 1);
}

#[tokio::test]
async fn a_bad_signature_of_a_payer_known_to_have_no_code_asks_nobody() {
    let stage = stage().await;
    let mut body = stage.payment(0).await;
    body["paymentPayload"]["payload"]["authorization"]["nonce"] =
        Value::from(format!("0x{}", "ab".repeat(32)));
    let before = stage.count("eth_call");
    let answer = stage.facilitator.client().verify(&body).await;
    assert_eq!(answer.body["invalidReason"], "invalid_exact_evm_signature");
    assert_eq!(stage.count("eth_call") - before, 0);
}

#[tokio::test]
async fn a_settlement_reads_twice_and_sends_once() {
    let stage = stage().await;
    let body = stage.payment(1).await;
    let methods = [
        "eth_call",
        "eth_sendRawTransaction",
        "eth_getBalance",
        "eth_getTransactionCount",
        "eth_gasPrice",
    ];
    let before = methods.map(|method| stage.count(method));
    assert_eq!(
        stage.facilitator.client().settle(&body).await.body["success"],
        true
    );
    let after = methods.map(|method| stage.count(method));
    let spent: Vec<usize> = after
        .iter()
        .zip(before)
        .map(|(after, before)| after - before)
        .collect();
    // The verification; then, in one request, the simulation of what is signed and the payer's balance.
    assert_eq!(spent, [3, 1, 1, 0, 0]);
}
