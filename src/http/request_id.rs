//! One id per request, the caller's own where it is sane, so that a complaint can be found in the log.

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use uuid::Uuid;

pub(super) const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The caller's `x-request-id` if it is 1 to 128 visible ASCII characters, else a new one.
pub(super) fn of(headers: &HeaderMap) -> HeaderValue {
    let theirs = headers.get(HEADER);
    theirs
        .filter(|id| is_sane(id.as_bytes()))
        .cloned()
        .unwrap_or_else(generate)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=128).contains(&id.len()) && id.iter().all(u8::is_ascii_graphic)
}

fn generate() -> HeaderValue {
    let id = Uuid::now_v7().to_string();
    HeaderValue::try_from(id).expect("a uuid is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id_for(theirs: &[u8]) -> Vec<u8> {
        let mut headers = HeaderMap::new();
        headers.insert(HEADER, HeaderValue::from_bytes(theirs).unwrap());
        of(&headers).as_bytes().to_vec()
    }

    #[test]
    fn keeps_a_sane_id() {
        for sane in ["a", "req-1/2:3", &"x".repeat(128)] {
            assert_eq!(id_for(sane.as_bytes()), sane.as_bytes());
        }
    }

    #[test]
    fn replaces_what_could_spoil_a_log() {
        for bad in [
            &b""[..],
            b"two words",
            b"tab\there",
            "ünicode".as_bytes(),
            &[b'x'; 129],
        ] {
            let id = id_for(bad);
            assert_ne!(id, bad);
            assert_eq!(id.len(), 36, "{}", String::from_utf8_lossy(&id));
        }
    }

    #[test]
    fn two_requests_get_two_ids() {
        assert_ne!(of(&HeaderMap::new()), of(&HeaderMap::new()));
    }
}
