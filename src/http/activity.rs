//! Who is waited for on a connection, and for how long.

use std::time::Duration;

use axum::http::Version;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

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
    /// Either, while seats are scarce.
    pub(super) crowded: Duration,
}

impl Patience {
    /// The same for everything.
    pub(super) fn of(time: Duration) -> Self {
        Self {
            head: time,
            idle: time,
            crowded: time,
        }
    }
}

impl State {
    /// How long this state may last; `None` while it is we who are waited for.
    fn limit(self, patience: Patience, is_crowded: bool) -> Option<Duration> {
        if self.answering > 0 {
            return None;
        }
        let in_a_head = !self.met || (self.receiving && !self.multiplexed);
        let limit = if in_a_head {
            patience.head
        } else {
            patience.idle
        };
        Some(if is_crowded {
            limit.min(patience.crowded)
        } else {
            limit
        })
    }
}

/// Waits for a change; for good, once nobody can make one any more.
async fn noticed(crowded: &mut watch::Receiver<bool>) {
    if crowded.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[derive(Clone)]
pub(super) struct Activity(watch::Sender<State>);

impl Activity {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Returns when one state has lasted longer than it may. Only a change of state buys time, so that dripping bytes buys none.
    pub(super) async fn exhausted(&self, patience: Patience, mut crowded: watch::Receiver<bool>) {
        let mut states = self.0.subscribe();
        let (mut state, mut since) = (*states.borrow_and_update(), Instant::now());
        loop {
            let limit = state.limit(patience, *crowded.borrow_and_update());
            let out_of_time = async {
                match limit {
                    Some(limit) => sleep_until(since + limit).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // `self` holds the sender, so this cannot fail.
                _ = states.changed() => {
                    (state, since) = (*states.borrow_and_update(), Instant::now());
                }
                () = noticed(&mut crowded) => {}
                () = out_of_time => return,
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
    const CROWDED: Duration = Duration::from_secs(1);

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
                crowded: CROWDED,
            };
            assert_eq!(state.limit(given, false), patience, "{state:?}");
            let crowded = patience.map(|_| CROWDED);
            assert_eq!(state.limit(given, true), crowded, "{state:?}");
        }
    }

    #[tokio::test]
    async fn dripping_bytes_buys_no_time() {
        let activity = Activity::new();
        let patience = Patience {
            head: Duration::from_millis(80),
            idle: Duration::from_mins(1),
            crowded: Duration::from_mins(1),
        };
        let (_room, crowded) = watch::channel(false);
        let drip = async {
            loop {
                activity.received();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            () = activity.exhausted(patience, crowded) => {}
            () = drip => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("still patient"),
        }
    }

    #[tokio::test]
    async fn whoever_idles_goes_when_seats_become_scarce() {
        let activity = Activity::new();
        drop(activity.clone().answering(Version::HTTP_11));
        let patience = Patience {
            head: Duration::from_mins(1),
            idle: Duration::from_mins(1),
            crowded: Duration::from_millis(50),
        };
        let (room, crowded) = watch::channel(false);
        let crowd = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            room.send_replace(true);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = activity.exhausted(patience, crowded) => {}
            () = crowd => {}
            () = tokio::time::sleep(Duration::from_secs(5)) => panic!("still patient"),
        }
    }
}
