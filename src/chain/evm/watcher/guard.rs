//! What the chain's own once-only guard says about an authorization, and who consumed it.

use alloy::primitives::{Address, Bytes, U256};
use alloy::sol_types::{SolCall, SolEvent};
use serde_json::{Value, json};

use super::judge::payment_log;
use super::{Log, Receipt, Trouble, Watcher};
use crate::chain::evm::Error;
use crate::chain::evm::chain::{Head, parse, parse_word, tag};
use crate::chain::evm::contracts::{
    EXACT_PERMIT2_PROXY, ExactPermit2Proxy, PERMIT2, Permit2, Token,
};
use crate::chain::evm::work::{Expect, Guard};
use crate::store::{Block, Settlement};

/// Blocks searched per `eth_getLogs`: what public nodes allow.
const LOG_SPAN: u64 = 1000;
/// Spans searched before giving up for this round.
const LOG_SPANS_MAX: u64 = 20;
/// Blocks searched before the estimated time of enqueueing, for clocks that disagree.
const LOG_MARGIN: u64 = 100;

/// What became of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consumption {
    Unused,
    /// By a transaction that paid these very terms.
    Paid {
        transaction: String,
        block: Block,
        log_index: u64,
    },
    /// By a transaction of ours: its own receipt says what it did.
    Ours {
        transaction: String,
    },
    /// Without paying: cancelled, or its nonce invalidated.
    Cancelled,
    /// Consumed, and the transaction was not found.
    Unknown,
}

impl Watcher {
    /// Reads the guard pinned to a block and, where it is consumed, looks for the transaction that did it.
    pub(super) async fn consumption(
        &self,
        settlement: &Settlement,
        expect: &Expect,
        at: &Block,
    ) -> Result<Consumption, Trouble> {
        if !self.is_consumed(expect, at).await? {
            return Ok(Consumption::Unused);
        }
        let (address, topics) = trace(expect);
        let age = self
            .chain
            .clock
            .now()
            .0
            .saturating_sub(settlement.created_at)
            .max(0);
        let block_millis = i64::try_from(self.chain.config.block_time.as_millis())
            .unwrap_or(i64::MAX)
            .max(1);
        let blocks = u64::try_from(age / block_millis)
            .unwrap_or(0)
            .saturating_add(LOG_MARGIN);
        let earliest = at.number.saturating_sub(blocks);
        let mut to = at.number;
        for _ in 0..LOG_SPANS_MAX {
            let from = to.saturating_sub(LOG_SPAN - 1).max(earliest);
            let filter = json!([{"address": address, "topics": topics, "fromBlock": tag(from), "toBlock": tag(to)}]);
            let logs: Vec<Log> = self.chain.rpc.read("eth_getLogs", filter).await?;
            for log in logs.iter().rev() {
                if let Some(found) = self.read_trace(log, expect).await? {
                    return Ok(found);
                }
            }
            if from <= earliest {
                break;
            }
            to = from - 1;
        }
        Ok(Consumption::Unknown)
    }

    /// Like [`Watcher::consumption`] for a row among many: one that cannot be asked about now does not keep the others waiting.
    pub(super) async fn consumption_or_unknown(
        &self,
        settlement: &Settlement,
        expect: &Expect,
        at: &Block,
    ) -> Consumption {
        self.consumption(settlement, expect, at)
            .await
            .unwrap_or_else(|cause| {
                self.tell(&cause);
                Consumption::Unknown
            })
    }

    async fn is_consumed(&self, expect: &Expect, at: &Block) -> Result<bool, Trouble> {
        let (to, data, bit) = match &expect.guard {
            Guard::Eip3009 { nonce, .. } => {
                let call = Token::authorizationStateCall {
                    authorizer: expect.from,
                    nonce: *nonce,
                };
                (expect.asset, call.abi_encode(), U256::ONE)
            }
            Guard::Permit2 { nonce, .. } => {
                let call = Permit2::nonceBitmapCall {
                    owner: expect.from,
                    word: *nonce >> 8,
                };
                (
                    PERMIT2,
                    call.abi_encode(),
                    U256::ONE << (*nonce & U256::from(0xff)).to::<usize>(),
                )
            }
        };
        // Pinned by hash (EIP-1898): a node that is on another fork, or behind, cannot answer for this block.
        let block = json!({"blockHash": at.hash, "requireCanonical": true});
        let call = (
            "eth_call",
            json!([{"to": to, "data": Bytes::from(data)}, block]),
        );
        let answers = self.chain.rpc.batch(vec![call]).await?;
        let word = parse_word(answers.first())?;
        Ok(!(word & bit).is_zero())
    }

    /// What the transaction of a log did with the authorization; `None` when the log is of another payment.
    async fn read_trace(&self, log: &Log, expect: &Expect) -> Result<Option<Consumption>, Trouble> {
        let Some(hash) = &log.transaction_hash else {
            return Ok(None);
        };
        let calls = vec![
            ("eth_getTransactionReceipt", json!([hash])),
            ("eth_getTransactionByHash", json!([hash])),
        ];
        let answers = self.chain.rpc.batch(calls).await?;
        let Some(receipt) = parse::<Option<Receipt>>(answers.first())? else {
            return Ok(None);
        };
        let Some(input) = parse::<Option<Input>>(answers.get(1))? else {
            return Ok(None);
        };
        if !is_of_this_payment(&receipt, &input.input, expect) {
            return Ok(None);
        }
        if self
            .chain
            .store
            .is_ours(&receipt.transaction_hash.to_lowercase())
            .await?
        {
            return Ok(Some(Consumption::Ours {
                transaction: receipt.transaction_hash,
            }));
        }
        Ok(Some(match payment_log(&receipt.logs, expect) {
            Some(log_index) => Consumption::Paid {
                transaction: receipt.transaction_hash.clone(),
                block: receipt.block(),
                log_index,
            },
            None => Consumption::Cancelled,
        }))
    }

    /// The header of a block by its number.
    pub(super) async fn header(&self, number: u64) -> Result<Head, Error> {
        let head: Option<Head> = self
            .chain
            .rpc
            .read("eth_getBlockByNumber", json!([tag(number), false]))
            .await?;
        head.ok_or_else(|| Error::Unavailable(format!("the node has no block {number}")))
    }
}

#[derive(serde::Deserialize)]
struct Input {
    input: Bytes,
}

/// The log that a consumption leaves: EIP-3009 names the nonce itself, used or cancelled. Permit2 signature transfers name nothing, so every transfer between the
/// two is looked at.
fn trace(expect: &Expect) -> (Address, Value) {
    let from = expect.from.into_word();
    match &expect.guard {
        Guard::Eip3009 { nonce, .. } => {
            let either = [
                Token::AuthorizationUsed::SIGNATURE_HASH,
                Token::AuthorizationCanceled::SIGNATURE_HASH,
            ];
            (expect.asset, json!([either, from, nonce]))
        }
        Guard::Permit2 { .. } => {
            let to = expect.to.into_word();
            let transfer = Token::Transfer::SIGNATURE_HASH;
            (expect.asset, json!([transfer, from, to]))
        }
    }
}

/// A Permit2 transfer belongs to this authorization when its calldata carries the nonce and the proxy said that it settled.
fn is_of_this_payment(receipt: &Receipt, input: &[u8], expect: &Expect) -> bool {
    match &expect.guard {
        Guard::Eip3009 { .. } => true,
        Guard::Permit2 { nonce, .. } => {
            let word = nonce.to_be_bytes::<32>();
            let carries = input.windows(32).any(|window| window == word);
            carries && settles(&receipt.logs)
        }
    }
}

/// Whether the proxy says that it settled.
pub(super) fn settles(logs: &[Log]) -> bool {
    let settled = [
        ExactPermit2Proxy::Settled::SIGNATURE_HASH,
        ExactPermit2Proxy::SettledWithPermit::SIGNATURE_HASH,
    ];
    logs.iter().any(|log| {
        let topic = log.topics.first();
        log.address == EXACT_PERMIT2_PROXY && topic.is_some_and(|topic| settled.contains(topic))
    })
}
