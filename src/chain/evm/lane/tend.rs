//! What a lane does with transactions that wait: send again, raise the fee, or give the account nonce to nobody.

use std::time::Duration;

use alloy::primitives::Bytes;
use serde_json::json;

use super::{End, Lane};
use crate::chain::evm::broadcast::Class;
use crate::chain::evm::fees::{self, Market};
use crate::chain::evm::transaction::{Call, decode};
use crate::observe;
use crate::signer::Signed;
use crate::store::{self, Attempt, InFlight, Lease, NewAttempt, Role};

/// Most attempts at one account nonce.
const ATTEMPTS_MAX: usize = 50;
/// Stop bidding for a payment that close to the end of its window.
const EXPIRY_MARGIN_SECONDS: i64 = 6;
/// A payment without an end to its window is given up after this long without a receipt.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

/// What a waiting transaction needs now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    Nothing,
    SendAgain,
    RaiseFee,
    /// Nobody can be paid by it any more: occupy its account nonce with a noop.
    Noop,
}

impl Lane {
    pub(super) async fn tend(&mut self, lease: &Lease) -> store::Result<Option<End>> {
        let mut market: Option<Market> = None;
        for transaction in self.open.clone() {
            let need = self.need(&transaction);
            if need == Need::Nothing {
                continue;
            }
            let Some(last) = transaction.attempts.last() else {
                continue;
            };
            if need != Need::SendAgain {
                if market.is_none() {
                    // A node may take bytes behind a gap and never say so: no bid helps then.
                    if self.is_behind_a_gap().await {
                        return Ok(Some(End::StartOver));
                    }
                    market = self.chain.market().await.ok();
                }
                let Some(market) = market else { continue };
                if let Some(signed) = self.replace(lease, &transaction, need, market).await? {
                    self.send(lease, &transaction.id, &signed, false).await?;
                    continue;
                }
            }
            let signed = Signed {
                raw: Bytes::from(last.raw.clone()),
                hash: last
                    .hash
                    .parse()
                    .map_err(|_| store::Error::Inconsistent(format!("hash = {:?}", last.hash)))?,
            };
            self.send(lease, &transaction.id, &signed, false).await?;
        }
        Ok(None)
    }

    /// Whether the account has not come to our oldest open transaction yet. Not knowing is no.
    async fn is_behind_a_gap(&self) -> bool {
        let Some(oldest) = self.open.first() else {
            return false;
        };
        let next = self.chain.account_nonce(self.signer.address(), "latest");
        next.await
            .is_ok_and(|next| Some(next) < oldest.account_nonce)
    }

    fn need(&self, transaction: &InFlight) -> Need {
        let Some(last) = transaction.attempts.last() else {
            return Need::Nothing;
        };
        let now = self.chain.clock.now();
        // Stored and not sent by us, or open again after a reorg: the same bytes first, they may have been told to somebody.
        let Some(sent) = self.sent.get(&transaction.id) else {
            return Need::SendAgain;
        };
        let patience = self.chain.config.bump_after;
        let since_sent = sent.at.elapsed();
        let attempts = u32::try_from(transaction.attempts.len()).unwrap_or(u32::MAX);
        let age = Duration::from_millis(u64::try_from(now.0 - last.created_at).unwrap_or(0));
        if since_sent < patience || age < patience {
            return Need::Nothing;
        }
        if sent.class == Class::NonceTooLow {
            // Its nonce is consumed: the watcher finds out by whom, and a higher bid changes nothing.
            return Need::SendAgain;
        }
        let first = transaction
            .attempts
            .first()
            .map_or(now.0, |attempt| attempt.created_at);
        let given_up =
            Duration::from_millis(u64::try_from(now.0 - first).unwrap_or(0)) >= GIVE_UP_AFTER;
        let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let payable = transaction
            .live_until
            .is_some_and(|until| until > seconds.saturating_add(EXPIRY_MARGIN_SECONDS));
        let is_refused = sent.class == Class::Invalid;
        let may_pay = match last.role {
            Role::Payment | Role::Permit => true,
            Role::Noop => false,
        };
        if may_pay && (!payable || given_up || is_refused) {
            Need::Noop
        } else if age < patience.saturating_mul(attempts)
            || transaction.attempts.len() >= ATTEMPTS_MAX
        {
            // Later raises come slower: a chain that makes no blocks is not helped by a higher bid.
            Need::SendAgain
        } else {
            Need::RaiseFee
        }
    }

    fn is_oldest(&self, transaction: &InFlight) -> bool {
        let oldest = self.open.first();
        oldest.is_some_and(|oldest| oldest.id == transaction.id)
    }

    /// Whether a node says that the call reverts. Not knowing is no.
    async fn would_revert(&self, call: &Call) -> bool {
        let gas = format!("{:#x}", call.gas_limit);
        let call =
            json!({"from": self.signer.address(), "to": call.to, "data": call.data, "gas": gas});
        let asked = self
            .chain
            .rpc
            .read::<Bytes>("eth_call", json!([call, "latest"]))
            .await;
        asked.is_err_and(|cause| cause.is_revert())
    }

    /// Stores the replacement. `None` when there is none: too dear, not signed, or the transaction was decided meanwhile.
    async fn replace(
        &mut self,
        lease: &Lease,
        transaction: &InFlight,
        need: Need,
        market: Market,
    ) -> store::Result<Option<Signed>> {
        let (Some(last), Some(account_nonce)) =
            (transaction.attempts.last(), transaction.account_nonce)
        else {
            return Ok(None);
        };
        let Some((call, fee)) = decode(&last.raw) else {
            return Err(store::Error::Inconsistent(format!(
                "the bytes of {} are no transaction",
                last.hash
            )));
        };
        let Ok(fee) = fees::raise(fee, market, self.chain.limits()) else {
            return Ok(None);
        };
        let (call, role) = match need {
            Need::Noop => (self.chain.noop(self.signer.address()).await, Role::Noop),
            // What would revert now is not bid for any more. That can only be said of the next one in account nonce order: what comes before the
            // others may be what they need, as a permit is.
            Need::RaiseFee
                if last.role != Role::Noop
                    && self.is_oldest(transaction)
                    && self.would_revert(&call).await =>
            {
                (self.chain.noop(self.signer.address()).await, Role::Noop)
            }
            Need::Nothing | Need::SendAgain | Need::RaiseFee => (call, last.role),
        };
        let unsigned = call.unsigned(self.chain.config.chain_id, account_nonce, fee);
        let signed = match self.signer.sign(unsigned).await {
            Ok(signed) => signed,
            Err(cause) => {
                observe::not_signed(&self.chain.config.network, &self.address, &cause);
                return Ok(None);
            }
        };
        let attempt = NewAttempt {
            role,
            hash: signed.hash.to_string(),
            raw: signed.raw.to_vec(),
            max_fee: fee.most(),
            priority_fee: fee.priority(),
        };
        if !self
            .chain
            .store
            .add_attempt(lease, transaction, &attempt)
            .await?
        {
            return Ok(None);
        }
        observe::replaced_attempt(
            &self.chain.config.network,
            &last.hash,
            &attempt.hash,
            role == Role::Noop,
        );
        self.remember(&transaction.id, attempt);
        Ok(Some(signed))
    }

    fn remember(&mut self, transaction_id: &str, attempt: NewAttempt) {
        let now = self.chain.clock.now().0;
        if let Some(open) = self.open.iter_mut().find(|open| open.id == transaction_id) {
            let number = i64::try_from(open.attempts.len()).unwrap_or(i64::MAX);
            open.attempts.push(Attempt {
                number,
                role: attempt.role,
                hash: attempt.hash,
                raw: attempt.raw,
                max_fee: attempt.max_fee,
                priority_fee: attempt.priority_fee,
                created_at: now,
            });
        }
    }
}
