//! How much callers, payers and everybody together may use. Rates and requests under way are counted in memory, per replica; payments of a
//! day, payments under way and gas are counted in the database, for all replicas. Nothing here judges a payment, and whatever cannot be
//! counted is *unavailable*, never refused.

mod buckets;
mod fees;
mod refusal;
mod seats;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use self::buckets::Buckets;
use self::refusal::{Cap, Whose};
use self::seats::{Full, Seats};
use super::Caller;
use super::caller::normal;
use crate::clock::Clock;
use crate::config::limits::{Level, Limits as Rules};
use crate::observe;
use crate::protocol::{Network, Payment, Reason};
use crate::reload::Reloadable;
use crate::scheme::{Refusal, Rejection};
use crate::store::{self, Quota, Session, Spenders, Store};

pub use self::seats::Seat;

const SECOND: Duration = Duration::from_secs(1);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Verify,
    Settle,
}

/// The limits and what is used of them.
pub struct Limits {
    rules: Arc<Reloadable<Rules>>,
    /// What a network's keys may spend in a day together, billionths of the native coin.
    budgets: BTreeMap<Network, i64>,
    store: Store,
    clock: Clock,
    verifies: Buckets,
    settles: Buckets,
    seats: Seats,
}

/// Whom a payment concerns, in the form that rows have.
#[derive(Debug, Clone)]
pub(super) struct Parties<'a> {
    caller: &'a Caller,
    network: Network,
    asset: String,
    /// Empty where only the chain can tell: a smart wallet's on Solana.
    payer: String,
    pay_to: String,
}

impl<'a> Parties<'a> {
    /// `payer` as the payload has it.
    pub(super) fn of(payment: &Payment, payer: &str, caller: &'a Caller) -> Self {
        let terms = &payment.requirements;
        Self {
            caller,
            network: terms.network.clone(),
            asset: normal(&terms.asset),
            payer: normal(payer),
            pay_to: normal(&terms.pay_to),
        }
    }

    pub(super) fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// Those of a session that `caller` has settled.
    pub(super) fn of_session(session: &Session, caller: &'a Caller) -> Self {
        Self {
            caller,
            network: session.network.clone(),
            asset: session.asset.clone(),
            payer: session.owner.clone(),
            pay_to: session.pay_to.clone(),
        }
    }

    /// The same with the payer that the chain told.
    pub(super) fn paid_by(&self, payer: &str) -> Self {
        Self {
            payer: normal(payer),
            ..self.clone()
        }
    }

    pub(super) fn knows_payer(&self) -> bool {
        !self.payer.is_empty()
    }

    /// Whose limits a payer's are; `None` while nobody is known.
    fn payer_subject(&self) -> Option<String> {
        let family = self.network.as_str().split(':').next().unwrap_or_default();
        self.knows_payer()
            .then(|| format!("payer:{family}:{}", self.payer))
    }
}

impl Limits {
    pub fn new(
        rules: Arc<Reloadable<Rules>>,
        budgets: BTreeMap<Network, i64>,
        store: Store,
        clock: Clock,
    ) -> Self {
        Self {
            rules,
            budgets,
            store,
            clock,
            verifies: Buckets::new(),
            settles: Buckets::new(),
            seats: Seats::default(),
        }
    }

    /// Lets a request in, before anything of it is read: rates of its caller and of all, and a seat while it is under way.
    pub(super) fn admit(&self, caller: &Caller, kind: Kind) -> Result<Seat, Rejection> {
        let rules = self.rules.current();
        let level = of_caller(&rules, caller);
        let subject = caller.subject();
        let full = |full| {
            let whose = match full {
                Full::All => Whose::All,
                Full::Subject => Whose::Caller,
            };
            refusal::of(whose, Cap::Concurrency, SECOND)
        };
        let seat = self
            .seats
            .take(subject.clone(), level.concurrency, rules.all.concurrency)
            .map_err(full)?;
        let (buckets, cap, own, all) = match kind {
            Kind::Verify => {
                let (own, all) = (level.verify_per_minute, rules.all.verify_per_minute);
                (&self.verifies, Cap::Verify, own, all)
            }
            Kind::Settle => {
                let (own, all) = (level.settle_per_minute, rules.all.settle_per_minute);
                (&self.settles, Cap::Settle, own, all)
            }
        };
        let own = caller.grant().and_then(|grant| grant.rate).or(own);
        // The caller's first: one who has used up theirs takes nothing from the others.
        let taken = buckets.take(&subject, own);
        taken.map_err(|wait| refusal::of(Whose::Caller, cap, wait))?;
        let taken = buckets.take("all", all);
        taken.map_err(|wait| refusal::of(Whose::All, cap, wait))?;
        Ok(seat)
    }

    /// Whether the payer may have another payment verified. Nothing is taken yet: whoever names a payer is not that payer.
    pub(super) fn payer_may_verify(&self, parties: &Parties<'_>) -> Result<(), Rejection> {
        let Some(payer) = parties.payer_subject() else {
            return Ok(());
        };
        let rate = self.rules.current().payer.verify_per_minute;
        let looked = self.verifies.look(&payer, rate);
        looked.map_err(|wait| refusal::of(Whose::Payer, Cap::Verify, wait))
    }

    /// Counts a verification for the payer whose payment was valid. Others may have been faster since we looked: where the payer was known
    /// then, this one is done all the same.
    pub(super) fn payer_verified(&self, parties: &Parties<'_>) -> Result<(), Rejection> {
        let Some(payer) = parties.payer_subject() else {
            return Ok(());
        };
        let rate = self.rules.current().payer.verify_per_minute;
        let taken = self.verifies.take(&payer, rate);
        taken.map_err(|wait| refusal::of(Whose::Payer, Cap::Verify, wait))
    }

    /// Whether there is room for a new payment: a place in the queue, and gas to be spent for these. Takes nothing, and comes before the chain
    /// is asked.
    pub(super) async fn room(&self, parties: &Parties<'_>) -> Result<(), Refusal> {
        let rules = self.rules.current();
        if let Some(payer) = parties.payer_subject() {
            let looked = self.settles.look(&payer, rules.payer.settle_per_minute);
            looked.map_err(|wait| refused(refusal::of(Whose::Payer, Cap::Settle, wait)))?;
        }
        let under_way = self.under_way(&rules, parties).await;
        let under_way = under_way.map_err(|cause| unavailable(&cause))?;
        refuse_crowd(&rules, parties, under_way).map_err(Refusal::Rejected)?;
        self.today(parties).await
    }

    /// Whether today's numbers and gas bear another payment, now or later: a call that a session promises is paid for by a transaction some day,
    /// and is refused before it is promised or not at all.
    pub(super) async fn today(&self, parties: &Parties<'_>) -> Result<(), Refusal> {
        let rules = self.rules.current();
        let spenders = Spenders {
            network: &parties.network,
            caller: parties.caller.as_str(),
            payer: &parties.payer,
            pay_to: &parties.pay_to,
        };
        let quotas = quotas(&rules, parties.caller, parties.payer_subject());
        let (used_up, fees) =
            tokio::try_join!(self.store.used_up(&quotas), self.store.fees_today(spenders),)
                .map_err(|cause| unavailable(&cause))?;
        if let Some(quota) = used_up {
            return Err(refused(self.used_up(&quota)));
        }
        let Some(budget) = self.budgets.get(&parties.network) else {
            return Ok(());
        };
        let over = fees::exceeded(&rules, of_caller(&rules, parties.caller), *budget, &fees);
        match over {
            Some(over) => Err(refused(refusal::fees(over, self.until_midnight()))),
            None => Ok(()),
        }
    }

    async fn under_way(
        &self,
        rules: &Rules,
        parties: &Parties<'_>,
    ) -> store::Result<store::UnderWay> {
        let numbers = [rules.key.concurrency, rules.payer.concurrency];
        let most = numbers.into_iter().flatten().map(i64::from);
        self.store
            .under_way(store::Whose {
                network: &parties.network,
                caller: parties.caller.as_str(),
                asset: &parties.asset,
                payer: &parties.payer,
                most: most.fold(rules.queue, i64::max),
            })
            .await
    }

    /// The daily numbers that a payment about to be queued counts against.
    pub(super) fn quotas(&self, parties: &Parties<'_>) -> Vec<Quota> {
        quotas(
            &self.rules.current(),
            parties.caller,
            parties.payer_subject(),
        )
    }

    /// The numbers that a session's batch counts against. What is owed is settled whatever they come to: new calls are refused then.
    pub(super) fn tallies(&self, session: &Session) -> Vec<Quota> {
        let rules = self.rules.current();
        let nobody = Caller::anonymous(None);
        let payer = Parties::of_session(session, &nobody).payer_subject();
        let is_keyed = session.caller != nobody.as_str();
        [
            rules.all.settle_per_day.map(|_| "all".to_owned()),
            is_keyed.then(|| format!("key:{}", session.caller)),
            payer.filter(|_| rules.payer.settle_per_day.is_some()),
        ]
        .into_iter()
        .flatten()
        .map(|subject| Quota {
            subject,
            most: i64::MAX,
        })
        .collect()
    }

    /// Counts a payment for its payer once it is queued, and not before: whoever asks for the same payment at the same time must either find a
    /// token or find the payment. So many as were under way at once may come on top of a minute's worth; they are missing later.
    pub(super) fn payer_settles(&self, parties: &Parties<'_>) {
        if let Some(payer) = parties.payer_subject() {
            let rate = self.rules.current().payer.settle_per_minute;
            self.settles.charge(&payer, rate);
        }
    }

    pub(super) fn used_up(&self, quota: &Quota) -> Rejection {
        let whose = whose_quota(&quota.subject);
        refusal::of(whose, Cap::Settle, self.until_midnight())
    }

    fn until_midnight(&self) -> Duration {
        const DAY_SECS: u64 = 86_400;
        Duration::from_secs(DAY_SECS - self.clock.now().as_secs() % DAY_SECS)
    }
}

fn of_caller<'a>(rules: &'a Rules, caller: &Caller) -> &'a Level {
    if caller.is_authenticated() {
        &rules.key
    } else {
        &rules.anonymous
    }
}

/// Refuses where too much waits already.
fn refuse_crowd(
    rules: &Rules,
    parties: &Parties<'_>,
    under_way: store::UnderWay,
) -> Result<(), Rejection> {
    let is_known = parties.caller.is_authenticated();
    // The other half is kept for those we know.
    let queue = if is_known {
        rules.queue
    } else {
        rules.queue / 2
    };
    if under_way.queued >= queue {
        let reason = Reason::SettlementCapacityExceeded;
        let message = "too many payments wait already; nothing was taken on";
        return Err(Rejection::new(reason).because(message).until(2 * SECOND));
    }
    let is_over = |count: i64, most: Option<u32>| most.is_some_and(|most| count >= i64::from(most));
    if is_known && is_over(under_way.caller, rules.key.concurrency) {
        return Err(refusal::of(Whose::Caller, Cap::Concurrency, SECOND));
    }
    if is_over(under_way.payer, rules.payer.concurrency) {
        return Err(refusal::of(Whose::Payer, Cap::Concurrency, SECOND));
    }
    Ok(())
}

/// The daily numbers that a payment counts against.
fn quotas(rules: &Rules, caller: &Caller, payer: Option<String>) -> Vec<Quota> {
    let daily = caller.grant().and_then(|grant| grant.daily);
    let own = daily.or(of_caller(rules, caller).settle_per_day);
    [
        (Some("all".to_owned()), rules.all.settle_per_day),
        (Some(caller.subject()), own),
        (payer, rules.payer.settle_per_day),
    ]
    .into_iter()
    .filter_map(|(subject, most)| {
        Some(Quota {
            subject: subject?,
            most: most?,
        })
    })
    .collect()
}

fn whose_quota(subject: &str) -> Whose {
    if subject == "all" {
        Whose::All
    } else if subject.starts_with("payer:") {
        Whose::Payer
    } else {
        Whose::Caller
    }
}

fn refused(rejection: Rejection) -> Refusal {
    Refusal::Rejected(rejection)
}

fn unavailable(cause: &store::Error) -> Refusal {
    observe::store_trouble(cause);
    Refusal::Unavailable("the database could not be asked".to_owned())
}
