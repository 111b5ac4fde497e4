//! Webhooks: what happened is told, by messages that can be checked, to receivers that fail, and to nobody inside.

mod deliveries;
mod inside;
mod outbox;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::harness::facilitator::Settings;
use crate::harness::receiver::Posted;

pub(crate) const SECRET: &str = "whsec_c2VjcmV0cyBhcmUgMjQgYnl0ZXMgb3IgbW9yZQ==";
const NEXT_SECRET: &str = "whsec_YW5vdGhlciBzZWNyZXQgb2YgdGhlIHNhbWUgc29ydA==";

/// Settings with receivers on this machine, tried again at once.
fn told(settings: Settings, urls: &str) -> Settings {
    settings
        .set("WEBHOOK_URLS", urls)
        .set("WEBHOOK_SECRETS", SECRET)
        .set("WEBHOOK_ALLOW_PRIVATE", "true")
        .set("WEBHOOK_RETRY_MS", "50")
}

/// RFC 2104 over SHA-256, by its letter.
fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let mut block = [0_u8; 64];
    block[..key.len()].copy_from_slice(key);
    let pad = |byte: u8| block.map(|b| b ^ byte);
    let inner = Sha256::digest([&pad(0x36)[..], text].concat());
    Sha256::digest([&pad(0x5c)[..], &inner].concat()).to_vec()
}

/// Asserts that a secret's signature is among those of a message, over exactly what came.
#[track_caller]
pub(crate) fn assert_signed(posted: &Posted, secret: &str) {
    let key = STANDARD.decode(secret.trim_start_matches("whsec_"));
    let (id, time) = (
        posted.header("webhook-id"),
        posted.header("webhook-timestamp"),
    );
    let text = format!("{id}.{time}.{}", posted.text);
    let mac = STANDARD.encode(hmac(&key.expect("base64"), text.as_bytes()));
    let signatures = posted.header("webhook-signature");
    let expected = format!("v1,{mac}");
    assert!(
        signatures.split(' ').any(|one| one == expected),
        "{signatures}"
    );
    assert!(time.parse::<u64>().is_ok_and(|time| time > 1_700_000_000));
    assert!(id.starts_with("msg_"));
}

fn types(posted: &[Posted]) -> Vec<Value> {
    posted
        .iter()
        .map(|posted| posted.json()["type"].clone())
        .collect()
}

fn of_type<'a>(posted: &'a [Posted], name: &str) -> Vec<&'a Posted> {
    posted
        .iter()
        .filter(|one| one.json()["type"] == name)
        .collect()
}
