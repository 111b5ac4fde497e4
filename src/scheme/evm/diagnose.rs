//! Why a settlement would fail: from what the chain answered to the reason that is reported. Pure.

use alloy::primitives::{FixedBytes, U256};
use alloy::sol_types::{Revert, SolError, SolInterface, SolValue};

use super::simulation::Simulated;
use crate::chain::evm::contracts::{PERMIT2, Permit2};
use crate::chain::evm::reads::CallResult;
use crate::chain::evm::revert::proxy_error;
use crate::protocol::Reason;

/// What `isValidSignature` returns for a good signature (EIP-1271).
const VALID_1271: [u8; 4] = [0x16, 0x26, 0xba, 0x7e];
/// Longest message we pass on, characters.
const MESSAGE_MAX: usize = 500;

/// A reason and, where the chain told more, a sentence for people.
pub(in crate::scheme) type Diagnosis = (Reason, Option<String>);

/// What the chain says about a Permit2 payment.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Permit2State<'a> {
    /// `PERMIT2()` of the proxy.
    pub(in crate::scheme) proxy: &'a CallResult,
    pub(in crate::scheme) balance: &'a CallResult,
    pub(in crate::scheme) allowance: &'a CallResult,
    /// The word of the nonce bitmap that holds the payment's nonce.
    pub(in crate::scheme) nonces: &'a CallResult,
    /// Of the block, unix seconds.
    pub(in crate::scheme) timestamp: u64,
}

/// What a Permit2 payment needs.
#[derive(Debug, Clone)]
pub(in crate::scheme) struct Permit2Needs {
    pub(in crate::scheme) amount: U256,
    pub(in crate::scheme) nonce: U256,
    pub(in crate::scheme) valid_after: U256,
    pub(in crate::scheme) deadline: U256,
}

/// The first reason in the reference order, `None` when the payment would be made. Proxy and asset must answer even then: a call to an account
/// without code never fails, nor does one to a contract that says yes to everything.
pub(in crate::scheme) fn permit2(
    state: &Permit2State<'_>,
    needs: &Permit2Needs,
    simulated: &Simulated,
) -> Option<Diagnosis> {
    let proxy_answers = number(state.proxy) == Some(U256::from_be_bytes(PERMIT2.into_word().0));
    if !proxy_answers {
        return Some((Reason::Permit2ProxyNotDeployed, None));
    }
    let Some(balance) = number(state.balance) else {
        let message = message(simulated).unwrap_or_else(|| "the asset tells no balance".to_owned());
        return Some((Reason::Permit2SimulationFailed, Some(message)));
    };
    if balance < needs.amount {
        return Some((Reason::Permit2InsufficientBalance, None));
    }
    let message = message(simulated)?;
    if number(state.allowance).is_some_and(|allowance| allowance < needs.amount) {
        return Some((Reason::Permit2AllowanceRequired, Some(message)));
    }
    let now = U256::from(state.timestamp);
    let reason = if nonce_is_used(state.nonces, needs.nonce) {
        Reason::Permit2InvalidNonce
    } else if now > needs.deadline {
        Reason::Permit2DeadlineExpired
    } else if now < needs.valid_after {
        Reason::Permit2NotYetValid
    } else {
        permit2_revert(simulated)
    };
    Some((reason, Some(message)))
}

/// Permit2's unordered nonces are bits: 256 to a word.
fn nonce_is_used(word: &CallResult, nonce: U256) -> bool {
    number(word).is_some_and(|word| word.bit(nonce.byte(0).into()))
}

/// What Permit2 and the proxy name themselves.
fn permit2_revert(simulated: &Simulated) -> Reason {
    use Permit2::Permit2Errors as Error;
    let Simulated::Reverted(data) = simulated else {
        return Reason::Permit2SimulationFailed;
    };
    if let Some(reason) = proxy_error(data) {
        return reason;
    }
    match Error::abi_decode(data) {
        Ok(Error::InvalidNonce(_)) => Reason::Permit2InvalidNonce,
        Ok(
            Error::InvalidSigner(_)
            | Error::InvalidSignatureLength(_)
            | Error::InvalidSignature(_)
            | Error::InvalidContractSignature(_)
            | Error::SignatureExpired(_),
        ) => Reason::InvalidPermit2Signature,
        Err(_) => Reason::Permit2SimulationFailed,
    }
}

/// Whether the payer's contract accepts the signature (EIP-1271).
pub(in crate::scheme) fn accepts(result: &CallResult) -> bool {
    result.success && result.data.starts_with(&VALID_1271)
}

pub(in crate::scheme) fn flag(result: &CallResult) -> Option<bool> {
    number(result).map(|number| !number.is_zero())
}

/// The first word of what was returned.
pub(in crate::scheme) fn number(result: &CallResult) -> Option<U256> {
    let word = result.data.get(..32).filter(|_| result.success)?;
    Some(U256::from_be_slice(word))
}

pub(in crate::scheme) fn text(result: &CallResult) -> Option<String> {
    if !result.success {
        return None;
    }
    String::abi_decode(&result.data).ok()
}

/// Why the simulation failed, for people; `None` when it did not.
pub(in crate::scheme) fn message(simulated: &Simulated) -> Option<String> {
    match simulated {
        Simulated::Paid => None,
        Simulated::TooDear => Some("the transfer needs more gas than we pay for".to_owned()),
        Simulated::Reverted(data) => Some(revert_message(data)),
    }
}

/// A revert in words. The words may be a stranger's: bounded, printable, and without addresses of web pages.
fn revert_message(data: &[u8]) -> String {
    if data.is_empty() {
        return "execution reverted".to_owned();
    }
    if let Ok(revert) = Revert::abi_decode(data) {
        return printable(&revert.reason);
    }
    let Some(selector) = data.get(..4) else {
        return "execution reverted".to_owned();
    };
    let selector = FixedBytes::<4>::from_slice(selector);
    match error_name(selector.0) {
        Some(name) => format!("execution reverted: {name}()"),
        None => format!("execution reverted with {selector}"),
    }
}

fn error_name(selector: [u8; 4]) -> Option<&'static str> {
    Some(match selector {
        [0x4e, 0x48, 0x7b, 0x71] => "Panic",
        [0x2c, 0x52, 0x11, 0xc6] | [0x37, 0x28, 0xb8, 0x3d] => "InvalidAmount",
        [0xac, 0x6b, 0x05, 0xf5] => "InvalidDestination",
        [0x49, 0xe2, 0x7c, 0xff] => "InvalidOwner",
        [0xa6, 0x55, 0x39, 0xfa] => "PaymentTooEarly",
        [0x05, 0x0c, 0xda, 0x49] => "Permit2612AmountMismatch",
        [0x3e, 0xe5, 0xae, 0xb5] => "ReentrancyGuardReentrantCall",
        [0xcd, 0x21, 0xdb, 0x4f] => "SignatureExpired",
        [0x75, 0x66, 0x88, 0xfe] => "InvalidNonce",
        [0x81, 0x5e, 0x1d, 0x64] => "InvalidSigner",
        [0x4b, 0xe6, 0x32, 0x1b] => "InvalidSignatureLength",
        [0x8b, 0xaa, 0x57, 0x9f] => "InvalidSignature",
        [0xb0, 0x66, 0x9c, 0xbc] => "InvalidContractSignature",
        [0xfe, 0x64, 0xb4, 0xc7] => "AmountExceedsPermitted",
        [0x0f, 0x6f, 0xae, 0x87] => "UnauthorizedFacilitator",
        [0xe4, 0x50, 0xd3, 0x8c] => "ERC20InsufficientBalance",
        _ => return None,
    })
}

fn printable(text: &str) -> String {
    let clean: String = text.chars().filter(|c| !c.is_control()).collect();
    let is_link = |word: &str| word.contains("://");
    let words = clean.split(' ');
    let words = words.map(|word| if is_link(word) { "[link]" } else { word });
    let words: Vec<&str> = words.collect();
    words.join(" ").chars().take(MESSAGE_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revert_is_told_in_bounded_printable_words_without_links() {
        let says = |text: &str| revert_message(&Revert::from(text).abi_encode());
        assert_eq!(says("Pausable: paused"), "Pausable: paused");
        assert_eq!(says("see https://evil.example now"), "see [link] now");
        assert_eq!(says("a\nhttp://x\u{7}"), "[link]");
        assert_eq!(says(&"x".repeat(2000)).len(), MESSAGE_MAX);
        for (data, message) in [
            (&[][..], "execution reverted"),
            (&[1, 2], "execution reverted"),
            (
                &[0x75, 0x66, 0x88, 0xfe],
                "execution reverted: InvalidNonce()",
            ),
            (&[1, 2, 3, 4, 5], "execution reverted with 0x01020304"),
        ] {
            assert_eq!(revert_message(data), message);
        }
    }

    #[test]
    fn only_the_magic_value_of_a_call_that_succeeded_accepts() {
        let result = |success, data: &[u8]| CallResult {
            success,
            gas_used: None,
            data: data.to_vec().into(),
        };
        assert!(accepts(&result(true, &VALID_1271)));
        assert!(!accepts(&result(false, &VALID_1271)));
        for other in [&[][..], &[0x16, 0x26, 0xba], &[0xff; 32], &[0; 32]] {
            assert!(!accepts(&result(true, other)));
        }
    }
}
