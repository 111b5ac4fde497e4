//! `GET /`: what this is, for a person or, on `Accept: application/json`, for a program.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use serde::Serialize;

use super::error;
use super::router::App;
use crate::protocol::response::{SupportedKind, SupportedResponse};

const PAGE: &str = include_str!("pages/home.html");
const STYLE: &str = include_str!("pages/home.css");
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Nothing is loaded, from anywhere; nobody frames the page.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

#[derive(Serialize)]
struct About {
    service: &'static str,
    version: &'static str,
    /// Whether `/verify` and `/settle` need a bearer token.
    authentication: bool,
    endpoints: &'static [Entry],
    #[serde(flatten)]
    supported: SupportedResponse,
}

#[derive(Serialize)]
struct Entry {
    method: &'static str,
    path: &'static str,
    purpose: &'static str,
}

const fn entry(method: &'static str, path: &'static str, purpose: &'static str) -> Entry {
    Entry {
        method,
        path,
        purpose,
    }
}

const ENDPOINTS: &[Entry] = &[
    entry(
        "GET",
        "/supported",
        "Schemes, networks and signers, for x402 clients",
    ),
    entry(
        "POST",
        "/verify",
        "Check a signed payment; nothing is recorded against the payer",
    ),
    entry(
        "POST",
        "/settle",
        "Check it again, put it on chain, pay the gas",
    ),
    entry(
        "GET",
        "/settlements/{reference}",
        "What became of a payment: by id, payment key or transaction",
    ),
    entry(
        "GET",
        "/sessions",
        "Your upto sessions; one of them at /sessions/{id}",
    ),
    entry(
        "POST",
        "/sessions/{id}/settle",
        "Settle what a session owes now; /close takes no more calls",
    ),
    entry(
        "POST",
        "/sessions/track",
        "Charge a call to its session without verifying it first",
    ),
    entry("GET", "/healthz", "Is the process up"),
    entry(
        "GET",
        "/readyz",
        "Should requests be sent here (?verbose lists the checks)",
    ),
];

pub(super) async fn home(State(app): State<App>, headers: HeaderMap) -> Response<Body> {
    let supported = app.facilitator.supported();
    let authentication = !app.guard.is_open();
    let mut response = if wants_json(&headers) {
        let about = About {
            service: "x402-facilitator",
            version: VERSION,
            authentication,
            endpoints: ENDPOINTS,
            supported,
        };
        error::json(StatusCode::OK, &about)
    } else {
        page(
            &supported,
            authentication,
            &own_url(&headers, &app.base_path),
        )
    };
    response
        .headers_mut()
        .insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

/// Browsers name HTML, programs name JSON; whoever accepts anything gets the page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|a| a.contains("application/json") && !a.contains("text/html"))
}

/// The address the visitor used, for the example; never trusted with anything else.
fn own_url(headers: &HeaderMap, base_path: &str) -> String {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let host = text("host").filter(|host| {
        host.bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-_:[]".contains(&b))
    });
    let scheme = match text("x-forwarded-proto") {
        Some("https") => "https",
        _ => "http",
    };
    format!("{scheme}://{}{base_path}", host.unwrap_or("localhost:8090"))
}

fn page(supported: &SupportedResponse, authentication: bool, url: &str) -> Response<Body> {
    let html = fill(
        PAGE,
        &[
            ("style", STYLE),
            ("version", VERSION),
            ("kinds", &kinds(&supported.kinds)),
            ("signers", &signers(supported)),
            ("endpoints", &endpoints()),
            ("example", &escape(&example(supported, authentication, url))),
        ],
    );
    let mut response = Response::new(Body::from(html));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/html; charset=utf-8"),
    );
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY);
    headers.insert(
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    );
    response
}

/// Puts each value where its name stands between `{{` and `}}`, in one pass: a value that contains a name is not filled again.
fn fill(template: &str, values: &[(&str, &str)]) -> String {
    let mut parts = template.split("{{");
    let mut page = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (name, rest) = part.split_once("}}").unwrap_or((part, ""));
        let value = values.iter().find(|(known, _)| *known == name);
        page.push_str(value.map_or("", |(_, value)| value));
        page.push_str(rest);
    }
    page
}

fn kinds(kinds: &[SupportedKind]) -> String {
    if kinds.is_empty() {
        return r#"<tr><td colspan="3">No network is configured.</td></tr>"#.to_owned();
    }
    rows(kinds.iter().map(|kind| {
        let (scheme, network) = (escape(kind.scheme), escape(&kind.network));
        let version = kind.version;
        format!("<td><code>{network}</code></td><td>{scheme}</td><td>v{version}</td>")
    }))
}

fn signers(supported: &SupportedResponse) -> String {
    let each = supported.signers.iter().flat_map(|(family, addresses)| {
        addresses
            .iter()
            .map(move |address| (escape(family), escape(address)))
    });
    rows(each.map(|(family, address)| {
        format!("<td><code>{family}</code></td><td><code>{address}</code></td>")
    }))
}

fn endpoints() -> String {
    rows(ENDPOINTS.iter().map(|endpoint| {
        let Entry {
            method,
            path,
            purpose,
        } = endpoint;
        let (path, purpose) = (escape(path), escape(purpose));
        format!(
            r#"<td><span class="method">{method}</span> <code>{path}</code></td><td>{purpose}</td>"#
        )
    }))
}

fn rows(cells: impl Iterator<Item = String>) -> String {
    cells.fold(String::new(), |mut rows, cells| {
        writeln!(rows, "<tr>{cells}</tr>").expect("a String takes every write");
        rows
    })
}

/// A paid route in Express with the stock packages, on a network that is really served here.
fn example(supported: &SupportedResponse, authentication: bool, url: &str) -> String {
    let served = supported.kinds.iter().find(|kind| {
        kind.version == 2 && kind.scheme == "exact" && kind.network.starts_with("eip155:")
    });
    let network = served.map_or("eip155:84532", |kind| &kind.network);
    let token = if authentication { AUTH_HEADERS } else { "" };
    fill(
        EXAMPLE,
        &[("url", url), ("network", network), ("auth", token)],
    )
}

const AUTH_HEADERS: &str = r"
  createAuthHeaders: async () => {
    const Authorization = `Bearer ${process.env.FACILITATOR_TOKEN}`;
    return { verify: { Authorization }, settle: { Authorization }, supported: {} };
  },";

const EXAMPLE: &str = r#"// npm install express @x402/express @x402/core @x402/evm
import express from "express";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";

const facilitator = new HTTPFacilitatorClient({
  url: "{{url}}",{{auth}}
});
const server = new x402ResourceServer(facilitator)
  .register("{{network}}", new ExactEvmScheme());

const app = express();
app.use(paymentMiddleware({
  "GET /weather": {
    description: "The weather",
    accepts: {
      scheme: "exact",
      network: "{{network}}",
      price: "$0.001",
      payTo: "0xYourAddress",
    },
  },
}, server));
app.get("/weather", (_, response) => response.json({ weather: "sunny" }));
app.listen(4021);"#;

fn escape(text: &str) -> String {
    text.chars()
        .fold(String::with_capacity(text.len()), |mut escaped, c| {
            match c {
                '&' => escaped.push_str("&amp;"),
                '<' => escaped.push_str("&lt;"),
                '>' => escaped.push_str("&gt;"),
                '"' => escaped.push_str("&quot;"),
                '\'' => escaped.push_str("&#39;"),
                plain => escaped.push(plain),
            }
            escaped
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            (
                header::HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn escapes_what_html_would_read() {
        let escaped = escape(r#"<a href="x" id='y'>&amp;</a>"#);
        assert_eq!(
            escaped,
            "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;&lt;/a&gt;"
        );
    }

    #[test]
    fn a_hostile_kind_stays_text() {
        let kind = SupportedKind {
            version: 2,
            scheme: "exact",
            network: "<script>alert(1)</script>".to_owned(),
            extra: None,
        };
        let row = kinds(&[kind]);
        assert!(row.contains("&lt;script&gt;"), "{row}");
        assert!(!row.contains("<script"), "{row}");
    }

    #[test]
    fn fills_each_name_once_and_values_never() {
        let values = [("a", "{{b}}"), ("b", "2")];
        assert_eq!(fill("{{a}}-{{b}}-{{c}}.", &values), "{{b}}-2-.");
    }

    #[test]
    fn shows_the_address_the_visitor_used() {
        for (pairs, expected) in [
            (
                &[("host", "pay.example:8090")][..],
                "http://pay.example:8090/f",
            ),
            (
                &[("host", "a.b"), ("x-forwarded-proto", "https")],
                "https://a.b/f",
            ),
            (
                &[("host", "a.b"), ("x-forwarded-proto", "gopher")],
                "http://a.b/f",
            ),
            (&[("host", "[::1]:8090")], "http://[::1]:8090/f"),
            (&[("host", "\"><script>")], "http://localhost:8090/f"),
            (&[], "http://localhost:8090/f"),
        ] {
            assert_eq!(own_url(&headers(pairs), "/f"), expected);
        }
    }

    #[test]
    fn programs_get_json_and_browsers_the_page() {
        for (accept, json) in [
            ("application/json", true),
            ("application/json, */*;q=0.5", true),
            (
                "text/html,application/xhtml+xml,application/json;q=0.9",
                false,
            ),
            ("*/*", false),
        ] {
            assert_eq!(
                wants_json(&headers(&[("accept", accept)])),
                json,
                "{accept}"
            );
        }
    }

    #[test]
    fn the_example_shows_a_token_only_where_one_is_needed() {
        let nothing = SupportedResponse::default();
        let open = example(&nothing, false, "http://h");
        assert!(
            open.contains(r#"url: "http://h","#) && !open.contains("Authorization"),
            "{open}"
        );
        assert!(example(&nothing, true, "http://h").contains("FACILITATOR_TOKEN"));
    }
}
