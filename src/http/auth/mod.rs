//! Who is at the door: bearer tokens of the configuration and keys of the database. The id of a key is passed on, the key is not.

mod address;
mod keyring;

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderName, header};
use sha2::{Digest, Sha256};

use crate::config;
use crate::facilitator::{Caller, Grant, Scope};
use crate::secret::Secret;

pub(super) use address::{Peer, client};
pub use keyring::{Keyring, NewKey};

const API_KEY: HeaderName = HeaderName::from_static("x-api-key");

/// What opens `/verify`, `/settle` and `/settlements`; without tokens and keys, nobody needs one.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    tokens: Vec<Token>,
    keyring: Option<Arc<Keyring>>,
}

#[derive(Debug, Clone)]
struct Token {
    token: Secret,
    grant: Arc<Grant>,
}

/// Why somebody is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    /// Nothing valid was shown.
    Unknown,
    /// Whether it is valid cannot be told now.
    Unavailable,
}

impl Guard {
    pub(super) fn new(auth: &config::Auth, keyring: Option<Arc<Keyring>>) -> Self {
        let token = |token: &Secret| Token {
            token: token.clone(),
            grant: Arc::new(everything(token)),
        };
        Self {
            tokens: auth.tokens.iter().map(token).collect(),
            keyring,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.keyring.is_none()
    }

    /// Who asks. Every token is compared, so that time tells nothing about which matched.
    pub(super) fn admit(
        &self,
        headers: &HeaderMap,
        address: Option<IpAddr>,
    ) -> Result<Caller, Denied> {
        if self.is_open() {
            return Ok(Caller::anonymous(address));
        }
        let Some(keyring) = &self.keyring else {
            let token = bearer(headers).and_then(|shown| self.token(shown));
            let grant = token.ok_or(Denied::Unknown)?;
            return Ok(Caller::with_key(grant, address));
        };
        let grant = match shown(headers).ok_or(Denied::Unknown)? {
            Shown::Bearer(shown) => match self.token(shown) {
                Some(grant) => grant,
                None => keyring.admit(shown)?,
            },
            Shown::ApiKey(shown) => keyring.admit(shown)?,
        };
        Ok(Caller::with_key(grant, address))
    }

    /// Whether some key could open what is for operators.
    pub(super) fn has_keys(&self) -> bool {
        self.keyring.is_some()
    }

    /// Whether a key is for operators.
    pub(super) fn is_admin_key(&self, shown: &str) -> Result<bool, Denied> {
        let Some(keyring) = &self.keyring else {
            return Ok(false);
        };
        match keyring.admit(shown) {
            Ok(grant) => Ok(grant.scopes.contains(&Scope::Admin)),
            Err(Denied::Unknown) => Ok(false),
            Err(Denied::Unavailable) => Err(Denied::Unavailable),
        }
    }

    fn token(&self, shown: &str) -> Option<Arc<Grant>> {
        self.tokens.iter().fold(None, |admitted, known| {
            if known.token.matches(shown) {
                Some(Arc::clone(&known.grant))
            } else {
                admitted
            }
        })
    }
}

/// The operator's own callers. What an operator does beyond takes a key made for it.
fn everything(token: &Secret) -> Grant {
    Grant {
        id: id(token),
        scopes: vec![Scope::Verify, Scope::Settle],
        pay_to: Vec::new(),
        networks: Vec::new(),
        rate: None,
        daily: None,
        is_tenant: false,
    }
}

/// What a request shows. Bearer tokens of the configuration come as such and no other way.
enum Shown<'a> {
    Bearer(&'a str),
    ApiKey(&'a str),
}

/// The one credential that a request shows; two are none.
fn shown(headers: &HeaderMap) -> Option<Shown<'_>> {
    let is_there = |name: &HeaderName| headers.contains_key(name);
    match (is_there(&header::AUTHORIZATION), is_there(&API_KEY)) {
        (true, false) => bearer(headers).map(Shown::Bearer),
        (false, true) => one(headers, &API_KEY).map(str::trim).map(Shown::ApiKey),
        (true, true) | (false, false) => None,
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = one(headers, &header::AUTHORIZATION)?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        (None, _) | (Some(_), Some(_)) => None,
    }
}

/// The first 8 bytes of the token's SHA-256: enough to tell callers apart, nothing to log in with.
fn id(token: &Secret) -> String {
    hex(Sha256::digest(token.expose().as_bytes())
        .get(..8)
        .unwrap_or_default())
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes every write");
        text
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn guard(tokens: &[&str]) -> Guard {
        let tokens = tokens.iter().copied().map(Secret::new).collect();
        let api_keys = false;
        Guard::new(&config::Auth { tokens, api_keys }, None)
    }

    fn admit(guard: &Guard, shown: &[(&str, &str)]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for (name, value) in shown {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let caller = guard.admit(&headers, None).ok()?;
        Some(caller.as_str().to_owned())
    }

    fn bearer_of(guard: &Guard, values: &[&str]) -> Option<String> {
        let shown: Vec<_> = values.iter().map(|v| ("authorization", *v)).collect();
        admit(guard, &shown)
    }

    #[test]
    fn admits_the_bearer_of_any_of_its_tokens() {
        let guard = guard(&["alpha", "beta"]);
        let alpha = Some("8ed3f6ad685b959e".to_owned());
        assert_eq!(bearer_of(&guard, &["Bearer alpha"]), alpha);
        assert_eq!(bearer_of(&guard, &["bearer  alpha "]), alpha);
        let beta = bearer_of(&guard, &["BEARER beta"]);
        assert!(beta.is_some() && beta != alpha);
    }

    #[test]
    fn a_token_of_the_configuration_is_no_operators_key() {
        let guard = guard(&["alpha"]);
        let mut headers = HeaderMap::new();
        let bearer = HeaderValue::from_static("Bearer alpha");
        headers.insert(header::AUTHORIZATION, bearer);
        let caller = guard.admit(&headers, None).unwrap();
        assert!(caller.may(Scope::Verify) && caller.may(Scope::Settle));
        assert!(!caller.may(Scope::Admin));
    }

    #[test]
    fn turns_everybody_else_away() {
        let guard = guard(&["alpha"]);
        for bad in [
            &[][..],
            &["Bearer"],
            &["Bearer "],
            &["Bearer alph"],
            &["Bearer alphaa"],
            &["Bearer ALPHA"],
            &["Basic alpha"],
            &["alpha"],
            &["Bearer alpha", "Bearer alpha"],
        ] {
            assert_eq!(bearer_of(&guard, bad), None, "{bad:?}");
        }
        assert_eq!(admit(&guard, &[("x-api-key", "alpha")]), None);
    }

    #[test]
    fn without_keys_a_header_for_keys_is_nothing_to_look_at() {
        let both = [("x-api-key", "whatever"), ("authorization", "Bearer alpha")];
        assert!(admit(&guard(&["alpha"]), &both).is_some());
    }

    #[test]
    fn is_open_without_tokens_and_then_knows_nobody() {
        let anonymous = Some("anonymous".to_owned());
        assert_eq!(bearer_of(&guard(&[]), &["Bearer alpha"]), anonymous);
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", guard(&["hunter2"]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
