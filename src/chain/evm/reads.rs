//! Reads of the chain for verification. One read is one HTTP request, whatever it holds: the code of accounts, and calls with their own gas.
//! This is the only door through which verification asks a node, so that reads of several payments can share a request later.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use alloy::hex;
use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol;
use alloy::sol_types::SolValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::rpc::{Call, Rpc};
use super::{Error, gas};

/// `contracts/Reader.sol`, compiled (see there); its constructor's arguments are appended.
static READER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    hex::decode(include_str!("../../../contracts/reader.hex").trim())
        .expect("the committed creation code is hex")
});
/// Longest init code that a node accepts, bytes (EIP-3860).
const INIT_CODE_MAX: usize = 49_152;
/// How many reads go as a batch after a node refused the deployless call, until that is tried again.
const BATCHES_AFTER_REFUSAL: u32 = 64;

mod abi {
    use super::sol;

    sol! {
        struct Call { address target; uint256 gas; bool isStatic; bytes data; }
        struct AccountCode { uint256 size; bytes32 head; }
        struct Result { bool success; uint256 gasUsed; bytes data; }
        struct Answer { uint256 blockNumber; uint256 timestamp; AccountCode[] codes; Result[] results; }
    }
}

/// What to read, of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The account that the calls must come from, where the callee looks at it: such a read cannot be wrapped and goes as one JSON-RPC batch.
    /// Otherwise any of ours.
    pub from: Option<Address>,
    /// Accounts whose code is asked for.
    pub accounts: Vec<Address>,
    /// Calls in order. What one call changes, the next may or may not see: they must not depend on each other.
    pub calls: Vec<ReadCall>,
}

/// One call of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadCall {
    pub target: Address,
    /// Gas that the callee gets, no more and no less.
    pub gas: u64,
    pub is_static: bool,
    pub data: Bytes,
}

/// What a node answered, in the order asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadResult {
    /// Number of the block that was read, as the EVM there tells it (some rollups tell their parent chain's).
    pub block: u64,
    /// Its time, unix seconds.
    pub timestamp: u64,
    pub codes: Vec<Code>,
    pub results: Vec<CallResult>,
}

/// An account's code: nothing, a contract, or an EIP-7702 delegation (23 bytes that begin with `0xef0100`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Code {
    /// Bytes.
    pub size: u64,
    /// The first 32 bytes, padded with zeros.
    pub head: B256,
}

impl Code {
    pub fn is_empty(&self) -> bool {
        self.size == 0
    }
}

/// What became of one call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallResult {
    pub success: bool,
    /// Refunds not deducted; `None` where the node cannot tell.
    pub gas_used: Option<u64>,
    /// What it returned or reverted with, the first 1 024 bytes.
    pub data: Bytes,
}

/// The reads of one network.
#[derive(Debug)]
pub struct Reads {
    rpc: Arc<Rpc>,
    from: Address,
    /// Reads left that go as a batch because a node refused the deployless call.
    batches_left: AtomicU32,
}

impl Reads {
    /// `from` is the account that the calls are made by: one that pays the gas.
    pub fn new(rpc: Arc<Rpc>, from: Address) -> Self {
        Self {
            rpc,
            from,
            batches_left: AtomicU32::new(0),
        }
    }

    /// Reads the latest block: one `eth_call` of our own init code, or one JSON-RPC batch where a node does not take that.
    ///
    /// # Errors
    /// Only [`Error::Unavailable`]. A call that fails is a [`CallResult`], not an error.
    pub async fn read(&self, read: &Read) -> Result<ReadResult, Error> {
        if read.from.is_some() {
            return self.batch(read).await;
        }
        let init_code = init_code(read);
        let batch_is_due = init_code.len() > INIT_CODE_MAX || self.take_batch();
        if batch_is_due {
            return self.batch(read).await;
        }
        match self.deployless(read, &init_code).await {
            Err(Error::Refused { .. }) => {
                let result = self.batch(read).await?;
                self.batches_left
                    .store(BATCHES_AFTER_REFUSAL, Ordering::Relaxed);
                Ok(result)
            }
            answered => answered,
        }
    }

    /// Whether the deployless call was refused lately; counts down.
    fn take_batch(&self) -> bool {
        self.batches_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                left.checked_sub(1)
            })
            .is_ok()
    }

    async fn deployless(&self, read: &Read, init_code: &[u8]) -> Result<ReadResult, Error> {
        let call = json!({
            "from": self.from,
            "data": hex::encode_prefixed(init_code),
            "gas": quantity(deployless_gas(read, init_code)),
        });
        let answer: Bytes = self.rpc.read("eth_call", json!([call, "latest"])).await?;
        decode_answer(&answer, read).ok_or_else(|| Error::Refused {
            code: 0,
            message: "the answer to a deployless call is not ours".to_owned(),
            data: None,
        })
    }

    async fn batch(&self, read: &Read) -> Result<ReadResult, Error> {
        let mut answers = self.rpc.batch(self.batch_calls(read)).await?.into_iter();
        let mut next = || answers.next().unwrap_or_else(|| Err(incomplete()));
        let head: Head = decode(next())?;
        let mut codes = Vec::with_capacity(read.accounts.len());
        for _ in &read.accounts {
            codes.push(code_of(&decode::<Bytes>(next())?));
        }
        let mut results = Vec::with_capacity(read.calls.len());
        for _ in &read.calls {
            results.push(call_result(next())?);
        }
        Ok(ReadResult {
            block: saturate(head.number),
            timestamp: saturate(head.timestamp),
            codes,
            results,
        })
    }

    fn batch_calls(&self, read: &Read) -> Vec<Call> {
        let head = ("eth_getBlockByNumber", json!(["latest", false]));
        let codes = read
            .accounts
            .iter()
            .map(|account| ("eth_getCode", json!([account, "latest"])));
        let calls = read.calls.iter().map(|call| {
            // The callee shall get what it gets in the other way, and a node takes the cost of the calldata off first.
            let gas = call.gas.saturating_add(gas::intrinsic(&call.data));
            let request = json!({
                "from": read.from.unwrap_or(self.from),
                "to": call.target,
                "data": call.data,
                "gas": quantity(gas),
            });
            ("eth_call", json!([request, "latest"]))
        });
        std::iter::once(head).chain(codes).chain(calls).collect()
    }
}

#[derive(Deserialize)]
struct Head {
    number: U256,
    timestamp: U256,
}

fn init_code(read: &Read) -> Vec<u8> {
    let calls: Vec<abi::Call> = read.calls.iter().map(abi_call).collect();
    let mut code = READER.clone();
    code.extend((read.accounts.clone(), calls).abi_encode_params());
    code
}

fn abi_call(call: &ReadCall) -> abi::Call {
    abi::Call {
        target: call.target,
        gas: U256::from(call.gas),
        isStatic: call.is_static,
        data: call.data.clone(),
    }
}

/// Gas enough for every stipend in full, whichever calldata price is in force (40 per byte is the dearest, EIP-7623), and for depositing the answer.
fn deployless_gas(read: &Read, init_code: &[u8]) -> u64 {
    const CREATION: u64 = 200_000;
    const PER_BYTE: u64 = 48;
    const PER_ENTRY: u64 = 300_000;
    let entries = (read.accounts.len() + read.calls.len()) as u64;
    let stipends = read
        .calls
        .iter()
        .fold(0_u64, |sum, call| sum.saturating_add(call.gas));
    stipends
        .saturating_add(stipends / 32)
        .saturating_add(CREATION + PER_BYTE * init_code.len() as u64 + PER_ENTRY * entries)
}

fn decode_answer(answer: &[u8], read: &Read) -> Option<ReadResult> {
    let answer = abi::Answer::abi_decode_params(answer).ok()?;
    let complete =
        answer.codes.len() == read.accounts.len() && answer.results.len() == read.calls.len();
    if !complete {
        return None;
    }
    let code = |code: abi::AccountCode| Code {
        size: saturate(code.size),
        head: code.head,
    };
    let result = |result: abi::Result| CallResult {
        success: result.success,
        gas_used: Some(saturate(result.gasUsed)),
        data: result.data,
    };
    Some(ReadResult {
        block: saturate(answer.blockNumber),
        timestamp: saturate(answer.timestamp),
        codes: answer.codes.into_iter().map(code).collect(),
        results: answer.results.into_iter().map(result).collect(),
    })
}

fn code_of(code: &Bytes) -> Code {
    let mut head = [0; 32];
    for (to, from) in head.iter_mut().zip(code) {
        *to = *from;
    }
    Code {
        size: code.len() as u64,
        head: head.into(),
    }
}

/// A call's outcome as a batch tells it. Only a failed execution is an outcome; any other refusal means that we do not know.
fn call_result(answer: Result<Box<RawValue>, Error>) -> Result<CallResult, Error> {
    let outcome = |success, data| CallResult {
        success,
        gas_used: None,
        data,
    };
    match answer {
        Err(refused @ Error::Refused { .. }) if execution_failed(&refused) => match refused {
            Error::Refused { data, .. } => Ok(outcome(false, data.unwrap_or_default())),
            Error::Unavailable(_) => Err(refused),
        },
        answer => decode(answer).map(|data| outcome(true, data)),
    }
}

/// Whether the callee itself failed: reverted, ran out of the gas it was given, or did what the EVM forbids.
fn execution_failed(error: &Error) -> bool {
    let Error::Refused { message, .. } = error else {
        return false;
    };
    let message = message.to_lowercase();
    let faults = [
        "out of gas",
        "outofgas",
        "invalid opcode",
        "invalid jump",
        "stack underflow",
        "stack overflow",
    ];
    error.is_revert() || faults.iter().any(|fault| message.contains(fault))
}

/// A part of a batch, where a refusal says nothing about a payment.
fn decode<T: DeserializeOwned>(answer: Result<Box<RawValue>, Error>) -> Result<T, Error> {
    let raw = answer.map_err(|cause| Error::Unavailable(cause.to_string()))?;
    serde_json::from_str(raw.get())
        .map_err(|cause| Error::Unavailable(format!("unreadable answer: {cause}")))
}

fn incomplete() -> Error {
    Error::Unavailable("the batch is incomplete".to_owned())
}

fn saturate(number: U256) -> u64 {
    number.saturating_to()
}

fn quantity(number: u64) -> Value {
    Value::String(format!("0x{number:x}"))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::bytes;

    use super::*;

    fn read() -> Read {
        Read {
            from: None,
            accounts: vec![Address::repeat_byte(1)],
            calls: vec![ReadCall {
                target: Address::repeat_byte(2),
                gas: 100_000,
                is_static: true,
                data: bytes!("aabb"),
            }],
        }
    }

    fn refused(code: i64, message: &str) -> Error {
        Error::Refused {
            code,
            message: message.to_owned(),
            data: Some(bytes!("08c379a0")),
        }
    }

    fn json(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn reads_what_the_reader_returns_and_nothing_that_is_not_whole() {
        let answer = abi::Answer {
            blockNumber: U256::from(7),
            timestamp: U256::from(1_700_000_000),
            codes: vec![abi::AccountCode {
                size: U256::from(23),
                head: B256::repeat_byte(3),
            }],
            results: vec![abi::Result {
                success: true,
                gasUsed: U256::from(900),
                data: bytes!("01"),
            }],
        };
        let encoded = answer.abi_encode_params();
        assert_eq!(encoded[0], 0, "EIP-3541 forbids 0xEF");
        let result = decode_answer(&encoded, &read()).unwrap();
        assert_eq!((result.block, result.timestamp), (7, 1_700_000_000));
        assert_eq!(
            (result.codes[0].size, result.codes[0].is_empty()),
            (23, false)
        );
        assert_eq!(result.results[0].gas_used, Some(900));
        let more = Read {
            accounts: vec![],
            ..read()
        };
        assert_eq!(decode_answer(&encoded, &more), None);
        assert_eq!(decode_answer(&encoded[..64], &read()), None);
        assert_eq!(decode_answer(&[], &read()), None);
    }

    #[test]
    fn only_a_failed_execution_is_an_outcome_of_a_call() {
        for (code, message) in [
            (3, "execution reverted: paused"),
            (-32000, "out of gas"),
            (-32003, "EVM error OutOfGas"),
            (-32000, "invalid opcode: INVALID"),
        ] {
            let result = call_result(Err(refused(code, message))).unwrap();
            assert!(!result.success, "{message}");
            assert_eq!(result.data, bytes!("08c379a0"));
        }
        for (code, message) in [
            (-32601, "method not found"),
            (-32000, "header not found"),
            (-32603, "internal error"),
        ] {
            let error = call_result(Err(refused(code, message))).unwrap_err();
            assert!(matches!(error, Error::Unavailable(_)), "{message}");
        }
        assert!(call_result(Err(Error::Unavailable("timed out".to_owned()))).is_err());
        assert!(call_result(Ok(json("null"))).is_err());
        let result = call_result(Ok(json("\"0x01\""))).unwrap();
        assert_eq!((result.success, result.data), (true, bytes!("01")));
    }

    #[test]
    fn the_gas_covers_every_stipend_and_stays_under_what_nodes_grant() {
        let calls = vec![
            ReadCall {
                gas: 300_000,
                ..read().calls.remove(0)
            };
            8
        ];
        let read = Read { calls, ..read() };
        let gas = deployless_gas(&read, &init_code(&read));
        assert!(gas > 8 * 300_000 + 1_000_000, "{gas}");
        assert!(gas < 16_777_216, "EIP-7825: {gas}");
    }

    #[test]
    fn the_head_of_a_delegation_is_kept() {
        let designator = bytes!("ef01001111111111111111111111111111111111111111");
        let code = code_of(&designator);
        assert_eq!(code.size, 23);
        assert!(code.head.starts_with(&[0xef, 0x01, 0x00]));
        assert!(code_of(&Bytes::new()).is_empty());
    }
}
