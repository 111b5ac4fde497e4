//! The ground that the other tests stand on: the chain does what they ask of it.

use std::time::{Duration, Instant};

use alloy::primitives::{Address, Bytes, U256, address};
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use x402_facilitator::dev::chain::{BASE_SEPOLIA, Options};
use x402_facilitator::dev::{Chain, contracts, node};

use crate::harness::chain::{Sandbox, USDC, WALLET_FACTORY, WEALTH};
use crate::harness::sign::{self, Eip3009, Terms};
use crate::harness::{npm, scratch};

pub(crate) const PAY_TO: Address = address!("0x00000000000000000000000000000000be1cfee0");

sol! {
    function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
}

#[tokio::test]
async fn every_contract_is_where_stock_clients_expect_it() {
    let chain = Sandbox::start().await;

    for address in [
        USDC,
        WALLET_FACTORY,
        sign::PERMIT2,
        sign::EXACT_PROXY,
        contracts::UPTO_PERMIT2_PROXY,
        address!("0xcA11bde05977b3631167028862bE2a173976CA11"),
    ] {
        let code: Bytes = chain.call("eth_getCode", json!([address, "latest"])).await;
        assert!(!code.is_empty(), "{address} has no code");
    }
    let chain_id: U256 = chain.call("eth_chainId", json!([])).await;
    assert_eq!(chain_id, U256::from(84_532));
}

#[tokio::test]
async fn a_signed_authorization_moves_the_money() {
    let chain = Sandbox::start().await;
    let payer = &chain.payers(1).await[0];

    let receipt = pay(&chain, 2_500).await;

    assert_eq!(receipt["status"], "0x1");
    assert_eq!(chain.balance_of(USDC, PAY_TO).await, U256::from(2_500));
    let left = chain.balance_of(USDC, payer.address()).await;
    assert_eq!(left, U256::from(WEALTH - 2_500));
}

#[tokio::test]
async fn a_held_transaction_waits_and_can_be_dropped() {
    let chain = Sandbox::start().await;
    let rich = chain.rich_account().await;
    chain.hold_blocks().await;
    let dropped = chain.send(rich, PAY_TO, Bytes::new()).await;
    assert_eq!(chain.receipt_now(dropped).await, Value::Null);

    chain.drop_transaction(dropped).await;
    chain.mine(1).await;
    assert_eq!(chain.receipt_now(dropped).await, Value::Null);

    let mined = chain.send(rich, USDC, Bytes::new()).await;
    chain.mine_every(Duration::from_secs(1)).await;
    assert_eq!(chain.receipt(mined).await["status"], "0x0");
    chain.release_blocks().await;
    let quick = chain.send(rich, PAY_TO, Bytes::new()).await;
    assert_eq!(chain.receipt(quick).await["status"], "0x1");
}

#[tokio::test]
async fn a_reorg_takes_a_payment_back() {
    let chain = Sandbox::start().await;
    chain.payers(1).await;
    pay(&chain, 10).await;
    let head = chain.block_number().await;

    chain.reorg(1).await;

    assert_eq!(chain.block_number().await, head);
    assert_eq!(chain.balance_of(USDC, PAY_TO).await, U256::ZERO);
}

#[tokio::test]
async fn state_can_be_set_and_set_back() {
    let chain = Sandbox::start().await;
    let before = chain.snapshot().await;
    let code = contracts::runtime("BenchWallet").unwrap();

    chain.set_code(PAY_TO, &code).await;
    chain.set_balance(PAY_TO, U256::from(7)).await;
    chain.set_next_base_fee(123_456_789_000).await;
    chain.mine(1).await;

    let gas: U256 = chain
        .call("eth_getBalance", json!([PAY_TO, "latest"]))
        .await;
    assert_eq!(gas, U256::from(7));
    let block: Value = chain
        .call("eth_getBlockByNumber", json!(["latest", false]))
        .await;
    assert_eq!(
        block["baseFeePerGas"],
        format!("{:#x}", 123_456_789_000_u64)
    );
    chain.revert(&before).await;
    let code: Bytes = chain.call("eth_getCode", json!([PAY_TO, "latest"])).await;
    assert_eq!(code, Bytes::new());
}

#[tokio::test]
async fn a_chain_ends_with_its_owner() {
    let chain = Sandbox::start().await;
    let url = chain.url().to_owned();

    drop(chain);

    let started = Instant::now();
    while scratch::client().get(&url).send().await.is_ok() {
        assert!(started.elapsed() < Duration::from_secs(5), "anvil lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = Options {
        anvil: npm::anvil().await,
        chain_id: BASE_SEPOLIA,
        port: Some(taken.local_addr().unwrap().port()),
    };

    let refused = Chain::start(&options, scratch::client()).await;

    let text = refused.unwrap_err().to_string();
    assert!(text.contains("in use"), "{text}");
}

#[tokio::test]
async fn anvil_comes_from_npm_where_there_is_none() {
    let folder = scratch::Folder::new();
    let nowhere = std::ffi::OsStr::new("");

    let install = || node::find_or_install(nowhere, folder.path(), |_| {});
    let (one, other) = tokio::join!(install(), install());

    assert_eq!(one.unwrap(), other.unwrap());
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "drafts are cleaned up");
}

/// The first payer pays [`PAY_TO`] without any facilitator.
async fn pay(chain: &Sandbox, amount: u64) -> Value {
    let payer = &chain.payers(1).await[0];
    let payment = Eip3009::new(&Terms::usdc(PAY_TO, amount), payer.address());
    let signature = sign::signature(payer, payment.digest());
    let message = payment.message;
    let call = transferWithAuthorizationCall {
        from: message.from,
        to: message.to,
        value: message.value,
        validAfter: message.validAfter,
        validBefore: message.validBefore,
        nonce: message.nonce,
        signature,
    };
    let rich = chain.rich_account().await;
    let transaction = chain.send(rich, USDC, call.abi_encode().into()).await;
    chain.receipt(transaction).await
}
