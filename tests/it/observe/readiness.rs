//! `/readyz`: ready while some network can settle; everything that is wrong is listed.

use alloy::primitives::U256;
use reqwest::StatusCode;
use serde_json::Value;
use x402_facilitator::dev::keys;

use super::{NETWORK, Watched};
use crate::harness::http::{Answer, Client};

/// Nobody listens there.
const NOWHERE: &str = "http://127.0.0.1:1";
const ON: &str = r#"network="eip155:84532""#;

/// The check of this name: whether it is well, and its words.
fn check(answer: &Answer, name: &str) -> (bool, String) {
    let checks = answer.body["checks"].as_array().expect("checks are listed");
    let check = checks.iter().find(|check| check["name"] == name);
    let check = check.unwrap_or_else(|| panic!("no {name}: {}", answer.text));
    let detail = check["detail"].as_str().expect("words");
    (check["ok"] == Value::Bool(true), detail.to_owned())
}

fn lane() -> String {
    let signer = keys::account("signer", 0).address();
    format!("lane {NETWORK} {}", signer.to_string().to_lowercase())
}

async fn ready_when(client: &Client, is_so: impl Fn(&Answer) -> bool) -> Answer {
    let waiting = async {
        loop {
            let answer = client.get("/readyz?verbose").await;
            if is_so(&answer) {
                return answer;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    let waited = tokio::time::timeout(patience, waiting).await;
    waited.expect("readiness changes in time")
}

#[tokio::test]
async fn a_service_that_can_settle_is_ready_and_tells_what_it_has() {
    let watched = Watched::with(|settings| settings).await;
    let client = &watched.program.client;
    let answer = ready_when(client, |answer| {
        let detail = check(answer, &lane()).1;
        detail.starts_with("leased") && detail.contains("funds") && detail.contains("spent today")
    })
    .await;

    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(check(&answer, "database"), (true, "answers".to_owned()));
    let (is_well, detail) = check(&answer, &format!("network {NETWORK}"));
    assert!(is_well, "{detail}");
    for part in [
        "1 of 1 nodes answer on the right chain",
        "s old when last looked at",
        "1 of 1 lanes take payments",
    ] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
    let (is_well, detail) = check(&answer, &lane());
    assert!(is_well, "{detail}");
    for part in ["leased; takes payments; funds ", "spent today 0 of "] {
        assert!(detail.contains(part), "{part} is not in {detail}");
    }
}

#[tokio::test]
async fn a_signer_without_funds_is_told_everywhere_and_verification_stays_truthful() {
    let watched = Watched::poor(|settings| settings.set("SETTLE_TIMEOUT_MS", "1000")).await;
    let client = &watched.program.client;
    let body = watched.payment();
    assert_eq!(client.settle(&body).await.status, 503);

    let answer = ready_when(client, |answer| answer.status == 503).await;
    let (is_well, detail) = check(&answer, &lane());
    assert!(
        !is_well && detail.contains("paused: the signer cannot pay for gas"),
        "{detail}"
    );
    let (is_well, detail) = check(&answer, &format!("network {NETWORK}"));
    assert!(
        !is_well && detail.contains("0 of 1 lanes take payments"),
        "{detail}"
    );
    let told = watched
        .told_when(|told| told.is("x402_network_ready", &[ON], 0.0))
        .await;
    told.assert("x402_lane_paused", &[ON, r#"reason="funds""#], 1.0);
    told.assert("x402_lane_pauses_total", &[ON, r#"reason="funds""#], 1.0);
    told.assert("x402_ready", &[], 0.0);
    watched
        .told_when(|told| told.is("x402_signer_balance_native", &[ON], 0.0))
        .await;
    // The payment itself is as good as it was.
    assert_eq!(client.verify(&body).await.body["isValid"], true);

    watched.sandbox.signer(0).await;

    let answer = ready_when(client, |answer| answer.status == 200).await;
    assert!(check(&answer, &lane()).0, "{}", answer.text);
    assert_eq!(client.settle(&body).await.body["success"], true);
    watched
        .told_when(|told| told.is("x402_lane_paused", &[ON, r#"reason="funds""#], 0.0))
        .await;
}

#[tokio::test]
async fn a_daily_cap_that_is_used_up_is_told() {
    let watched = Watched::with(|settings| {
        settings
            .set("SETTLE_TIMEOUT_MS", "1000")
            .set("EVM_DAILY_SPEND_CAP_BASE_SEPOLIA", "0.000001")
    })
    .await;
    let client = &watched.program.client;
    assert_eq!(client.settle(&watched.payment()).await.status, 503);

    let answer = ready_when(client, |answer| answer.status == 503).await;
    let (_, detail) = check(&answer, &lane());
    assert!(detail.contains("daily spend cap is reached"), "{detail}");
    let told = watched
        .told_when(|told| told.is("x402_lane_paused", &[ON, r#"reason="cap""#], 1.0))
        .await;
    told.assert("x402_signer_daily_cap_native", &[ON], 1e-6);
}

#[tokio::test]
async fn one_network_that_is_down_takes_no_other_along() {
    let watched = Watched::with(|settings| {
        settings
            .set("EVM_NETWORKS", "base-sepolia,optimism-sepolia")
            .set("EVM_RPC_URL_OPTIMISM_SEPOLIA", NOWHERE)
    })
    .await;
    let client = &watched.program.client;
    let answer = ready_when(client, |answer| answer.status == 200).await;

    let (is_well, _) = check(&answer, &format!("network {NETWORK}"));
    assert!(is_well, "{}", answer.text);
    let (is_well, detail) = check(&answer, "network eip155:11155420");
    assert!(
        !is_well && detail.contains("0 of 1 nodes answer"),
        "{detail}"
    );
    let down = r#"network="eip155:11155420""#;
    let told = watched
        .told_when(|told| told.is("x402_network_ready", &[ON], 1.0))
        .await;
    told.assert("x402_network_ready", &[down], 0.0);
    told.assert("x402_rpc_endpoint_up", &[down], 0.0);
    told.assert("x402_ready", &[], 1.0);
    assert_eq!(
        client.settle(&watched.payment()).await.body["success"],
        true
    );
}

#[tokio::test]
async fn a_node_that_is_only_there_for_bad_times_is_known_to_be_dead_before_they_come() {
    let mut urls = String::new();
    let watched = Watched::with(|settings| {
        let pairs = settings.pairs();
        let rpc = pairs
            .iter()
            .find(|(name, _)| name == "EVM_RPC_URL_BASE_SEPOLIA");
        let rpc = &rpc.expect("a node").1;
        urls = format!("{rpc},{rpc}/again,{NOWHERE}");
        settings.set("EVM_RPC_URL_BASE_SEPOLIA", &urls)
    })
    .await;
    let told = watched
        .told_when(|told| told.is("x402_network_ready", &[ON], 1.0))
        .await;
    for (index, up) in [("0", 1.0), ("1", 1.0), ("2", 0.0)] {
        let index = format!(r#"endpoint_index="{index}""#);
        told.assert("x402_rpc_endpoint_up", &[ON, &index], up);
    }
    let answer = watched.program.client.get("/readyz?verbose").await;
    let (is_well, detail) = check(&answer, &format!("network {NETWORK}"));
    assert!(
        is_well && detail.contains("2 of 3 nodes answer"),
        "{detail}"
    );
}

#[tokio::test]
async fn a_node_on_another_chain_is_no_node() {
    let other = crate::harness::chain::Sandbox::with_id(1).await;
    let url = other.url().to_owned();
    let watched = Watched::with(|settings| settings.set("EVM_RPC_URL_BASE_SEPOLIA", &url)).await;
    let answer = ready_when(&watched.program.client, |answer| answer.status == 503).await;
    let (is_well, detail) = check(&answer, &format!("network {NETWORK}"));
    assert!(
        !is_well && detail.contains("0 of 1 nodes answer on the right chain"),
        "{detail}"
    );
    let told = watched
        .told_when(|told| told.is("x402_rpc_endpoint_up", &[ON], 0.0))
        .await;
    assert!(
        told.value(
            "x402_invariant_violations_total",
            &[r#"kind="wrong_chain""#]
        ) > Some(0.0)
    );
}

#[tokio::test]
async fn the_balance_that_is_told_is_the_signers() {
    let watched = Watched::with(|settings| settings).await;
    let signer = keys::account("signer", 0).address();
    let told = watched
        .told_when(|told| told.value("x402_signer_balance_native", &[ON]) > Some(0.0))
        .await;
    let balance: U256 = watched
        .sandbox
        .call("eth_getBalance", serde_json::json!([signer, "latest"]))
        .await;
    let coins: f64 = balance.to_string().parse::<f64>().expect("a number") / 1e18;
    let shown = told.value("x402_signer_balance_native", &[ON]);
    assert!(
        (shown.expect("a balance") - coins).abs() < 1e-6,
        "{shown:?} is not {coins}"
    );
    let info = format!(r#"address="{}""#, signer.to_string().to_lowercase());
    told.assert("x402_signer_info", &[ON, r#"signer_index="0""#, &info], 1.0);
}
