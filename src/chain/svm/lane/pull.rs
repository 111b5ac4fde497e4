//! Taking on queued payments: claim, look once more, sign, store, and only then send.

use std::time::Duration;

use tracing::Instrument;

use super::simulate::{Claimed, Look};
use super::{IN_FLIGHT_MAX, Lane, Purse, TYPICAL_COST};
use crate::hooks::Point;
use crate::observe;
use crate::protocol::Amount;
use crate::store::{
    self, Attempt, InFlight, Lease, NewAttempt, Role, Settlement, Submission, Submitted,
};

/// How long a claim keeps others away: longer than simulating and signing take.
const CLAIM: Duration = Duration::from_secs(20);
/// When a payment that could not be taken on now is looked at again.
const LATER: Duration = Duration::from_millis(500);
/// Payments looked at together.
const CLAIM_MAX: usize = 16;

impl Lane {
    pub(super) async fn pull(&mut self, lease: &Lease) -> store::Result<()> {
        let until = self.chain.clock.now().plus(CLAIM);
        let room = (IN_FLIGHT_MAX - self.open.len()).min(CLAIM_MAX);
        let network = &self.chain.config.network;
        let rows = self
            .chain
            .store
            .claim(
                network,
                &self.address,
                until,
                u32::try_from(room).unwrap_or(0),
            )
            .await?;
        if rows.is_empty() {
            return Ok(());
        }
        let claimed = self.read_rows(rows).await?;
        let looks = claimed.iter().map(|claimed| self.look(claimed));
        let (purse, looks) = futures::join!(self.purse(), futures::future::join_all(looks));
        let Some(purse) = purse? else {
            for claimed in &claimed {
                self.hand_back(&claimed.settlement).await?;
            }
            return Ok(());
        };
        let ids = claimed.iter().map(|claimed| claimed.settlement.id.as_str());
        let span = observe::sending(network, &self.address, ids);
        self.take_on_all(lease, &claimed, looks, purse)
            .instrument(span)
            .await
    }

    async fn take_on_all(
        &mut self,
        lease: &Lease,
        claimed: &[Claimed],
        looks: Vec<Look>,
        purse: Purse,
    ) -> store::Result<()> {
        let mut unsent = Vec::new();
        for (claimed, look) in claimed.iter().zip(looks) {
            if let Some(transaction) = self.take_on(lease, claimed, look, purse).await? {
                self.open.push(transaction.clone());
                unsent.push(transaction);
            }
        }
        self.send(&unsent);
        Ok(())
    }

    /// Acts on a last look. `None` when nothing was stored.
    async fn take_on(
        &mut self,
        lease: &Lease,
        claimed: &Claimed,
        look: Look,
        purse: Purse,
    ) -> store::Result<Option<InFlight>> {
        let settlement = &claimed.settlement;
        let balance = match look {
            Look::Ready { balance } => balance,
            Look::Refused { reason, message } => {
                let store = &self.chain.store;
                store
                    .release(&settlement.id, reason, Some(&message))
                    .await?;
                return Ok(None);
            }
            Look::Purse => {
                // The balance was read beside the simulation: it may have been filled up in between.
                if let Some(why) = self.objection(purse, TYPICAL_COST) {
                    self.pause(lease, why).await?;
                }
                self.hand_back(settlement).await?;
                return Ok(None);
            }
            Look::Unclear => {
                self.hand_back(settlement).await?;
                return Ok(None);
            }
        };
        if let Some(why) = self.objection(purse, claimed.cost) {
            self.pause(lease, why).await?;
            self.hand_back(settlement).await?;
            return Ok(None);
        }
        self.sign_and_store(lease, claimed, balance).await
    }

    async fn sign_and_store(
        &self,
        lease: &Lease,
        claimed: &Claimed,
        balance: u64,
    ) -> store::Result<Option<InFlight>> {
        let Claimed {
            settlement, work, ..
        } = claimed;
        let signature = match self.signer.sign(&work.message).await {
            Ok(signature) => signature,
            Err(cause) => {
                observe::not_signed(&self.chain.config.network, &self.address, &cause);
                self.hand_back(settlement).await?;
                return Ok(None);
            }
        };
        let raw = work.wire(&signature);
        let signed = Point::Signed {
            raw: raw.clone().into(),
        };
        self.chain.hooks.reached(signed).await;
        let attempt = NewAttempt {
            role: Role::Payment,
            hash: signature.to_string(),
            raw,
            max_fee: u128::from(claimed.cost),
            priority_fee: 0,
        };
        let payment = Submission {
            settlement_id: settlement.id.clone(),
            asset: settlement.asset.clone(),
            payer: settlement.payer.clone(),
            balance: Amount::from(balance),
        };
        let store = &self.chain.store;
        match store
            .submit(lease, None, attempt.clone(), vec![payment])
            .await?
        {
            Submitted::Stored(id) => {
                self.chain.hooks.reached(Point::Stored).await;
                Ok(Some(self.in_flight(id, attempt, settlement)))
            }
            // Its request gave it up while we simulated.
            Submitted::Gone(_) => Ok(None),
            Submitted::Crowded(_) => {
                self.hand_back(settlement).await?;
                Ok(None)
            }
        }
    }

    /// What was just stored, as a read would find it.
    fn in_flight(&self, id: String, attempt: NewAttempt, settlement: &Settlement) -> InFlight {
        let attempt = Attempt {
            number: 0,
            role: attempt.role,
            hash: attempt.hash,
            raw: attempt.raw,
            max_fee: attempt.max_fee,
            priority_fee: attempt.priority_fee,
            created_at: self.chain.clock.now().0,
        };
        InFlight {
            id,
            signer: self.address.clone(),
            account_nonce: None,
            was_sent: false,
            attempts: vec![attempt],
            live_until: Some(settlement.expires_at),
        }
    }

    /// Hands a claim back; it may be claimed again a little later.
    async fn hand_back(&self, settlement: &Settlement) -> store::Result<()> {
        let from = self.chain.clock.now().plus(LATER);
        let store = &self.chain.store;
        store.unclaim(&settlement.id, &self.address, from).await
    }
}
