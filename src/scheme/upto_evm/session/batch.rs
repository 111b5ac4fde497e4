//! A sum of a session becomes a settlement: the chain is read again, and it is decided whether the permit goes with it.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;

use super::onchain::{Needs, Token, judge};
use super::permit::SignedPermit;
use super::{NAME, address};
use crate::chain::evm::contracts;
use crate::chain::evm::work::{Guard, Kind, PermitCall, Work};
use crate::clock::UnixMillis;
use crate::protocol::Amount;
use crate::scheme::Refusal;
use crate::scheme::evm::Chain;
use crate::scheme::evm::requested::Requested;
use crate::scheme::session::PermitState;
use crate::scheme::verified::{Identity, Terms, Verified};
use crate::store::Session;

/// A batch about to be made.
pub(in crate::scheme::upto_evm) struct Wanted<'a> {
    pub(in crate::scheme::upto_evm) session: &'a Session,
    pub(in crate::scheme::upto_evm) amount: Amount,
    pub(in crate::scheme::upto_evm) sequence: u64,
    /// Whether the session's own permit is known to be on chain.
    pub(in crate::scheme::upto_evm) permit_landed: bool,
}

/// Prepares the settlement of a sum. The session must have nothing in flight.
///
/// # Errors
/// [`Refusal::Rejected`]: as the chain stands, the sum cannot be moved. [`Refusal::Unavailable`]: it could not be asked.
pub(in crate::scheme::upto_evm) async fn batch(
    chain: &Chain,
    wanted: &Wanted<'_>,
    now: UnixMillis,
) -> Result<Verified, Refusal> {
    let session = wanted.session;
    let (Some(permit), Some(requested)) = (
        SignedPermit::from_json(&session.permit),
        requested(session, wanted.amount),
    ) else {
        return Err(Refusal::Unavailable(format!(
            "session {} is unreadable",
            session.id
        )));
    };
    let token = Token {
        chain,
        asset: requested.asset,
    };
    let seen = token.read(&permit, now).await?;
    let needs = Needs {
        amount: requested.amount,
        outstanding: U256::ZERO,
        permit_landed: wanted.permit_landed,
    };
    let state = judge(&seen, &permit.permit, &needs).map_err(|flaw| flaw.of(&session.payer))?;
    let call = match state {
        PermitState::NotLanded => permit.call(),
        PermitState::Landed | PermitState::FrontRun => None,
    };
    let identity = Identity {
        payment_key: format!("session:{}:{}", session.id, wanted.sequence),
        fingerprint: session.fingerprint.clone(),
        proof: session.fingerprint.clone(),
        payer: session.payer.clone(),
    };
    Ok(Verified::new(identity, terms(&requested, &permit, call)))
}

/// The terms that the session pinned, for this sum.
fn requested(session: &Session, amount: Amount) -> Option<Requested> {
    Some(Requested {
        scheme: NAME,
        network: session.network.clone(),
        asset: address(&session.asset)?,
        pay_to: address(&session.pay_to)?,
        amount: amount.units(),
    })
}

pub(super) fn terms(
    requested: &Requested,
    permit: &SignedPermit,
    call: Option<PermitCall>,
) -> Terms {
    let owner: Address = permit.permit.owner;
    let transfer = contracts::Token::transferFromCall {
        from: owner,
        to: requested.pay_to,
        value: requested.amount,
    };
    let guard = Guard::Session {
        permit_deadline: call.as_ref().map(|_| permit.permit.deadline),
    };
    let work = Work {
        kind: Kind::Session,
        to: requested.asset,
        data: transfer.abi_encode().into(),
        gas_limit: Kind::Session.gas_cap(),
        permit: call,
    };
    let alone = requested.terms(owner, &work, guard, false);
    Terms {
        required_sender: Some(format!("{:#x}", permit.permit.spender)),
        ..alone
    }
}
