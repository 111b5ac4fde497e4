//! Which endpoint a path names. Paths are normalised before they are routed, never by a redirect: a redirected POST loses its body.

use std::borrow::Cow;

/// What a request is for. It decides the shape of errors, the headers, and the `route` that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoint {
    Verify,
    Settle,
    Supported,
    Settlements,
    /// What is read of sessions.
    Sessions,
    /// What is done to one.
    SessionAction,
    Health,
    Home,
    /// A page of one payment.
    Payment,
    Docs,
    Status,
    Admin,
    Records,
    Unknown,
}

impl Endpoint {
    /// The endpoint of a normalised path.
    pub(super) fn of(path: &str) -> Self {
        match path {
            "/" => Self::Home,
            "/verify" => Self::Verify,
            "/settle" => Self::Settle,
            "/supported" => Self::Supported,
            "/health" | "/healthz" | "/livez" | "/readyz" => Self::Health,
            "/tx" => Self::Payment,
            "/docs" | "/openapi.json" => Self::Docs,
            "/status.json" => Self::Status,
            "/admin" => Self::Admin,
            "/records" => Self::Records,
            _ if path.starts_with("/tx/") => Self::Payment,
            _ if path.starts_with("/admin/") => Self::Admin,
            _ if path.starts_with("/records/") => Self::Records,
            "/sessions" => Self::Sessions,
            "/sessions/track" => Self::SessionAction,
            _ if path.starts_with("/settlements/") => Self::Settlements,
            _ => match path
                .strip_prefix("/sessions/")
                .map(|rest| rest.split_once('/'))
            {
                Some(None) => Self::Sessions,
                Some(Some((_, "settle" | "close"))) => Self::SessionAction,
                Some(Some(_)) | None => Self::Unknown,
            },
        }
    }

    /// The route as logged: one of a closed set, whatever a stranger asked for.
    pub(super) fn route(self) -> &'static str {
        match self {
            Self::Verify => "/verify",
            Self::Settle => "/settle",
            Self::Supported => "/supported",
            Self::Settlements => "/settlements/{reference}",
            Self::Sessions => "/sessions",
            Self::SessionAction => "/sessions/{id}",
            Self::Health => "/healthz",
            Self::Home => "/",
            Self::Payment => "/tx/{reference}",
            Self::Docs => "/docs",
            Self::Status => "/status.json",
            Self::Admin => "/admin",
            Self::Records => "/records",
            Self::Unknown => "unknown",
        }
    }

    /// Whether an answer may ever be kept by a cache on the way.
    pub(super) fn storable(self) -> bool {
        match self {
            Self::Verify
            | Self::Settle
            | Self::Settlements
            | Self::Sessions
            | Self::SessionAction
            | Self::Health
            | Self::Home
            | Self::Payment
            | Self::Status
            | Self::Admin
            | Self::Records => false,
            Self::Supported | Self::Docs | Self::Unknown => true,
        }
    }
}

/// The path without the prefix it is served under, without repeated slashes, without one at the end.
pub(super) fn normalise<'a>(path: &'a str, base: &str) -> Cow<'a, str> {
    if !path.starts_with('/') {
        return Cow::Borrowed(path); // `OPTIONS *`, `CONNECT host:port`
    }
    let untidy = path.contains("//") || (path.len() > 1 && path.ends_with('/'));
    let tidy = if untidy {
        Cow::Owned(join(path))
    } else {
        Cow::Borrowed(path)
    };
    let inside = |tidy: &str| {
        let rest = tidy.strip_prefix(base)?;
        let whole_segment = rest.is_empty() || rest.starts_with('/');
        (!base.is_empty() && whole_segment).then(|| tidy.len() - rest.len())
    };
    match inside(&tidy) {
        None => tidy,
        Some(at) if at == tidy.len() => Cow::Borrowed("/"),
        Some(at) => Cow::Owned(tidy[at..].to_owned()),
    }
}

fn join(path: &str) -> String {
    let segments: Vec<&str> = path
        .split('/')
        .filter(|segment| !segment.is_empty())
        .collect();
    format!("/{}", segments.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normalises_what_clients_are_known_to_send() {
        for (path, base, expected) in [
            ("/verify", "", "/verify"),
            ("//verify", "", "/verify"),
            ("/verify/", "", "/verify"),
            ("///verify//", "", "/verify"),
            ("/", "", "/"),
            ("//", "", "/"),
            ("*", "", "*"),
            ("", "", ""),
            ("/facilitator/verify", "/facilitator", "/verify"),
            ("/facilitator//verify/", "/facilitator", "/verify"),
            ("//facilitator/verify", "/facilitator", "/verify"),
            ("/facilitator", "/facilitator", "/"),
            ("/facilitator/", "/facilitator", "/"),
            ("/verify", "/facilitator", "/verify"),
            (
                "/facilitators/verify",
                "/facilitator",
                "/facilitators/verify",
            ),
            ("/facilitator/verify", "", "/facilitator/verify"),
            ("/a/b/settle", "/a/b", "/settle"),
            ("/settlements/a%2Fb/", "", "/settlements/a%2Fb"),
        ] {
            assert_eq!(normalise(path, base), expected, "{path:?} under {base:?}");
        }
    }

    #[test]
    fn names_every_endpoint() {
        for (path, endpoint) in [
            ("/", Endpoint::Home),
            ("/verify", Endpoint::Verify),
            ("/settle", Endpoint::Settle),
            ("/supported", Endpoint::Supported),
            ("/settlements/x", Endpoint::Settlements),
            ("/settlements", Endpoint::Unknown),
            ("/sessions", Endpoint::Sessions),
            ("/sessions/x", Endpoint::Sessions),
            ("/sessions/track", Endpoint::SessionAction),
            ("/sessions/x/settle", Endpoint::SessionAction),
            ("/sessions/x/close", Endpoint::SessionAction),
            ("/sessions/x/y", Endpoint::Unknown),
            ("/readyz", Endpoint::Health),
            ("/verify/x", Endpoint::Unknown),
            ("/Verify", Endpoint::Unknown),
        ] {
            assert_eq!(Endpoint::of(path), endpoint, "{path}");
        }
    }
}
