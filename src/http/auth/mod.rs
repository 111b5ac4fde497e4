//! Bearer tokens. The id of the token is passed on, the token is not.

use axum::http::{HeaderMap, header};
use sha2::{Digest, Sha256};

use crate::config;
use crate::facilitator::Caller;
use crate::secret::Secret;

/// The tokens that open `/verify`, `/settle` and `/settlements`; none of them, and nobody needs one.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    keys: Vec<Key>,
}

#[derive(Debug, Clone)]
struct Key {
    token: Secret,
    caller: Caller,
}

impl Guard {
    pub(super) fn new(auth: &config::Auth) -> Self {
        let key = |token: &Secret| Key {
            token: token.clone(),
            caller: Caller::Key(id(token)),
        };
        Self {
            keys: auth.tokens.iter().map(key).collect(),
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.keys.is_empty()
    }

    /// Who asks; `None` when a token is needed and none of ours was shown. Every token is compared, so that time tells nothing about which matched.
    pub(super) fn admit(&self, headers: &HeaderMap) -> Option<Caller> {
        if self.is_open() {
            return Some(Caller::Anonymous);
        }
        let shown = bearer(headers)?;
        self.keys.iter().fold(None, |admitted, key| {
            if key.token.matches(shown) {
                Some(key.caller.clone())
            } else {
                admitted
            }
        })
    }
}

/// The token of the one `Authorization: Bearer` header; two such headers are none.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return None;
    };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// The first 8 bytes of the token's SHA-256: enough to tell callers apart, nothing to log in with.
fn id(token: &Secret) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(token.expose().as_bytes());
    digest.iter().take(8).fold(String::new(), |mut id, byte| {
        write!(id, "{byte:02x}").expect("a String takes every write");
        id
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn guard(tokens: &[&str]) -> Guard {
        let tokens = tokens.iter().copied().map(Secret::new).collect();
        Guard::new(&config::Auth { tokens })
    }

    fn admit(guard: &Guard, authorization: &[&str]) -> Option<Caller> {
        let mut headers = HeaderMap::new();
        for value in authorization {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        guard.admit(&headers)
    }

    #[test]
    fn admits_the_bearer_of_any_of_its_tokens() {
        let guard = guard(&["alpha", "beta"]);
        let alpha = Caller::Key("8ed3f6ad685b959e".to_owned());
        assert_eq!(admit(&guard, &["Bearer alpha"]), Some(alpha.clone()));
        assert_eq!(admit(&guard, &["bearer  alpha "]), Some(alpha.clone()));
        let beta = admit(&guard, &["BEARER beta"]).unwrap();
        assert_ne!(beta, alpha);
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
            assert_eq!(admit(&guard, bad), None, "{bad:?}");
        }
    }

    #[test]
    fn is_open_without_tokens_and_then_knows_nobody() {
        assert_eq!(
            admit(&guard(&[]), &["Bearer alpha"]),
            Some(Caller::Anonymous)
        );
    }

    #[test]
    fn debug_shows_no_token() {
        let shown = format!("{:?}", guard(&["hunter2"]));
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
