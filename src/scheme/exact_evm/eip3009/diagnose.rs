//! Why an EIP-3009 payment would fail: from what the chain answered to the reason that is reported. Pure.

use alloy::primitives::U256;

use crate::chain::evm::reads::CallResult;
use crate::protocol::Reason;
use crate::scheme::evm::diagnose::{Diagnosis, flag, message, number, text};
use crate::scheme::evm::simulation::Simulated;

/// What the token says about an EIP-3009 payment.
#[derive(Debug, Clone)]
pub(super) struct Eip3009State<'a> {
    pub(super) nonce_used: &'a CallResult,
    pub(super) name: &'a CallResult,
    pub(super) version: &'a CallResult,
    pub(super) balance: &'a CallResult,
    /// Of the block, unix seconds.
    pub(super) timestamp: u64,
}

/// What an EIP-3009 payment needs.
#[derive(Debug, Clone)]
pub(super) struct Eip3009Needs<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    pub(super) amount: U256,
    pub(super) valid_after: U256,
    pub(super) valid_before: U256,
}

/// The first reason in the reference order, `None` when the payment would be made. A used nonce and a low balance count even when the simulation
/// passed: some tokens return without a revert and without moving anything.
pub(super) fn eip3009(
    state: &Eip3009State<'_>,
    needs: &Eip3009Needs<'_>,
    simulated: &Simulated,
) -> Option<Diagnosis> {
    let reason = match flag(state.nonce_used) {
        None => Some(Reason::InvalidExactEvmEip3009NotSupported),
        Some(true) => Some(Reason::InvalidExactEvmNonceAlreadyUsed),
        Some(false) => None,
    };
    if let Some(reason) = reason {
        return Some((reason, None));
    }
    let fails = *simulated != Simulated::Paid;
    if fails && text(state.name).is_some_and(|name| name != needs.name) {
        return Some((Reason::InvalidExactEvmTokenNameMismatch, None));
    }
    if fails && text(state.version).is_some_and(|version| version != needs.version) {
        return Some((Reason::InvalidExactEvmTokenVersionMismatch, None));
    }
    if number(state.balance).is_some_and(|balance| balance < needs.amount) {
        return Some((Reason::InvalidExactEvmInsufficientBalance, None));
    }
    let message = message(simulated)?;
    // The block's clock may differ from ours: then the window is what failed.
    let now = U256::from(state.timestamp);
    let reason = if now >= needs.valid_before {
        Reason::InvalidExactEvmAuthorizationValidBefore
    } else if now <= needs.valid_after {
        Reason::InvalidExactEvmAuthorizationValidAfter
    } else {
        Reason::InvalidExactEvmTransactionSimulationFailed
    };
    Some((reason, Some(message)))
}
