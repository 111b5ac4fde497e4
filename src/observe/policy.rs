//! Events of what the operator's policy asks, and of webhooks.

use tracing::{debug, error, warn};

/// Somebody who has a say about payments could not be asked.
pub fn policy_unasked(cause: &str) {
    warn!(
        event = "policy_unasked",
        cause, "what the policy asks for could not be found out"
    );
}

pub fn webhook_delivered(endpoint: &str, id: &str, attempts: i64) {
    debug!(
        event = "webhook_delivered",
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        "a webhook was delivered"
    );
}

pub fn webhook_failed(endpoint: &str, id: &str, attempts: i64, problem: &str) {
    warn!(
        event = "webhook_failed",
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        problem,
        "a webhook was not delivered; it is sent again"
    );
}

pub fn webhook_dead(endpoint: &str, id: &str, attempts: i64, problem: &str) {
    error!(
        event = "webhook_dead",
        webhook.endpoint = endpoint,
        webhook.id = id,
        attempts,
        problem,
        "a webhook is given up: nobody took it"
    );
}
