//! SIGKILL at every point of the money path: nothing is lost, nothing is paid twice, and the right answer comes after the restart.

use std::time::Duration;

use alloy::primitives::{Address, U256, address};
use serde_json::Value;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Process, Settings};
use crate::harness::sign::{Eip3009, Terms};

const PAYEE: Address = address!("0x00000000000000000000000000000000000cafe2");

#[tokio::test]
async fn a_kill_after_storing_loses_and_doubles_nothing() {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let payer = sandbox.payers(1).await.remove(0);
    let terms = Terms::usdc(PAYEE, 2500);
    let body = terms.v2(
        &Eip3009::new(&terms, payer.address()).signed_by(&payer),
        &Value::Null,
    );
    let settings = Settings::new(sandbox.url());

    let mut first = Process::start(&settings, Some("Stored")).await;
    let client = first.client.clone();
    let request = {
        let body = body.clone();
        async move { client.try_post("/settle", &body).await }
    };
    let (answer, ()) = tokio::join!(request, async {
        first.reached("Stored").await;
        first.kill().await
    });
    assert!(answer.is_err(), "the connection died with the process");

    let second = Process::start(&settings, None).await;
    let answer = second.client.settle(&body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    assert_eq!(sandbox.balance_of(USDC, PAYEE).await, U256::from(2500));
    tokio::time::sleep(Duration::from_millis(1)).await;
    second.kill().await;
}
