//! Taking on queued payments: claim, simulate, sign, store, and only then send.

use std::time::Duration;

use tracing::Instrument;

use super::simulate::{Readings, Ready};
use super::{End, IN_FLIGHT_MAX, Lane};
use crate::chain::evm::fees;
use crate::chain::evm::transaction::{Call, Fee};
use crate::hooks::Point;
use crate::observe;
use crate::protocol::Amount;
use crate::signer::Signed;
use crate::store::{
    self, Attempt, InFlight, Lease, NewAttempt, Role, Settlement, Submission, Submitted,
};

/// How long a claim keeps other lanes away: longer than simulating and signing take.
const CLAIM: Duration = Duration::from_secs(20);
/// When a payment that could not be taken on now is looked at again.
const LATER: Duration = Duration::from_millis(500);
/// Payments that share a transaction.
const GROUP_MAX: usize = 1;

impl Lane {
    pub(super) async fn pull(&mut self, lease: &Lease) -> store::Result<Option<End>> {
        let until = self.chain.clock.now().plus(CLAIM);
        let room = u32::try_from(IN_FLIGHT_MAX - self.open.len()).unwrap_or(0);
        let store = self.chain.store.clone();
        let claimed = store
            .claim(&self.chain.config.network, &self.address, until, room)
            .await?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let Some(simulated) = self.simulate(lease, claimed).await? else {
            return Ok(None);
        };
        let ids = simulated
            .ready
            .iter()
            .map(|ready| ready.settlement.id.as_str());
        let span = observe::sending(&self.chain.config.network, &self.address, ids);
        let end = self
            .take_on(lease, &simulated.readings, &simulated.ready)
            .instrument(span)
            .await?;
        // Last: those who are ready do not wait for it.
        self.refuse(simulated.refused).await?;
        Ok(end)
    }

    /// Signs, stores and sends what is ready.
    async fn take_on(
        &mut self,
        lease: &Lease,
        readings: &Readings,
        ready: &[Ready],
    ) -> store::Result<Option<End>> {
        let Ok(fee) = fees::first(readings.market, self.chain.limits()) else {
            observe::too_dear(&self.chain.config.network);
            self.hand_back(ready.iter().map(|ready| &ready.settlement))
                .await?;
            return Ok(None);
        };
        let mut unsent = Vec::new();
        for group in ready.chunks(GROUP_MAX) {
            let gas = group.iter().map(|ready| ready.work.gas_limit).sum();
            if self.paused.is_some() || !self.affords(lease, readings, gas).await? {
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                continue;
            }
            unsent.extend(self.store_group(lease, group, fee).await?);
        }
        self.send_new(lease, unsent).await
    }

    /// Signs one transaction for the group and stores it. `None` when nothing was stored.
    async fn store_group(
        &mut self,
        lease: &Lease,
        group: &[Ready],
        fee: Fee,
    ) -> store::Result<Option<(String, Signed)>> {
        let [only] = group else { return Ok(None) };
        let call = Call {
            to: only.work.to,
            data: only.work.data.clone(),
            gas_limit: only.work.gas_limit,
        };
        let nonce = self.next_nonce;
        self.chain.hooks.reached(Point::NonceChosen).await;
        let signed = match self
            .signer
            .sign(call.unsigned(self.chain.config.chain_id, nonce, fee))
            .await
        {
            Ok(signed) => signed,
            Err(cause) => {
                observe::not_signed(&self.chain.config.network, &self.address, &cause);
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                return Ok(None);
            }
        };
        self.chain
            .hooks
            .reached(Point::Signed {
                raw: signed.raw.clone(),
            })
            .await;
        let attempt = NewAttempt {
            role: Role::Payment,
            hash: signed.hash.to_string(),
            raw: signed.raw.to_vec(),
            max_fee: fee.most(),
            priority_fee: fee.priority(),
        };
        let payments = group.iter().map(submission).collect();
        match self
            .chain
            .store
            .submit(lease, Some(nonce), attempt.clone(), payments)
            .await?
        {
            Submitted::Stored(id) => {
                self.next_nonce += 1;
                self.open_new(&id, nonce, attempt, group);
                self.chain.hooks.reached(Point::Stored).await;
                Ok(Some((id, signed)))
            }
            // Their requests gave them up while we simulated.
            Submitted::Gone(_) => Ok(None),
            Submitted::Crowded(_) => {
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                Ok(None)
            }
        }
    }

    /// Remembers what was just stored, as a read would find it.
    fn open_new(&mut self, id: &str, account_nonce: u64, attempt: NewAttempt, group: &[Ready]) {
        let attempt = Attempt {
            number: 0,
            role: attempt.role,
            hash: attempt.hash,
            raw: attempt.raw,
            max_fee: attempt.max_fee,
            priority_fee: attempt.priority_fee,
            created_at: self.chain.clock.now().0,
        };
        self.open.push(InFlight {
            id: id.to_owned(),
            signer: self.address.clone(),
            account_nonce: Some(account_nonce),
            was_sent: false,
            attempts: vec![attempt],
            live_until: group.iter().map(|ready| ready.settlement.expires_at).max(),
        });
    }

    /// Sends what was stored in one request, in account nonce order: a node may refuse what comes before its predecessor.
    async fn send_new(
        &mut self,
        lease: &Lease,
        unsent: Vec<(String, Signed)>,
    ) -> store::Result<Option<End>> {
        if unsent.is_empty() {
            return Ok(None);
        }
        let raws: Vec<_> = unsent.iter().map(|(_, signed)| &signed.raw).collect();
        let answers = self.chain.send_raw(&raws).await;
        let mut end = None;
        for ((id, signed), answers) in unsent.iter().zip(answers) {
            end = self
                .note_answers(lease, id, signed, &answers, true)
                .await?
                .or(end);
        }
        Ok(end)
    }

    /// Hands claims back; they may be claimed again a little later.
    pub(super) async fn hand_back(
        &self,
        settlements: impl Iterator<Item = &Settlement>,
    ) -> store::Result<()> {
        let from = self.chain.clock.now().plus(LATER);
        for settlement in settlements {
            self.chain
                .store
                .unclaim(&settlement.id, &self.address, from)
                .await?;
        }
        Ok(())
    }
}

fn submission(ready: &Ready) -> Submission {
    Submission {
        settlement_id: ready.settlement.id.clone(),
        asset: ready.settlement.asset.clone(),
        payer: ready.settlement.payer.clone(),
        balance: Amount::from(ready.balance),
    }
}
