//! The dashboard and the alerts name metrics that there are, with labels that they have, and Prometheus' own tool agrees with the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_json::Value;
use x402_facilitator::observe::metrics::catalogue;

use crate::harness::promtool::promtool;
use crate::harness::scratch::Folder;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn read(name: &str) -> String {
    std::fs::read_to_string(root().join(name)).expect("the file is there")
}

fn dashboard() -> Value {
    serde_json::from_str(&read("config/grafana/x402-facilitator.json")).expect("JSON")
}

/// Every query of the dashboard.
fn queries() -> Vec<String> {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().expect("panels").iter();
    let targets = panels.filter_map(|panel| panel["targets"].as_array());
    let queries = targets.flatten().map(|target| target["expr"].as_str());
    queries
        .map(|query| query.expect("a query").to_owned())
        .collect()
}

/// Every name that Prometheus could be asked for, with its labels.
fn series() -> BTreeMap<String, BTreeSet<String>> {
    let mut series = BTreeMap::new();
    for metric in catalogue::all() {
        let name = metric.prometheus_name();
        let mut labels: BTreeSet<String> = metric
            .labels
            .iter()
            .map(|label| label.replace('.', "_"))
            .collect();
        // What Prometheus puts on everything that it reads.
        labels.extend(["job", "instance"].map(ToOwned::to_owned));
        if matches!(
            metric.kind,
            x402_facilitator::observe::metrics::Kind::Histogram(_)
        ) {
            series.insert(format!("{name}_sum"), labels.clone());
            series.insert(format!("{name}_count"), labels.clone());
            labels.insert("le".to_owned());
            series.insert(format!("{name}_bucket"), labels);
        } else {
            series.insert(name, labels);
        }
    }
    let scraped = ["job", "instance"].map(ToOwned::to_owned);
    series.insert("up".to_owned(), scraped.into_iter().collect());
    series
}

/// The metrics that a query names, each with the labels of its selector.
fn named(query: &str) -> Vec<(String, BTreeSet<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut found = Vec::new();
    for start in ["x402_", "http_server_", "process_", "up{"] {
        for (at, _) in query.match_indices(start) {
            if query[..at].ends_with(is_word) {
                continue;
            }
            let rest = &query[at..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let selector = rest[end..].strip_prefix('{');
            let selector = selector.and_then(|selector| selector.split_once('}'));
            let selector = selector.map_or("", |(selector, _)| selector);
            let labels = selector
                .split(", ")
                .filter_map(|pair| Some(pair.split(['=', '!']).next()?.trim().to_owned()))
                .filter(|label| !label.is_empty());
            found.push((rest[..end].to_owned(), labels.collect()));
        }
    }
    found
}

/// Panics where a query names what there is not; returns the metrics it names.
fn check(query: &str) -> BTreeSet<String> {
    let series = series();
    let named = named(query);
    assert!(!named.is_empty(), "no metric in {query}");
    for (name, labels) in &named {
        let known = series.get(name);
        let known = known.unwrap_or_else(|| panic!("there is no {name}: {query}"));
        assert!(labels.is_subset(known), "{name} has no such label: {query}");
    }
    // `by (…)`: whatever is summed must have the label.
    for (_, rest) in query
        .match_indices("by (")
        .map(|(at, m)| (at, &query[at + m.len()..]))
    {
        let grouped = rest.split(')').next().unwrap_or_default();
        for label in grouped.split(", ") {
            let has = |(name, _): &(String, BTreeSet<String>)| series[name].contains(label);
            assert!(named.iter().any(has), "nothing has {label}: {query}");
        }
    }
    named.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "x402-facilitator");
    let shown: BTreeSet<String> = queries().iter().flat_map(|query| check(query)).collect();
    // And shows all of it: what nobody looks at need not be counted.
    for metric in catalogue::all() {
        let name = metric.prometheus_name();
        let is_shown = shown.iter().any(|shown| shown.starts_with(&name));
        assert!(is_shown, "{name} is on no panel");
    }
    let mut ids: Vec<_> = dashboard["panels"]
        .as_array()
        .expect("panels")
        .iter()
        .map(|panel| panel["id"].as_u64())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(
        ids.len(),
        dashboard["panels"].as_array().expect("panels").len()
    );
}

#[test]
fn prometheus_reads_every_query_of_the_dashboard() {
    let rules: Vec<Value> = queries()
        .iter()
        .enumerate()
        .map(|(index, query)| {
            // What Grafana fills in.
            let query = query
                .replace("$__rate_interval", "5m")
                .replace("$network", ".*");
            serde_json::json!({"record": format!("panel_{index}"), "expr": query})
        })
        .collect();
    // JSON is YAML.
    let rules = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    let folder = Folder::new();
    let file = folder.path().join("rules.json");
    std::fs::write(&file, rules.to_string()).expect("the file is written");
    let said = promtool(folder.path(), &["check", "rules", "rules.json"], "");
    assert!(said.contains("SUCCESS"), "{said}");
}

#[test]
fn every_alert_asks_for_what_there_is_and_is_tested() {
    let rules = read("config/prometheus/alerts.yml");
    let tests = read("config/prometheus/alerts.test.yml");
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() > 20, "{}", alerts.len());
    for alert in alerts {
        let (name, rest) = alert.split_once('\n').expect("a rule");
        let (query, rest) = rest.split_once("labels: { severity: ").expect(name);
        check(query.split("for:").next().expect("a query"));
        let severity = rest.split(' ').next().expect("a severity");
        assert!(
            ["page", "ticket", "info"].contains(&severity),
            "{name}: {severity}"
        );
        for annotation in ["summary: ", "description: "] {
            assert!(rest.contains(annotation), "{name} has no {annotation}");
        }
        let is_tested = tests.contains(&format!("\"{name}\""))
            || tests.contains(&format!("alertname: {name}\n"));
        assert!(is_tested, "{name} never fires in a test");
    }
}

#[test]
fn the_rules_hold_what_their_tests_say() {
    let folder = root().join("config/prometheus");
    let said = promtool(&folder, &["check", "rules", "alerts.yml"], "");
    assert!(said.contains("31 rules found"), "{said}");
    let said = promtool(&folder, &["test", "rules", "alerts.test.yml"], "");
    assert!(said.contains("SUCCESS"), "{said}");
    promtool(
        &folder,
        &["check", "config", "--syntax-only", "prometheus.yml"],
        "",
    );
}
