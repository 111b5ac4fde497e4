//! The answers, member by member as they go over the wire.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::Reason;

/// What `/settle` answers when no network could be read from the request.
pub const UNKNOWN_NETWORK: &str = "unknown:unknown";

/// The body of every `/verify` answer.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VerifyResponse {
    pub is_valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invalid_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
}

/// The body of every `/settle` answer. `transaction` and `network` are always there: stock clients refuse an answer without them.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettleResponse {
    pub success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payer: Option<String>,
    pub transaction: String,
    pub network: String,
    /// What was charged, atomic units in decimal; `upto` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// Only of a charge that is settled later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<Accrual>,
}

/// What a charge to a session says besides success: nothing is on chain yet. Amounts are atomic units in decimal.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Accrual {
    pub session_id: String,
    /// `accrued`
    pub state: &'static str,
    /// What the session owes in all, settled or not.
    pub charged: String,
    /// What neither a hold nor a charge has taken of the cap.
    pub remaining: String,
}

/// One entry of `/supported` `kinds`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SupportedKind {
    #[serde(rename = "x402Version")]
    pub version: u8,
    pub scheme: &'static str,
    pub network: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub extra: Option<BTreeMap<String, Value>>,
}

/// The body of `/supported`. `signers` is keyed by CAIP-2 family (`eip155:*`).
#[derive(Debug, Clone, Default, Serialize)]
pub struct SupportedResponse {
    pub kinds: Vec<SupportedKind>,
    pub extensions: Vec<String>,
    pub signers: BTreeMap<String, Vec<String>>,
}
