//! What a lane does first, after a start and whenever the chain contradicts it: the database and the chain decide the next account nonce.

use alloy::primitives::Bytes;
use tokio::time::sleep;

use super::{End, Lane, PAUSE_CHECK};
use crate::observe;
use crate::signer::Signed;
use crate::store::{self, Lease, NewAttempt, Role};

/// Most gaps that a lane closes by itself; more means that something else is wrong.
const GAPS_MAX: u64 = 100;

impl Lane {
    /// Reads where the account stands, closes gaps and sends every stored transaction again. False when the chain could not be asked.
    pub(super) async fn recover(&mut self, lease: &Lease) -> store::Result<bool> {
        let network = &self.chain.config.network;
        let account = self.signer.address();
        let nonces = futures::join!(
            self.chain.account_nonce(account, "latest"),
            self.chain.account_nonce(account, "pending")
        );
        // Not every node has a pending block.
        let (latest, pending) = match nonces {
            (Ok(latest), pending) => (latest, pending.unwrap_or(latest)),
            (Err(cause), _) => {
                observe::chain_trouble(network, &cause);
                return Ok(false);
            }
        };
        self.chain.store.unclaim_all(lease).await?;
        let state = self.chain.store.lane(network, &self.address).await?;
        if latest > state.next_nonce {
            if state.next_nonce > 0 {
                observe::foreign_nonces(network, &self.address, state.next_nonce, latest);
            }
            self.chain.store.skip_to_nonce(lease, latest).await?;
        }
        self.next_nonce = latest.max(state.next_nonce);
        self.paused = state.paused;
        self.reload().await?;
        if pending > self.next_nonce {
            self.pause(
                lease,
                "transactions that are not ours are pending from this signer",
            )
            .await?;
        }
        if !self.close_gaps(lease, latest).await? {
            return Ok(false);
        }
        for transaction in self.open.clone() {
            let Some(last) = transaction.attempts.last() else {
                continue;
            };
            observe::resumed(&self.chain.config.network, &last.hash);
            let stored = Signed {
                raw: Bytes::from(last.raw.clone()),
                hash: last
                    .hash
                    .parse()
                    .map_err(|_| store::Error::Inconsistent(format!("hash = {:?}", last.hash)))?,
            };
            self.send(lease, &transaction.id, &stored, false).await?;
        }
        Ok(true)
    }

    /// An account nonce that was taken but has no transaction would block all later ones: give each to nobody.
    async fn close_gaps(&mut self, lease: &Lease, latest: u64) -> store::Result<bool> {
        let upto = self.next_nonce.min(latest.saturating_add(GAPS_MAX));
        for nonce in latest..upto {
            let known = self
                .chain
                .store
                .has_transaction(&self.chain.config.network, &self.address, nonce)
                .await?;
            if known {
                continue;
            }
            let Ok(market) = self.chain.market().await else {
                return Ok(false);
            };
            let Ok(fee) = super::super::fees::first(market, self.chain.limits()) else {
                return Ok(false);
            };
            let call = self.chain.noop(self.signer.address()).await;
            let unsigned = call.unsigned(self.chain.config.chain_id, nonce, fee);
            let Ok(signed) = self.signer.sign(unsigned).await else {
                return Ok(false);
            };
            let attempt = NewAttempt {
                role: Role::Noop,
                hash: signed.hash.to_string(),
                raw: signed.raw.to_vec(),
                max_fee: fee.most(),
                priority_fee: fee.priority(),
            };
            self.chain.store.fill_gap(lease, nonce, &attempt).await?;
            observe::gap_closed(&self.chain.config.network, &self.address, nonce);
        }
        self.reload().await?;
        Ok(true)
    }

    /// Whether a paused lane may go on.
    pub(super) async fn reconsider(&mut self, lease: &Lease) -> store::Result<Option<End>> {
        sleep(PAUSE_CHECK).await;
        let signer = self.signer.address();
        let pending = self.chain.account_nonce(signer, "pending").await;
        let asked = futures::try_join!(
            self.chain.account_nonce(signer, "latest"),
            self.chain.rpc.read::<alloy::primitives::U256>(
                "eth_getBalance",
                serde_json::json!([signer, "latest"])
            ),
            self.chain.market()
        );
        let Ok((latest, balance, market)) = asked else {
            return Ok(None);
        };
        // Not every node has a pending block.
        let pending = pending.unwrap_or(latest);
        if latest > self.next_nonce {
            // What was not ours is in a block now: the account goes on after it.
            return Ok(Some(End::StartOver));
        }
        let spent = self
            .chain
            .store
            .spent_today(&self.chain.config.network, &self.address)
            .await?;
        if pending > self.next_nonce || !self.can_afford(balance, market, spent) {
            return Ok(None);
        }
        self.chain.store.pause(lease, None).await?;
        self.paused = None;
        observe::lane_resumed(&self.chain.config.network, &self.address);
        Ok(None)
    }
}
