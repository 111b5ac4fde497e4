//! Reading parameters as a real node does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;
use solana_hash::Hash;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_transaction::versioned::VersionedTransaction;

use crate::rpc::Refusal;

/// The most bytes of a transaction, and how long they are in each encoding.
const PACKET: usize = 1232;
const PACKET_BASE58: usize = 1683;
const PACKET_BASE64: usize = 1644;

pub fn text(value: &Value) -> Result<&str, Refusal> {
    let missing = || Refusal::invalid("`params` should have at least 1 argument(s)");
    value.as_str().ok_or_else(missing)
}

pub fn number(value: &Value) -> Result<u64, Refusal> {
    value
        .as_u64()
        .ok_or_else(|| Refusal::invalid("Invalid params: expected u64"))
}

pub fn pubkey(value: &Value) -> Result<Pubkey, Refusal> {
    let parsed = text(value)?.parse();
    parsed.map_err(|cause| Refusal::invalid(format!("Invalid param: {cause:?}")))
}

pub fn signature(value: &Value) -> Result<Signature, Refusal> {
    let parsed = text(value)?.parse();
    parsed.map_err(|cause| Refusal::invalid(format!("Invalid param: {cause:?}")))
}

pub fn hash(value: &Value) -> Result<Hash, Refusal> {
    let parsed = text(value)?.parse();
    parsed.map_err(|cause| Refusal::invalid(format!("Invalid param: {cause:?}")))
}

pub fn list(value: &Value, most: usize) -> Result<&[Value], Refusal> {
    let all = value.as_array().map(Vec::as_slice);
    let all = all.ok_or_else(|| Refusal::invalid("Invalid params: expected a sequence"))?;
    if all.len() > most {
        let message = format!("Too many inputs provided; max {most}");
        return Err(Refusal::invalid(message));
    }
    Ok(all)
}

pub fn base64(text: &str) -> Result<Vec<u8>, Refusal> {
    let decoded = BASE64.decode(text);
    decoded.map_err(|cause| Refusal::invalid(format!("invalid base64 encoding: {cause:?}")))
}

/// A wire transaction in the encoding that `config` names; base58 unless it does.
pub fn transaction(encoded: &Value, config: &Value) -> Result<VersionedTransaction, Refusal> {
    let encoded = text(encoded)?;
    let (name, most) = match config["encoding"].as_str() {
        Some("base64") => ("base64", PACKET_BASE64),
        None | Some("base58") => ("base58", PACKET_BASE58),
        Some(other) => {
            let message =
                format!("unsupported encoding: {other}. Supported encodings: base58, base64");
            return Err(Refusal::invalid(message));
        }
    };
    if encoded.len() > most {
        return Err(too_large(name, encoded.len(), "encoded/raw", most));
    }
    let wire = match name {
        "base64" => base64(encoded)?,
        _ => {
            let decoded = bs58::decode(encoded).into_vec();
            decoded
                .map_err(|cause| Refusal::invalid(format!("invalid base58 encoding: {cause:?}")))?
        }
    };
    if wire.len() > PACKET {
        return Err(too_large(name, wire.len(), "encoded/raw", most));
    }
    let transaction: VersionedTransaction = bincode::deserialize(&wire).map_err(|cause| {
        let what = "solana_transaction::versioned::VersionedTransaction";
        Refusal::invalid(format!("failed to deserialize {what}: {cause}"))
    })?;
    transaction
        .sanitize()
        .map_err(|cause| Refusal::invalid(format!("invalid transaction: {cause}")))?;
    Ok(transaction)
}

fn too_large(encoding: &str, length: usize, unit: &str, most: usize) -> Refusal {
    let what = "solana_transaction::versioned::VersionedTransaction";
    Refusal::invalid(format!(
        "{encoding} encoded {what} too large: {length} bytes (max: {unit} {most}/{PACKET})"
    ))
}
