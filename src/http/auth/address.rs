//! Where a request came from. A header says what its writer likes, so only the word of a proxy that we trust counts.

use std::net::IpAddr;

use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::config::Cidr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// Proxies that a request may have gone through.
const HOPS_MAX: usize = 32;

/// The other end of the socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Peer(pub(in crate::http) IpAddr);

/// The client's address; `None` where the request came through no socket.
pub(in crate::http) fn client(parts: &Parts, trusted: &[Cidr]) -> Option<IpAddr> {
    let Peer(peer) = parts.extensions.get()?;
    Some(behind(peer.to_canonical(), &parts.headers, trusted))
}

/// The rightmost address that is no trusted proxy's: everything left of it was written by that one.
fn behind(peer: IpAddr, headers: &HeaderMap, trusted: &[Cidr]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut nearest = peer;
    for hop in hops(headers) {
        if !is_trusted(nearest) {
            return nearest;
        }
        // What a trusted proxy passed on and is no address tells nothing: the proxy itself is as far as we can see.
        let Some(address) = read(hop) else {
            return nearest;
        };
        nearest = address;
    }
    nearest
}

/// The entries of all `X-Forwarded-For` headers, nearest first.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let mut entries: Vec<&str> = headers
        .get_all(FORWARDED_FOR)
        .iter()
        .flat_map(|value| value.to_str().unwrap_or("unreadable").split(','))
        .map(str::trim)
        .collect();
    entries.reverse();
    entries.into_iter().take(HOPS_MAX)
}

/// `203.0.113.7`, `203.0.113.7:51234`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:51234`.
fn read(hop: &str) -> Option<IpAddr> {
    let address = if let Some(rest) = hop.strip_prefix('[') {
        rest.split(']').next()?
    } else if hop.matches(':').count() == 1 {
        hop.split(':').next()?
    } else {
        hop
    };
    let address: IpAddr = address.parse().ok()?;
    Some(address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;
    use crate::config::{Config, Environment};

    fn client_of(peer: &str, trusted: &str, forwarded: &[&str]) -> String {
        let environment = Environment::from_iter([
            ("TRUSTED_PROXIES", trusted),
            ("EVM_NETWORKS", ""),
            ("DATABASE_URL", "sqlite://x"),
        ]);
        let config = Config::load(&environment).unwrap();
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let peer: IpAddr = peer.parse().unwrap();
        behind(
            peer.to_canonical(),
            &headers,
            &config.server.trusted_proxies,
        )
        .to_string()
    }

    #[test]
    fn a_forged_header_is_ignored() {
        for (peer, trusted, forwarded, client) in [
            // Nobody is trusted.
            ("203.0.113.7", "", &["198.51.100.1"][..], "203.0.113.7"),
            // A stranger that pretends to be a proxy.
            (
                "203.0.113.7",
                "10.0.0.0/8",
                &["198.51.100.1, 10.0.0.9"],
                "203.0.113.7",
            ),
            // A proxy appends what it saw; the rest is the client's invention.
            (
                "10.0.0.1",
                "10.0.0.0/8",
                &["1.2.3.4, 203.0.113.7"],
                "203.0.113.7",
            ),
            (
                "10.0.0.1",
                "10.0.0.0/8",
                &["1.2.3.4", "203.0.113.7"],
                "203.0.113.7",
            ),
            (
                "10.0.0.1",
                "10.0.0.0/8",
                &["10.0.0.5, 203.0.113.7, 10.0.0.2"],
                "203.0.113.7",
            ),
            ("10.0.0.1", "10.0.0.0/8", &["1.2.3.4, nonsense"], "10.0.0.1"),
        ] {
            assert_eq!(client_of(peer, trusted, forwarded), client, "{forwarded:?}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_believed_however_it_writes_addresses() {
        for (forwarded, client) in [
            ("203.0.113.7", "203.0.113.7"),
            ("203.0.113.7:4711", "203.0.113.7"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
        ] {
            assert_eq!(
                client_of("::ffff:10.0.0.1", "10.0.0.1", &[forwarded]),
                client
            );
        }
        assert_eq!(client_of("10.0.0.1", "10.0.0.1", &[]), "10.0.0.1");
    }
}
