//! A paid route in four languages, for the address and a network that are really served here.

use maud::{Markup, html};

/// What the examples are about.
pub(super) struct Place<'a> {
    pub(super) url: &'a str,
    pub(super) network: &'a str,
    /// Whether a bearer token is needed.
    pub(super) authentication: bool,
}

/// Writes an example.
type Write = fn(&Place<'_>) -> String;

/// Short name, name, example.
const LANGUAGES: [(&str, &str, Write); 4] = [
    ("ts", "TypeScript", typescript),
    ("py", "Python", python),
    ("go", "Go", go),
    ("rs", "Rust", rust),
];

/// Tabs that need no script: each is a choice, and shows what stands behind it.
pub(super) fn tabs(place: &Place<'_>) -> Markup {
    html! {
        div class="tabs" role="group" aria-labelledby="start" {
            @for (at, (id, name, text)) in LANGUAGES.iter().enumerate() {
                input type="radio" name="language" id=(id) checked[at == 0];
                label for=(id) { (name) }
                pre tabindex="0" aria-label={ "Example in " (name) } { code { (text(place)) } }
            }
        }
    }
}

fn fill(text: &str, place: &Place<'_>, auth: &str) -> String {
    let auth = if place.authentication { auth } else { "" };
    text.trim_start()
        .replace("AUTH", auth)
        .replace("NETWORK", place.network)
        .replace("URL", place.url)
}

pub(super) fn typescript(place: &Place<'_>) -> String {
    fill(
        r#"
// npm install express @x402/express @x402/core @x402/evm
import express from "express";
import { paymentMiddleware, x402ResourceServer } from "@x402/express";
import { HTTPFacilitatorClient } from "@x402/core/server";
import { ExactEvmScheme } from "@x402/evm/exact/server";

const facilitator = new HTTPFacilitatorClient({
  url: "URL",AUTH
});
const server = new x402ResourceServer(facilitator)
  .register("NETWORK", new ExactEvmScheme());

const app = express();
app.use(paymentMiddleware({
  "GET /weather": {
    description: "The weather",
    accepts: {
      scheme: "exact",
      network: "NETWORK",
      price: "$0.001",
      payTo: "0xYourAddress",
    },
  },
}, server));
app.get("/weather", (_, response) => response.json({ weather: "sunny" }));
app.listen(4021);"#,
        place,
        r"
  createAuthHeaders: async () => {
    const Authorization = `Bearer ${process.env.FACILITATOR_TOKEN}`;
    return { verify: { Authorization }, settle: { Authorization }, supported: {} };
  },",
    )
}

fn python(place: &Place<'_>) -> String {
    fill(
        r#"
# pip install "x402[fastapi,evm]" uvicornAUTH
from fastapi import FastAPI
from x402.http import FacilitatorConfig, HTTPFacilitatorClient, PaymentOption
from x402.http.middleware.fastapi import PaymentMiddlewareASGI
from x402.http.types import RouteConfig
from x402.mechanisms.evm.exact import ExactEvmServerScheme
from x402.server import x402ResourceServer

server = x402ResourceServer(HTTPFacilitatorClient(FacilitatorConfig(url="URL")))
server.register("NETWORK", ExactEvmServerScheme())

price = PaymentOption(
    scheme="exact", network="NETWORK", price="$0.001", pay_to="0xYourAddress"
)
app = FastAPI()
app.add_middleware(
    PaymentMiddlewareASGI,
    routes={"GET /weather": RouteConfig(accepts=[price], description="The weather")},
    server=server,
)

@app.get("/weather")
async def weather():
    return {"weather": "sunny"}"#,
        place,
        "\n# This facilitator needs a token: pass an auth provider with FacilitatorConfig.",
    )
}

fn go(place: &Place<'_>) -> String {
    fill(
        r#"
// go get github.com/x402-foundation/x402/go github.com/gin-gonic/ginAUTH
package main

import (
	"github.com/gin-gonic/gin"
	x402http "github.com/x402-foundation/x402/go/http"
	ginmw "github.com/x402-foundation/x402/go/http/gin"
	evm "github.com/x402-foundation/x402/go/mechanisms/evm/exact/server"
)

func main() {
	facilitator := x402http.NewHTTPFacilitatorClient(
		&x402http.FacilitatorConfig{URL: "URL"},
	)
	price := x402http.PaymentOption{
		Scheme: "exact", Network: "NETWORK", Price: "$0.001", PayTo: "0xYourAddress",
	}
	router := gin.Default()
	router.Use(ginmw.X402Payment(ginmw.Config{
		Routes: x402http.RoutesConfig{
			"GET /weather": {Accepts: x402http.PaymentOptions{price}},
		},
		Facilitator: facilitator,
		Schemes:     []ginmw.SchemeConfig{{Network: "NETWORK", Server: evm.NewExactEvmScheme()}},
	}))
	router.GET("/weather", func(c *gin.Context) { c.JSON(200, gin.H{"weather": "sunny"}) })
	router.Run(":4021")
}"#,
        place,
        "\n// This facilitator needs a token: set AuthProvider in FacilitatorConfig.",
    )
}

fn rust(place: &Place<'_>) -> String {
    fill(
        r#"
// Plain HTTP: what every client library does underneath.
// cargo add reqwest --features json; cargo add serde_json
use serde_json::{Value, json};

/// `payload`: the PAYMENT-SIGNATURE header, decoded. `requirements`: what your 402 asked for.
async fn paid(payload: &Value, requirements: &Value) -> reqwest::Result<bool> {
    let body = json!({
        "x402Version": 2,
        "paymentPayload": payload,
        "paymentRequirements": requirements, // network: "NETWORK"
    });
    let settled: Value = reqwest::Client::new()
        .post("URL/settle")AUTH
        .json(&body)
        .send()
        .await?
        .json()
        .await?;
    Ok(settled["success"] == true)
}"#,
        place,
        "\n        .bearer_auth(env!(\"FACILITATOR_TOKEN\"))",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_example_names_the_service_and_a_token_only_where_one_is_needed() {
        for (_, name, text) in LANGUAGES {
            let place = |authentication| Place {
                url: "https://pay.example/f",
                network: "eip155:84532",
                authentication,
            };
            let (open, closed) = (text(&place(false)), text(&place(true)));
            assert!(open.contains("https://pay.example/f"), "{name}");
            assert!(
                open.contains("eip155:84532") && !open.contains("AUTH"),
                "{name}"
            );
            assert!(
                open.len() < closed.len() && !open.contains("token"),
                "{name}"
            );
        }
    }
}
