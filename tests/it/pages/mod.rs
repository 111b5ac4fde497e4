//! What people see, opened in a real browser: payments made for the purpose, on a real chain.

mod admin;
mod api;

use serde_json::Value;
use sqlx::Connection;
use x402_facilitator::dev::keys;

use crate::harness::browser::{View, browse};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::Client;
use crate::harness::sign::{Eip3009, Terms};

/// Settlements of the past day that are put on record by hand, so that there is a day to see.
const EARLIER: i64 = 440;

/// A service on two networks with a day behind it.
struct Shop {
    facilitator: Facilitator,
    client: Client,
    /// The newest settlement's id.
    newest: String,
    _chains: [Sandbox; 2],
}

impl Shop {
    async fn open(change: impl FnOnce(Settings) -> Settings) -> Self {
        let (here, there) = (Sandbox::start().await, Sandbox::with_id(80_002).await);
        // Blocks that look like a chain's.
        here.mine(90).await;
        there.mine(70).await;
        here.signer(0).await;
        there.signer(0).await;
        let settings = Settings::new(here.url())
            .set("EVM_NETWORKS", "base-sepolia,polygon-amoy")
            .set("EVM_RPC_URL_POLYGON_AMOY", there.url());
        let facilitator = Facilitator::start(change(settings)).await;
        let client = facilitator.client();
        let payers = here.payers(6).await;
        let payments = payers
            .iter()
            .zip([2_500, 120_000, 1_000, 50_000, 1_250_000, 10_000]);
        for (at, (payer, price)) in payments.enumerate() {
            let terms = Terms::usdc(keys::account("shop", at % 3).address(), price);
            let payment = Eip3009::new(&terms, payer.address()).signed_by(payer);
            let paid = client.settle(&terms.v2(&payment, &Value::Null)).await;
            assert_eq!(paid.body["success"], true, "{}", paid.body);
        }
        make_history(facilitator.settings()).await;
        // What pages show is looked up once a second.
        let status = client.get("/status.json").await.body;
        let newest = status["recent"][0]["id"].as_str().unwrap_or_default();
        Self {
            newest: newest.to_owned(),
            facilitator,
            client,
            _chains: [here, there],
        }
    }
}

async fn execute(settings: &Settings, statement: &'static str) {
    let url = format!("sqlite://{}/facilitator.db", settings.path().display());
    let mut database = sqlx::SqliteConnection::connect(&url).await.expect("SQLite");
    let done = sqlx::query(statement)
        .bind(EARLIER)
        .execute(&mut database)
        .await;
    done.expect("the statement is good");
}

/// Copies of what was paid, earlier in the day: more by day than by night.
async fn make_history(settings: &Settings) {
    execute(
        settings,
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < $1), \
         s as (select *, row_number() over (order by id) as k, count(*) over () as c from settlements where state = 'settled') \
         insert into settlements (id, payment_key, fingerprint, proof, caller, scheme, network, wire_network, asset, payer, pay_to, amount, work, \
         expect, batchable, state, deadline, expires_at, created_at, updated_at, claimed_until, transaction_hash, log_index, block_number, \
         block_hash, settled_at, final_at) \
         select printf('00000000-0000-7000-8000-%012d', i), 'history:' || i, fingerprint, proof, caller, scheme, network, wire_network, asset, payer, \
         pay_to, amount, work, expect, batchable, state, deadline, expires_at, \
         created_at - i * 190000 - (i % 7) * (i % 11) * 60000 - (i % 5) * 37, updated_at, 0, \
         transaction_hash, 1000 + i, block_number, block_hash, settled_at - i * 190000 - (i % 7) * (i % 11) * 60000, settled_at \
         from n join s on s.k = i % s.c + 1 where i * 7 % 10 < 2 + abs(12 - i / 19) * 8 / 12",
    )
    .await;
}

fn assert_fine(views: &[View]) {
    let wrong: Vec<_> = views.iter().filter(|view| !view.wrong.is_empty()).collect();
    assert!(
        wrong.is_empty(),
        "{:#?}",
        wrong
            .iter()
            .map(|v| (&v.name, &v.wrong))
            .collect::<Vec<_>>()
    );
    for view in views {
        assert!(
            view.bytes < 100_000,
            "{} has {} bytes",
            view.name,
            view.bytes
        );
    }
}

fn text<'a>(views: &'a [View], name: &str) -> &'a str {
    let view = views.iter().find(|view| view.name == name);
    &view.unwrap_or_else(|| panic!("no view {name}")).text
}

#[tokio::test]
async fn every_page_is_fine_in_every_browser_setting() {
    let shop = Shop::open(|settings| settings).await;
    let payment = format!("payment=/tx/{}", shop.newest);
    let pages = ["overview=/", &payment, "docs=/docs"];
    let views = browse(&shop.facilitator.url(), "", &pages).await;
    assert_fine(&views);
    for view in [
        "overview wide light",
        "overview narrow dark",
        "overview wide plain",
    ] {
        let text = text(&views, view);
        assert!(
            text.contains("base-sepolia") && text.contains("polygon-amoy"),
            "{text}"
        );
        assert!(
            text.contains("0.01 USDC") && text.contains("Median latency"),
            "{text}"
        );
    }
    let payment = text(&views, "payment wide plain");
    for words in [
        "Settled",
        "Signed",
        "In a block",
        "Told to the seller",
        "21",
    ] {
        assert!(payment.contains(words), "{words} in {payment}");
    }
    assert!(shop.facilitator.stop().await);
}

async fn browse_as_operator(token: &str) -> Vec<View> {
    let shop = Shop::open(|settings| settings.set("ADMIN_TOKEN", token)).await;
    let credentials = format!("operator:{token}");
    let views = browse(&shop.facilitator.url(), &credentials, &["admin=/admin"]).await;
    assert_fine(&views);
    assert!(shop.facilitator.stop().await);
    views
}

#[tokio::test]
async fn a_feed_that_is_switched_off_tells_nobody() {
    let shop = Shop::open(|settings| settings.set("PUBLIC_FEED", "false")).await;
    let page = shop.client.get("/").await;
    let status = shop.client.get("/status.json").await;
    assert!(
        !page.text.contains("Latest settlements") && !page.text.contains("/tx/"),
        "{}",
        page.text
    );
    assert!(status.body["recent"].is_null() && status.body["settled24h"].as_u64() > Some(100));
    assert!(shop.facilitator.stop().await);
}
