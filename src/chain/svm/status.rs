//! What nodes know of transactions by their signatures, asked for many at once.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::chain::InContext;
use super::rpc::{Call, parse};
use super::{Error, Rpc};

/// Signatures in one question: what nodes take.
const SIGNATURES_MAX: usize = 256;

/// How far a transaction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// In a block that may not stay.
    Processed,
    Confirmed,
    Finalized,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Status {
    pub(super) slot: u64,
    pub(super) depth: Depth,
    /// The runtime's `TransactionError`, as JSON.
    pub(super) error: Option<Value>,
}

/// Who is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ask {
    /// The first endpoint that answers, about recent transactions.
    Recent,
    /// The first endpoint that answers, about all transactions.
    History,
    /// Every endpoint, about all transactions: the one that knows most is believed.
    Everybody,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    slot: u64,
    /// Null once it is rooted.
    confirmations: Option<u64>,
    err: Option<Value>,
    confirmation_status: Option<String>,
}

/// One endpoint's answer: the statuses by signature, those it does not know left out.
pub(super) type Known = HashMap<String, Status>;

/// # Errors
/// Nobody could be asked.
pub(super) async fn statuses(rpc: &Rpc, signatures: &[String], ask: Ask) -> Result<Known, Error> {
    let calls = calls(signatures, ask != Ask::Recent);
    if calls.is_empty() {
        return Ok(Known::new());
    }
    if ask == Ask::Everybody {
        let mut best: Option<Known> = None;
        let mut failure = None;
        for answer in everywhere(rpc, signatures).await {
            match answer {
                Ok(known) => merge(best.get_or_insert_default(), known),
                Err(cause) => failure = Some(cause),
            }
        }
        let nobody = || Error::Unavailable("no endpoint is configured".to_owned());
        return best.ok_or_else(|| failure.unwrap_or_else(nobody));
    }
    let answers = rpc.batch(calls).await?;
    read(signatures, &answers)
}

/// Every endpoint's own answer, history included, in configured order.
pub(super) async fn everywhere(rpc: &Rpc, signatures: &[String]) -> Vec<Result<Known, Error>> {
    let answers = rpc.ask_all(&calls(signatures, true)).await;
    let read = |answers: Result<Vec<_>, Error>| read(signatures, &answers?);
    answers.into_iter().map(read).collect()
}

fn calls(signatures: &[String], history: bool) -> Vec<Call> {
    let config = json!({"searchTransactionHistory": history});
    let chunks = signatures.chunks(SIGNATURES_MAX);
    chunks
        .map(|some| ("getSignatureStatuses", json!([some, config])))
        .collect()
}

fn read(
    signatures: &[String],
    answers: &[Result<Box<serde_json::value::RawValue>, Error>],
) -> Result<Known, Error> {
    let mut known = Known::new();
    for (index, some) in signatures.chunks(SIGNATURES_MAX).enumerate() {
        let shown: InContext<Vec<Option<Shown>>> = parse(answers.get(index))?;
        if shown.value.len() != some.len() {
            return Err(Error::Unavailable("statuses are missing".to_owned()));
        }
        let pairs = some.iter().zip(shown.value);
        known.extend(
            pairs.filter_map(|(signature, shown)| Some((signature.clone(), Status::from(shown?)))),
        );
    }
    Ok(known)
}

fn merge(best: &mut Known, other: Known) {
    for (signature, status) in other {
        let is_better = best
            .get(&signature)
            .is_none_or(|known| known.depth < status.depth);
        if is_better {
            best.insert(signature, status);
        }
    }
}

impl From<Shown> for Status {
    fn from(shown: Shown) -> Self {
        let depth = match shown.confirmation_status.as_deref() {
            Some("finalized") => Depth::Finalized,
            Some("confirmed") => Depth::Confirmed,
            None if shown.confirmations.is_none() => Depth::Finalized,
            Some(_) | None => Depth::Processed,
        };
        Self {
            slot: shown.slot,
            depth,
            error: shown.err,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;

    fn status(shown: Value) -> Status {
        serde_json::from_value::<Shown>(shown).unwrap().into()
    }

    #[test]
    fn reads_how_far_a_transaction_came() {
        for (shown, depth) in [
            (
                json!({"slot": 7, "confirmations": 0, "err": null, "confirmationStatus": "processed"}),
                Depth::Processed,
            ),
            (
                json!({"slot": 7, "confirmations": 9, "err": null, "confirmationStatus": "confirmed"}),
                Depth::Confirmed,
            ),
            (
                json!({"slot": 7, "confirmations": null, "err": null, "confirmationStatus": "finalized"}),
                Depth::Finalized,
            ),
            (
                json!({"slot": 7, "confirmations": null, "err": null, "confirmationStatus": null}),
                Depth::Finalized,
            ),
            (
                json!({"slot": 7, "confirmations": 3, "err": null}),
                Depth::Processed,
            ),
            (
                json!({"slot": 7, "confirmations": 3, "err": null, "confirmationStatus": "magic"}),
                Depth::Processed,
            ),
        ] {
            assert_eq!(status(shown.clone()).depth, depth, "{shown}");
        }
    }

    #[test]
    fn a_short_answer_is_no_answer() {
        let signatures = ["a".to_owned(), "b".to_owned()];
        let answer = |value: Value| {
            Ok(to_raw_value(&json!({"context": {"slot": 1}, "value": value})).unwrap())
        };
        assert!(read(&signatures, &[answer(json!([null]))]).is_err());
        let one = json!({"slot": 7, "confirmations": null, "err": "AccountNotFound", "confirmationStatus": "finalized"});
        let known = read(&signatures, &[answer(json!([null, one]))]).unwrap();
        assert_eq!(known.len(), 1);
        assert_eq!(known["b"].error, Some(json!("AccountNotFound")));
    }

    #[test]
    fn who_knows_most_is_believed() {
        let at = |depth| Status {
            slot: 1,
            depth,
            error: None,
        };
        let mut best = Known::from([("a".to_owned(), at(Depth::Confirmed))]);
        merge(
            &mut best,
            Known::from([
                ("a".to_owned(), at(Depth::Processed)),
                ("b".to_owned(), at(Depth::Processed)),
            ]),
        );
        assert_eq!(
            (best["a"].depth, best["b"].depth),
            (Depth::Confirmed, Depth::Processed)
        );
    }
}
