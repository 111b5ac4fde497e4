//! Stock resource servers and stock buyers pay through our service. `reference` is the control: the same scripts pass with the stock facilitator.

use alloy::primitives::{Address, U256, address};

use crate::harness::chain::{Sandbox, USDC, WEALTH};
use crate::harness::facilitator::Facilitator;
use crate::harness::npm;

const SHOP: Address = address!("0x0000000000000000000000000000000000c11e17");

/// Runs a script against our service; asserts that everything was paid, and that the chain says so too.
async fn pays(script: &str, arguments: &[&str], units: u64) {
    let sandbox = Sandbox::start().await;
    // Before its first block anvil makes calls at a time long past, before the `validAfter` of version 1.
    sandbox.mine(1).await;
    let facilitator = Facilitator::on(&sandbox).await;
    let payer = sandbox.payers(1).await.remove(0);
    let (url, key) = (facilitator.url(), payer.to_bytes().to_string());
    let shop = SHOP.to_checksum(None);
    let common = ["--facilitator", &url, "--key", &key, "--pay-to", &shop];

    let (paid, told) = npm::run(script, &[&common, arguments].concat()).await;

    assert!(paid, "{told}");
    let arrived = sandbox.balance_of(USDC, SHOP).await;
    assert_eq!(arrived, U256::from(units), "{told}");
    let left = sandbox.balance_of(USDC, payer.address()).await;
    assert_eq!(left, U256::from(WEALTH - units));
    for payment in told["payments"].as_array().expect("receipts") {
        let transaction = payment["receipt"]["transaction"].as_str().expect("a hash");
        let receipt = sandbox.receipt(transaction.parse().expect("a hash")).await;
        assert_eq!(receipt["status"], "0x1");
    }
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_version_2_client_pays_by_eip_3009() {
    pays("pay.mjs", &["--count", "2"], 5_000).await;
}

#[tokio::test]
async fn a_version_2_client_pays_by_permit2() {
    pays("pay.mjs", &["--method", "permit2"], 2_500).await;
}

#[tokio::test]
async fn a_version_1_client_pays() {
    pays("pay-v1.mjs", &["--amount", "100", "--count", "2"], 200).await;
}
