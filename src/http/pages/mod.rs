//! What people see in a browser: written here as HTML, complete without a script, nothing loaded from anywhere else. Text from outside goes
//! through the template's escaping and nowhere around it.

pub(super) mod admin;
pub(super) mod docs;
mod facts;
mod format;
pub(super) mod home;
mod quickstart;
mod spark;
pub(super) mod status;
pub(super) mod tx;
mod words;

use std::sync::LazyLock;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

pub use facts::Facts;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("live.js");
const VERSION: &str = env!("CARGO_PKG_VERSION");
const ICON: &str = "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 24 24'%3E%3Crect width='24' height='24' rx='7' fill='%230a6b4d'/%3E%3Cpath d='M7 12.5l3.4 3.4L17 8.6' fill='none' stroke='white' stroke-width='2.4' stroke-linecap='round' stroke-linejoin='round'/%3E%3C/svg%3E";

/// Only our own style and our own script run, by their digests; nothing is loaded from elsewhere; nobody frames the page.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        digest(STYLE),
        digest(SCRIPT)
    );
    HeaderValue::from_str(&policy).expect("base64 and names are visible ASCII")
});

fn digest(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}

/// One of the pages in the navigation, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Here {
    Overview,
    Docs,
    Admin,
    Elsewhere,
}

struct Page<'a> {
    title: &'a str,
    here: Here,
    /// Path prefix of links.
    base: &'a str,
    /// Whether a part of it is marked live.
    is_live: bool,
}

impl Page<'_> {
    fn respond(&self, status: StatusCode, main: &Markup) -> Response<Body> {
        let page = self.render(main).into_string();
        let mut response = Response::new(Body::from(page));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(header::CONTENT_TYPE, html);
        headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
        let nobody = HeaderValue::from_static("no-referrer");
        headers.insert(header::REFERRER_POLICY, nobody);
        response
    }

    fn render(&self, main: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    title { (self.title) }
                    meta name="description" content="Verifies and settles x402 payments.";
                    link rel="icon" href=(ICON);
                    style { (PreEscaped(STYLE)) }
                    @if self.is_live { noscript { meta http-equiv="refresh" content="30"; } }
                }
                body {
                    a class="skip" href="#main" { "Skip to the content" }
                    (self.top())
                    main id="main" class="wrap" { (main) }
                    (self.bottom())
                    @if self.is_live { script { (PreEscaped(SCRIPT)) } }
                }
            }
        }
    }

    fn top(&self) -> Markup {
        let current = |here: Here| (self.here == here).then_some("page");
        html! {
            header class="top" { div class="wrap" {
                a class="brand" href={ (self.base) "/" } {
                    svg width="24" height="24" viewBox="0 0 24 24" aria-hidden="true" {
                        rect width="24" height="24" rx="7" fill="currentColor" {}
                        path d="M7 12.5l3.4 3.4L17 8.6" fill="none" stroke="var(--card)" stroke-width="2.4" stroke-linecap="round" stroke-linejoin="round" {}
                    }
                    "x402 facilitator"
                }
                nav aria-label="Pages" {
                    a href={ (self.base) "/" } aria-current=[current(Here::Overview)] { "Overview" }
                    a href={ (self.base) "/docs" } aria-current=[current(Here::Docs)] { "API" }
                    @if self.here == Here::Admin { a href={ (self.base) "/admin" } aria-current="page" { "Admin" } }
                    a href={ (self.base) "/status.json" } { "Status" }
                }
            } }
        }
    }

    fn bottom(&self) -> Markup {
        html! {
            footer class="bottom" { div class="wrap" {
                span { "x402-facilitator " (VERSION) }
                a href={ (self.base) "/openapi.json" } { "OpenAPI" }
                a href={ (self.base) "/status.json" } { "status.json" }
                a href={ (self.base) "/readyz?verbose" } { "Readiness" }
            } }
        }
    }
}

/// Something that cannot be shown, in a few words.
fn apology(base: &str, status: StatusCode, title: &str, text: &str) -> Response<Body> {
    let page = Page {
        title,
        here: Here::Elsewhere,
        base,
        is_live: false,
    };
    let main = html! {
        h1 { (title) }
        p class="lead" { (text) }
        (tx::question(base, ""))
    };
    page.respond(status, &main)
}

/// Browsers name HTML, programs name JSON; whoever accepts anything gets the page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|a| a.contains("application/json") && !a.contains("text/html"))
}

#[cfg(test)]
mod tests;
