//! Who is told what happens to payments, and how.

use std::time::Duration;

use alloy::hex;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use super::reader::Reader;
use super::value::{self, Parsed};
use crate::egress::is_public;
use crate::protocol::Event;
use crate::secret::Secret;
use crate::webhook::SigningSecret;

#[derive(Debug, Clone)]
pub struct Webhooks {
    pub endpoints: Vec<Endpoint>,
    /// Every one of them signs.
    pub signing: Vec<SigningSecret>,
    pub events: Vec<Event>,
    /// How long a receiver may take.
    pub timeout: Duration,
    /// How often a message is sent before it is given up.
    pub max_attempts: i64,
    /// Pause after the first failure.
    pub retry: Duration,
    /// Whether receivers may be in private networks.
    pub allow_private: bool,
}

/// A receiver.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// The beginning of its URL's digest: the URL may carry a key, so the database does not hold it.
    pub id: String,
    pub url: Secret,
}

pub(super) fn signing(reader: &mut Reader<'_>) -> Vec<SigningSecret> {
    let read = reader.secrets("WEBHOOK_SECRETS", |text| {
        SigningSecret::parse(text)
            .ok_or_else(|| "must be whsec_ and base64 of 24 to 64 bytes".to_owned())
    });
    read.unwrap_or_default()
}

pub(super) fn read(reader: &mut Reader<'_>, signing: Vec<SigningSecret>) -> Webhooks {
    let allow_private = reader.value("WEBHOOK_ALLOW_PRIVATE", value::flag);
    let endpoints = reader.secrets("WEBHOOK_URLS", |text| endpoint(text, allow_private));
    let endpoints = endpoints.unwrap_or_default();
    if !endpoints.is_empty() && signing.is_empty() && !reader.has_secret("WEBHOOK_SECRETS") {
        reader.problem("WEBHOOK_SECRETS", "must be set, because WEBHOOK_URLS is");
    }
    let events = reader.each("WEBHOOK_EVENTS", event);
    Webhooks {
        endpoints,
        signing,
        events: events.unwrap_or_else(Event::usual),
        timeout: milliseconds(reader, "WEBHOOK_TIMEOUT_MS", 100, 30_000),
        max_attempts: reader.value("WEBHOOK_MAX_ATTEMPTS", |text| value::whole(text, 1, 100)),
        retry: milliseconds(reader, "WEBHOOK_RETRY_MS", 10, 3_600_000),
        allow_private,
    }
}

fn milliseconds(reader: &mut Reader<'_>, name: &str, least: u64, most: u64) -> Duration {
    Duration::from_millis(reader.value(name, |text| value::whole(text, least, most)))
}

/// What can be judged without resolving a name is judged at start.
fn endpoint(text: &str, allow_private: bool) -> Parsed<Endpoint> {
    let url = value::endpoint(text)?;
    let parsed = Url::parse(text).map_err(|_| "must be a URL".to_owned())?;
    let is_inside = match parsed.host() {
        Some(Host::Ipv4(address)) => !is_public(address.into()),
        Some(Host::Ipv6(address)) => !is_public(address.into()),
        Some(Host::Domain(_)) | None => false,
    };
    if !allow_private && (parsed.scheme() != "https" || is_inside) {
        return Err(
            "must be an https:// URL of a public host, or WEBHOOK_ALLOW_PRIVATE=true".to_owned(),
        );
    }
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    Ok(Endpoint {
        id: digest[..16].to_owned(),
        url,
    })
}

fn event(text: &str) -> Parsed<Event> {
    Event::parse(text).ok_or_else(|| {
        let known: Vec<&str> = Event::ALL.iter().map(|event| event.as_str()).collect();
        format!(
            "must be one of {}, not {}",
            known.join(", "),
            value::quote(text)
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_inside_is_refused_unless_allowed() {
        for inside in [
            "http://shop.example/hook",
            "https://127.0.0.1/hook",
            "https://[::ffff:169.254.169.254]/",
            "https://0x7f.1/",
        ] {
            assert!(endpoint(inside, false).is_err(), "{inside}");
            assert!(endpoint(inside, true).is_ok(), "{inside}");
        }
        let one = endpoint("https://shop.example/hook?key=1", false).unwrap();
        assert_eq!(one.id.len(), 16);
    }
}
