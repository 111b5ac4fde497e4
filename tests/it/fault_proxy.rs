//! Each fault of the proxy does what it says, and nothing else.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, B256, Bytes};
use hyper::StatusCode;
use serde_json::{Value, json};

use crate::harness::chain::Sandbox;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::rpc::Rpc;
use crate::sandbox::PAY_TO;

const SEND: &str = "eth_sendTransaction";
const RECEIPT: &str = "eth_getTransactionReceipt";

/// A chain, the proxy before it, and a client of the proxy.
async fn proxied() -> (Sandbox, Proxy, Rpc) {
    let chain = Sandbox::start().await;
    let proxy = Proxy::start(chain.url()).await;
    let client = Rpc::new(proxy.url());
    (chain, proxy, client)
}

fn transfer(from: Address) -> Value {
    json!([{"from": from, "to": PAY_TO, "value": "0x1"}])
}

fn request(id: u64, method: &str, params: &Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
}

#[tokio::test]
async fn calls_are_counted_and_recorded_also_in_batches() {
    let (_chain, proxy, client) = proxied().await;

    client.block_number().await;
    let one = request(7, "eth_chainId", &json!([]));
    let two = request(8, "eth_getCode", &json!([PAY_TO, "latest"]));
    let answers = client.post(&json!([one, two])).await.unwrap();

    assert_eq!(proxy.requests(), 2);
    assert_eq!(proxy.calls("eth_blockNumber").len(), 1);
    assert_eq!(proxy.calls("eth_getCode"), [json!([PAY_TO, "latest"])]);
    assert_eq!(answers[0]["result"], "0x14a34");
    assert_eq!(answers[1]["id"], 8);
}

#[tokio::test]
async fn a_dropped_request_reaches_nobody() {
    let (chain, proxy, client) = proxied().await;
    let rich = chain.rich_account().await;
    proxy.plan(SEND, 1, Fault::Drop);

    let dropped = client.post(&request(1, SEND, &transfer(rich))).await;

    assert!(dropped.unwrap_err().status().is_none());
    assert_eq!(chain.block_number().await, 0);
    assert!(
        client.try_call(SEND, transfer(rich)).await.is_ok(),
        "one only"
    );
}

#[tokio::test]
async fn a_lost_answer_was_heard_by_the_chain() {
    let (chain, proxy, client) = proxied().await;
    let rich = chain.rich_account().await;
    proxy.plan(SEND, 1, Fault::DropAnswer);
    proxy.plan(SEND, 1, Fault::Status(StatusCode::SERVICE_UNAVAILABLE));
    proxy.plan(SEND, 1, Fault::RefuseAnswer("already known"));

    let cut = client.post(&request(1, SEND, &transfer(rich))).await;
    assert!(cut.unwrap_err().status().is_none());
    chain.reaches_block(1).await;

    let lost = client.post(&request(1, SEND, &transfer(rich))).await;
    let status = lost.unwrap_err().status();
    assert_eq!(status, Some(reqwest::StatusCode::SERVICE_UNAVAILABLE));
    chain.reaches_block(2).await;

    let refused = client.try_call(SEND, transfer(rich)).await.unwrap_err();
    assert_eq!(refused["message"], "already known");
    chain.reaches_block(3).await;
}

#[tokio::test]
async fn a_refused_call_is_not_forwarded_and_leaves_its_batch_alone() {
    let (chain, proxy, client) = proxied().await;
    let rich = chain.rich_account().await;
    proxy.plan(SEND, 1, Fault::Refuse("nonce too low"));

    let send = request(1, SEND, &transfer(rich));
    let ask = request(2, "eth_chainId", &json!([]));
    let answers = client.post(&json!([send, ask])).await.unwrap();

    assert_eq!(answers[0]["error"]["message"], "nonce too low");
    assert_eq!(answers[1]["result"], "0x14a34");
    assert_eq!(chain.block_number().await, 0);
}

#[tokio::test]
async fn a_delay_is_only_a_delay() {
    let (_chain, proxy, client) = proxied().await;
    let delay = Duration::from_millis(150);
    proxy.plan("*", 1, Fault::Delay(delay));
    let started = Instant::now();

    client.block_number().await;

    assert!(started.elapsed() >= delay);
}

#[tokio::test]
async fn a_receipt_can_be_missing_for_some_polls() {
    let (chain, proxy, client) = proxied().await;
    let transaction = chain
        .send(chain.rich_account().await, PAY_TO, Bytes::new())
        .await;
    proxy.plan(RECEIPT, 3, Fault::Null);

    let receipt = client.receipt(transaction).await;

    assert_eq!(receipt["status"], "0x1");
    assert_eq!(proxy.calls(RECEIPT).len(), 4);
}

#[tokio::test]
async fn a_call_sent_twice_is_heard_twice() {
    let (chain, proxy, client) = proxied().await;
    proxy.plan("anvil_mine", 1, Fault::Twice);

    client.mine(1).await;

    chain.reaches_block(2).await;
}

#[tokio::test]
async fn a_stale_node_knows_only_older_blocks() {
    let (chain, proxy, client) = proxied().await;
    let transaction = chain
        .send(chain.rich_account().await, PAY_TO, Bytes::new())
        .await;
    let count =
        || client.call::<String>("eth_getTransactionCount", json!([Address::ZERO, "latest"]));
    chain.mine(2).await;
    proxy.plan("*", ALWAYS, Fault::StaleHead(3));

    assert_eq!(client.block_number().await, 0);
    let block: Value = client
        .call("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(block["number"], "0x0");
    assert_eq!(client.receipt_now(transaction).await, Value::Null);
    assert_eq!(count().await, "0x0");

    proxy.heal();
    assert_eq!(client.block_number().await, 3);
    assert_eq!(client.receipt_now(transaction).await["status"], "0x1");
}

#[tokio::test]
async fn a_wrong_hash_is_not_the_transactions() {
    let (chain, proxy, client) = proxied().await;
    let rich = chain.rich_account().await;
    proxy.plan("*", 2, Fault::WrongHash);

    let told = client.send(rich, PAY_TO, Bytes::new()).await;
    // Mining by itself comes a moment after the answer.
    chain.mine(1).await;
    let spoiled: Value = client
        .call("eth_getBlockByNumber", json!(["0x1", false]))
        .await;

    let block: Value = chain
        .call("eth_getBlockByNumber", json!(["0x1", false]))
        .await;
    let real: B256 = serde_json::from_value(block["transactions"][0].clone()).unwrap();
    assert_ne!(told, real);
    assert_ne!(spoiled["hash"], block["hash"]);
}
