//! The stock resource server and the stock buyer of `upto`, through our service.

use alloy::primitives::{Address, U256, address};
use serde_json::{Value, json};

use crate::harness::chain::{Sandbox, USDC, WEALTH};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::npm;

const SHOP: Address = address!("0x0000000000000000000000000000000000c11e18");

/// Buys with the stock packages; returns the receipts, and what the shop earned.
async fn buy(
    settings: impl FnOnce(Settings) -> Settings,
    arguments: &[&str],
) -> (Vec<Value>, U256) {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let facilitator = Facilitator::start(settings(Settings::new(sandbox.url()))).await;
    let payer = sandbox.payers(1).await.remove(0);
    let (url, key) = (facilitator.url(), payer.to_bytes().to_string());
    let (shop, rpc) = (SHOP.to_checksum(None), sandbox.url());
    let common = [
        "--facilitator",
        &url,
        "--rpc",
        rpc,
        "--key",
        &key,
        "--pay-to",
        &shop,
    ];

    let (paid, told) = npm::run("pay-upto.mjs", &[&common, arguments].concat()).await;

    assert!(paid, "{told}");
    let earned = sandbox.balance_of(USDC, SHOP).await;
    let left = sandbox.balance_of(USDC, payer.address()).await;
    assert_eq!(left, U256::from(WEALTH) - earned, "{told}");
    assert!(facilitator.stop().await);
    let payments = told["payments"].as_array().expect("receipts");
    let receipts = payments.iter().map(|payment| payment["receipt"].clone());
    (receipts.collect(), earned)
}

#[tokio::test]
async fn a_stock_server_charges_a_part_of_what_a_stock_client_signed() {
    let (receipts, earned) = buy(|settings| settings, &["--count", "2"]).await;

    assert_eq!(earned, U256::from(1800));
    for receipt in receipts {
        assert_eq!(receipt["amount"], "900", "{receipt}");
        assert_eq!(receipt["transaction"].as_str().map(str::len), Some(66));
    }
}

#[tokio::test]
async fn a_stock_server_charges_nothing() {
    let (receipts, earned) = buy(|settings| settings, &["--charge", "0"]).await;

    assert_eq!(earned, U256::ZERO);
    assert_eq!(receipts[0]["amount"], "0");
    assert_eq!(receipts[0]["transaction"], json!(""));
}
