//! What `/supported` lists works, and what works is listed. New chains come by configuration alone.

use std::collections::BTreeSet;
use std::time::Duration;

use alloy::primitives::{Address, U256, address};
use serde_json::{Value, json};
use x402_facilitator::dev::keys;

use crate::harness::chain::{Sandbox, USDC};
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::Client;
use crate::harness::sign::{Eip3009, Permit2, Terms};

const PAYEE: Address = address!("0x0000000000000000000000000000000000005099");

/// The shipped table: name, chain id, version 1 name, whether a token is known.
fn known_networks() -> Vec<(String, u64, Option<String>, bool)> {
    let text = include_str!("../../config/networks.toml");
    let table: toml::Table = text.parse().expect("the shipped table");
    let rows = table["networks"].as_table().expect("rows");
    let read = |(name, row): (&String, &toml::Value)| {
        let chain_id = row["chain_id"].as_integer().expect("an id").cast_unsigned();
        let v1 = row.get("v1_name").and_then(toml::Value::as_str);
        let assets = row.get("assets").and_then(toml::Value::as_array);
        let has_assets = assets.is_some_and(|assets| !assets.is_empty());
        (
            name.clone(),
            chain_id,
            v1.map(ToOwned::to_owned),
            has_assets,
        )
    };
    rows.iter().map(read).collect()
}

fn suffix(name: &str) -> String {
    name.to_uppercase().replace(['-', ':'], "_")
}

/// Every shipped network, all of them at this one node.
fn everywhere(url: &str) -> Settings {
    let networks = known_networks();
    let names: Vec<&str> = networks.iter().map(|network| network.0.as_str()).collect();
    let settings = Settings::new(url)
        .set("EVM_NETWORKS", &names.join(","))
        .set("SETTLE_AUTH", "off");
    names.iter().fold(settings, |settings, name| {
        settings.set(&format!("EVM_RPC_URL_{}", suffix(name)), url)
    })
}

/// `/supported` as pairs of version and network, every kind checked.
async fn kinds(client: &Client) -> BTreeSet<(u64, String)> {
    let supported = client.get("/supported").await;
    assert_eq!(supported.status, 200);
    let mut kinds = supported.body["kinds"].as_array().expect("kinds").clone();
    // What else is offered is looked at elsewhere.
    kinds.retain(|kind| kind["scheme"] != "upto");
    let pairs = kinds.iter().map(|kind| {
        assert_eq!(kind["scheme"], "exact");
        let network = kind["network"].as_str().expect("a name").to_owned();
        assert!(!network.contains('*'), "a wildcard: {network}");
        (kind["x402Version"].as_u64().expect("a version"), network)
    });
    let pairs: BTreeSet<_> = pairs.collect();
    assert_eq!(pairs.len(), kinds.len(), "a kind is listed twice");
    pairs
}

#[tokio::test]
async fn every_network_with_a_known_token_is_listed_under_both_its_names() {
    let facilitator = Facilitator::start(everywhere("http://127.0.0.1:1")).await;
    let client = facilitator.client();

    let mut expected = BTreeSet::new();
    for (_, chain_id, v1_name, _) in known_networks().into_iter().filter(|row| row.3) {
        expected.insert((2, format!("eip155:{chain_id}")));
        expected.extend(v1_name.map(|name| (1, name)));
    }
    assert_eq!(kinds(&client).await, expected);

    let supported = client.get("/supported").await.body;
    let signer = keys::account("signer", 0).address().to_checksum(None);
    assert_eq!(supported["signers"], json!({"eip155:*": [signer]}));
    assert_eq!(supported["extensions"], json!(["eip2612GasSponsoring"]));
}

#[tokio::test]
async fn every_kind_that_is_listed_is_routed_and_no_other() {
    let sandbox = Sandbox::start().await;
    let payer = sandbox.payers(1).await.remove(0);
    let token = USDC.to_string();
    let settings = known_networks()
        .iter()
        .fold(everywhere(sandbox.url()), |settings, (name, ..)| {
            settings.set(&format!("EVM_ASSETS_{}", suffix(name)), &token)
        });
    let facilitator = Facilitator::start(settings).await;
    let client = facilitator.client();
    let listed = kinds(&client).await;
    let networks = known_networks();
    assert_eq!(
        listed.len(),
        networks.len() + networks.iter().filter(|row| row.2.is_some()).count()
    );

    for (name, chain_id, v1_name, _) in networks {
        let mut terms = Terms::usdc(PAYEE, 2_500);
        terms.chain_id = chain_id;
        let eip3009 = Eip3009::new(&terms, payer.address()).signed_by(&payer);
        let permit2 = Permit2::new(&terms, payer.address()).signed_by(&payer);
        let mut bodies = vec![
            terms.v2(&eip3009, &Value::Null),
            terms.v2(&permit2, &Value::Null),
        ];
        if let Some(v1_name) = v1_name {
            bodies.push(terms.v1(&v1_name, &eip3009));
        } else {
            let unlisted = client.verify(&terms.v1(&name, &eip3009)).await;
            assert_eq!(unlisted.reason(), "invalid_network", "{name}");
        }
        for body in bodies {
            let verdict = client.verify(&body).await;
            if chain_id == 84_532 {
                assert_eq!(verdict.body["isValid"], true, "{}", verdict.text);
            } else {
                // The node there is on another chain: it is not believed, and the payment is not judged.
                assert_eq!(verdict.status, 503, "{name}: {}", verdict.text);
                assert_eq!(verdict.reason(), "unexpected_verify_error");
            }
        }
    }
}

#[tokio::test]
async fn a_network_without_a_known_token_is_listed_once_one_is_configured() {
    let none = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "polygon-amoy,base-sepolia");
    let facilitator = Facilitator::start(none.clone()).await;
    let base = [
        (1, "base-sepolia".to_owned()),
        (2, "eip155:84532".to_owned()),
    ];
    let client = facilitator.client();
    assert_eq!(kinds(&client).await, BTreeSet::from(base.clone()));
    let payer = keys::account("payer", 0);
    let mut terms = Terms::usdc(PAYEE, 1);
    terms.chain_id = 80_002;
    let body = terms.v2(
        &Eip3009::new(&terms, payer.address()).signed_by(&payer),
        &Value::Null,
    );
    assert_eq!(client.verify(&body).await.reason(), "invalid_network");

    let one = none.set("EVM_ASSETS_POLYGON_AMOY", &USDC.to_string());
    let facilitator = Facilitator::start(one).await;
    let amoy = [
        (1, "polygon-amoy".to_owned()),
        (2, "eip155:80002".to_owned()),
    ];
    let all = base.into_iter().chain(amoy).collect();
    assert_eq!(kinds(&facilitator.client()).await, all);
}

#[tokio::test]
async fn any_evm_chain_pays_end_to_end_by_configuration_alone() {
    for (chain_id, entry) in [(651_940, "alltra"), (4_242, "eip155:4242")] {
        let sandbox = Sandbox::with_id(chain_id).await;
        sandbox.signer(0).await;
        let payer = sandbox.payers(1).await.remove(0);
        // Two confirmations are the default, and a chain at rest makes no second block.
        sandbox.mine_every(Duration::from_secs(1)).await;
        let settings = Settings::new("http://127.0.0.1:1")
            .set("EVM_NETWORKS", entry)
            .set(&format!("EVM_RPC_URL_{}", suffix(entry)), sandbox.url())
            .set(&format!("EVM_ASSETS_{}", suffix(entry)), &USDC.to_string())
            .set("SETTLE_AUTH", "off")
            .without("EVM_RPC_URL_BASE_SEPOLIA");
        let facilitator = Facilitator::start(settings).await;
        let client = facilitator.client();
        let listed = BTreeSet::from([(2, format!("eip155:{chain_id}"))]);
        assert_eq!(kinds(&client).await, listed, "{entry}");

        let mut terms = Terms::usdc(PAYEE, 2_500);
        terms.chain_id = chain_id;
        let eip3009 = Eip3009::new(&terms, payer.address()).signed_by(&payer);
        let permit2 = Permit2::new(&terms, payer.address()).signed_by(&payer);
        for payload in [eip3009, permit2] {
            let body = terms.v2(&payload, &Value::Null);
            let verdict = client.verify(&body).await;
            assert_eq!(verdict.body["isValid"], true, "{entry}: {}", verdict.text);
            let outcome = client.settle(&body).await;
            assert_eq!(outcome.body["success"], true, "{entry}: {}", outcome.text);
        }
        let arrived = sandbox.balance_of(USDC, PAYEE).await;
        assert_eq!(arrived, U256::from(5_000));

        // A signature for another chain is none here.
        terms.chain_id = 84_532;
        let foreign = Eip3009::new(&terms, payer.address()).signed_by(&payer);
        terms.chain_id = chain_id;
        let verdict = client.verify(&terms.v2(&foreign, &Value::Null)).await;
        assert_eq!(verdict.reason(), "invalid_exact_evm_signature");
    }
}
