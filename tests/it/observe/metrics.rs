//! `/metrics`: what is counted, where it is told, and that nobody outside can make it grow.

use std::collections::BTreeSet;
use std::path::Path;

use reqwest::Method;
use serde_json::json;
use x402_facilitator::observe::metrics::catalogue;

use super::{NETWORK, PRICE, Told, Watched};
use crate::harness::binary::{self, Binary};
use crate::harness::facilitator::Settings;
use crate::harness::promtool::promtool;
use crate::harness::scene::Scene;
use crate::harness::svm_world::{self, SvmRequest};

const ON: &str = r#"network="eip155:84532""#;

#[tokio::test]
async fn a_payment_is_counted_from_its_request_to_its_gas() {
    let watched = Watched::with(|settings| settings).await;
    let client = &watched.program.client;
    let body = watched.payment();
    assert_eq!(client.verify(&body).await.body["isValid"], true);
    assert_eq!(client.settle(&body).await.body["success"], true);
    let again = client.settle(&body).await;
    assert_eq!(again.reason(), "duplicate_settlement");
    client.send(Method::POST, "/verify", &[], "no json").await;

    let told = watched
        .told_when(|told| told.value("x402_signer_runway_settlements", &[]).is_some())
        .await;

    let usdc = [ON, r#"scheme="exact""#, r#"asset_symbol="USDC""#];
    let with = |result: &'static str, reason: &'static str| [&usdc[..], &[result, reason]].concat();
    told.assert(
        "x402_verify_total",
        &with(r#"result="valid""#, r#"reason="none""#),
        1.0,
    );
    told.assert(
        "x402_settle_total",
        &with(r#"result="settled""#, r#"reason="none""#),
        1.0,
    );
    let duplicate = with(r#"result="rejected""#, r#"reason="duplicate_settlement""#);
    told.assert("x402_settle_total", &duplicate, 1.0);
    let unread = [r#"network="other""#, r#"reason="invalid_json""#];
    told.assert("x402_verify_total", &unread, 1.0);
    told.assert(
        "x402_settlements_concluded_total",
        &[ON, r#"outcome="settled""#],
        1.0,
    );
    told.assert(
        "x402_volume_base_units_total",
        &usdc[..1],
        f64::from(u32::try_from(PRICE).expect("small")),
    );
    told.assert("x402_tx_mined_total", &[ON], 1.0);
    told.assert("x402_tx_reverted_total", &[ON], 0.0);
    told.assert("x402_tx_attempts_total", &[ON, r#"outcome="sent""#], 1.0);
    for stage in ["queue", "chain", "total"] {
        let stage = format!(r#"stage="{stage}""#);
        told.assert(
            "x402_settlement_stage_duration_seconds_count",
            &[ON, &stage],
            1.0,
        );
    }
    let spent = told
        .value("x402_gas_spent_native_total", &[ON])
        .expect("gas was spent");
    assert!(spent > 0.0, "{spent}");
    assert_eq!(told.value("x402_gas_wasted_native_total", &[ON]), None);
    let ok = [
        r#"http_route="/settle""#,
        r#"http_response_status_code="200""#,
    ];
    told.assert("http_server_request_duration_seconds_count", &ok, 2.0);
    told.assert("http_server_active_requests", &[], 0.0);
    let simulated = [
        ON,
        r#"role="read""#,
        r#"endpoint_index="0""#,
        r#"method="eth_call""#,
        r#"outcome="ok""#,
    ];
    assert!(told.value("x402_rpc_requests_total", &simulated) >= Some(1.0));
}

#[tokio::test]
async fn what_waits_and_who_works_is_told_from_the_record() {
    let watched = Watched::with(|settings| settings).await;
    watched.sandbox.hold_blocks().await;
    let client = watched.program.client.clone();
    let body = watched.payment();

    let looking = async {
        let lane = [ON, r#"signer_index="0""#];
        // One look reads one thing after the other, while the lane works.
        let submitted = [ON, r#"state="submitted""#];
        let is_sent = |told: &Told| {
            told.is("x402_signer_inflight", &lane, 1.0)
                && told.is("x402_settlements_in_state", &submitted, 1.0)
                && told.is("x402_settlements_in_state", &[ON, r#"state="queued""#], 0.0)
                && told.is("x402_signer_nonce", &[ON, r#"kind="db""#], 1.0)
        };
        let told = watched.told_when(is_sent).await;
        assert!(told.value("x402_oldest_in_state_seconds", &submitted) > Some(0.0));
        told.assert("x402_lane_leased", &lane, 1.0);
        told.assert("x402_lane_paused", &[ON, r#"reason="funds""#], 0.0);
        told.assert("x402_rpc_endpoint_up", &[ON, r#"endpoint_index="0""#], 1.0);
        told.assert("x402_network_ready", &[ON], 1.0);
        told.assert("x402_ready", &[], 1.0);
        assert!(told.value("x402_signer_daily_cap_native", &lane) > Some(0.0));
        watched.sandbox.release_blocks().await;
        watched.sandbox.mine(1).await;
    };
    let (settled, ()) = tokio::join!(client.settle(&body), looking);

    assert_eq!(settled.body["success"], true, "{}", settled.text);
    // The test's files say so.
    assert_eq!(body["paymentRequirements"]["network"], NETWORK);
}

#[tokio::test]
async fn every_documented_metric_is_told_and_no_other_and_prometheus_takes_them() {
    let watched = Watched::with(|settings| settings).await;
    let body = watched.payment();
    assert_eq!(
        watched.program.client.settle(&body).await.body["success"],
        true
    );
    let told = watched.told().await;

    let documented: BTreeSet<String> = catalogue::all()
        .map(|metric| metric.prometheus_name())
        .collect();
    let described: BTreeSet<String> = told
        .0
        .lines()
        .filter_map(|line| Some(line.strip_prefix("# TYPE ")?.split_once(' ')?.0.to_owned()))
        .collect();
    assert_eq!(described, documented);
    promtool(Path::new("."), &["check", "metrics"], &told.0);
}

#[tokio::test]
async fn strangers_make_no_series() {
    let watched = Watched::with(|settings| settings).await;
    let client = &watched.program.client;
    let good = watched.payment();
    assert_eq!(client.verify(&good).await.body["isValid"], true);
    for _ in 0..2 {
        strange(&watched, 0).await;
    }
    let before = watched.told().await.series().count();

    for turn in 1..30 {
        strange(&watched, turn).await;
    }

    let told = watched.told().await;
    let grown = told.series().count() - before;
    assert!(grown <= 2, "{grown} more series:\n{}", told.0);
    for word in ["stranger", "0xdead", "PURGE", "eip155:9"] {
        assert!(!told.0.contains(word), "{word} is a label:\n{}", told.0);
    }
}

/// What a stranger may write anywhere.
async fn strange(watched: &Watched, turn: usize) {
    let client = &watched.program.client;
    for (member, value) in [
        ("network", json!(format!("eip155:9{turn}"))),
        ("scheme", json!(format!("stranger{turn}"))),
        ("asset", json!(format!("0xdead{turn:036}"))),
    ] {
        let mut body = watched.payment();
        body["paymentRequirements"][member] = value.clone();
        body["paymentPayload"]["accepted"][member] = value;
        assert_ne!(client.verify(&body).await.body["isValid"], true);
    }
    let method = Method::from_bytes(format!("PURGE{turn}").as_bytes()).expect("a method");
    client.send(method, "/verify", &[], "").await;
    client.get(&format!("/stranger/{turn}")).await;
    let reference = format!("/settlements/stranger{turn}");
    client.get(&reference).await;
}

#[tokio::test]
async fn metrics_are_told_on_their_own_port_and_nowhere_else() {
    let watched = Watched::with(|settings| settings).await;
    assert_eq!(watched.program.client.get("/metrics").await.status, 404);
    let answer = watched.metrics.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    for path in ["/", "/verify", "/settle", "/supported"] {
        assert_eq!(watched.metrics.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_chosen_port_that_is_taken_is_an_error_and_the_usual_one_is_not() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let taken = taken.local_addr().expect("an address").port().to_string();
    let settings = Settings::new("http://127.0.0.1:1").set("EVM_NETWORKS", "");
    let chosen = settings.clone().set("METRICS_PORT", &taken);
    let output = binary::run(chosen.path(), &chosen.pairs(), &[]).await;
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("METRICS_PORT"), "{said}");

    // Taken by us, or by whoever was there before.
    let _usual = std::net::TcpListener::bind("127.0.0.1:9090");
    let usual = settings.without("METRICS_PORT");
    let program = Binary::start(usual.path(), &usual.pairs()).await;
    program.said("there are no metrics").await;
    assert_eq!(program.client.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn what_is_told_is_told_while_it_drains() {
    let mut watched = Watched::with(|settings| settings.set("DRAIN_NOTICE_MS", "3000")).await;
    watched.program.signal("TERM").await;
    watched.program.said("draining").await;
    let told: Told = watched.told().await;
    assert!(told.value("x402_build_info", &[]).is_some());
    assert!(watched.program.ended().await.success());
}

#[tokio::test]
async fn solana_is_counted_by_the_same_names() {
    let scene = Scene::start().await;
    let settings = svm_world::settings(&scene, scene.ledger.url()).set("METRICS_PORT", "0");
    let program = Binary::start(settings.path(), &settings.pairs()).await;
    let metrics = program.metrics().await;
    let request = SvmRequest::new(&scene).await;
    let settled = program.client.settle(&request.body).await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);

    let patience = std::time::Duration::from_secs(30);
    let told = tokio::time::timeout(patience, async {
        loop {
            let told = Told(metrics.get("/metrics").await.text);
            if told.value("x402_signer_runway_settlements", &[]).is_some() {
                return told;
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    let told = told.await.expect("it is told in time");
    let on = r#"network="solana:EtWTRABZaYq6iMfeYKouRu166VU2xqa1""#;
    told.assert("x402_settle_total", &[on, r#"result="settled""#], 1.0);
    told.assert(
        "x402_settlements_concluded_total",
        &[on, r#"outcome="settled""#],
        1.0,
    );
    told.assert("x402_network_ready", &[on], 1.0);
    assert!(told.value("x402_signer_balance_native", &[on]) > Some(0.0));
    assert!(told.value("x402_gas_spent_native_total", &[on]) > Some(0.0));
    assert!(told.value("x402_chain_head", &[on]) > Some(0.0));
    assert_eq!(
        told.value("x402_signer_nonce", &[on, "db"]),
        None,
        "there are no account nonces"
    );
}
