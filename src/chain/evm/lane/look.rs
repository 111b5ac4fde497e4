//! One look at a payment before it is signed: what is asked of a node, and what its answers say.
//!
//! A session's first payment takes two transactions, and the second only works after the first. Both are run in one call by a tiny program that
//! stands at the spender's address for the length of that call (a state override). A node that takes no overrides is asked for the permit alone,
//! and for the balance.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::SolCall;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::chain::evm::chain::{parse, parse_word};
use crate::chain::evm::contracts::Token;
use crate::chain::evm::rpc::Call as RpcCall;
use crate::chain::evm::transaction::Fee;
use crate::chain::evm::work::{Expect, Kind, PermitCall, Work};
use crate::chain::evm::{Error, gas};

/// What the program returns first, as a word. Anything else, also nothing, is a node that did not run it.
const PERMIT_FAILED: u8 = 1;
const PAYMENT_FAILED: u8 = 2;
const BOTH_RAN: u8 = 3;
/// Gas that the program itself may use.
const PROGRAM_GAS: u64 = 100_000;

/// What a look at a payment showed.
#[derive(Debug, Clone)]
pub(super) enum Look {
    /// It would pay; the payer's balance of the asset.
    Pays {
        balance: U256,
    },
    Refused {
        step: Step,
        cause: Error,
    },
    /// Nothing can be said now.
    Unclear(Error),
}

/// Which of the transactions would fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::chain::evm) enum Step {
    Permit,
    Payment,
}

/// The calls of one look: the settlement, the payer's balance and, where there is a permit, that alone.
pub(super) fn calls(
    signer: Address,
    work: &Work,
    expect: &Expect,
    fee: Option<Fee>,
) -> Vec<RpcCall> {
    let account = expect.from;
    let balance = Bytes::from(Token::balanceOfCall { account }.abi_encode());
    let balance = json!([{"to": expect.asset, "data": balance}, "latest"]);
    let payment = Run {
        signer,
        fee,
        to: work.to,
        data: &work.data,
        gas: work.gas_limit,
    };
    let Some(permit) = &work.permit else {
        let alone = json!([payment.call(), "latest"]);
        return vec![("eth_call", alone), ("eth_call", balance)];
    };
    let alone = Run {
        data: &permit.data,
        gas: permit.gas_limit,
        ..payment
    };
    vec![
        ("eth_call", both(&payment, work, permit)),
        ("eth_call", balance),
        ("eth_call", json!([alone.call(), "latest"])),
    ]
}

/// How many calls [`calls`] makes.
pub(super) fn count(work: &Work) -> usize {
    if work.permit.is_some() { 3 } else { 2 }
}

/// What the answers to [`calls`] say.
pub(super) fn read(work: &Work, expect: &Expect, answers: &[Result<Box<RawValue>, Error>]) -> Look {
    let payment = match &work.permit {
        None => read_alone(work, parse(answers.first())),
        Some(_) => read_both(parse(answers.first())),
    };
    let balance = parse_word(answers.get(1));
    match (payment, balance) {
        (Outcome::Pays, Ok(balance)) => Look::Pays { balance },
        (Outcome::Pays, Err(cause)) | (Outcome::Unclear(cause), _) => Look::Unclear(cause),
        (Outcome::Refused { step, cause }, _) => Look::Refused { step, cause },
        (Outcome::NotRun, balance) => read_permit(expect, parse(answers.get(2)), balance),
    }
}

/// What a simulation came to.
enum Outcome {
    Pays,
    Refused {
        step: Step,
        cause: Error,
    },
    Unclear(Error),
    /// The node does not take overrides.
    NotRun,
}

fn read_alone(work: &Work, answer: Result<Bytes, Error>) -> Outcome {
    match answer {
        Ok(returned) if work.kind == Kind::Session => read_transfer(&returned),
        Ok(_) => Outcome::Pays,
        Err(cause) if cause.is_revert() => Outcome::Refused {
            step: Step::Payment,
            cause,
        },
        Err(cause) => Outcome::Unclear(cause),
    }
}

fn read_both(answer: Result<Bytes, Error>) -> Outcome {
    let returned = match answer {
        Ok(returned) => returned,
        Err(cause @ Error::Unavailable(_)) => return Outcome::Unclear(cause),
        // The program never reverts: whatever did was not the program.
        Err(Error::Refused { .. }) => return Outcome::NotRun,
    };
    let Some((word, rest)) = returned.split_at_checked(32) else {
        return Outcome::NotRun;
    };
    let refused = |step| Outcome::Refused {
        step,
        cause: reverted("execution reverted", Bytes::copy_from_slice(rest)),
    };
    match U256::from_be_slice(word) {
        word if word == U256::from(PERMIT_FAILED) => refused(Step::Permit),
        word if word == U256::from(PAYMENT_FAILED) => refused(Step::Payment),
        word if word == U256::from(BOTH_RAN) => read_transfer(rest),
        _ => Outcome::NotRun,
    }
}

/// Some tokens say no instead of reverting.
fn read_transfer(returned: &[u8]) -> Outcome {
    let says_no = returned
        .get(..32)
        .is_some_and(|word| word.iter().all(|byte| *byte == 0));
    if says_no {
        let cause = reverted("transferFrom returned false", Bytes::new());
        let step = Step::Payment;
        return Outcome::Refused { step, cause };
    }
    Outcome::Pays
}

/// The permit alone and the balance, where both transactions cannot be run together.
fn read_permit(
    expect: &Expect,
    permit: Result<Bytes, Error>,
    balance: Result<U256, Error>,
) -> Look {
    match (permit, balance) {
        (Err(cause), _) if cause.is_revert() => Look::Refused {
            step: Step::Permit,
            cause,
        },
        (Err(cause), _) | (_, Err(cause)) => Look::Unclear(cause),
        (Ok(_), Ok(balance)) if balance < expect.value => Look::Refused {
            step: Step::Payment,
            cause: reverted("transfer amount exceeds balance", Bytes::new()),
        },
        (Ok(_), Ok(balance)) => Look::Pays { balance },
    }
}

fn reverted(message: &str, data: Bytes) -> Error {
    Error::Refused {
        code: 3,
        message: message.to_owned(),
        data: Some(data),
    }
}

/// A call as a transaction of the signer.
#[derive(Clone, Copy)]
struct Run<'a> {
    signer: Address,
    fee: Option<Fee>,
    to: Address,
    data: &'a Bytes,
    gas: u64,
}

impl Run<'_> {
    /// Exactly as it will be signed: sender, recipient, data, gas limit and price.
    fn call(&self) -> Value {
        let mut call = json!({"from": self.signer, "to": self.to, "data": self.data, "gas": format!("{:#x}", self.gas)});
        match self.fee {
            Some(Fee::Dynamic {
                max_fee,
                priority_fee,
            }) => {
                call["maxFeePerGas"] = json!(format!("{max_fee:#x}"));
                call["maxPriorityFeePerGas"] = json!(format!("{priority_fee:#x}"));
            }
            Some(Fee::Legacy { gas_price }) => call["gasPrice"] = json!(format!("{gas_price:#x}")),
            None => {}
        }
        call
    }
}

/// The parameters of the call that runs permit and payment by the signer, each with the gas that its transaction will have for it.
fn both(payment: &Run<'_>, work: &Work, permit: &PermitCall) -> Value {
    let empty = Bytes::new();
    let run = Run {
        to: payment.signer,
        data: &empty,
        gas: work.gas().saturating_add(PROGRAM_GAS),
        ..*payment
    };
    let steps = [
        (&permit.data, permit.gas_limit),
        (&work.data, work.gas_limit),
    ];
    let mut at_signer = serde_json::Map::new();
    let code = json!({"code": program(work.to, steps)});
    at_signer.insert(payment.signer.to_string(), code);
    json!([run.call(), "latest", at_signer])
}

/// Code that makes both calls to one contract, the second only if the first worked, and returns how far it came and what the last one returned.
fn program(to: Address, steps: [(&Bytes, u64); 2]) -> Bytes {
    /// Length of what [`call`] makes and of what [`tell`] makes.
    const CALL: usize = 55;
    const TELL: usize = 18;
    const HEAD: usize = 2 * (CALL + TELL + 1) + TELL;
    let mut code = Vec::with_capacity(HEAD + steps[0].0.len() + steps[1].0.len());
    let mut data_at = HEAD;
    for ((data, gas_limit), failed) in steps.iter().zip([PERMIT_FAILED, PAYMENT_FAILED]) {
        let over = code.len() + CALL + TELL;
        let gas = gas_limit.saturating_sub(gas::intrinsic(data));
        code.extend(call(to, [data_at, data.len(), over], gas));
        code.extend(tell(failed));
        code.push(0x5b); // JUMPDEST
        data_at += data.len();
    }
    code.extend(tell(BOTH_RAN));
    for (data, _) in steps {
        code.extend_from_slice(data);
    }
    code.into()
}

/// Copies calldata out of the code, makes the call, and jumps where it worked.
fn call(to: Address, [data_at, length, over]: [usize; 3], gas: u64) -> Vec<u8> {
    let push3 = |number: usize| {
        let bytes = u32::try_from(number).unwrap_or(u32::MAX).to_be_bytes();
        [0x62, bytes[1], bytes[2], bytes[3]]
    };
    let gas = u32::try_from(gas).unwrap_or(u32::MAX).to_be_bytes();
    let mut code = Vec::new();
    code.extend(push3(length));
    code.extend(push3(data_at));
    code.extend([0x60, 0, 0x39]); // PUSH1 0, CODECOPY
    code.extend([0x60, 0, 0x60, 0]); // no room for what it returns
    code.extend(push3(length));
    code.extend([0x60, 0, 0x60, 0, 0x73]); // from memory 0, no value, PUSH20
    code.extend(to.as_slice());
    code.push(0x63); // PUSH4
    code.extend(gas);
    code.push(0xf1); // CALL
    code.extend(&push3(over)[..]);
    code.push(0x57); // JUMPI
    code
}

/// Returns a word and what the last call returned.
fn tell(outcome: u8) -> [u8; 18] {
    [
        0x60, outcome, 0x60, 0, 0x52, // MSTORE at 0
        0x3d, 0x60, 0, 0x60, 32, 0x3e, // RETURNDATACOPY to 32
        0x3d, 0x60, 32, 0x01, // 32 more than it returned
        0x60, 0, 0xf3, // RETURN
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_jumps_over_each_failure_and_finds_its_calldata() {
        let (one, two) = (Bytes::from_static(b"first"), Bytes::from_static(b"second!"));
        let code = program(
            Address::repeat_byte(0xaa),
            [(&one, 100_000), (&two, 90_000)],
        );
        assert_eq!(code.len(), 2 * (55 + 18 + 1) + 18 + 5 + 7);
        for start in [0, 74] {
            let word = |at: usize| usize::from(code[at + 1]) << 8 | usize::from(code[at + 2]);
            let (length, data_at, over) = (word(start + 1), word(start + 5), word(start + 51));
            assert_eq!(code[over], 0x5b);
            let data = &code[data_at..data_at + length];
            assert_eq!(data, if start == 0 { &one[..] } else { &two[..] });
        }
    }

    #[test]
    fn an_answer_that_the_program_did_not_give_is_no_verdict() {
        let gave = |bytes: &[u8]| read_both(Ok(Bytes::copy_from_slice(bytes)));
        for nothing in [&[][..], &[3; 31], &[0; 32], &[9; 64]] {
            assert!(matches!(gave(nothing), Outcome::NotRun), "{nothing:?}");
        }
        let word = |last: u8, rest: &[u8]| {
            let mut answer = [0; 32].to_vec();
            answer[31] = last;
            answer.extend_from_slice(rest);
            answer
        };
        let refused = |outcome, expected| matches!(outcome, Outcome::Refused { step, .. } if step == expected);
        assert!(refused(gave(&word(1, b"why")), Step::Permit));
        assert!(refused(gave(&word(2, b"why")), Step::Payment));
        assert!(
            refused(gave(&word(3, &[0; 32])), Step::Payment),
            "it said no"
        );
        assert!(matches!(gave(&word(3, &[])), Outcome::Pays));
        assert!(matches!(gave(&word(3, &[1; 32])), Outcome::Pays));
    }
}
