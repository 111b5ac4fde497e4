//! `GET /openapi.json`, put together from `src/http/openapi`, and `GET /docs`, the same for people.

use std::sync::LazyLock;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderValue, Response, StatusCode, header};
use maud::{Markup, html};
use serde_json::{Map, Value};

use super::{Here, Page, VERSION};
use crate::http::router::App;
use crate::protocol::Reason;

/// One part per subject; each brings its `paths` and its `components.schemas`. The first brings everything else.
const PARTS: [&str; 6] = [
    include_str!("../openapi/base.json"),
    include_str!("../openapi/payments.json"),
    include_str!("../openapi/sessions.json"),
    include_str!("../openapi/record.json"),
    include_str!("../openapi/service.json"),
    include_str!("../openapi/admin.json"),
];

static DOCUMENT: LazyLock<Value> = LazyLock::new(put_together);
static TEXT: LazyLock<String> = LazyLock::new(|| DOCUMENT.to_string());

fn put_together() -> Value {
    let part = |text: &str| -> Value {
        serde_json::from_str(text).expect("a test reads every part of the document")
    };
    let [first, rest @ ..] = PARTS.map(part);
    let mut whole = first;
    for part in rest {
        for pointer in ["/paths", "/components/schemas"] {
            let (into, from) = (whole.pointer_mut(pointer), part.pointer(pointer));
            if let (Some(Value::Object(into)), Some(Value::Object(from))) = (into, from) {
                into.extend(from.clone());
            }
        }
    }
    let reasons = Reason::ALL
        .iter()
        .map(|reason| Value::from(reason.as_str()));
    put(
        &mut whole,
        "/components/schemas/Reason/enum",
        reasons.collect(),
    );
    put(&mut whole, "/info/version", VERSION.into());
    whole
}

fn put(document: &mut Value, pointer: &str, value: Value) {
    if let Some(place) = document.pointer_mut(pointer) {
        *place = value;
    }
}

pub(in crate::http) async fn openapi() -> Response<Body> {
    let mut response = Response::new(Body::from(TEXT.as_str()));
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub(in crate::http) async fn docs(State(app): State<App>) -> Response<Body> {
    let page = Page {
        title: "API · x402 facilitator",
        here: Here::Docs,
        base: &app.base_path,
        is_live: false,
    };
    page.respond(StatusCode::OK, &main(&DOCUMENT, &app.base_path))
}

fn main(document: &Value, base: &str) -> Markup {
    let tags = document["tags"].as_array().map(Vec::as_slice);
    html! {
        h1 { "API reference" }
        p class="lead" { (text(&document["info"]["description"])) }
        p class="note" { "For programs: " a href={ (base) "/openapi.json" } { "openapi.json" } ", OpenAPI " (text(&document["openapi"])) "." }
        @for tag in tags.unwrap_or_default() {
            h2 { (text(&tag["name"])) }
            p class="note gap" { (text(&tag["description"])) }
            @for call in calls(document, text(&tag["name"])) { (operation(&call)) }
        }
        h2 id="reasons" { "Reasons" }
        p class="note gap" { "Every value of " code { "invalidReason" } " and " code { "errorReason" } "." }
        details {
            summary { (Reason::ALL.len()) " codes" }
            div class="codes" { @for reason in Reason::ALL { code { (reason.as_str()) } } }
        }
        h2 id="schemas" { "Schemas" }
        @for (name, schema) in members(&document["components"]["schemas"]) {
            @if name != "Reason" { (schema_of(name, schema)) }
        }
    }
}

/// One method of one path.
struct Call<'a> {
    method: String,
    path: &'a str,
    operation: &'a Value,
}

fn calls<'a>(document: &'a Value, tag: &str) -> Vec<Call<'a>> {
    let mut calls = Vec::new();
    for (path, methods) in members(&document["paths"]) {
        for (method, operation) in members(methods) {
            if text(&operation["tags"][0]) == tag {
                let method = method.to_uppercase();
                calls.push(Call {
                    method,
                    path,
                    operation,
                });
            }
        }
    }
    calls
}

fn operation(call: &Call<'_>) -> Markup {
    let operation = call.operation;
    html! {
        details open[call.path == "/verify"] {
            summary { span class="method" { (call.method) } " " code { (call.path) } " " span class="soft" { (text(&operation["summary"])) } }
            div {
                @if !text(&operation["description"]).is_empty() { p { (text(&operation["description"])) } }
                p class="soft" { (asked_of(operation)) }
                (parameters(operation))
                @if let Some((kind, body)) = members(&operation["requestBody"]["content"]).next() {
                    h3 { "Body" }
                    p { code { (kind) } ": " (kind_of(&body["schema"])) }
                    @if !body["example"].is_null() { pre tabindex="0" aria-label="Example of a body" { code { (indented(&body["example"])) } } }
                }
                h3 { "Answers" }
                (answers(operation))
            }
        }
    }
}

fn parameters(operation: &Value) -> Markup {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice);
    let parameters = parameters.unwrap_or_default();
    html! { @if !parameters.is_empty() {
        h3 { "Parameters" }
        dl class="facts" { @for parameter in parameters {
            dt { code { (text(&parameter["name"])) } " " small { (text(&parameter["in"])) } }
            dd { (text(&parameter["description"])) " " span class="soft" { (kind_of(&parameter["schema"])) } }
        } }
    } }
}

fn answers(operation: &Value) -> Markup {
    html! { dl class="facts" { @for (status, answer) in members(&operation["responses"]) {
        dt { code { (status) } }
        dd {
            (text(&answer["description"]))
            @for (kind, content) in members(&answer["content"]) {
                " " span class="soft" { (if kind == "text/html" { html! { "A page." } } else { kind_of(&content["schema"]) }) }
                @if !content["example"].is_null() {
                    pre tabindex="0" aria-label="Example of an answer" { code { (indented(&content["example"])) } }
                }
            }
        }
    } } }
}

fn asked_of(operation: &Value) -> &'static str {
    match operation["security"].as_array().map(Vec::as_slice) {
        None | Some([]) => "Open to everybody.",
        Some(ways) if ways.iter().any(|way| way == &Value::Object(Map::new())) => {
            "Takes a bearer token or an API key, where the operator asks for one."
        }
        Some(_) => "Takes an admin key.",
    }
}

fn schema_of(name: &str, schema: &Value) -> Markup {
    let required: Vec<&str> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .map(text)
        .collect();
    html! {
        details id={ "schema-" (name) } {
            summary { code { (name) } " " span class="soft" { (text(&schema["description"])) } }
            div {
                @if schema["properties"].is_object() {
                    dl class="facts" { @for (member, of) in members(&schema["properties"]) {
                        dt { code { (member) } @if required.contains(&member) { " " span class="tag" { "always" } } }
                        dd { (kind_of(of)) " " span class="soft" { (text(&of["description"])) } }
                    } }
                } @else { p { (kind_of(schema)) } }
            }
        }
    }
}

/// A schema in a few words.
fn kind_of(schema: &Value) -> Markup {
    if let Some(name) = text(&schema["$ref"]).strip_prefix("#/components/schemas/") {
        let target = if name == "Reason" {
            "#reasons".to_owned()
        } else {
            format!("#schema-{name}")
        };
        return html! { a href=(target) { (name) } };
    }
    if let Some(choices) = schema["oneOf"].as_array() {
        return html! { @for (at, choice) in choices.iter().enumerate() { @if at > 0 { " or " } (kind_of(choice)) } };
    }
    if let Some(choices) = schema["enum"].as_array() {
        return html! { @for (at, choice) in choices.iter().enumerate() { @if at > 0 { ", " } code { (choice.to_string()) } } };
    }
    if schema["type"] == "array" {
        return html! { "list of " (kind_of(&schema["items"])) };
    }
    match &schema["type"] {
        Value::String(kind) => html! { (kind) },
        Value::Array(kinds) => {
            html! { @for (at, kind) in kinds.iter().enumerate() { @if at > 0 { " or " } (text(kind)) } }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {
            html! { (schema["const"].as_str().unwrap_or("anything")) }
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let members = value.as_object().into_iter().flatten();
    members.map(|(name, value)| (name.as_str(), value))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn indented(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}
