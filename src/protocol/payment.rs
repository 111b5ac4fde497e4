//! One payment as the rest of the house sees it, whichever protocol version brought it.

use std::collections::BTreeMap;

use serde_json::Value;
use serde_json::value::RawValue;

use super::{Amount, Network};

/// The protocol version of a request. Answers are given in the same version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    V1,
    V2,
}

impl Version {
    pub fn number(self) -> u8 {
        match self {
            Self::V1 => 1,
            Self::V2 => 2,
        }
    }
}

/// What the resource server asks for: `paymentRequirements`, the authoritative half of a request.
#[derive(Debug, Clone)]
pub struct Requirements {
    pub scheme: String,
    pub network: Network,
    /// `amount` in version 2, `maxAmountRequired` in version 1. The ceiling at verify and the charge at settle for `upto`.
    pub amount: Amount,
    /// Token address or mint, as written.
    pub asset: String,
    /// Recipient, as written.
    pub pay_to: String,
    pub max_timeout_seconds: u64,
    pub extra: BTreeMap<String, Value>,
}

impl Requirements {
    /// A member of `extra` that is a non-empty string.
    pub fn extra_text(&self, name: &str) -> Option<&str> {
        self.extra
            .get(name)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
    }
}

/// What a request asks for. The requirements' amount means the ceiling in one and the charge in the other, for schemes that may charge less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Verify,
    Settle,
}

/// A parsed `/verify` or `/settle` request.
#[derive(Debug, Clone)]
pub struct Payment {
    pub purpose: Purpose,
    pub version: Version,
    pub requirements: Requirements,
    /// The requirements' `network` as it was written (a version 1 name, or CAIP-2): answers echo it.
    pub wire_network: String,
    /// The buyer's choice: `accepted.scheme` (version 2) or the payload's `scheme` (version 1), as written.
    pub accepted_scheme: String,
    /// The buyer's choice of network, as written.
    pub accepted_network: String,
    /// The buyer's choice of asset, as written; `None` where none is written.
    pub accepted_asset: Option<String>,
    /// The scheme's own part, unparsed: its scheme reads it strictly.
    pub payload: Box<RawValue>,
    /// `extensions` by id; a member that is `null` is left out.
    pub extensions: BTreeMap<String, Box<RawValue>>,
}
