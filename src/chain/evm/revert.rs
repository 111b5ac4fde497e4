//! What a reverted settlement call means, read from its revert data or, where a node gives none, from its text.

use alloy::primitives::Bytes;
use alloy::sol_types::{SolError, SolInterface};

use super::Error;
use super::contracts::{
    EXACT_PERMIT2_PROXY, ExactPermit2Proxy, Permit2, Token, UPTO_PERMIT2_PROXY, UptoPermit2Proxy,
};
use super::lane::Step;
use super::work::{Kind, Work};
use crate::protocol::Reason;

/// Longest text of a node or a contract that we pass on.
const MESSAGE_MAX: usize = 500;

/// The reason and the text of a settlement call that a node says reverts.
pub(super) fn reason(work: &Work, step: Step, cause: &Error) -> (Reason, String) {
    let Error::Refused { message, data, .. } = cause else {
        return (generic(work), String::new());
    };
    let text = data
        .as_ref()
        .and_then(revert_text)
        .unwrap_or_else(|| message.clone());
    let reason = match (step, work.kind) {
        (Step::Permit, _) => Reason::PermitFailed,
        (Step::Payment, Kind::Session) => of_session(data.as_ref(), &text),
        (Step::Payment, _) => data
            .as_ref()
            .and_then(by_selector)
            .or_else(|| by_text(work, &text))
            .unwrap_or_else(|| generic(work)),
    };
    (reason, clean(&text))
}

/// Why a session's `transferFrom` reverts: the words of the token, or the errors of EIP-6093.
fn of_session(data: Option<&Bytes>, text: &str) -> Reason {
    let error = data.and_then(|data| Token::TokenErrors::abi_decode(data).ok());
    let text = text.to_lowercase();
    match error {
        Some(Token::TokenErrors::ERC20InsufficientBalance(_)) => Reason::InsufficientBalance,
        Some(Token::TokenErrors::ERC20InsufficientAllowance(_)) => Reason::InsufficientAllowance,
        None if text.contains("balance") => Reason::InsufficientBalance,
        None if text.contains("allowance") => Reason::InsufficientAllowance,
        None => Reason::TransactionFailed,
    }
}

fn generic(work: &Work) -> Reason {
    if work.kind == Kind::Session {
        Reason::TransactionFailed
    } else if is_permit2(work) {
        Reason::Permit2SimulationFailed
    } else {
        Reason::InvalidExactEvmTransactionSimulationFailed
    }
}

/// Contract wallets pay either way; the called contract tells which.
fn is_permit2(work: &Work) -> bool {
    [EXACT_PERMIT2_PROXY, UPTO_PERMIT2_PROXY].contains(&work.to)
}

/// The text of a Solidity `Error(string)`.
pub(super) fn revert_text(data: &Bytes) -> Option<String> {
    let revert = alloy::sol_types::Revert::abi_decode(data).ok()?;
    Some(clean(revert.reason()))
}

fn by_selector(data: &Bytes) -> Option<Reason> {
    if let Ok(error) = Permit2::Permit2Errors::abi_decode(data) {
        return Some(match error {
            Permit2::Permit2Errors::InvalidNonce(_) => Reason::Permit2InvalidNonce,
            Permit2::Permit2Errors::SignatureExpired(_)
            | Permit2::Permit2Errors::InvalidSigner(_)
            | Permit2::Permit2Errors::InvalidSignature(_)
            | Permit2::Permit2Errors::InvalidSignatureLength(_)
            | Permit2::Permit2Errors::InvalidContractSignature(_) => {
                Reason::InvalidPermit2Signature
            }
        });
    }
    proxy_error(data)
}

/// What the x402 proxies name themselves.
pub fn proxy_error(data: &[u8]) -> Option<Reason> {
    use UptoPermit2Proxy::UptoPermit2ProxyErrors as Error;
    if ExactPermit2Proxy::Permit2612AmountMismatch::abi_decode(data).is_ok() {
        return Some(Reason::Permit2Permit2612AmountMismatch);
    }
    Some(match Error::abi_decode(data).ok()? {
        Error::AmountExceedsPermitted(_) => Reason::UptoAmountExceedsPermitted,
        Error::UnauthorizedFacilitator(_) => Reason::UptoUnauthorizedFacilitator,
    })
}

fn by_text(work: &Work, text: &str) -> Option<Reason> {
    let text = text.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let is_permit2 = is_permit2(work);
    if says(&[
        "exceeds balance",
        "insufficient balance",
        "erc20insufficientbalance",
    ]) {
        return Some(if is_permit2 {
            Reason::Permit2InsufficientBalance
        } else {
            Reason::InvalidExactEvmInsufficientBalance
        });
    }
    if says(&["exceeds allowance", "insufficient allowance"]) && is_permit2 {
        return Some(Reason::Permit2AllowanceRequired);
    }
    if is_permit2 {
        return None;
    }
    if says(&[
        "is used",
        "already used",
        "usedorcanceled",
        "used or canceled",
    ]) {
        return Some(Reason::InvalidExactEvmNonceAlreadyUsed);
    }
    if says(&["authorization is expired", "authorizationexpired"]) {
        return Some(Reason::InvalidExactEvmAuthorizationValidBefore);
    }
    if says(&["not yet valid", "authorizationnotyetvalid"]) {
        return Some(Reason::InvalidExactEvmAuthorizationValidAfter);
    }
    says(&["invalid signature", "signermismatch", "invalidsignature"])
        .then_some(Reason::InvalidExactEvmSignature)
}

/// Free text that may leave the house: bounded, printable, and without URLs, which may carry keys.
pub(super) fn clean(text: &str) -> String {
    let words = text
        .split_whitespace()
        .map(|word| if word.contains("://") { "[url]" } else { word });
    let joined = words.collect::<Vec<_>>().join(" ");
    joined
        .chars()
        .filter(|c| !c.is_control())
        .take(MESSAGE_MAX)
        .collect()
}
