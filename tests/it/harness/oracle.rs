//! What must hold whatever happened: judged from the chain's own logs and from what callers were told, never from the product's code.

use std::time::Duration;

use alloy::primitives::{Address, B256, U256, b256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use serde_json::{Value, json};

use super::chain::USDC;
use super::http::{Answer, Client};
use super::rpc::Rpc;
use super::sign::{Eip3009, Terms};
use super::sign_upto::{self, Upto};

const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
const POLL: Duration = Duration::from_millis(30);
const PATIENCE: Duration = Duration::from_mins(1);

/// A payment to a payee that no other payment has, so that its transfers can be counted.
#[derive(Debug, Clone)]
pub(crate) struct Payment {
    /// `None` where it is paid another way.
    authorization: Option<Eip3009>,
    key: String,
    from: Address,
    /// What is to arrive.
    value: U256,
    pub(crate) pay_to: Address,
    pub(crate) body: Value,
}

impl Payment {
    pub(crate) fn new(payer: &PrivateKeySigner) -> Self {
        Self::changed(payer, |_| {})
    }

    /// With a change of the authorization before it is signed.
    pub(crate) fn changed(payer: &PrivateKeySigner, change: impl FnOnce(&mut Eip3009)) -> Self {
        let mut authorization = Eip3009::new(&Terms::usdc(Address::ZERO, 2500), payer.address());
        let pay_to = Address::from_word(keccak256(authorization.message.nonce));
        authorization.message.to = pay_to;
        change(&mut authorization);
        let body = Terms::usdc(pay_to, 2500).v2(&authorization.signed_by(payer), &Value::Null);
        let message = &authorization.message;
        let (from, nonce) = (message.from, message.nonce);
        Self {
            key: format!("eip3009:84532:{USDC:#x}:{from:#x}:{nonce:#x}"),
            from,
            value: message.value,
            authorization: Some(authorization),
            pay_to,
            body,
        }
    }

    /// So many units out of a ceiling of 2,500, charged by this facilitator.
    pub(crate) fn upto(payer: &PrivateKeySigner, facilitator: Address, units: u64) -> Self {
        let nobody = Terms::usdc(Address::ZERO, 2500);
        let mut ceiling = Upto::new(&nobody, payer.address(), facilitator);
        let pay_to = Address::from_word(keccak256(B256::from(ceiling.message.nonce)));
        ceiling.message.witness.to = pay_to;
        let terms = Terms::usdc(pay_to, 2500);
        let body = sign_upto::body(&terms, &ceiling.signed_by(payer), &Value::Null);
        Self {
            authorization: None,
            key: ceiling.key(),
            from: ceiling.from,
            value: U256::from(units),
            pay_to,
            body: sign_upto::charge(&body, units),
        }
    }

    pub(crate) fn eip3009(&self) -> &Eip3009 {
        let authorization = self.authorization.as_ref();
        authorization.expect("a payment by EIP-3009")
    }

    /// Its name on record.
    pub(crate) fn key(&self) -> String {
        self.key.clone()
    }

    /// The transactions that paid it, one entry per transfer.
    pub(crate) async fn transfers(&self, chain: &Rpc) -> Vec<String> {
        let topics = [TRANSFER, self.from.into_word(), self.pay_to.into_word()];
        let filter =
            json!([{"address": USDC, "topics": topics, "fromBlock": "0x0", "toBlock": "latest"}]);
        let logs: Vec<Value> = chain.call("eth_getLogs", filter).await;
        let amount = json!(B256::from(self.value));
        let paid = logs.iter().filter(|log| log["data"] == amount);
        paid.map(|log| text(&log["transactionHash"])).collect()
    }

    /// The record of it; `None` when there is none or it was released.
    pub(crate) async fn record(&self, client: &Client) -> Option<Value> {
        let answer = client.get(&format!("/settlements/{}", self.key())).await;
        (answer.status == 200).then_some(answer.body)
    }

    /// Its state on record.
    pub(crate) async fn state(&self, client: &Client) -> String {
        let record = self.record(client).await;
        record.map_or_else(String::new, |record| text(&record["state"]))
    }

    /// Waits until its record is in this state.
    pub(crate) async fn becomes(&self, client: &Client, state: &str) -> Value {
        eventually(&format!("a record that is {state}"), || async {
            let record = self.record(client).await;
            record.filter(|record| record["state"] == state)
        })
        .await
    }

    /// Asks until an answer is final, as resource servers do, and returns every answer.
    pub(crate) async fn insist(&self, client: &Client) -> Vec<Answer> {
        let mut answers = Vec::new();
        let asked = tokio::time::timeout(PATIENCE, async {
            loop {
                let answer = client.settle(&self.body).await;
                let again =
                    answer.status == 503 || answer.body["errorReason"] == "settlement_pending";
                answers.push(answer);
                if !again {
                    return;
                }
                tokio::time::sleep(POLL).await;
            }
        });
        let was_answered = asked.await.is_ok();
        assert!(was_answered, "no final answer: {answers:?}");
        answers
    }
}

/// Looks until there is something to see.
pub(crate) async fn eventually<T, F: Future<Output = Option<T>>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> T {
    let wait = async {
        loop {
            if let Some(seen) = look().await {
                return seen;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let waited = tokio::time::timeout(PATIENCE, wait).await;
    waited.unwrap_or_else(|_| panic!("never seen: {what}"))
}

/// Everything that is wrong: paid twice, told and not paid, paid and not told the truth about, left undecided.
pub(crate) async fn violations(
    chain: &Rpc,
    client: &Client,
    told: &[(&Payment, Vec<Answer>)],
) -> Vec<String> {
    let mut found = Vec::new();
    for (payment, answers) in told {
        let transfers = payment.transfers(chain).await;
        let record = payment.record(client).await.unwrap_or(Value::Null);
        let about = |wrong: String| format!("{}: {wrong}", payment.key());
        found.extend(judge(&transfers, &record, answers).into_iter().map(about));
    }
    found
}

fn judge(transfers: &[String], record: &Value, answers: &[Answer]) -> Vec<String> {
    let mut found = Vec::new();
    let mut wrong = |is_wrong: bool, text: String| {
        if is_wrong {
            found.push(text);
        }
    };
    let state = text(&record["state"]);
    wrong(
        transfers.len() > 1,
        format!("paid {} times", transfers.len()),
    );
    wrong(
        ["queued", "submitted"].contains(&state.as_str()),
        format!("left {state}"),
    );
    let successes: Vec<_> = answers
        .iter()
        .filter(|answer| answer.body["success"] == true)
        .collect();
    wrong(
        successes.len() > 1,
        format!("told {} successes", successes.len()),
    );
    let paid_by = |hash: &Value| transfers.iter().any(|transfer| *hash == json!(transfer));
    wrong(
        successes
            .iter()
            .any(|success| !paid_by(&success.body["transaction"])),
        "told a success whose transaction paid nothing".to_owned(),
    );
    if transfers.is_empty() {
        wrong(
            state == "settled",
            "settled on record, unpaid on chain".to_owned(),
        );
        return found;
    }
    let known = ["settled", "settled_elsewhere"].contains(&state.as_str());
    wrong(!known, format!("paid on chain, {state:?} on record"));
    wrong(
        known && !paid_by(&record["transaction"]),
        "the record names another transaction than the chain".to_owned(),
    );
    for answer in answers {
        let reason = text(&answer.body["errorReason"]);
        let harmless = answer.status == 503
            || ["", "settlement_pending", "duplicate_settlement"].contains(&reason.as_str());
        wrong(
            !harmless,
            format!("told {reason} about a payment that landed"),
        );
    }
    found
}

/// The signer's transactions that wait in the pool, by account nonce.
pub(crate) async fn waiting(chain: &Rpc, signer: Address) -> Vec<Value> {
    let pool: Value = chain.call("txpool_content", json!([])).await;
    let mut found: Vec<Value> = ["pending", "queued"]
        .iter()
        .filter_map(|kind| pool[kind].as_object())
        .flatten()
        .filter(|(from, _)| from.parse() == Ok(signer))
        .filter_map(|(_, transactions)| transactions.as_object())
        .flat_map(|transactions| transactions.values().cloned())
        .collect();
    let nonce = |transaction: &Value| {
        transaction["nonce"]
            .as_str()
            .and_then(|hex| hex.parse::<U256>().ok())
    };
    found.sort_by_key(nonce);
    found
}

/// The text of a JSON string; empty for anything else.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Asserts that a success was told, and returns its transaction.
#[track_caller]
pub(crate) fn success(answer: &Answer) -> String {
    assert_eq!(answer.body["success"], true, "{}", answer.body);
    text(&answer.body["transaction"])
}

/// Asserts that this failure was told, and returns the transaction that it names.
#[track_caller]
pub(crate) fn failure(answer: &Answer, reason: &str) -> String {
    assert_eq!(answer.body["errorReason"], reason, "{}", answer.body);
    assert_eq!(answer.body["success"], false);
    text(&answer.body["transaction"])
}
