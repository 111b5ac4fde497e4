//! The money path: supported, verify, settle, and what is on record. (A stand-in with the final surface, so that `http` compiles.)

pub mod answer;
mod caller;
mod view;

use crate::protocol::response::{SupportedKind, SupportedResponse};
use crate::protocol::{Network, request};
use crate::scheme::Rejection;

pub use answer::{Answer, Outcome, Verdict};
pub use caller::Caller;
pub use view::{Check, Readiness, SettlementView};

pub struct Facilitator;

pub struct Request<'a> {
    pub body: &'a [u8],
    pub caller: &'a Caller,
    pub idempotency_key: Option<&'a str>,
}

#[derive(Debug)]
pub struct Unavailable;

#[expect(
    clippy::unused_async,
    reason = "a stand-in: the real one asks the store and the chain"
)]
impl Facilitator {
    pub fn supported(&self) -> SupportedResponse {
        let kind = |version, network: &str| SupportedKind {
            version,
            scheme: "exact",
            network: network.to_owned(),
            extra: None,
        };
        SupportedResponse {
            kinds: vec![kind(2, "eip155:84532"), kind(1, "base-sepolia")],
            extensions: vec!["eip2612GasSponsoring".to_owned()],
            signers: [(
                "eip155:*".to_owned(),
                vec!["0x0000000000000000000000000000000000000001".to_owned()],
            )]
            .into(),
        }
    }

    pub async fn verify(&self, request: Request<'_>) -> Answer<Verdict> {
        match read(&request) {
            Err((network, rejection)) => Answer {
                network,
                verdict: Verdict::Rejected(rejection),
            },
            Ok(network) => Answer {
                network,
                verdict: Verdict::Unavailable("http://node/secret".to_owned()),
            },
        }
    }

    pub async fn settle(&self, request: Request<'_>) -> Answer<Outcome> {
        match read(&request) {
            Err((network, rejection)) => Answer {
                network,
                verdict: Outcome::Rejected {
                    rejection,
                    transaction: None,
                },
            },
            Ok(network) => Answer {
                network,
                verdict: Outcome::Unavailable("http://node/secret".to_owned()),
            },
        }
    }

    pub async fn settlements(&self, _reference: &str) -> Result<Vec<SettlementView>, Unavailable> {
        Ok(Vec::new())
    }

    pub async fn readiness(&self) -> Readiness {
        let check = Check {
            name: "store".to_owned(),
            ok: true,
            detail: "reachable".to_owned(),
        };
        Readiness {
            ready: true,
            draining: false,
            checks: vec![check],
        }
    }
}

fn read(request: &Request<'_>) -> Result<String, (String, Rejection)> {
    let payment = request::parse(request.body, |name| {
        (name == "base-sepolia").then(|| Network::eip155(84532))
    });
    payment
        .map(|payment| payment.wire_network)
        .map_err(|m| (m.network, Rejection::new(m.reason).because(m.message)))
}
