//! A plain client of any facilitator.

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::scratch;

#[derive(Debug, Clone)]
pub(crate) struct Client {
    base: String,
    client: reqwest::Client,
}

/// An answer; a body that is no JSON is null.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// The body as it came.
    pub(crate) text: String,
}

impl Answer {
    /// The body's `errorReason` or `invalidReason`, or nothing.
    pub(crate) fn reason(&self) -> &str {
        let reason = ["errorReason", "invalidReason"].map(|name| self.body[name].as_str());
        reason.into_iter().flatten().next().unwrap_or_default()
    }

    /// A header's value, or nothing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value.map_or("", |value| value.to_str().expect("headers are ASCII"))
    }
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            client: scratch::client(),
        }
    }

    pub(crate) async fn verify(&self, request: &Value) -> Answer {
        self.post("/verify", request).await
    }

    pub(crate) async fn settle(&self, request: &Value) -> Answer {
        self.post("/settle", request).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = self.client.get(format!("{}{path}", self.base));
        answer(request.send().await).await.expect("an HTTP answer")
    }

    /// Any request at all. The path goes out as it is written here.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let url = format!("{}{path}", self.base);
        let request = self.client.request(method, url).body(body);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        answer(request.send().await).await.expect("an HTTP answer")
    }

    async fn post(&self, path: &str, body: &Value) -> Answer {
        self.try_post(path, body).await.expect("an HTTP answer")
    }

    /// A body that need not be JSON.
    pub(crate) async fn post_text(&self, path: &str, body: &str) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base));
        let request = request.header("content-type", "application/json");
        let response = request.body(body.to_owned()).send().await;
        answer(response).await.expect("an HTTP answer")
    }

    /// A request that may meet a facilitator which is being killed.
    pub(crate) async fn try_post(
        &self,
        path: &str,
        body: &Value,
    ) -> Result<Answer, reqwest::Error> {
        let request = self.client.post(format!("{}{path}", self.base)).json(body);
        answer(request.send().await).await
    }
}

async fn answer(
    response: Result<reqwest::Response, reqwest::Error>,
) -> Result<Answer, reqwest::Error> {
    let response = response?;
    let (status, headers) = (response.status(), response.headers().clone());
    let bytes = response.bytes().await?;
    let body = serde_json::from_slice(&bytes).unwrap_or(Value::Null);
    Ok(Answer {
        status,
        headers,
        body,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    })
}
