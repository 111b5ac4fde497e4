//! OTLP: a real collector gets the traces and the metrics, or nobody gets anything.

use alloy::primitives::hex::encode as hex;
use reqwest::Method;

use super::{NETWORK, Watched};
use crate::harness::facilitator::Settings;
use crate::harness::otlp::{self, Collector, Export};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const KEY: &str = "canary-collector-key-2d9e";

fn to(settings: Settings, collector: &Collector) -> Settings {
    settings
        .set("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url())
        .set("OTEL_METRIC_EXPORT_INTERVAL", "200")
}

#[tokio::test]
async fn a_settlement_is_one_trace_from_its_caller_to_the_lane() {
    let collector = Collector::start().await;
    let watched = Watched::with(|settings| {
        to(settings, &collector)
            .set("OTEL_SERVICE_NAME", "shop-facilitator")
            .set("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test")
            .set("OTEL_EXPORTER_OTLP_HEADERS", &format!("x-api-key={KEY}"))
            .set("RUST_LOG", "warn,x402_facilitator::observe::door=info")
    })
    .await;
    let parent = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("traceparent", parent.as_str())];
    let body = watched.payment().to_string();
    let client = &watched.program.client;
    client
        .send(Method::POST, "/verify", &headers, body.clone())
        .await;
    let settled = client.send(Method::POST, "/settle", &headers, body).await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);

    let wanted = [
        "POST /verify",
        "verify",
        "POST /settle",
        "settle",
        "wait",
        "send",
    ];
    let ours = |exports: &[Export]| {
        let spans = otlp::spans(exports).into_iter();
        let ours: Vec<_> = spans.filter(|span| hex(&span.trace_id) == TRACE).collect();
        let named = |name: &&str| ours.iter().any(|span| span.name == **name);
        wanted.iter().all(named).then_some(ours)
    };
    let spans = collector.wait(ours).await;
    let named = |name: &str| spans.iter().find(|span| span.name == name).expect(name);
    let request = named("POST /settle");
    assert_eq!(hex(&request.parent_span_id), PARENT);
    assert_eq!(request.kind, 2, "a server's");
    assert_eq!(named("settle").parent_span_id, request.span_id);
    let send = named("send");
    assert_eq!(otlp::text(&send.attributes, "payment.network"), NETWORK);
    assert!(
        spans.iter().any(|span| span.span_id == send.parent_span_id),
        "a lane's span hangs in the air"
    );

    let resource = otlp::resource(&collector.exports());
    assert_eq!(otlp::text(&resource, "service.name"), "shop-facilitator");
    assert_eq!(otlp::text(&resource, "deployment.environment"), "test");
    let metrics = collector
        .wait(|exports| {
            let metrics = otlp::metrics(exports);
            metrics
                .iter()
                .any(|name| name == "x402_settlements_concluded_total")
                .then_some(metrics)
        })
        .await;
    for name in ["x402_settle_total", "http.server.request.duration"] {
        assert!(
            metrics.iter().any(|metric| metric == name),
            "{name} is not in {metrics:?}"
        );
    }
    for export in collector.exports() {
        assert_eq!(export.headers["x-api-key"], KEY);
        assert_eq!(export.headers["content-type"], "application/x-protobuf");
    }
}

#[tokio::test]
async fn what_is_left_is_exported_at_the_end() {
    let collector = Collector::start().await;
    let mut watched = Watched::with(|settings| {
        // Nothing goes out by itself for an hour.
        to(settings, &collector).set("OTEL_METRIC_EXPORT_INTERVAL", "3600000")
    })
    .await;
    watched.program.client.get("/supported").await;
    watched.program.signal("INT").await;
    assert!(watched.program.ended().await.success());
    let exports = collector.exports();
    let spans = otlp::spans(&exports);
    assert!(spans.iter().any(|span| span.name == "GET /supported"));
    let metrics = otlp::metrics(&exports);
    assert!(
        metrics.contains(&"http.server.request.duration".to_owned()),
        "{metrics:?}"
    );
}

#[tokio::test]
async fn nothing_is_exported_when_it_is_switched_off() {
    let collector = Collector::start().await;
    let mut watched =
        Watched::with(|settings| to(settings, &collector).set("OTEL_SDK_DISABLED", "true")).await;
    watched.program.client.get("/supported").await;
    watched.program.signal("INT").await;
    assert!(watched.program.ended().await.success());
    assert!(collector.exports().is_empty());
}

#[tokio::test]
async fn a_collector_that_is_gone_keeps_no_payment_and_no_end_waiting() {
    let watched = Watched::with(|settings| {
        settings
            .set(
                "OTEL_EXPORTER_OTLP_ENDPOINT",
                &format!("http://127.0.0.1:1/{KEY}"),
            )
            .set("OTEL_METRIC_EXPORT_INTERVAL", "100")
    })
    .await;
    let settled = watched.program.client.settle(&watched.payment()).await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);
    watched.program.said("could not be exported").await;
    let mut program = watched.program;
    program.signal("INT").await;
    assert!(program.ended().await.success());
    assert!(!program.log().contains(KEY), "{}", program.log());
}

#[tokio::test]
async fn no_secret_is_exported_or_told() {
    const NODE_KEY: &str = "canary-node-key-c0de";
    const TOKEN: &str = "canary-bearer-token-8a8a";
    let collector = Collector::start().await;
    let mut url = String::new();
    let watched = Watched::with(|settings| {
        let pairs = settings.pairs();
        let rpc = pairs
            .iter()
            .find(|(name, _)| name == "EVM_RPC_URL_BASE_SEPOLIA");
        url = format!("{}/v2/{NODE_KEY}", rpc.expect("a node").1);
        to(settings, &collector)
            .set("EVM_RPC_URL_BASE_SEPOLIA", &url)
            .set("BEARER_TOKEN", TOKEN)
    })
    .await;
    let body = watched.payment();
    let signature = body["paymentPayload"]["payload"]["signature"]
        .as_str()
        .expect("hex")[2..]
        .to_owned();
    let bearer = format!("Bearer {TOKEN}");
    let headers = [("authorization", bearer.as_str())];
    let client = &watched.program.client;
    let settled = client
        .send(Method::POST, "/settle", &headers, body.to_string())
        .await;
    assert_eq!(settled.body["success"], true, "{}", settled.text);
    watched.proxy.cut();
    client
        .send(
            Method::POST,
            "/verify",
            &headers,
            watched.payment().to_string(),
        )
        .await;
    collector
        .wait(|exports| {
            otlp::spans(exports)
                .iter()
                .any(|span| span.name == "POST /verify")
                .then_some(())
        })
        .await;

    let told = watched.told().await.0;
    let exports = collector.exports();
    let key = x402_facilitator::dev::keys::key("signer", 0).to_string();
    for secret in [NODE_KEY, TOKEN, &signature, key.trim_start_matches("0x")] {
        assert!(!told.contains(secret), "{secret} is told");
        for export in &exports {
            let body = String::from_utf8_lossy(&export.body);
            assert!(!body.contains(secret), "{secret} is exported");
        }
    }
}
