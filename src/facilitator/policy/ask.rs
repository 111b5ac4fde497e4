//! Questions to whoever the operator named: the preflight of the facilitator that this one replaces, and hooks. Signed where there is a
//! secret, bounded in time, and no answer is no yes unless the operator wants it so.

use serde::{Deserialize, Serialize};

use super::Terms;
use crate::clock::Clock;
use crate::config::policy::Asked;
use crate::egress::Egress;
use crate::protocol::Reason;
use crate::scheme::Rejection;
use crate::webhook::{Message, SigningSecret};

/// Longest reason that is passed on, characters.
const REASON_LIMIT: usize = 200;

/// How questions are asked.
pub struct Questions {
    egress: Egress,
    signing: Vec<SigningSecret>,
    clock: Clock,
}

/// What a hook is asked about.
pub(super) struct About<'a> {
    pub(super) terms: &'a Terms<'a>,
    pub(super) payer: &'a str,
    pub(super) caller: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PreflightBody<'a> {
    pay_to: &'a str,
    network: &'a str,
    amount: String,
    asset: &'a str,
}

#[derive(Serialize)]
struct HookBody<'a> {
    r#type: &'a str,
    timestamp: String,
    data: HookData<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HookData<'a> {
    scheme: &'a str,
    network: &'a str,
    asset: &'a str,
    pay_to: &'a str,
    amount: String,
    /// As the payload claims: the chain was not asked yet.
    payer: &'a str,
    caller: &'a str,
}

/// What may be answered; anything else in it means nothing.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Verdict {
    allow: Option<bool>,
    abort: Option<bool>,
    reason: Option<String>,
}

/// What came back.
enum Reply {
    Yes,
    /// With the reason, where one was given.
    No(Option<String>),
    /// 403, which needs no body.
    Forbidden,
    Status(u16),
    Failed(String),
}

impl Questions {
    pub fn new(egress: Egress, signing: Vec<SigningSecret>, clock: Clock) -> Self {
        Self {
            egress,
            signing,
            clock,
        }
    }

    /// The texts are those of the facilitator that this one replaces.
    pub(super) async fn preflight(
        &self,
        asked: &Asked,
        terms: &Terms<'_>,
    ) -> Result<(), Rejection> {
        let body = PreflightBody {
            pay_to: terms.pay_to,
            network: terms.wire_network,
            amount: terms.amount.to_string(),
            asset: terms.asset,
        };
        let body = serde_json::to_string(&body).expect("plain data is JSON");
        let denied =
            |message: String| Err(Rejection::new(Reason::PolicyPreflightDenied).because(message));
        match self.post(asked, body).await {
            Reply::Yes => Ok(()),
            Reply::No(reason) => denied(reason.unwrap_or_else(|| "preflight denied".to_owned())),
            Reply::Forbidden => denied("preflight denied (HTTP 403)".to_owned()),
            Reply::Status(status) => unasked(asked, format!("preflight error HTTP {status}")),
            Reply::Failed(cause) => unasked(asked, format!("preflight request failed: {cause}")),
        }
    }

    /// A hook that is not set lets everything through.
    pub(super) async fn hook(
        &self,
        name: &str,
        asked: Option<&Asked>,
        about: &About<'_>,
    ) -> Result<(), Rejection> {
        let Some(asked) = asked else { return Ok(()) };
        let body = HookBody {
            r#type: name,
            timestamp: self.clock.now().to_rfc3339(),
            data: HookData {
                scheme: about.terms.scheme,
                network: about.terms.wire_network,
                asset: about.terms.asset,
                pay_to: about.terms.pay_to,
                amount: about.terms.amount.to_string(),
                payer: about.payer,
                caller: about.caller,
            },
        };
        let body = serde_json::to_string(&body).expect("plain data is JSON");
        let denied =
            |message: String| Err(Rejection::new(Reason::PolicyHookDenied).because(message));
        match self.post(asked, body).await {
            Reply::Yes => Ok(()),
            Reply::No(reason) => denied(reason.unwrap_or_else(|| format!("{name} aborted"))),
            Reply::Forbidden => denied(format!("{name} aborted (HTTP 403)")),
            Reply::Status(status) => unasked(asked, format!("{name} error HTTP {status}")),
            Reply::Failed(cause) => unasked(asked, format!("{name} request failed: {cause}")),
        }
    }

    async fn post(&self, asked: &Asked, body: String) -> Reply {
        let id = format!("msg_{}", uuid::Uuid::now_v7());
        let message = Message {
            id: &id,
            body: &body,
        };
        let headers = message.headers(&self.signing, self.clock.now());
        let answer = self.egress.post(&asked.url, &headers, body, asked.timeout);
        match answer.await {
            Err(failure) => Reply::Failed(failure.to_string()),
            Ok(answer) => read(answer.status, &answer.body),
        }
    }
}

fn read(status: u16, body: &[u8]) -> Reply {
    match status {
        403 => return Reply::Forbidden,
        200..=299 => {}
        _ => return Reply::Status(status),
    }
    if body.iter().all(u8::is_ascii_whitespace) {
        return Reply::Yes;
    }
    let Ok(verdict) = serde_json::from_slice::<Verdict>(body) else {
        return Reply::Failed("the answer is no JSON object".to_owned());
    };
    if verdict.allow == Some(false) || verdict.abort == Some(true) {
        let reason = verdict.reason.map(|reason| tidy(&reason));
        return Reply::No(reason.filter(|reason| !reason.is_empty()));
    }
    Reply::Yes
}

/// Text of somebody else's, on its way into an answer of ours.
fn tidy(reason: &str) -> String {
    let printable = reason.chars().filter(|c| !c.is_control());
    printable.take(REASON_LIMIT).collect()
}

/// Not asked is not refused: the caller may try again.
fn unasked(asked: &Asked, message: String) -> Result<(), Rejection> {
    crate::observe::policy_unasked(&message);
    if asked.fail_open {
        return Ok(());
    }
    Err(Rejection::new(Reason::PolicyUnavailable).because(message))
}
