//! A plain client of any facilitator.

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
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
    })
}
