//! Accepting connections, no more of them than allowed, and ending them in good order.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::connection::{self, Ends};
use super::seats::Seats;
use crate::{config, observe};

/// Pause after an accept that failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that had to be cut because their requests outlasted the drain.
    pub cut: usize,
}

/// Listens on the configured address. Port 0 asks the system for one: the address that is returned is the real one.
pub async fn bind(server: &config::Server) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((server.host, server.port)).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Serves until `shutdown`, then takes no new connection, lets requests under way finish within the drain timeout, and cuts the rest.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    server: &config::Server,
    shutdown: CancellationToken,
) -> Drained {
    let cut = CancellationToken::new();
    let seats = Seats::new(server);
    let ends = Ends {
        drain: shutdown.clone(),
        cut: cut.clone(),
        read_timeout: server.read_timeout,
        crowded: seats.crowded(),
    };
    let tracker = TaskTracker::new();
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accept(&listener, &router, &seats, &ends, &tracker) => {}
    }
    drop(listener);
    tracker.close();
    let _ = timeout(server.drain_timeout, tracker.wait()).await;
    let drained = Drained { cut: tracker.len() };
    cut.cancel();
    tracker.wait().await;
    drained
}

/// Never returns. Over the cap nobody is accepted: newcomers wait in the kernel's backlog. Whoever has too many already is closed at once,
/// and so does not stand in the way of others.
async fn accept(
    listener: &TcpListener,
    router: &Router,
    seats: &Seats,
    ends: &Ends,
    tracker: &TaskTracker,
) {
    let builder = Arc::new(connection::builder());
    loop {
        let free = seats.free().await;
        let (stream, peer) = next(listener).await;
        let peer = peer.ip().to_canonical();
        let Some(seat) = seats.give(free, peer) else {
            observe::too_many_connections();
            continue;
        };
        let (builder, router, ends) = (Arc::clone(&builder), router.clone(), ends.clone());
        tracker.spawn(async move {
            connection::serve(stream, peer, router, &builder, ends).await;
            drop(seat);
        });
    }
}

async fn next(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                // Answers are small; one that waits for more to send is only late. A socket that refuses is served all the same.
                let _ = stream.set_nodelay(true);
                return (stream, peer);
            }
            Err(error) if is_the_clients(&error) => {}
            Err(error) => {
                observe::cannot_accept(&error);
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the connection failed rather than the listener.
fn is_the_clients(error: &io::Error) -> bool {
    [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ]
    .contains(&error.kind())
}
