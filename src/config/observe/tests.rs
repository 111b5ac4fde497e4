use super::*;
use crate::config::Environment;

const AT: &str = "http://collector:4318";

fn read(pairs: &[(&str, &str)]) -> (Observe, Vec<String>, Vec<String>) {
    let environment: Environment = pairs.iter().copied().collect();
    let mut reader = Reader::new(&environment);
    let observe = super::read(&mut reader);
    let problems = reader.problems.iter().map(ToString::to_string).collect();
    (observe, problems, reader.notes)
}

fn otlp(pairs: &[(&str, &str)]) -> Option<Otlp> {
    let (observe, problems, _) = read(pairs);
    assert_eq!(problems, Vec::<String>::new());
    observe.otlp
}

fn urls(pairs: &[(&str, &str)]) -> Option<[Option<String>; 2]> {
    let otlp = otlp(pairs)?;
    Some([otlp.traces, otlp.metrics].map(|url| Some(url?.expose().to_owned())))
}

#[test]
fn metrics_are_private_unless_said_otherwise() {
    let port = |pairs: &[(&str, &str)]| {
        let metrics = read(pairs).0.metrics?;
        Some((metrics.host.to_string(), metrics.port, metrics.is_chosen))
    };
    assert_eq!(port(&[]), Some(("127.0.0.1".to_owned(), 9090, false)));
    let chosen = [("METRICS_PORT", "9464"), ("METRICS_HOST", "0.0.0.0")];
    assert_eq!(port(&chosen), Some(("0.0.0.0".to_owned(), 9464, true)));
    assert_eq!(port(&[("METRICS_PORT", "off")]), None);
}

#[test]
fn nothing_is_exported_unless_an_endpoint_is_named() {
    assert!(otlp(&[]).is_none());
    assert!(otlp(&[("OTEL_SERVICE_NAME", "x"), ("OTEL_TRACES_EXPORTER", "otlp")]).is_none());
    let at = ("OTEL_EXPORTER_OTLP_ENDPOINT", AT);
    assert!(otlp(&[at, ("OTEL_SDK_DISABLED", "true")]).is_none());
    let none = ("OTEL_TRACES_EXPORTER", "none");
    assert!(otlp(&[at, none, ("OTEL_METRICS_EXPORTER", "none")]).is_none());
}

#[test]
fn a_signal_goes_to_its_own_endpoint_or_below_the_common_one() {
    let own = "https://traces.example/in?key=k";
    for (pairs, traces, metrics) in [
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", AT)][..],
            Some("http://collector:4318/v1/traces"),
            Some("http://collector:4318/v1/metrics"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://o.example/otlp/")],
            Some("https://o.example/otlp/v1/traces"),
            Some("https://o.example/otlp/v1/metrics"),
        ),
        (
            &[("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", own)],
            Some(own),
            None,
        ),
        (
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", AT),
                ("OTEL_TRACES_EXPORTER", "none"),
            ],
            None,
            Some("http://collector:4318/v1/metrics"),
        ),
    ] {
        let expected = [traces, metrics].map(|url| url.map(ToOwned::to_owned));
        assert_eq!(urls(pairs), Some(expected), "{pairs:?}");
    }
}

#[test]
fn a_protocol_that_is_not_spoken_is_said_and_no_reason_not_to_start() {
    let at = ("OTEL_EXPORTER_OTLP_ENDPOINT", AT);
    let (observe, problems, notes) = read(&[at, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
    assert!(observe.otlp.is_none() && problems.is_empty());
    assert!(
        notes[0].contains("OTEL_EXPORTER_OTLP_PROTOCOL"),
        "{notes:?}"
    );
}

#[test]
fn reads_headers_attributes_and_sampling() {
    let otlp = otlp(&[
        ("OTEL_EXPORTER_OTLP_ENDPOINT", AT),
        ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=a%2Cb, x=1"),
        ("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment=test"),
        ("OTEL_TRACES_SAMPLER", "traceidratio"),
        ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
    ])
    .unwrap();
    let headers: Vec<_> = otlp
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.expose()))
        .collect();
    assert_eq!(headers, [("api-key", "a,b"), ("x", "1")]);
    let environment = ("deployment.environment".to_owned(), "test".to_owned());
    assert_eq!(otlp.resource, [environment]);
    assert_eq!(
        (otlp.sampling, otlp.follows_parent),
        (Sampling::Ratio(0.25), false)
    );
    assert_eq!(otlp.service_name, "x402-facilitator");
}

#[test]
fn what_is_wrong_is_told_without_what_may_be_a_key() {
    let canary = "canary-key";
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://canary-key@x"),
        ("OTEL_EXPORTER_OTLP_HEADERS", canary),
        ("OTEL_TRACES_SAMPLER", "sometimes"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
        ("OTEL_METRICS_EXPORTER", "console"),
        ("METRICS_PORT", "on"),
        ("METRICS_HOST", "localhost"),
    ] {
        let (_, problems, _) = read(&[(name, value)]);
        assert_eq!(problems.len(), 1, "{name}: {problems:?}");
        assert!(problems[0].starts_with(name), "{problems:?}");
        assert!(!problems[0].contains(canary), "{problems:?}");
    }
}
