//! API keys, made as an operator makes them: by the program that is shipped.

use std::process::Output;

use reqwest::Method;
use serde_json::Value;

use super::binary;
use super::facilitator::Settings;
use super::http::{Answer, Client};

/// Runs `keys` on the database of these settings.
pub(crate) async fn keys(settings: &Settings, arguments: &[&str]) -> Output {
    let arguments: Vec<&str> = ["keys"].iter().chain(arguments).copied().collect();
    binary::run(settings.path(), &settings.pairs(), &arguments).await
}

/// Makes a key with these bindings and returns it.
pub(crate) async fn create(settings: &Settings, name: &str, bindings: &[&str]) -> String {
    let arguments: Vec<&str> = ["create", "--name", name]
        .iter()
        .chain(bindings)
        .copied()
        .collect();
    let output = keys(settings, &arguments).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaint}");
    let key = String::from_utf8(output.stdout).expect("a key is ASCII");
    assert!(!complaint.contains(key.trim()), "the key is in stderr too");
    key.trim().to_owned()
}

/// A call with a key.
pub(crate) async fn call(client: &Client, key: &str, path: &str, body: &Value) -> Answer {
    let headers = [("x-api-key", key), ("content-type", "application/json")];
    client
        .send(Method::POST, path, &headers, body.to_string())
        .await
}
