//! Tasks and how they end. Everything is spawned here; a task that ends by itself drains the process and makes it exit with an error.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::observe;

/// How long tasks may take to stop once asked: a lane finishes its step, which may hang on one slow node. With the default notice and drain it
/// is 43 s from SIGTERM to the end at most, inside the 45 s that the deployment files give; a step that is cut is in the database.
const STOP_TIMEOUT: Duration = Duration::from_secs(8);

/// What asked the process to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: a platform, with load balancers that must notice first.
    Terminate,
    /// SIGINT: a person who waits.
    Interrupt,
}

/// The running tasks and the tokens that end them, in the order in which they are cancelled.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    tasks: TaskTracker,
    /// Nothing new is taken on; requests under way are finished.
    draining: CancellationToken,
    /// The door closes.
    closing: CancellationToken,
    /// Background tasks stop.
    stop: CancellationToken,
    failed: Arc<AtomicBool>,
}

impl Lifecycle {
    pub fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    pub fn closing(&self) -> CancellationToken {
        self.closing.clone()
    }

    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Whether a task ended that should not have.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Runs a task that must not end before the process does.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        self.tasks.spawn(async move {
            let ended = AssertUnwindSafe(task).catch_unwind().await;
            if ended.is_err() || !this.stop.is_cancelled() {
                observe::task_ended(name);
                this.failed.store(true, Ordering::SeqCst);
                this.draining.cancel();
            }
        });
    }

    /// Stops the background tasks and waits for them, at most so long.
    pub async fn stop(&self) {
        self.draining.cancel();
        self.closing.cancel();
        self.stop.cancel();
        self.tasks.close();
        if timeout(STOP_TIMEOUT, self.tasks.wait()).await.is_err() {
            observe::note(
                "some tasks did not stop in time; what they were doing is in the database",
            );
        }
    }
}

/// Waits for SIGTERM or SIGINT.
pub async fn signalled() -> Signal {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        observe::note("signals cannot be received; the process ends without draining");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => Signal::Terminate,
        _ = int.recv() => Signal::Interrupt,
    }
}

/// Waits for SIGHUP: a closed terminal, or somebody who wants files read again.
pub async fn hung_up() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut hangups) = signal(SignalKind::hangup()) else {
        observe::note("SIGHUP cannot be received");
        return std::future::pending().await;
    };
    if hangups.recv().await.is_none() {
        std::future::pending::<()>().await;
    }
}
