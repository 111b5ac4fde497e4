//! One connection and its patience: how long it may be silent, how long a request's head may take, and how it ends.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a connection may wait for its next request. Longer than the 60 s of common load balancers, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// What a connection that was told to end may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(1);
const HEAD_BYTES: usize = 32 * 1024;
const STREAMS: u32 = 64;

/// The protocol server. Its own head timeout is only the outer one: it runs while a connection is idle too, and not while the version is found out.
pub(super) fn builder() -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(KEEP_ALIVE)
        .max_buf_size(HEAD_BYTES)
        .max_headers(64)
        .pipeline_flush(false);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(16 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(128)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(512 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(20));
    builder
}

/// When a connection must end although its client wishes otherwise.
#[derive(Clone)]
pub(super) struct Ends {
    /// Finish the request under way and take no other.
    pub(super) drain: CancellationToken,
    /// Out of time.
    pub(super) cut: CancellationToken,
    /// How long the head of a request may take.
    pub(super) read_timeout: Duration,
}

/// Serves one connection until its client leaves, its patience ends, or the server does.
pub(super) async fn serve(
    stream: TcpStream,
    router: Router,
    builder: &auto::Builder<TokioExecutor>,
    ends: Ends,
) {
    let activity = Activity::new();
    let watched = Watched {
        stream,
        activity: activity.clone(),
    };
    let answering = activity.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        answer(router.clone(), answering.clone(), request)
    });
    let patience = Patience {
        head: ends.read_timeout,
        idle: KEEP_ALIVE,
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(watched), service));
    tokio::select! {
        _ = &mut connection => return,
        () = ends.cut.cancelled() => return,
        () = ends.drain.cancelled() => connection.as_mut().graceful_shutdown(),
        () = activity.exhausted(patience) => {
            connection.as_mut().graceful_shutdown();
            // Whoever did not speak in time is not waited for.
            let _ = timeout(FAREWELL, connection).await;
            return;
        }
    }
    // Draining: a request under way may finish; a client that is silent or slow must not hold the process.
    tokio::select! {
        _ = &mut connection => {}
        () = ends.cut.cancelled() => {}
        () = activity.exhausted(Patience { head: FAREWELL, idle: FAREWELL }) => {}
    }
}

async fn answer(
    router: Router,
    activity: Activity,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let _answering = activity.answering(request.version());
    router.oneshot(request).await
}

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
struct Patience {
    /// From its first byte, or from connecting, to the end of a request's head.
    head: Duration,
    /// From one request to the next.
    idle: Duration,
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
struct Activity(watch::Sender<State>);

impl Activity {
    fn new() -> Self {
        Self(watch::Sender::new(State::default()))
    }

    /// Returns when one state has lasted longer than it may. Only a change of state buys time, so that dripping bytes buys none.
    async fn exhausted(&self, patience: Patience) {
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

    fn received(&self) {
        self.0.send_if_modified(|state| {
            let begins = state.answering == 0 && !state.receiving;
            state.receiving |= begins;
            begins
        });
    }

    fn answering(self, version: Version) -> Answering {
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
struct Answering(Activity);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| {
            state.answering -= 1;
            state.receiving = false;
        });
    }
}

/// A stream that tells when bytes come in.
struct Watched {
    stream: TcpStream,
    activity: Activity,
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        polled
    }
}

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
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
