//! Who may be connected: so many in all, so many of one address, and less patience with the idle when seats get scarce.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::sleep;

use crate::config::{Cidr, Server};

#[derive(Debug)]
pub(super) struct Seats {
    free: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    of_one: usize,
    /// Who may have any number: proxies speak for many.
    trusted: Vec<Cidr>,
    /// Whether this machine's own connections are counted per address.
    counts_loopback: bool,
    taken: Mutex<Taken>,
    crowded: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    /// Never larger than `all`.
    by_address: HashMap<IpAddr, usize>,
}

/// Whether seats are scarce, as a request may ask.
#[derive(Debug, Clone)]
pub(super) struct Crowd(pub(super) watch::Receiver<bool>);

impl Crowd {
    /// Ends once seats have been scarce for so long at a stretch.
    pub(super) async fn lasts(mut self, time: Duration) {
        loop {
            // Nobody is left who could fill the seats.
            if self.0.wait_for(|crowded| *crowded).await.is_err() {
                return std::future::pending().await;
            }
            tokio::select! {
                () = sleep(time) => return,
                _ = self.0.wait_for(|crowded| !*crowded) => {}
            }
        }
    }
}

/// One connection's place, until dropped.
#[derive(Debug)]
pub(super) struct Seat {
    address: IpAddr,
    shared: Arc<Shared>,
    _free: OwnedSemaphorePermit,
}

impl Seats {
    pub(super) fn new(server: &Server) -> Self {
        let most = server.max_connections.min(Semaphore::MAX_PERMITS);
        let of_one = server.max_connections_per_address;
        Self {
            free: Arc::new(Semaphore::new(most)),
            shared: Arc::new(Shared {
                most,
                of_one: of_one.unwrap_or(most / 4).max(1),
                trusted: server.trusted_proxies.clone(),
                counts_loopback: of_one.is_some(),
                taken: Mutex::default(),
                crowded: watch::Sender::new(false),
            }),
        }
    }

    /// Whether fewer than a quarter of the seats are left.
    pub(super) fn crowded(&self) -> watch::Receiver<bool> {
        self.shared.crowded.subscribe()
    }

    /// Waits until a seat is free.
    pub(super) async fn free(&self) -> OwnedSemaphorePermit {
        Arc::clone(&self.free)
            .acquire_owned()
            .await
            .expect("the seats are never closed")
    }

    /// `None` when the address has as many as it may.
    pub(super) fn give(&self, free: OwnedSemaphorePermit, address: IpAddr) -> Option<Seat> {
        let shared = &self.shared;
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.by_address.get(&address).copied().unwrap_or(0);
        if count >= shared.of_one && shared.is_counted(address) {
            return None;
        }
        taken.by_address.insert(address, count + 1);
        taken.all += 1;
        shared.tell(&taken);
        drop(taken);
        Some(Seat {
            address,
            shared: Arc::clone(shared),
            _free: free,
        })
    }
}

impl Shared {
    fn is_counted(&self, address: IpAddr) -> bool {
        let is_trusted = self.trusted.iter().any(|range| range.contains(address));
        !is_trusted && (self.counts_loopback || !address.is_loopback())
    }

    fn tell(&self, taken: &Taken) {
        let left = self.most.saturating_sub(taken.all);
        let is_crowded = left < self.most.div_ceil(4);
        self.crowded
            .send_if_modified(|was| std::mem::replace(was, is_crowded) != is_crowded);
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let shared = &self.shared;
        let mut taken = shared.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        match taken.by_address.get_mut(&self.address) {
            Some(count) if *count > 1 => *count -= 1,
            Some(_) | None => {
                taken.by_address.remove(&self.address);
            }
        }
        shared.tell(&taken);
    }
}
