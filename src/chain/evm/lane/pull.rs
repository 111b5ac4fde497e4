//! Taking on queued payments: claim, simulate, sign, store, and only then send.

use std::time::Duration;

use tracing::Instrument;

use super::simulate::{Readings, Ready};
use super::{End, IN_FLIGHT_MAX, Lane};
use crate::chain::evm::fees;
use crate::chain::evm::transaction::{Call, Fee};
use crate::chain::evm::work::Work;
use crate::hooks::Point;
use crate::observe;
use crate::protocol::Amount;
use crate::signer::{self, Signed};
use crate::store::{
    self, Attempt, InFlight, Lease, NewAttempt, Role, Settlement, Submission, Submitted,
};

/// How long a claim keeps other lanes away: longer than simulating and signing take.
const CLAIM: Duration = Duration::from_secs(20);
/// When a payment that could not be taken on now is looked at again.
const LATER: Duration = Duration::from_millis(500);
/// Payments that share a transaction.
const GROUP_MAX: usize = 1;

/// A transaction that was just signed and stored.
struct New {
    id: String,
    account_nonce: u64,
    signed: Signed,
    attempt: NewAttempt,
}

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
            let gas = group.iter().map(|ready| ready.work.gas()).sum();
            // A permit and its payment may be one too many together; never more, or payments with permits would wait for two places at once.
            let is_full = self.open.len() >= IN_FLIGHT_MAX;
            if is_full || self.paused.is_some() || !self.affords(lease, readings, gas).await? {
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                continue;
            }
            unsent.extend(self.store_group(lease, group, fee).await?);
        }
        self.send_new(lease, unsent).await
    }

    /// Signs one transaction for the group, after its permit where it has one, and stores what was signed. Empty when nothing was stored.
    async fn store_group(
        &mut self,
        lease: &Lease,
        group: &[Ready],
        fee: Fee,
    ) -> store::Result<Vec<(String, Signed)>> {
        let [only] = group else {
            return Ok(Vec::new());
        };
        let nonce = self.next_nonce;
        self.chain.hooks.reached(Point::NonceChosen).await;
        let permit = permit_call(&only.work);
        let payment = Call {
            to: only.work.to,
            data: only.work.data.clone(),
            gas_limit: only.work.gas_limit,
        };
        let permit = match permit {
            Some(call) => Some(self.sign_new(&call, Role::Permit, nonce, fee).await),
            None => None,
        };
        let payment_nonce = nonce + u64::from(permit.is_some());
        let payment = self
            .sign_new(&payment, Role::Payment, payment_nonce, fee)
            .await;
        let stored = match (permit.transpose(), payment) {
            (Ok(permit), Ok(payment)) => self.store_signed(lease, only, nonce, permit, payment),
            (Err(cause), _) | (_, Err(cause)) => {
                observe::not_signed(&self.chain.config.network, &self.address, &cause);
                self.hand_back(std::iter::once(&only.settlement)).await?;
                return Ok(Vec::new());
            }
        };
        match stored.await? {
            Submitted::Stored(stored) => {
                let unsent = stored
                    .iter()
                    .map(|new| (new.id.clone(), new.signed.clone()));
                let unsent = unsent.collect();
                for new in stored {
                    self.open_new(new, group);
                }
                self.chain.hooks.reached(Point::Stored).await;
                Ok(unsent)
            }
            // Their requests gave them up while we simulated.
            Submitted::Gone(_) => Ok(Vec::new()),
            Submitted::Crowded(_) => {
                self.hand_back(std::iter::once(&only.settlement)).await?;
                Ok(Vec::new())
            }
        }
    }

    async fn sign_new(
        &self,
        call: &Call,
        role: Role,
        account_nonce: u64,
        fee: Fee,
    ) -> Result<(Signed, NewAttempt), signer::Error> {
        let unsigned = call.unsigned(self.chain.config.chain_id, account_nonce, fee);
        let signed = self.signer.sign(unsigned).await?;
        let raw = signed.raw.clone();
        self.chain.hooks.reached(Point::Signed { raw }).await;
        let attempt = NewAttempt {
            role,
            hash: signed.hash.to_string(),
            raw: signed.raw.to_vec(),
            max_fee: fee.most(),
            priority_fee: fee.priority(),
        };
        Ok((signed, attempt))
    }

    /// Stores what was signed for one payment, in account nonce order from `account_nonce` on.
    async fn store_signed(
        &self,
        lease: &Lease,
        ready: &Ready,
        account_nonce: u64,
        permit: Option<(Signed, NewAttempt)>,
        payment: (Signed, NewAttempt),
    ) -> store::Result<Submitted<Vec<New>>> {
        let store = &self.chain.store;
        let submission = submission(ready);
        let new = |id, account_nonce, (signed, attempt)| New {
            id,
            account_nonce,
            signed,
            attempt,
        };
        let Some(permit) = permit else {
            let stored = store.submit(
                lease,
                Some(account_nonce),
                payment.1.clone(),
                vec![submission],
            );
            return Ok(stored
                .await?
                .map(|id| vec![new(id, account_nonce, payment)]));
        };
        let attempts = [permit.1.clone(), payment.1.clone()];
        let stored = store.submit_with_permit(lease, account_nonce, attempts, submission);
        Ok(stored.await?.map(|[first, second]| {
            vec![
                new(first, account_nonce, permit),
                new(second, account_nonce + 1, payment),
            ]
        }))
    }

    /// Remembers what was just stored, as a read would find it.
    fn open_new(&mut self, new: New, group: &[Ready]) {
        self.next_nonce = new.account_nonce + 1;
        let attempt = Attempt {
            number: 0,
            role: new.attempt.role,
            hash: new.attempt.hash,
            raw: new.attempt.raw,
            max_fee: new.attempt.max_fee,
            priority_fee: new.attempt.priority_fee,
            created_at: self.chain.clock.now().0,
        };
        self.open.push(InFlight {
            id: new.id,
            signer: self.address.clone(),
            account_nonce: Some(new.account_nonce),
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

fn permit_call(work: &Work) -> Option<Call> {
    let permit = work.permit.as_ref()?;
    Some(Call {
        to: work.to,
        data: permit.data.clone(),
        gas_limit: permit.gas_limit,
    })
}

fn submission(ready: &Ready) -> Submission {
    Submission {
        settlement_id: ready.settlement.id.clone(),
        asset: ready.settlement.asset.clone(),
        payer: ready.settlement.payer.clone(),
        balance: Amount::from(ready.balance),
    }
}
