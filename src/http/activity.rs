//! Who is waited for on a connection, and for how long.

use std::time::Duration;

use axum::http::Version;
use tokio::sync::watch;
use tokio::time::timeout;

/// What the client is doing, as far as patience goes.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// Requests under way.
    answering: usize,
    /// Whether the first head of this connection has been read.
    met: bool,
    /// Whether bytes have come in since the last request.
    receiving: bool,
    /// HTTP/2 sends bytes that begin no request.
    multiplexed: bool,
}

/// How long a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// From its first byte, or from connecting, to the end of a request's head.
    pub(super) head: Duration,
    /// From one request to the next.
    pub(super) idle: Duration,
}

impl State {
    /// How long this state may last; `None` while it is we who are waited for.
    fn limit(self, patience: Patience) -> Option<Duration> {
        if self.answering > 0 {
            return None;
        }
        let in_a_head = !self.met || (self.receiving && !self.multiplexed);
        Some(if in_a_head {
            patience.head
        } else {
            patience.idle
        })
    }
}

#[derive(Clone)]
pub(super) struct Activity(watch::Sender<State>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Returns when one state has lasted longer than it may. Only a change of state buys time, so that dripping bytes buys none.
    pub(super) async fn exhausted(&self, patience: Patience) {
        let mut states = self.0.subscribe();
        loop {
            let state = *states.borrow_and_update();
            let changed = states.changed();
            // `self` holds the sender, so `changed` cannot fail.
            match state.limit(patience) {
                None => drop(changed.await),
                Some(limit) if timeout(limit, changed).await.is_err() => return,
                Some(_) => {}
            }
        }
    }

    pub(super) fn received(&self) {
        self.0.send_if_modified(|state| {
            let begins = state.answering == 0 && !state.receiving;
            state.receiving |= begins;
            begins
        });
    }

    pub(super) fn answering(self, version: Version) -> Answering {
        self.0.send_modify(|state| {
            state.answering += 1;
            state.met = true;
            state.receiving = false;
            state.multiplexed = version == Version::HTTP_2;
        });
        Answering(self)
    }
}

/// A request under way, until dropped.
pub(super) struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| {
            state.answering -= 1;
            state.receiving = false;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    #[test]
    fn patience_depends_on_who_is_waited_for() {
        let met = State {
            met: true,
            ..State::default()
        };
        for (state, patience) in [
            (State::default(), Some(HEAD)),
            (
                State {
                    receiving: true,
                    ..State::default()
                },
                Some(HEAD),
            ),
            (met, Some(IDLE)),
            (
                State {
                    receiving: true,
                    ..met
                },
                Some(HEAD),
            ),
            (
                State {
                    receiving: true,
                    multiplexed: true,
                    ..met
                },
                Some(IDLE),
            ),
            (
                State {
                    answering: 1,
                    receiving: true,
                    ..met
                },
                None,
            ),
        ] {
            let given = Patience {
                head: HEAD,
                idle: IDLE,
            };
            assert_eq!(state.limit(given), patience, "{state:?}");
        }
    }

    #[tokio::test]
    async fn dripping_bytes_buys_no_time() {
        let activity = Activity::new();
        let patience = Patience {
            head: Duration::from_millis(80),
            idle: Duration::from_mins(1),
        };
        let drip = async {
            loop {
                activity.received();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = activity.exhausted(patience) => {}
            () = drip => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("still patient"),
        }
    }
}
