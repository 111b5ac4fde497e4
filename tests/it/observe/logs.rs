//! The log: one JSON object per line where it is for machines, the request's id in all of its lines, and no flood.

use reqwest::Method;
use serde_json::Value;

use super::Watched;

const ID: &str = "complaint-4711";

fn parsed(log: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    log.lines().map(parse).collect()
}

#[tokio::test]
async fn every_line_of_a_request_has_its_id() {
    let watched =
        Watched::with(|settings| settings.set("LOG_FORMAT", "json").set("RUST_LOG", "debug")).await;
    let client = &watched.program.client;
    let headers = [("x-request-id", ID)];
    let body = watched.payment().to_string();
    let answer = client.send(Method::POST, "/settle", &headers, body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    watched.program.said("a request was answered").await;

    let lines = parsed(&watched.program.log());
    let events: Vec<&str> = lines
        .iter()
        .filter(|line| line["request_id"] == ID)
        .map(|line| line["event"].as_str().unwrap_or_default())
        .collect();
    for event in ["enqueued", "settle_answered", "answered"] {
        assert!(events.contains(&event), "{event} is not in {events:?}");
    }
    let ours = |line: &&Value| {
        line["target"]
            .as_str()
            .is_some_and(|target| target.starts_with("x402_facilitator::observe"))
    };
    for line in lines.iter().filter(ours) {
        for member in ["timestamp", "level", "message", "event"] {
            assert!(line[member].is_string(), "{member} is missing: {line}");
        }
    }
}

#[tokio::test]
async fn a_warning_has_its_requests_id_where_only_warnings_are_logged() {
    let watched = Watched::with(|settings| {
        settings
            .set("LOG_FORMAT", "json")
            .set("RUST_LOG", "x402_facilitator::observe=info,error")
    })
    .await;
    let headers = [("x-request-id", ID)];
    let body = watched.payment().to_string();
    let client = &watched.program.client;
    client.send(Method::POST, "/settle", &headers, body).await;
    watched.program.said("a settlement was answered").await;
    let lines = parsed(&watched.program.log());
    let answered = lines.iter().find(|line| line["event"] == "settle_answered");
    assert_eq!(answered.expect("it is logged")["request_id"], ID);
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_said_once_and_not_every_second() {
    let watched = Watched::with(|settings| settings).await;
    // A lane and a watcher have something to ask for all the time.
    watched.sandbox.hold_blocks().await;
    let body = watched.payment();
    let settling = watched.program.client.settle(&body);
    let cutting = async {
        while watched.proxy.calls("eth_sendRawTransaction").is_empty() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        watched.proxy.cut();
        watched
            .told_when(|told| {
                let left_out = told.value(
                    "x402_log_lines_suppressed_total",
                    &[r#"event="chain_trouble""#],
                );
                left_out >= Some(20.0)
            })
            .await;
        watched.proxy.heal();
        watched.sandbox.release_blocks().await;
        watched.sandbox.mine(1).await;
    };
    let (settled, ()) = tokio::join!(settling, cutting);

    assert_eq!(settled.body["success"], true, "{}", settled.text);
    let log = watched.program.log();
    let said = log
        .lines()
        .filter(|line| line.contains("a node could not be asked"));
    let said: Vec<&str> = said.collect();
    assert!((1..=4).contains(&said.len()), "{said:#?}");
}
