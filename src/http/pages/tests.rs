use std::sync::Arc;
use std::time::Duration;

use super::facts::{Facts, NetworkFacts, Token};
use super::{Here, Page, STYLE, home, tx};
use crate::clock::UnixMillis;
use crate::facilitator::{Overview, SettlementView, Timeline};
use crate::protocol::response::{SupportedKind, SupportedResponse};
use crate::store::{Carriage, Life, Recent, Tried};

const THIEF: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>";

fn assert_harmless(page: &str) {
    assert!(
        page.contains("&lt;script&gt;"),
        "the thief's words are shown"
    );
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains("<img"), "{page}");
    assert!(!page.contains("\"'>"), "{page}");
}

fn hostile_facts() -> Facts {
    let network = NetworkFacts {
        network: THIEF.to_owned(),
        name: THIEF.to_owned(),
        testnet: true,
        confirmation: THIEF.to_owned(),
        explorer: Some("https://explorer.example/{kind}/{id}".to_owned()),
        tokens: vec![Token {
            address: THIEF.to_owned(),
            symbol: THIEF.to_owned(),
            decimals: Some(6),
        }],
        any_asset: true,
    };
    Facts {
        networks: vec![network],
        public_feed: true,
        admin_token: None,
    }
}

fn text() -> String {
    THIEF.to_owned()
}

#[test]
fn the_overview_shows_hostile_words_as_words() {
    let recent = Recent {
        id: text(),
        network: text(),
        asset: text(),
        payer: text(),
        pay_to: text(),
        amount: text(),
        transaction: text(),
        created_at: 0,
        settled_at: 1000,
        is_final: false,
    };
    let overview = Overview {
        networks: Vec::new(),
        by_hour: [1; 24],
        median_latency: Some(Duration::from_millis(1500)),
        recent: vec![recent],
        uptime: Duration::from_secs(90),
        at: UnixMillis(2000),
    };
    let kind = SupportedKind {
        version: 2,
        scheme: "exact",
        network: format!("eip155:{THIEF}"),
        extra: None,
    };
    let supported = SupportedResponse {
        kinds: vec![kind],
        ..SupportedResponse::default()
    };
    let view = home::View {
        facts: &hostile_facts(),
        supported: &supported,
        overview: Some(Arc::new(overview)),
        base: "",
        authentication: true,
        url: THIEF,
    };
    assert_harmless(&view.main().into_string());
}

#[test]
fn a_payment_shows_hostile_words_as_words() {
    let timeline = Timeline {
        settlement: SettlementView {
            id: text(),
            payment_key: text(),
            state: "failed",
            scheme: text(),
            network: text(),
            asset: text(),
            payer: text(),
            pay_to: text(),
            amount: text(),
            transaction: Some(text()),
            reason: Some("invalid_exact_evm_transaction_failed"),
            delivered: false,
            r#final: false,
            created_at: 0,
            updated_at: 0,
        },
        message: Some(text()),
        life: Life {
            transactions: vec![Carriage {
                signer: text(),
                account_nonce: Some(1),
                state: "mined".to_owned(),
                mined_hash: Some(text()),
                block_number: Some(1),
                succeeded: Some(false),
                gas_used: Some(1),
                cost_gwei: Some(1),
                created_at: 0,
                payments: 2,
                attempts: vec![Tried {
                    hash: text(),
                    role: text(),
                    created_at: 0,
                }],
            }],
            ..Life::default()
        },
    };
    let facts = hostile_facts();
    assert_harmless(&tx::main(std::slice::from_ref(&timeline), &facts, "", THIEF).into_string());
    let two = [timeline.clone(), timeline];
    assert_harmless(&tx::main(&two, &facts, "", THIEF).into_string());
}

#[test]
fn a_page_is_small_and_loads_nothing() {
    assert!(STYLE.len() <= 10_000, "{}", STYLE.len());
    let page = Page {
        title: "t",
        here: Here::Overview,
        base: "/f",
        is_live: true,
    };
    let html = page.render(&maud::html! { p { "x" } }).into_string();
    assert!(
        !html.contains("http://")
            || html.matches("http://").count() == html.matches("http://www.w3.org/").count()
    );
    assert!(
        !html.contains("https://") && !html.contains(" style="),
        "{html}"
    );
}
