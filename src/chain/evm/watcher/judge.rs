//! From receipts to verdicts. The logs decide, never the status alone.

use std::time::Duration;

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolEvent;

use super::guard::{Consumption, settles};
use super::{Log, Receipt, Trouble, Watcher};
use crate::chain::evm::chain::Head;
use crate::chain::evm::contracts::Token;
use crate::chain::evm::lane::simulate::read_work;
use crate::chain::evm::work::{Expect, Guard};
use crate::clock::UnixMillis;
use crate::observe;
use crate::protocol::Reason;
use crate::store::{Block, InFlight, Mined, Settlement, Stage, Verdict};

/// How long a payment that goes back into the queue may wait there.
const REQUEUE_FOR: Duration = Duration::from_secs(20);
/// A payment that found no way for so long gets no further chance.
const GIVE_UP_AFTER: Duration = Duration::from_hours(24);

impl Watcher {
    /// Notes a receipt together with what it proves about every payment in it.
    pub(super) async fn judge(
        &self,
        transaction: &InFlight,
        receipt: &Receipt,
    ) -> Result<(), Trouble> {
        let settlements = self.chain.store.submitted_in(&transaction.id).await?;
        let alone = settlements.len() == 1;
        let mut verdicts = Vec::with_capacity(settlements.len());
        for settlement in &settlements {
            let (_, expect) = read_work(settlement)?;
            let paid = receipt
                .succeeded()
                .then(|| payment_log(&receipt.logs, &expect))
                .flatten();
            let verdict = match paid {
                Some(log_index) => Verdict::Settled {
                    transaction: receipt.transaction_hash.clone(),
                    block: receipt.block(),
                    log_index,
                },
                // Another transaction of ours took it over: that one's end decides.
                None if !is_active(transaction, settlement) => continue,
                None => {
                    self.judge_unpaid(transaction, settlement, &expect, receipt, alone)
                        .await?
                }
            };
            verdicts.push((settlement.id.clone(), verdict));
        }
        let mined = Mined {
            transaction_id: transaction.id.clone(),
            hash: receipt.transaction_hash.clone(),
            block: receipt.block(),
            succeeded: receipt.succeeded(),
            gas_used: receipt.gas_used.to(),
            gas_price: receipt.effective_gas_price.map_or(0, |price| price.to()),
        };
        if self.chain.store.mined(&mined, &verdicts).await? {
            observe::mined(&self.chain.config.network, &mined, &verdicts);
        }
        Ok(())
    }

    /// Our transaction landed and did not pay this settlement. What the chain's own guard says decides.
    async fn judge_unpaid(
        &self,
        transaction: &InFlight,
        settlement: &Settlement,
        expect: &Expect,
        receipt: &Receipt,
        alone: bool,
    ) -> Result<Verdict, Trouble> {
        let block = receipt.block();
        let carried = transaction.attempts.iter().any(|attempt| {
            attempt.role == crate::store::Role::Payment
                && attempt.hash.eq_ignore_ascii_case(&receipt.transaction_hash)
        });
        match self.consumption(settlement, expect, &block).await? {
            Consumption::Paid {
                transaction,
                block,
                log_index,
            } => Ok(Verdict::Elsewhere {
                transaction,
                block,
                log_index,
            }),
            Consumption::Cancelled => Ok(failed(
                Reason::InvalidExactEvmNonceAlreadyUsed,
                "the authorization was consumed without paying",
                receipt,
            )),
            Consumption::Ours { transaction } if transaction == receipt.transaction_hash => {
                Ok(consumed_in_vain(receipt))
            }
            // A transfer that a token keeps quiet about leaves nothing to find.
            Consumption::Unknown if carried && alone && settles_permit2(receipt, expect) => {
                Ok(consumed_in_vain(receipt))
            }
            Consumption::Ours { .. } | Consumption::Unknown => {
                Err(Trouble::Chain(crate::chain::evm::Error::Unavailable(
                    "the authorization is consumed and its transaction was not found yet"
                        .to_owned(),
                )))
            }
            Consumption::Unused if carried && alone => Ok(if receipt.succeeded() {
                failed(
                    Reason::InvalidExactEvmTransferEventMismatch,
                    "the transaction succeeded without the expected transfer",
                    receipt,
                )
            } else {
                failed(
                    Reason::InvalidExactEvmTransactionFailed,
                    "the transaction reverted",
                    receipt,
                )
            }),
            // A failure inside a batch, or a noop: nothing was decided about the payment, unless its time is over.
            Consumption::Unused
                if settlement.expires_at
                    <= i64::try_from(self.header(block.number).await?.timestamp())
                        .unwrap_or(i64::MAX) =>
            {
                Ok(Verdict::Expired { block })
            }
            Consumption::Unused => Ok(self.requeue(settlement)),
        }
    }

    /// Back into the queue; one that has had its chances for a day goes there only to be released.
    pub(super) fn requeue(&self, settlement: &Settlement) -> Verdict {
        let now = self.chain.clock.now();
        let age = UnixMillis(settlement.created_at).until(now);
        let patience = if age < GIVE_UP_AFTER {
            REQUEUE_FOR
        } else {
            Duration::ZERO
        };
        Verdict::Requeue {
            deadline: now.plus(patience),
        }
    }

    /// Ends payments whose window a confirmed block is past, unless they were consumed.
    pub(super) async fn expire(&self, missing: &[InFlight], head: &Head) -> Result<(), Trouble> {
        let now = i64::try_from(head.timestamp()).unwrap_or(i64::MAX);
        let confirmed = head
            .number()
            .saturating_sub(self.chain.config.confirmations.saturating_sub(1));
        for transaction in missing
            .iter()
            .filter(|open| open.live_until.is_some_and(|until| until <= now))
        {
            for settlement in self.chain.store.submitted_in(&transaction.id).await? {
                if settlement.expires_at > now {
                    continue;
                }
                let block = self.header(confirmed).await?;
                let past = i64::try_from(block.timestamp()).unwrap_or(i64::MAX);
                if settlement.expires_at > past {
                    continue;
                }
                let Ok((_, expect)) = read_work(&settlement) else {
                    continue;
                };
                let verdict = match self
                    .consumption_or_unknown(&settlement, &expect, &block.block())
                    .await
                {
                    Consumption::Unused => Verdict::Expired {
                        block: block.block(),
                    },
                    Consumption::Paid {
                        transaction,
                        block,
                        log_index,
                    } => Verdict::Elsewhere {
                        transaction,
                        block,
                        log_index,
                    },
                    Consumption::Cancelled => Verdict::Failed {
                        reason: Reason::InvalidExactEvmNonceAlreadyUsed,
                        message: Some("the authorization was consumed without paying".to_owned()),
                        transaction: None,
                        block: Some(block.block()),
                    },
                    // Ours: its receipt is on the way.
                    Consumption::Ours { .. } | Consumption::Unknown => continue,
                };
                self.chain.store.conclude(&settlement.id, &verdict).await?;
                observe::concluded(&self.chain.config.network, &settlement.id, &verdict);
            }
        }
        Ok(())
    }

    /// Failed payments whose authorization still lives may be paid by somebody else: watched to the end of their validity.
    pub(super) async fn watch_failed(
        &self,
        failed: Vec<Settlement>,
        head: &Head,
    ) -> Result<(), Trouble> {
        let now = i64::try_from(head.timestamp()).unwrap_or(i64::MAX);
        for settlement in failed {
            let Ok((_, expect)) = read_work(&settlement) else {
                continue;
            };
            match self
                .consumption_or_unknown(&settlement, &expect, &head.block())
                .await
            {
                Consumption::Paid {
                    transaction,
                    block,
                    log_index,
                } => {
                    let verdict = Verdict::Elsewhere {
                        transaction,
                        block,
                        log_index,
                    };
                    self.chain.store.conclude(&settlement.id, &verdict).await?;
                    observe::concluded(&self.chain.config.network, &settlement.id, &verdict);
                }
                Consumption::Cancelled | Consumption::Ours { .. } => {
                    self.chain.store.finish_failed(&settlement.id).await?;
                }
                // What was consumed without a trace stays so: past the window nothing will be found.
                Consumption::Unused | Consumption::Unknown if settlement.expires_at <= now => {
                    self.chain.store.finish_failed(&settlement.id).await?;
                }
                Consumption::Unused | Consumption::Unknown => {}
            }
        }
        Ok(())
    }
}

/// Whether this transaction is the one that the settlement waits for.
pub(super) fn is_active(transaction: &InFlight, settlement: &Settlement) -> bool {
    match &settlement.stage {
        Stage::Submitted { transaction: hash } => transaction
            .attempts
            .iter()
            .any(|attempt| attempt.hash == *hash),
        Stage::Queued
        | Stage::Settled { .. }
        | Stage::SettledElsewhere { .. }
        | Stage::Failed { .. }
        | Stage::Expired { .. }
        | Stage::Released { .. } => false,
    }
}

fn failed(reason: Reason, message: &str, receipt: &Receipt) -> Verdict {
    Verdict::Failed {
        reason,
        message: Some(message.to_owned()),
        transaction: Some(receipt.transaction_hash.clone()),
        block: Some(Block { ..receipt.block() }),
    }
}

fn consumed_in_vain(receipt: &Receipt) -> Verdict {
    failed(
        Reason::InvalidExactEvmTransferEventMismatch,
        "the transaction consumed the authorization without the expected transfer",
        receipt,
    )
}

/// Whether the transaction settled a Permit2 payment, as the proxy tells it. It does not tell which: that is known of one that carries no other.
fn settles_permit2(receipt: &Receipt, expect: &Expect) -> bool {
    matches!(expect.guard, Guard::Permit2 { .. }) && settles(&receipt.logs)
}

/// The index of the log that proves the payment: the exact transfer by the asset itself and, for EIP-3009, the very nonce's consumption.
pub(super) fn payment_log(logs: &[Log], expect: &Expect) -> Option<u64> {
    if let Guard::Eip3009 { nonce, .. } = &expect.guard {
        let used = [
            Token::AuthorizationUsed::SIGNATURE_HASH,
            expect.from.into_word(),
            *nonce,
        ];
        let consumed = logs
            .iter()
            .any(|log| log.address == expect.asset && log.topics == used);
        if !consumed {
            return None;
        }
    }
    let paid = [
        Token::Transfer::SIGNATURE_HASH,
        expect.from.into_word(),
        expect.to.into_word(),
    ];
    let value = B256::from(expect.value);
    let log = logs.iter().find(|log| {
        log.address == expect.asset
            && log.topics == paid
            && U256::try_from_be_slice(&log.data) == Some(value.into())
    })?;
    Some(log.index.to())
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{Address, Bytes, U64, address};

    use super::*;

    const ASSET: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
    const FROM: Address = address!("0x00000000000000000000000000000000000000f1");
    const TO: Address = address!("0x00000000000000000000000000000000000000f2");

    fn expect() -> Expect {
        let guard = Guard::Eip3009 {
            nonce: B256::repeat_byte(7),
            valid_before: U256::MAX,
        };
        Expect {
            asset: ASSET,
            from: FROM,
            to: TO,
            value: U256::from(500),
            guard,
        }
    }

    fn log(address: Address, topics: Vec<B256>, value: Option<u64>, index: u64) -> Log {
        let data = value.map_or_else(Bytes::new, |value| {
            Bytes::from(U256::from(value).to_be_bytes_vec())
        });
        Log {
            address,
            topics,
            data,
            index: U64::from(index),
            transaction_hash: None,
        }
    }

    fn used(nonce: u8) -> Log {
        let topics = vec![
            Token::AuthorizationUsed::SIGNATURE_HASH,
            FROM.into_word(),
            B256::repeat_byte(nonce),
        ];
        log(ASSET, topics, None, 3)
    }

    fn transfer(asset: Address, from: Address, to: Address, value: u64) -> Log {
        let topics = vec![
            Token::Transfer::SIGNATURE_HASH,
            from.into_word(),
            to.into_word(),
        ];
        log(asset, topics, Some(value), 4)
    }

    #[test]
    fn the_exact_transfer_with_its_consumption_proves_a_payment() {
        assert_eq!(
            payment_log(&[used(7), transfer(ASSET, FROM, TO, 500)], &expect()),
            Some(4)
        );
    }

    #[test]
    fn anything_else_proves_nothing() {
        let other = Address::repeat_byte(9);
        for logs in [
            vec![],
            vec![transfer(ASSET, FROM, TO, 500)],
            vec![used(7)],
            vec![used(8), transfer(ASSET, FROM, TO, 500)],
            vec![used(7), transfer(other, FROM, TO, 500)],
            vec![used(7), transfer(ASSET, FROM, TO, 499)],
            vec![used(7), transfer(ASSET, FROM, other, 500)],
            vec![used(7), transfer(ASSET, other, TO, 500)],
        ] {
            assert_eq!(payment_log(&logs, &expect()), None, "{logs:?}");
        }
    }
}
