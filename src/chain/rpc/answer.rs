//! JSON-RPC as it stands on the wire: what is asked, and what may be believed of the answer.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::Call;
use crate::chain::Error;

/// Largest answer we read, bytes.
const ANSWER_LIMIT: usize = 8 * 1024 * 1024;

#[derive(Deserialize)]
pub(super) struct Answer {
    /// Every JSON-RPC 2.0 answer has it; other JSON is none.
    pub(super) jsonrpc: Option<String>,
    pub(super) id: Option<u64>,
    pub(super) result: Option<Box<RawValue>>,
    pub(super) error: Option<Complaint>,
}

#[derive(Deserialize)]
pub(super) struct Complaint {
    code: i64,
    message: String,
    data: Option<Value>,
}

pub(super) fn is_unavailable(answer: &Result<Box<RawValue>, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable(_)))
}

pub(super) fn request_body(calls: &[Call]) -> Value {
    let one = |(id, (method, params)): (usize, &Call)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    match calls {
        [call] => one((0, call)),
        calls => calls.iter().enumerate().map(one).collect(),
    }
}

pub(super) async fn read_limited(mut response: reqwest::Response) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|cause| unavailable(&cause))?
    {
        if bytes.len() + chunk.len() > ANSWER_LIMIT {
            return Err(Error::Unavailable("the answer is too large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Answers by id, as a node may give them in any order; `None` when this is no complete JSON-RPC answer.
pub(super) fn parse_answers(
    bytes: &[u8],
    expected: usize,
) -> Option<Vec<Result<Box<RawValue>, Error>>> {
    let answers: Vec<Answer> = if expected == 1 {
        let mut only: Answer = serde_json::from_slice(bytes).ok()?;
        only.id = Some(0);
        vec![only]
    } else {
        serde_json::from_slice(bytes).ok()?
    };
    let mut slots: Vec<Option<Result<Box<RawValue>, Error>>> =
        (0..expected).map(|_| None).collect();
    for answer in answers {
        let slot = slots.get_mut(usize::try_from(answer.id?).ok()?)?;
        *slot = Some(match answer.error {
            Some(complaint) => Err(refused(complaint)),
            None if answer.jsonrpc.is_none() => return None,
            None => Ok(answer.result.unwrap_or_else(null)),
        });
    }
    slots.into_iter().collect()
}

/// Throttling is not a verdict: it counts as "could not be asked".
pub(super) fn refused(complaint: Complaint) -> Error {
    const LIMIT_EXCEEDED: i64 = -32005;
    let message: String = without_urls(&complaint.message)
        .chars()
        .filter(|c| !c.is_control())
        .take(500)
        .collect();
    let lower = message.to_lowercase();
    let throttled = complaint.code == LIMIT_EXCEEDED
        || complaint.code == 429
        || lower.contains("rate limit")
        || lower.contains("too many requests");
    if throttled {
        return Error::Unavailable(format!("throttled: {message}"));
    }
    let data = complaint.data.and_then(|data| match data {
        Value::String(hex) => hex.parse().ok(),
        Value::Object(map) => map
            .get("data")
            .and_then(Value::as_str)
            .and_then(|hex| hex.parse().ok()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => None,
    });
    Error::Refused {
        code: complaint.code,
        message,
        data,
    }
}

/// What a node says without the URLs in it: it may know by which one we called, and that one carries a key.
fn without_urls(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        if word.contains("://") {
            "[a URL]"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// A transport failure without its URL, which carries keys.
pub(super) fn unavailable(cause: &reqwest::Error) -> Error {
    let kind = if cause.is_timeout() {
        "timed out"
    } else if cause.is_connect() {
        "connection refused"
    } else {
        "connection broke"
    };
    Error::Unavailable(kind.to_owned())
}

pub(super) fn missing() -> Error {
    Error::Unavailable("no endpoint is configured".to_owned())
}

fn null() -> Box<RawValue> {
    RawValue::from_string("null".to_owned()).expect("null is JSON")
}
