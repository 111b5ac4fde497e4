//! A Solana node for tests: the JSON-RPC of a real one before litesvm, which runs the real System, Token, Token-2022, Associated Token and
//! Memo programs. Slots pass when a transaction lands and when a test says so, never by themselves: nothing expires under a slow test.
//!
//! `ledger [--genesis HASH]` prints its URL when it listens, and ends when its standard input does. It also stands in for local validators:
//! see [`arguments`].

mod accounts;
mod arguments;
mod chain;
mod controls;
mod history;
mod ledger;
mod params;
mod rpc;
mod transactions;
mod wallets;

use std::sync::{Arc, Mutex};

use axum::extract::{DefaultBodyLimit, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use tokio::io::AsyncReadExt;

use crate::arguments::Arguments;
use crate::ledger::Ledger;

type Shared = Arc<Mutex<Ledger>>;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let arguments = Arguments::read(std::env::args().skip(1)).map_err(std::io::Error::other)?;
    let (listener, _others) = arguments.settle_down().await?;
    let genesis = arguments.genesis.clone();
    let ledger: Shared = Arc::new(Mutex::new(Ledger::new(genesis)));
    println!("http://{}", listener.local_addr()?);
    let service = Router::new()
        .route("/", post(serve))
        .layer(DefaultBodyLimit::max(1 << 20))
        .with_state(ledger);
    tokio::select! {
        served = axum::serve(listener, service) => served,
        () = leash(), if arguments.is_leashed => Ok(()),
    }
}

/// Ends with our standard input: the kernel closes that pipe however our parent ends.
async fn leash() {
    let mut nothing = [0; 64];
    let mut input = tokio::io::stdin();
    while input.read(&mut nothing).await.is_ok_and(|read| read > 0) {}
    // A blocking read of standard input would keep the runtime from ending.
    std::process::exit(0);
}

async fn serve(State(ledger): State<Shared>, Json(asked): Json<Value>) -> Json<Value> {
    let mut ledger = ledger.lock().expect("no call panicked");
    Json(rpc::answer(&mut ledger, &asked))
}
