//! From the bytes of a `/verify` or `/settle` body to a [`Payment`]. Version 1 is translated here and exists nowhere else.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::payment::{Payment, Purpose, Requirements, Version};
use super::{Amount, Network, Object, Reason, response};

/// A request that could not be read. It is answered in the protocol's shape like every other.
#[derive(Debug, Clone)]
pub struct Malformed {
    pub reason: Reason,
    pub message: String,
    /// The `network` to echo: as received, or `unknown:unknown`.
    pub network: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(borrow)]
    x402_version: Option<&'a RawValue>,
    #[serde(borrow)]
    payment_payload: Option<&'a RawValue>,
    #[serde(borrow)]
    payment_requirements: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VersionOf {
    x402_version: Option<Value>,
}

#[derive(Deserialize)]
struct NetworkOf {
    network: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayloadV1 {
    scheme: String,
    network: String,
    payload: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PayloadV2 {
    accepted: Object<Accepted>,
    payload: Box<RawValue>,
    #[serde(default)]
    extensions: Option<BTreeMap<String, Option<Box<RawValue>>>>,
}

#[derive(Deserialize)]
struct Accepted {
    scheme: String,
    network: String,
    asset: Option<Value>,
}

/// Both versions of `paymentRequirements`; which amount member counts depends on the version.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireRequirements {
    scheme: String,
    network: String,
    amount: Option<String>,
    max_amount_required: Option<String>,
    asset: String,
    pay_to: String,
    max_timeout_seconds: serde_json::Number,
    extra: Option<BTreeMap<String, Value>>,
}

/// Reads a request. `network_named` knows the version 1 names (`base-sepolia`).
///
/// # Errors
/// [`Malformed`] with `invalid_json`, `missing_parameters`, `invalid_x402_version`, `invalid_payload`, `invalid_payment_requirements` or `invalid_network`.
pub fn parse(
    purpose: Purpose,
    body: &[u8],
    network_named: impl Fn(&str) -> Option<Network>,
) -> Result<Payment, Malformed> {
    let unknown = response::UNKNOWN_NETWORK;
    let envelope = read_envelope(body).map_err(|(reason, message)| Malformed {
        reason,
        message,
        network: unknown.to_owned(),
    })?;
    let network = envelope.payment_requirements.and_then(wire_network);
    let wire_network = network.unwrap_or_else(|| unknown.to_owned());
    let parsed = parse_parts(purpose, &envelope, &wire_network, network_named);
    parsed.map_err(|(reason, message)| Malformed {
        reason,
        message,
        network: wire_network,
    })
}

type Problem = (Reason, String);

fn problem<T>(reason: Reason, message: impl Into<String>) -> Result<T, Problem> {
    Err((reason, message.into()))
}

fn read_envelope(body: &[u8]) -> Result<Envelope<'_>, Problem> {
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else {
        return problem(Reason::InvalidJson, "Failed to parse request body");
    };
    match serde_json::from_str(raw.get()) {
        Ok(Object(envelope)) => Ok(envelope),
        // Valid JSON of the wrong shape: not an object, or a member given twice.
        Err(cause) => problem(Reason::MissingParameters, shorten(&cause)),
    }
}

/// The network to echo. Text that cannot be a network is not worth echoing.
fn wire_network(requirements: &RawValue) -> Option<String> {
    let Object(read) = serde_json::from_str::<Object<NetworkOf>>(requirements.get()).ok()?;
    let network = read.network?;
    let printable = network.bytes().all(|b| b.is_ascii_graphic());
    (printable && (1..=64).contains(&network.len())).then_some(network)
}

fn parse_parts(
    purpose: Purpose,
    envelope: &Envelope<'_>,
    wire_network: &str,
    network_named: impl Fn(&str) -> Option<Network>,
) -> Result<Payment, Problem> {
    let Some(payload) = envelope.payment_payload else {
        return problem(Reason::MissingParameters, "paymentPayload is missing");
    };
    let Some(requirements) = envelope.payment_requirements else {
        return problem(Reason::MissingParameters, "paymentRequirements is missing");
    };
    let version = read_version(envelope.x402_version, payload)?;
    let Object(wire): Object<WireRequirements> = serde_json::from_str(requirements.get())
        .map_err(|cause| (Reason::InvalidPaymentRequirements, shorten(&cause)))?;
    let network = match version {
        Version::V1 => network_named(&wire.network),
        Version::V2 => Network::parse(&wire.network),
    };
    let Some(network) = network else {
        return problem(
            Reason::InvalidNetwork,
            format!("unknown network {wire_network}"),
        );
    };
    let requirements = read_requirements(version, wire, network)?;
    let (accepted, payload, extensions) = match version {
        Version::V1 => {
            let read: PayloadV1 = read_payload(payload)?;
            let accepted = Accepted {
                scheme: read.scheme,
                network: read.network,
                asset: None,
            };
            (accepted, read.payload, BTreeMap::new())
        }
        Version::V2 => {
            let read: PayloadV2 = read_payload(payload)?;
            let extensions = read.extensions.unwrap_or_default();
            let present = extensions
                .into_iter()
                .filter_map(|(id, raw)| Some((id, raw?)));
            (read.accepted.0, read.payload, present.collect())
        }
    };
    Ok(Payment {
        purpose,
        version,
        requirements,
        wire_network: wire_network.to_owned(),
        accepted_scheme: accepted.scheme,
        accepted_network: accepted.network,
        accepted_asset: match accepted.asset {
            Some(Value::String(asset)) => Some(asset),
            Some(_) | None => None,
        },
        payload,
        extensions,
    })
}

fn read_payload<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Result<T, Problem> {
    serde_json::from_str(payload.get())
        .map(|Object(read)| read)
        .map_err(|cause| (Reason::InvalidPayload, shorten(&cause)))
}

/// The payload's own version decides; a top-level one that disagrees is refused rather than ignored.
fn read_version(top: Option<&RawValue>, payload: &RawValue) -> Result<Version, Problem> {
    let inner: VersionOf = read_payload(payload)?;
    let version = match inner.x402_version.as_ref().and_then(Value::as_u64) {
        Some(1) => Version::V1,
        Some(2) => Version::V2,
        _ => return problem(Reason::InvalidX402Version, "x402Version must be 1 or 2"),
    };
    let agrees = top.is_none_or(|top| top.get() == version.number().to_string());
    if agrees {
        Ok(version)
    } else {
        problem(
            Reason::InvalidX402Version,
            "x402Version differs from the payload's",
        )
    }
}

fn read_requirements(
    version: Version,
    wire: WireRequirements,
    network: Network,
) -> Result<Requirements, Problem> {
    let invalid = |message: &str| (Reason::InvalidPaymentRequirements, message.to_owned());
    let amount = match version {
        Version::V1 => wire.max_amount_required,
        Version::V2 => wire.amount,
    };
    let amount = amount.ok_or_else(|| invalid("amount is missing"))?;
    let amount = Amount::parse(&amount)
        .ok_or_else(|| invalid("amount must be decimal digits of atomic units"))?;
    let timeout = wire.max_timeout_seconds.as_f64().unwrap_or(0.0);
    if timeout <= 0.0 {
        return Err(invalid("maxTimeoutSeconds must be positive"));
    }
    let max_timeout_seconds = wire
        .max_timeout_seconds
        .as_u64()
        .unwrap_or(u64::from(u32::MAX));
    if [&wire.scheme, &wire.asset, &wire.pay_to]
        .into_iter()
        .any(|text| !is_word(text))
    {
        return Err(invalid(
            "scheme, asset and payTo must be non-empty and printable",
        ));
    }
    Ok(Requirements {
        scheme: wire.scheme,
        network,
        amount,
        asset: wire.asset,
        pay_to: wire.pay_to,
        max_timeout_seconds,
        extra: wire.extra.unwrap_or_default(),
    })
}

/// Non-empty and free of control characters, which Postgres would refuse to store.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)
}

/// A decoder's complaint, bounded: it may quote what a stranger sent.
fn shorten(cause: &serde_json::Error) -> String {
    cause
        .to_string()
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}
