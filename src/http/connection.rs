//! One connection and its patience: how long it may be silent, how long a request's head may take, and how it ends.

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response};
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

use super::activity::{Activity, Patience};
use super::auth::Peer;
use super::seats::Crowd;

/// How long a connection may wait for its next request. Longer than the 60 s of common load balancers, so that they close first.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long it may wait for its next request, or for the head of one, while others wait for its seat.
const CROWDED: Duration = Duration::from_secs(1);
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
    /// Whether seats are scarce.
    pub(super) crowded: watch::Receiver<bool>,
}

/// Serves one connection until its client leaves, its patience ends, or the server does.
pub(super) async fn serve(
    stream: TcpStream,
    peer: IpAddr,
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
    let crowd = ends.crowded.clone();
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(Crowd(crowd.clone()));
        answer(router.clone(), answering.clone(), request)
    });
    let patience = Patience {
        head: ends.read_timeout,
        idle: KEEP_ALIVE,
        crowded: CROWDED,
    };
    let mut connection = pin!(builder.serve_connection(TokioIo::new(watched), service));
    tokio::select! {
        _ = &mut connection => return,
        () = ends.cut.cancelled() => return,
        () = ends.drain.cancelled() => connection.as_mut().graceful_shutdown(),
        () = activity.exhausted(patience, ends.crowded.clone()) => {
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
        () = activity.exhausted(Patience::of(FAREWELL), ends.crowded) => {}
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
