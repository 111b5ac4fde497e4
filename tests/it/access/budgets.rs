//! Gas that pays nobody is money lost to somebody: after so much of it they are not served until tomorrow.

use alloy::primitives::{Address, U256, address};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use sqlx::Connection;

use super::{limited, over_limit};
use crate::harness::chain::{USDC, WEALTH};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::oracle::{failure, success};
use crate::harness::world::{World, transferCall};

const OTHER: Address = address!("0x00000000000000000000000000000000000cafe9");
/// What a day may cost on this network, and a payer's share of it for transactions that paid nobody.
const DAILY: &str = "0.01";
const BUDGET_GWEI: i64 = 100_000;

/// Gas sums of one subject.
async fn spent(settings: &Settings, level: &str, subject: &str) -> (i64, i64) {
    let url = format!("sqlite://{}/facilitator.db", settings.path().display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.expect("SQLite");
    let asked = "select gwei, failed_gwei from fee_sums where level = $1 and subject = $2";
    let row = sqlx::query_as(asked).bind(level).bind(subject);
    let row = row.fetch_optional(&mut database).await.expect("the table");
    row.unwrap_or_default()
}

/// A payment whose money is gone when its block comes.
async fn fails(world: &World) -> Option<Value> {
    let payer = world.payer.address();
    let body = world.eip3009(|_| {});
    let has = world.sandbox.balance_of(USDC, payer).await;
    let units = has - U256::ONE;
    let leave = transferCall { to: OTHER, units }.abi_encode().into();
    world.sandbox.hold_blocks().await;
    let mut asked = std::pin::pin!(world.client.settle(&body));
    let answer = tokio::select! {
        answer = &mut asked => answer,
        () = world.sandbox.pooled(world.signer) => {
            world.sandbox.send_first(payer, USDC, leave).await;
            world.sandbox.mine(1).await;
            asked.await
        }
    };
    world.sandbox.release_blocks().await;
    world.sandbox.mint(USDC, payer, WEALTH).await;
    if answer.status == 429 {
        over_limit(&answer, "payer_fee_sponsored_cap_exceeded");
        return None;
    }
    let hash = failure(&answer, "invalid_exact_evm_transaction_failed");
    Some(
        world
            .sandbox
            .call("eth_getTransactionReceipt", json!([hash]))
            .await,
    )
}

fn cost_gwei(receipt: &Value) -> i64 {
    let number =
        |name: &str| -> U256 { serde_json::from_value(receipt[name].clone()).expect("a quantity") };
    let wei = number("gasUsed") * number("effectiveGasPrice");
    wei.div_ceil(U256::from(1_000_000_000)).to()
}

#[tokio::test]
async fn a_payer_whose_payments_fail_on_chain_is_locked_out_and_nobody_else() {
    let limits = "[payer]\nfailed_fees = 1\n";
    let settings =
        Settings::new("http://127.0.0.1:1").set("EVM_DAILY_SPEND_CAP_BASE_SEPOLIA", DAILY);
    let settings = limited(settings, limits);
    let kept = settings.clone();
    let world = World::with(|other| settings.at_node_of(&other)).await;
    let payer = format!("{:#x}", world.payer.address());
    let (mut lost, mut costs) = (0, Vec::new());

    while let Some(receipt) = fails(&world).await {
        assert!(lost < BUDGET_GWEI, "served beyond the budget: {lost}");
        costs.push(cost_gwei(&receipt));
        lost += cost_gwei(&receipt);
        assert_eq!(spent(&kept, "payer", &payer).await, (lost, lost));
    }

    assert!(lost >= BUDGET_GWEI && !costs.is_empty(), "{costs:?}");
    assert_eq!(spent(&kept, "caller", "anonymous").await, (lost, lost));
    assert_eq!(spent(&kept, "all", "").await, (lost, lost));
    // A good payment of that payer is not taken on either, and costs no read of the chain; another payer is served.
    let reads = world.reads();
    let refused = world.client.settle(&world.eip3009(|_| {})).await;
    over_limit(&refused, "payer_fee_sponsored_cap_exceeded");
    assert_eq!(world.reads(), reads);
    let other = world.sandbox.payers(2).await.remove(1);
    let world = World {
        payer: other,
        ..world
    };
    success(&world.client.settle(&world.eip3009(|_| {})).await);
    let (all, failed) = spent(&kept, "all", "").await;
    assert!(all > lost && failed == lost, "{all} {failed} {lost}");
    world.close().await;
}

#[tokio::test]
async fn a_lock_out_outlives_the_process() {
    let settings =
        Settings::new("http://127.0.0.1:1").set("EVM_DAILY_SPEND_CAP_BASE_SEPOLIA", DAILY);
    let settings = limited(settings, "[payer]\nfees = 0\n");
    let kept = settings.clone();
    // First without the limit: one payment lands, and its gas is on record.
    let world = World::with(|other| settings.without("LIMITS_FILE").at_node_of(&other)).await;
    success(&world.client.settle(&world.eip3009(|_| {})).await);
    let payer = format!("{:#x}", world.payer.address());
    let (gwei, failed) = spent(&kept, "payer", &payer).await;
    assert!(gwei > 0 && failed == 0);
    let World {
        sandbox,
        proxy,
        facilitator,
        payer: signer,
        ..
    } = world;
    assert!(facilitator.stop().await);

    // A budget of 1 % of very little is spent by that one payment.
    let settings = limited(kept, "[payer]\nfees = 1\n")
        .set("EVM_RPC_URL_BASE_SEPOLIA", proxy.url())
        .set("EVM_DAILY_SPEND_CAP_BASE_SEPOLIA", "0.001");
    let again = Facilitator::start(settings).await;
    let terms = crate::harness::world::price();
    let payment = crate::harness::sign::Eip3009::new(&terms, signer.address());
    let body = terms.v2(&payment.signed_by(&signer), &Value::Null);
    over_limit(
        &again.client().settle(&body).await,
        "payer_fee_sponsored_cap_exceeded",
    );
    assert!(again.stop().await);
    drop(sandbox);
}
