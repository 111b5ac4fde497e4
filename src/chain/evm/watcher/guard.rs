//! What the chain's own once-only guard says about an authorization, and who consumed it.

#[cfg(test)]
mod tests;

use alloy::primitives::{Address, B256, Bytes, U256};
use alloy::sol_types::{SolCall, SolEvent};
use serde_json::{Value, json};

use super::judge::payment_log;
use super::{Log, Receipt, Trouble, Watcher};
use crate::chain::evm::Error;
use crate::chain::evm::chain::{Head, parse, parse_word, tag};
use crate::chain::evm::contracts::{
    EXACT_PERMIT2_PROXY, ExactPermit2Proxy, PERMIT2, Permit2, Token, UPTO_PERMIT2_PROXY,
};
use crate::chain::evm::work::{Expect, Guard};
use crate::clock::UnixMillis;
use crate::store::{Block, Settlement};

/// Blocks searched per `eth_getLogs`: what public nodes allow.
const LOG_SPAN: u64 = 1000;
/// Spans searched before giving up for this round.
const LOG_SPANS_MAX: u64 = 20;
/// Blocks searched before the estimated time of enqueueing, for clocks that disagree.
const LOG_MARGIN: u64 = 100;

/// Logs looked at per search: each costs two calls.
const LOGS_MAX: usize = 60;
/// Transactions asked for in one request.
const LOGS_PER_REQUEST: usize = 12;

/// What became of an authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Consumption {
    Unused,
    /// By somebody else's transaction, which paid these very terms.
    Paid {
        transaction: String,
        block: Block,
    },
    /// By a transaction of ours; the log where it paid, if it did.
    Ours {
        transaction: String,
        block: Block,
        log_index: Option<u64>,
    },
    /// Without paying: cancelled, or its nonce invalidated.
    Cancelled,
    /// Consumed, and a complete search found no transaction that did it.
    Traceless,
    /// Consumed, and the search was not complete.
    Unknown,
}

/// What some logs say about an authorization.
enum Traces {
    Found(Consumption),
    /// They are all of other payments.
    Foreign,
    /// Some of their transactions could not be read.
    Unread,
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
        let earliest = at.number.saturating_sub(self.blocks_since(settlement));
        let mut to = at.number;
        let mut looked_at = 0;
        let mut is_complete = true;
        for _ in 0..LOG_SPANS_MAX {
            let from = to.saturating_sub(LOG_SPAN - 1).max(earliest);
            let logs = self.traces(expect, from, to, at).await?;
            for some in logs.chunks(LOGS_PER_REQUEST) {
                looked_at += some.len();
                if looked_at > LOGS_MAX {
                    return Ok(Consumption::Unknown);
                }
                match self.read_traces(some, settlement, expect).await? {
                    Traces::Found(found) => return Ok(found),
                    Traces::Unread => is_complete = false,
                    Traces::Foreign => {}
                }
            }
            if from <= earliest {
                let reaches_back = is_complete && self.is_before(from, settlement).await?;
                return Ok(if reaches_back {
                    Consumption::Traceless
                } else {
                    Consumption::Unknown
                });
            }
            to = from - 1;
        }
        Ok(Consumption::Unknown)
    }

    /// Blocks since the payment was enqueued, generously.
    fn blocks_since(&self, settlement: &Settlement) -> u64 {
        let age = self
            .chain
            .clock
            .now()
            .0
            .saturating_sub(settlement.created_at)
            .max(0);
        let block_millis =
            i64::try_from(self.chain.config.block_time.as_millis()).unwrap_or(i64::MAX);
        // Blocks may come faster than the configuration says.
        u64::try_from(age / block_millis.max(1))
            .unwrap_or(0)
            .saturating_mul(2)
            .saturating_add(LOG_MARGIN)
    }

    /// Whether a block is older than the payment's row, so that a search from there on leaves nothing out.
    async fn is_before(&self, block: u64, settlement: &Settlement) -> Result<bool, Error> {
        let made = UnixMillis(settlement.created_at).as_secs();
        Ok(block == 0 || self.header(block).await?.timestamp() <= made)
    }

    /// The logs that a consumption may have left, newest first, from a node that has the block which the consumption was read at.
    async fn traces(
        &self,
        expect: &Expect,
        from: u64,
        to: u64,
        at: &Block,
    ) -> Result<Vec<Log>, Error> {
        let calls = filters(expect).into_iter().map(|(address, topics)| {
            let filter = json!([{"address": address, "topics": topics, "fromBlock": tag(from), "toBlock": tag(to)}]);
            ("eth_getLogs", filter)
        });
        let has_block = ("eth_getBlockByHash", json!([at.hash, false]));
        let calls = std::iter::once(has_block).chain(calls).collect();
        let answers = self.chain.rpc.batch(calls).await?;
        if parse::<Option<Head>>(answers.first())?.is_none() {
            return Err(Error::Unavailable("the node is behind".to_owned()));
        }
        let mut logs: Vec<Log> = Vec::new();
        for answer in answers.iter().skip(1) {
            logs.extend(parse::<Vec<Log>>(Some(answer))?);
        }
        logs.reverse();
        Ok(logs)
    }

    async fn is_consumed(&self, expect: &Expect, at: &Block) -> Result<bool, Trouble> {
        // Nothing on chain is consumed by a `transferFrom`: its own transactions decide, see `watcher::session`.
        let Some(Question { to, data, bit }) = guard_question(expect) else {
            return Ok(false);
        };
        // Pinned by hash (EIP-1898): a node that is on another fork, or behind, cannot answer for this block.
        let block = json!({"blockHash": at.hash, "requireCanonical": true});
        let call = ("eth_call", json!([{"to": to, "data": data}, block]));
        let answers = self.chain.rpc.batch(vec![call]).await?;
        let word = parse_word(answers.first())?;
        Ok(!(word & bit).is_zero())
    }

    /// What the transactions of some logs did with the authorization.
    async fn read_traces(
        &self,
        logs: &[Log],
        settlement: &Settlement,
        expect: &Expect,
    ) -> Result<Traces, Trouble> {
        let hashes: Vec<&String> = logs
            .iter()
            .filter_map(|log| log.transaction_hash.as_ref())
            .collect();
        let calls = hashes.iter().flat_map(|hash| {
            [
                ("eth_getTransactionReceipt", json!([hash])),
                ("eth_getTransactionByHash", json!([hash])),
            ]
        });
        let answers = self.chain.rpc.batch(calls.collect()).await?;
        let mut unread = false;
        for pair in answers.chunks(2) {
            let receipt = parse::<Option<Receipt>>(pair.first())?;
            let (Some(receipt), Some(input)) = (receipt, parse::<Option<Input>>(pair.get(1))?)
            else {
                unread = true;
                continue;
            };
            if !is_of_this_payment(&receipt, &input.input, expect) {
                continue;
            }
            let (transaction, block) = (receipt.transaction_hash.to_lowercase(), receipt.block());
            let log_index = payment_log(&receipt.logs, expect);
            return Ok(
                match self
                    .chain
                    .store
                    .carried_in(&transaction, &settlement.id)
                    .await?
                {
                    Some(true) => Traces::Found(Consumption::Ours {
                        transaction,
                        block,
                        log_index,
                    }),
                    // Ours, and made for another payment that only looks like this one.
                    Some(false) => continue,
                    None if log_index.is_some() => {
                        Traces::Found(Consumption::Paid { transaction, block })
                    }
                    None => Traces::Found(Consumption::Cancelled),
                },
            );
        }
        Ok(if unread {
            Traces::Unread
        } else {
            Traces::Foreign
        })
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

/// The view of the chain's own guard.
pub(in crate::chain::evm) struct Question {
    pub(in crate::chain::evm) to: Address,
    pub(in crate::chain::evm) data: Bytes,
    /// Set in the answer when the authorization is consumed.
    pub(in crate::chain::evm) bit: U256,
}

/// What to ask whether an authorization is consumed; `None` where the chain guards nothing.
pub(in crate::chain::evm) fn guard_question(expect: &Expect) -> Option<Question> {
    let question = match &expect.guard {
        Guard::Eip3009 { nonce, .. } => {
            let call = Token::authorizationStateCall {
                authorizer: expect.from,
                nonce: *nonce,
            };
            Question {
                to: expect.asset,
                data: call.abi_encode().into(),
                bit: U256::ONE,
            }
        }
        Guard::Permit2 { nonce, .. } => {
            let call = Permit2::nonceBitmapCall {
                owner: expect.from,
                word: *nonce >> 8,
            };
            Question {
                to: PERMIT2,
                data: call.abi_encode().into(),
                bit: U256::ONE << (*nonce & U256::from(0xff)).to::<usize>(),
            }
        }
        Guard::Session { .. } => return None,
    };
    Some(question)
}

#[derive(serde::Deserialize)]
struct Input {
    input: Bytes,
}

/// The logs that a consumption leaves. EIP-3009 names the nonce itself, used or cancelled. A Permit2 signature transfer names nothing, so every
/// transfer between the two is looked at; an invalidation names the nonce's word.
fn filters(expect: &Expect) -> Vec<(Address, Value)> {
    let from = expect.from.into_word();
    match &expect.guard {
        Guard::Eip3009 { nonce, .. } => {
            let either = [
                Token::AuthorizationUsed::SIGNATURE_HASH,
                Token::AuthorizationCanceled::SIGNATURE_HASH,
            ];
            vec![(expect.asset, json!([either, from, nonce]))]
        }
        Guard::Permit2 { .. } => vec![
            (
                PERMIT2,
                json!([Permit2::UnorderedNonceInvalidation::SIGNATURE_HASH, from]),
            ),
            (
                expect.asset,
                json!([Token::Transfer::SIGNATURE_HASH, from, expect.to.into_word()]),
            ),
        ],
        Guard::Session { .. } => Vec::new(),
    }
}

/// A Permit2 transfer belongs to this authorization when its calldata carries the very permit, as every call of the proxy does, also inside another
/// call. An invalidation belongs to it when its mask has the bit.
fn is_of_this_payment(receipt: &Receipt, input: &[u8], expect: &Expect) -> bool {
    match &expect.guard {
        Guard::Eip3009 { .. } => true,
        Guard::Session { .. } => false,
        Guard::Permit2 {
            nonce,
            deadline,
            ceiling,
        } => {
            let permitted = ceiling.unwrap_or(expect.value);
            let permit = words([
                expect.asset.into_word(),
                permitted.into(),
                (*nonce).into(),
                (*deadline).into(),
            ]);
            // Between the two the upto proxy takes the amount: whatever it was, it is this authorization that was used.
            let gap = if ceiling.is_some() { 32 } else { 0 };
            let parties = words([expect.from.into_word(), expect.to.into_word()]);
            let carries = carries(input, &permit, gap, &parties);
            (carries && settles(&receipt.logs)) || invalidates(&receipt.logs, expect.from, *nonce)
        }
    }
}

fn words<const N: usize>(words: [B256; N]) -> Vec<u8> {
    words.map(|word| word.0).concat()
}

/// Whether `before` and `after` stand in the calldata with exactly `gap` bytes between them.
fn carries(input: &[u8], before: &[u8], gap: usize, after: &[u8]) -> bool {
    let whole = before.len() + gap + after.len();
    input
        .windows(whole)
        .any(|window| window.starts_with(before) && window.ends_with(after))
}

fn invalidates(logs: &[Log], owner: Address, nonce: U256) -> bool {
    let topics = [
        Permit2::UnorderedNonceInvalidation::SIGNATURE_HASH,
        owner.into_word(),
    ];
    logs.iter().any(|log| {
        let (Some(word), Some(mask)) = (log.data.get(..32), log.data.get(32..64)) else {
            return false;
        };
        let bit = U256::ONE << (nonce & U256::from(0xff)).to::<usize>();
        log.address == PERMIT2
            && log.topics == topics
            && U256::from_be_slice(word) == nonce >> 8
            && !(U256::from_be_slice(mask) & bit).is_zero()
    })
}

/// Whether a proxy says that it settled; both say it alike.
pub(super) fn settles(logs: &[Log]) -> bool {
    let settled = [
        ExactPermit2Proxy::Settled::SIGNATURE_HASH,
        ExactPermit2Proxy::SettledWithPermit::SIGNATURE_HASH,
    ];
    logs.iter().any(|log| {
        let topic = log.topics.first();
        let is_proxy = [EXACT_PERMIT2_PROXY, UPTO_PERMIT2_PROXY].contains(&log.address);
        is_proxy && topic.is_some_and(|topic| settled.contains(topic))
    })
}
