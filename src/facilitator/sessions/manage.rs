//! Sessions by name: list, look, settle, close, and track a call without a promise.

use std::time::Duration;

use tokio::time::sleep;

use super::{Pushed, reason_of};
use super::{SessionView, may_see};
use crate::clock::UnixMillis;
use crate::facilitator::limits::{Kind, Parties, Seat};
use crate::facilitator::verify::{refuse_by_policy, unavailable};
use crate::facilitator::{Caller, Facilitator, Outcome, Request, Scope, malformed};
use crate::observe;
use crate::protocol::Reason;
use crate::protocol::payment::Purpose;
use crate::scheme::{Check, Refusal, Rejection};
use crate::store::{Keeper, POLL, SessionState, Source, Visible};

/// Most sessions of one page.
const PAGE: u32 = 100;

/// Why a session's owner does not get what it asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// No such session, or none of this caller's.
    NotFound,
    Rejected(Rejection),
    Unavailable,
}

/// A call that was charged without a promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracked {
    pub session: SessionView,
    /// Whether the same Idempotency-Key had charged it before.
    pub replayed: bool,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Rejected(rejection) => Self::Rejected(rejection),
            Refusal::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl Facilitator {
    /// A page of the caller's sessions in the order of their ids, those after one.
    pub async fn sessions(
        &self,
        caller: &Caller,
        after: &str,
        limit: u32,
    ) -> Result<Vec<SessionView>, Refused> {
        let visible = if caller.may(Scope::Admin) {
            Visible::All
        } else {
            Visible::Of(caller.as_str())
        };
        let page = self.parts.store.sessions(visible, after, limit.min(PAGE));
        let mut views = Vec::new();
        for session in page.await.map_err(|cause| unavailable(&cause))? {
            views.extend(self.account(&session.id).await?.map(SessionView::from));
        }
        Ok(views)
    }

    pub async fn session(&self, caller: &Caller, id: &str) -> Result<SessionView, Refused> {
        let account = self.account(id).await?;
        let seen = account.filter(|account| may_see(caller, &account.session));
        Ok(seen.ok_or(Refused::NotFound)?.into())
    }

    /// Settles what a session owes and waits for the outcome, as long as a `/settle` would; closes it as well when asked to.
    pub async fn settle_owed(
        &self,
        caller: &Caller,
        id: &str,
        close: bool,
    ) -> Result<SessionView, Refused> {
        let _seat = self.seat(caller)?;
        let deadline = self.parts.clock.now().plus(self.parts.settle_timeout);
        let before = self.session(caller, id).await?;
        if before.in_flight != "0" {
            return Err(Refused::Rejected(settling()));
        }
        if self.parts.draining.is_cancelled() {
            return Err(Refused::Unavailable);
        }
        if close {
            self.close(id).await?;
        }
        self.may_spend(caller, id).await?;
        match self.push(id, "requested").await {
            Ok(Pushed::Queued(settlement_id) | Pushed::InFlight(settlement_id)) => {
                self.await_batch(&settlement_id, deadline).await;
            }
            Ok(Pushed::Nothing | Pushed::Failed(_) | Pushed::Moved) => {}
            // It shows in the session's last settlement.
            Err(refusal @ Refusal::Rejected(_)) => drop(refusal),
            Err(refusal @ Refusal::Unavailable(_)) => return Err(refusal.into()),
        }
        if close || before.status == "failed" {
            self.close(id).await?;
        }
        self.session(caller, id).await
    }

    /// Stops a session from taking new calls; what it owes is put on its way.
    pub async fn close_session(&self, caller: &Caller, id: &str) -> Result<SessionView, Refused> {
        let _seat = self.seat(caller)?;
        self.session(caller, id).await?;
        self.close(id).await?;
        self.may_spend(caller, id).await?;
        if let Err(refusal) = self.push(id, "closed").await {
            observe::session_not_settled(id, reason_of(&refusal));
        }
        self.session(caller, id).await
    }

    pub(in crate::facilitator) async fn close(
        &self,
        id: &str,
    ) -> Result<Option<SessionState>, Refusal> {
        let closed = self.parts.store.close_session(id).await;
        let closed = closed.map_err(|cause| unavailable(&cause))?;
        Ok(closed.map(|session| session.state))
    }

    fn seat(&self, caller: &Caller) -> Result<Seat, Refused> {
        let seat = self.parts.limits.admit(caller, Kind::Settle);
        seat.map_err(Refused::Rejected)
    }

    /// Whether gas may be spent because somebody asks. What is owed is settled by the sweeper all the same.
    async fn may_spend(&self, caller: &Caller, id: &str) -> Result<(), Refused> {
        let Some(account) = self.account(id).await? else {
            return Ok(());
        };
        if account.totals.pending.is_zero() {
            return Ok(());
        }
        let parties = Parties::of_session(&account.session, caller);
        Ok(self.parts.limits.today(&parties).await?)
    }

    /// Waits until a batch is neither queued nor submitted, or it is late.
    async fn await_batch(&self, settlement_id: &str, deadline: UnixMillis) {
        let bell = self.parts.store.settlement_bell(settlement_id);
        while self.parts.clock.now() < deadline {
            let rung = bell.next();
            let row = self.parts.store.get(settlement_id).await;
            let stage = row.ok().flatten().map(|row| row.stage.name());
            if !matches!(stage, Some("queued" | "submitted")) {
                return;
            }
            let pause = Duration::min(POLL, self.parts.clock.now().until(deadline));
            tokio::select! {
                () = rung => {}
                () = sleep(pause) => {}
            }
        }
    }

    /// Charges a call after the work, without a promise before it; one that was promised takes its promise.
    pub async fn track(&self, request: Request<'_>) -> Result<Tracked, Refused> {
        let _seat = self.seat(request.caller)?;
        let payment = match self.parse(Purpose::Settle, request.body) {
            Ok(payment) => payment,
            Err(cause) => {
                let mut rejection = malformed(cause).1;
                rejection.reason = Reason::InvalidPayload;
                return Err(Refused::Rejected(rejection));
            }
        };
        let judged = self.check(&payment, request.caller, Kind::Settle)?;
        refuse_by_policy(judged.refused)?;
        let checked = match judged.checked {
            Check::Session(checked) => checked,
            Check::Payment(_) => {
                let rejection = Rejection::new(Reason::InvalidPayload);
                return Err(Refused::Rejected(rejection.because("no session's payment")));
            }
        };
        let call = self.call(&payment, request, checked);
        self.ask_policy(&call, Kind::Settle).await?;
        let known = self.known(&call).await?;
        if self.keeper(known.as_ref()) == Keeper::Merchant {
            let rejection = Rejection::new(Reason::UnsupportedScheme);
            let message = "merchants keep their sessions themselves here (UPTO_SESSIONS=merchant)";
            return Err(Refused::Rejected(rejection.because(message)));
        }
        let before = match &known {
            Some(account) => self.charged_before(&call, account).await?,
            None => None,
        };
        let outcome = if let Some(outcome) = before {
            outcome?
        } else {
            self.parts.limits.today(&call.parties()).await?;
            let session = self.opened(&call, known, None).await?;
            self.take(&call, &session, Source::HoldOrCap).await?
        };
        let Outcome::Accrued {
            session, replayed, ..
        } = outcome
        else {
            return Err(Refused::Unavailable);
        };
        Ok(Tracked {
            session: self.session(request.caller, &session).await?,
            replayed,
        })
    }
}

fn settling() -> Rejection {
    Rejection::new(Reason::SettlingInProgress).because("Session is settling a batch, retry shortly")
}
