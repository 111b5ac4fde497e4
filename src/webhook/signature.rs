//! The Standard Webhooks signature: what proves that a message is ours, to whoever shares a secret with us.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::clock::UnixMillis;

/// How secrets begin, by the specification.
const PREFIX: &str = "whsec_";
/// Lengths of a secret, bytes, by the specification.
const LEAST: usize = 24;
const MOST: usize = 64;

/// A secret of 24 to 64 bytes. It has no serialisation, and its `Debug` shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningSecret(Vec<u8>);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

impl SigningSecret {
    /// Reads `whsec_` and base64.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (LEAST..=MOST).contains(&bytes.len()).then_some(Self(bytes))
    }
}

/// A message about to be posted.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// The same for every attempt: receivers know by it what they have seen.
    pub id: &'a str,
    pub body: &'a str,
}

impl Message<'_> {
    /// The headers `webhook-id`, `webhook-timestamp` (unix seconds of this attempt) and, where there are secrets, `webhook-signature` with one
    /// signature for each.
    pub fn headers(
        &self,
        secrets: &[SigningSecret],
        now: UnixMillis,
    ) -> Vec<(&'static str, String)> {
        let timestamp = now.as_secs().to_string();
        let signatures: Vec<String> = secrets
            .iter()
            .map(|secret| self.signature(secret, &timestamp))
            .collect();
        let mut headers = vec![
            ("webhook-id", self.id.to_owned()),
            ("webhook-timestamp", timestamp),
        ];
        if !signatures.is_empty() {
            headers.push(("webhook-signature", signatures.join(" ")));
        }
        headers
    }

    fn signature(&self, secret: &SigningSecret, timestamp: &str) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&secret.0).expect("HMAC takes keys of any length");
        mac.update(format!("{}.{timestamp}.{}", self.id, self.body).as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's own libraries.
    #[test]
    fn signs_like_the_specification() {
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let message = Message {
            id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
            body: r#"{"test": 2432232314}"#,
        };
        let headers = message.headers(&[secret], UnixMillis(1_614_265_330_000));
        assert_eq!(
            headers[2].1,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn a_secret_is_as_long_as_the_specification_wants_it() {
        for wrong in [
            "",
            "whsec_",
            "whsec_AAAA",
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ] {
            assert_eq!(SigningSecret::parse(wrong), None, "{wrong}");
        }
    }
}
