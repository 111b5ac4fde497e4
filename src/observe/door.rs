//! Events of the door: requests and connections.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use tracing::{debug, error, info, warn};

use super::metrics::catalogue::{HTTP_ACTIVE, HTTP_REQUESTS, VIOLATIONS};
use super::repeats::Repeats;

static ACTIVE: AtomicI64 = AtomicI64::new(0);
static REPEATS: Repeats = Repeats::new();

pub fn listening(address: SocketAddr) {
    info!(event = "listening", %address, "Facilitator listening");
}

pub fn metrics_listening(address: SocketAddr) {
    info!(event = "metrics_listening", metrics = %address, "metrics are told");
}

pub fn cannot_accept(cause: &std::io::Error) {
    if let Some(left_out) = REPEATS.say("cannot_accept", &[&cause.kind().to_string()]) {
        warn!(event = "cannot_accept", %cause, left_out, "connections cannot be accepted");
    }
}

/// A request under way, until dropped: also when its client leaves.
#[derive(Debug)]
pub struct Arrived(());

/// A request came in.
pub fn arrived() -> Arrived {
    told(ACTIVE.fetch_add(1, Ordering::Relaxed) + 1);
    Arrived(())
}

impl Drop for Arrived {
    fn drop(&mut self) {
        told(ACTIVE.fetch_sub(1, Ordering::Relaxed) - 1);
    }
}

fn told(active: i64) {
    HTTP_ACTIVE.note(super::float(active.unsigned_abs().into()), []);
}

/// A request was answered. `method` and `route` are from closed sets. Probes are counted and not logged: they would be most of the log.
pub fn answered(
    method: &'static str,
    route: &'static str,
    status: u16,
    latency: Duration,
    is_probe: bool,
) {
    HTTP_REQUESTS.took(latency, [method, route, &status.to_string()]);
    if is_probe {
        return;
    }
    let latency_ms = u64::try_from(latency.as_millis()).unwrap_or(u64::MAX);
    debug!(
        event = "answered",
        http.status = status,
        latency_ms,
        "a request was answered"
    );
}

pub fn panicked(route: &str) {
    VIOLATIONS.count(["panic"]);
    error!(
        event = "panicked",
        http.route = route,
        "a panic while answering a request"
    );
}

/// At debug level: whoever does this does it often.
pub fn too_many_connections() {
    debug!(
        event = "too_many_connections",
        "a connection was closed: its address has too many"
    );
}

/// A request met a limit; at debug level, for there may be many.
pub fn limited(network: &str, reason: &str) {
    debug!(
        event = "limited",
        payment.network = network,
        reason,
        "a request met a limit of this service"
    );
}
