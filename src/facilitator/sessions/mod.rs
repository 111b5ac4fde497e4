//! `upto` by sessions: `/verify` promises, `/settle` takes, the sweeper settles. The facilitator keeps the account, or the merchant does and asks for
//! each settlement itself.

mod calls;
mod manage;
mod merchant;
mod settle;
mod view;

pub use manage::{Refused, Tracked};
pub use view::{LastSettlement, SessionView};

pub(super) use settle::{Pushed, reason_of};

use std::time::Duration;

use tokio::time::timeout;

use super::limits::{Kind, Parties};
use super::policy::Terms;
use super::verify::unavailable;
use super::{Caller, Facilitator, Outcome, Request, Scope, Verdict};
use crate::clock::UnixMillis;
use crate::observe;
use crate::protocol::{Amount, Payment, Reason};
use crate::scheme::{Opening, PermitState, Refusal, Rejection, SessionChecked, Standing};
use crate::store::{Batch, Keeper, NewSession, Opened, Session, SessionState, Totals};

/// A call under a permit, as far as it was checked in process.
struct Call<'a> {
    request: Request<'a>,
    payment: &'a Payment,
    checked: Box<dyn SessionChecked>,
    arrived: UnixMillis,
    /// Until when the answer must be given.
    deadline: UnixMillis,
}

/// A session with its sums.
struct Account {
    session: Session,
    totals: Totals,
    batches: Vec<Batch>,
}

impl Call<'_> {
    fn opening(&self) -> &Opening {
        self.checked.opening()
    }

    fn amount(&self) -> Amount {
        self.checked.amount()
    }

    fn parties(&self) -> Parties<'_> {
        Parties::of(self.payment, &self.opening().payer, self.request.caller)
    }

    fn refuse(&self, reason: Reason, message: &str) -> Refusal {
        let rejection = Rejection::new(reason).because(message);
        Refusal::Rejected(rejection.of(&self.opening().payer))
    }

    /// What the permit's session pinned at first sight. The asset is part of the permit; recipient and caller are not.
    fn check_pins(&self, session: &Session) -> Result<(), Refusal> {
        if session.pay_to != self.opening().pay_to {
            let message = "this permit's session pays another recipient";
            return Err(self.refuse(Reason::PermitBoundToOtherRecipient, message));
        }
        if session.caller != self.request.caller.as_str() {
            let message = "this permit's session belongs to another caller";
            return Err(self.refuse(Reason::PermitBoundToOtherCaller, message));
        }
        Ok(())
    }

    fn exhausted(&self) -> Refusal {
        let message = "Upto cap exhausted, reauthorize with higher max";
        self.refuse(Reason::CapExhausted, message)
    }

    fn closed(&self) -> Refusal {
        let message = "Session closed. Reauthorize a new upto cap";
        self.refuse(Reason::SessionClosed, message)
    }

    fn settling(&self) -> Refusal {
        let message = "Session is settling a batch, retry shortly";
        self.refuse(Reason::SettlingInProgress, message)
    }

    fn key_reused(&self) -> Refusal {
        let message = "this Idempotency-Key came with another amount before";
        self.refuse(Reason::InvalidPayload, message)
    }
}

impl Facilitator {
    /// `/verify` of a call under a permit.
    pub(super) async fn verify_session(
        &self,
        payment: &Payment,
        request: Request<'_>,
        checked: Box<dyn SessionChecked>,
    ) -> Result<Verdict, Refusal> {
        let call = self.call(payment, request, checked);
        self.ask_policy(&call, Kind::Verify).await?;
        let known = self.known(&call).await?;
        let (limits, parties) = (&self.parts.limits, call.parties());
        limits
            .payer_may_verify(&parties)
            .map_err(Refusal::Rejected)?;
        let verdict = match self.keeper(known.as_ref()) {
            Keeper::Facilitator => {
                limits.today(&parties).await?;
                self.hold_call(&call, known).await?
            }
            Keeper::Merchant => self.check_call(&call, known).await?,
        };
        // What is promised is promised, whoever was faster.
        limits.payer_verified(&parties).ok();
        Ok(verdict)
    }

    /// `/settle` of a call under a permit.
    pub(super) async fn settle_session(
        &self,
        payment: &Payment,
        request: Request<'_>,
        checked: Box<dyn SessionChecked>,
    ) -> Result<Outcome, Refusal> {
        let call = self.call(payment, request, checked);
        self.ask_policy(&call, Kind::Settle).await?;
        let known = self.known(&call).await?;
        match self.keeper(known.as_ref()) {
            Keeper::Facilitator => self.charge_call(&call, known).await,
            Keeper::Merchant => self.settle_asked(&call, known).await,
        }
    }

    /// Whoever has a say about payments has one about every call under a permit.
    async fn ask_policy(&self, call: &Call<'_>, kind: Kind) -> Result<(), Refusal> {
        let (policy, terms) = (&self.parts.policy, Terms::from(call.payment));
        let opening = call.opening();
        let caller = call.request.caller;
        policy.ask(kind, &terms, &opening.payer, caller).await?;
        policy.owner(&opening.owner, &terms).await
    }

    fn call<'a>(
        &self,
        payment: &'a Payment,
        request: Request<'a>,
        checked: Box<dyn SessionChecked>,
    ) -> Call<'a> {
        let arrived = self.parts.clock.now();
        Call {
            request,
            payment,
            checked,
            arrived,
            deadline: arrived.plus(self.parts.settle_timeout),
        }
    }

    /// Who keeps a session was decided when it was opened.
    fn keeper(&self, known: Option<&Account>) -> Keeper {
        known.map_or(self.parts.sessions.keeper, |account| account.session.keeper)
    }

    /// The permit's session with its sums, if it has one and it is this request's to use.
    async fn known(&self, call: &Call<'_>) -> Result<Option<Account>, Refusal> {
        let opening = call.opening();
        let found = self
            .parts
            .store
            .find_session(&opening.permit_key, &opening.fingerprint)
            .await
            .map_err(|cause| unavailable(&cause))?;
        let Some(session) = found else {
            return Ok(None);
        };
        call.check_pins(&session)?;
        self.account(&session.id).await
    }

    /// A session, and whether it owes anything that is in no batch.
    pub(super) async fn owes(&self, id: &str) -> Result<Option<(Session, bool)>, Refusal> {
        let account = self.account(id).await?;
        Ok(account.map(|account| (account.session, !account.totals.pending.is_zero())))
    }

    async fn account(&self, id: &str) -> Result<Option<Account>, Refusal> {
        let found = self.parts.store.session_account(id).await;
        let found = found.map_err(|cause| unavailable(&cause))?;
        Ok(found.map(|(session, totals, batches)| Account {
            session,
            totals,
            batches,
        }))
    }

    /// Asks the chain about the permit, with everything that is still to come of its session besides this call.
    async fn ask_chain(
        &self,
        call: &Call<'_>,
        known: Option<&Account>,
        outstanding: Option<Amount>,
    ) -> Result<PermitState, Refusal> {
        let permit_landed = match known {
            Some(account) if !account.session.permit_seen => {
                let landed = self.parts.store.permit_landed(&account.session.id).await;
                landed.map_err(|cause| unavailable(&cause))?
            }
            Some(_) => true,
            None => false,
        };
        let standing = Standing {
            permit_landed,
            outstanding: outstanding.ok_or_else(|| call.exhausted())?,
        };
        let patience = self.parts.clock.now().until(call.deadline);
        let Ok(seen) = timeout(patience, call.checked.verify(&standing)).await else {
            let message = "the chain did not answer in time";
            return Err(Refusal::Unavailable(message.to_owned()));
        };
        Ok(seen?.permit)
    }

    /// The permit's session, opened unless it is. A permit sets the allowance, so one of the same owner and spender must be done before.
    async fn open(
        &self,
        call: &Call<'_>,
        keeper: Keeper,
        permit: PermitState,
    ) -> Result<Session, Refusal> {
        let new = new_session(call, keeper);
        let unclaimed = self.parts.sessions.unclaimed;
        let opened = self.parts.store.open_session(&new, unclaimed).await;
        let session = match opened.map_err(|cause| unavailable(&cause))? {
            Opened::Ready(session) => *session,
            Opened::Busy(_) => return Err(call.settling()),
            Opened::NonceTaken(_) => return Err(nonce_taken(call)),
        };
        call.check_pins(&session)?;
        if permit == PermitState::FrontRun && !session.permit_seen {
            let noted = self.parts.store.note_permit_seen(&session.id).await;
            noted.map_err(|cause| unavailable(&cause))?;
        }
        Ok(session)
    }

    /// Sees to it that an older permit of the same owner and spender is settled, before the chain is asked about a newer one: until then it knows
    /// only the older.
    async fn make_way(&self, call: &Call<'_>) -> Result<(), Refusal> {
        let new = new_session(call, self.parts.sessions.keeper);
        let older = self.parts.store.live_sessions(&new).await;
        for older in older.map_err(|cause| unavailable(&cause))? {
            let unclaimed = self.parts.sessions.unclaimed;
            let ended = self.parts.store.expire_holds(&older.id, unclaimed).await;
            ended.map_err(|cause| unavailable(&cause))?;
            let Some(account) = self.account(&older.id).await? else {
                continue;
            };
            // This very permit's, opened by a twin of this request meanwhile.
            let is_ours = older.fingerprint == new.fingerprint;
            if is_ours || account.totals.is_done(older.keeper) {
                continue;
            }
            if older.permit_key == new.permit_key {
                return Err(nonce_taken(call));
            }
            if older.state == SessionState::Open {
                let closed = self.parts.store.close_session(&older.id).await;
                closed.map_err(|cause| unavailable(&cause))?;
            }
            // Whoever signs newer permits must not use up the older one's tries.
            if UnixMillis(older.next_attempt_at) > self.parts.clock.now() {
                return Err(call.settling());
            }
            // What comes of it shows in the session; this caller only hears that it is not its turn yet.
            if let Err(refusal) = self.push(&older.id, "replaced").await {
                observe::session_not_settled(&older.id, reason_of(&refusal));
            }
            return Err(call.settling());
        }
        Ok(())
    }
}

fn nonce_taken(call: &Call<'_>) -> Refusal {
    let message = "another permit with this nonce is at work or was charged";
    call.refuse(Reason::PermitNonceReserved, message)
}

fn new_session(call: &Call<'_>, keeper: Keeper) -> NewSession {
    let opening = call.opening().clone();
    NewSession {
        id: opening.id,
        permit_key: opening.permit_key,
        fingerprint: opening.fingerprint,
        network: opening.network,
        wire_network: opening.wire_network,
        asset: opening.asset,
        owner: opening.owner,
        spender: opening.spender,
        pay_to: opening.pay_to,
        caller: call.request.caller.as_str().to_owned(),
        payer: opening.payer,
        cap: opening.cap,
        deadline: opening.deadline,
        permit: opening.permit,
        keeper,
    }
}

/// Whether a caller may see a session.
fn may_see(caller: &Caller, session: &Session) -> bool {
    session.caller == caller.as_str() || caller.may(Scope::Admin)
}

/// Time that a permit must have left for a call, as the scheme asks for it.
const TIME_LEFT: Duration = Duration::from_secs(6);
