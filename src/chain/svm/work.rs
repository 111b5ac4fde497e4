//! What a settlement row carries for the chain: the message to co-sign and the effect that proves it. The store keeps both as opaque text.

use serde::{Deserialize, Serialize};
use solana_pubkey::Pubkey;
use solana_signature::Signature;

use super::transaction;

/// What a lane needs to settle a payment, also after a restart. The message cannot be changed: the fee payer signs this one, or none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    pub kind: Kind,
    /// What everybody signs.
    #[serde(with = "base64_text")]
    pub message: Vec<u8>,
    /// The clients' signatures, slots 1 and up.
    #[serde(with = "texts")]
    pub signatures: Vec<Signature>,
    /// The accounts that the message takes from lookup tables.
    #[serde(default, with = "texts", skip_serializing_if = "Vec::is_empty")]
    pub loaded: Vec<Pubkey>,
    /// Slot 0: the only key that can send it.
    #[serde(with = "text")]
    pub fee_payer: Pubkey,
    /// A finalized block above this height without the transaction means that it never lands. An upper bound: the blockhash may be older.
    pub last_valid_block_height: u64,
}

/// How the payment was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By its instructions: what lands is what was checked.
    Transfer,
    /// By a simulation: what landed is checked again.
    SmartWallet,
}

/// The effect that proves a payment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expect {
    #[serde(with = "text")]
    pub mint: Pubkey,
    #[serde(with = "text")]
    pub source: Pubkey,
    #[serde(with = "text")]
    pub authority: Pubkey,
    #[serde(with = "text")]
    pub destination: Pubkey,
    pub amount: u64,
    /// The least that the destination gains; `None` where the operator accepts mints that keep a part of it.
    pub gain: Option<u64>,
}

impl Work {
    /// The bytes to send, once the fee payer has signed [`Work::message`]. That signature is the transaction's id.
    pub fn wire(&self, fee_payer: &Signature) -> Vec<u8> {
        transaction::assemble(fee_payer, &self.signatures, &self.message)
    }
}

/// Addresses and signatures as the base58 that people know.
mod text {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

mod texts {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<T: Display, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(values.iter().map(ToString::to_string))
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<Vec<T>, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let values = texts.iter().map(|text| text.parse());
        values.collect::<Result<_, _>>().map_err(D::Error::custom)
    }
}

mod base64_text {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_row_reads_back_as_it_was_written() {
        let work = Work {
            kind: Kind::SmartWallet,
            message: vec![0x80, 1, 2],
            signatures: vec![Signature::from([7; 64])],
            loaded: vec![],
            fee_payer: Pubkey::new_from_array([3; 32]),
            last_valid_block_height: 9,
        };
        let text = serde_json::to_value(&work).unwrap();
        let expected = json!({
            "kind": "smart_wallet",
            "message": "gAEC",
            "signatures": [Signature::from([7; 64]).to_string()],
            "fee_payer": "CktRuQ2mttgRGkXJtyksdKHjUdc2C4TgDzyB98oEzy8",
            "last_valid_block_height": 9,
        });
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_value::<Work>(text).unwrap(), work);
        let tables = Work {
            loaded: vec![Pubkey::new_from_array([4; 32])],
            ..work.clone()
        };
        let text = serde_json::to_string(&tables).unwrap();
        assert_eq!(serde_json::from_str::<Work>(&text).unwrap(), tables);
        let wire = work.wire(&Signature::from([8; 64]));
        let slots = [&[2][..], &[8; 64], &[7; 64], &[0x80, 1, 2]].concat();
        assert_eq!(wire, slots);
        let expect = Expect {
            mint: Pubkey::new_from_array([1; 32]),
            source: Pubkey::new_from_array([2; 32]),
            authority: Pubkey::new_from_array([3; 32]),
            destination: Pubkey::new_from_array([4; 32]),
            amount: u64::MAX,
            gain: None,
        };
        let text = serde_json::to_string(&expect).unwrap();
        assert_eq!(serde_json::from_str::<Expect>(&text).unwrap(), expect);
    }
}
