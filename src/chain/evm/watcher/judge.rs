//! From receipts to verdicts. The logs decide, never the status alone.

use alloy::primitives::{B256, U256};
use alloy::sol_types::SolEvent;

use super::guard::settles;
use super::standing::{Standing, failed, in_vain};
use super::{Log, Receipt, Trouble, Watcher, codes};
use crate::chain::evm::chain::Head;
use crate::chain::evm::contracts::Token;
use crate::chain::evm::lane::simulate::read_work;
use crate::chain::evm::work::{Expect, Guard};
use crate::observe;
use crate::store::{InFlight, Mined, Role, Settlement, Stage, Verdict};

/// A payment that its transaction did not pay.
#[derive(Clone, Copy)]
struct Unpaid<'a> {
    transaction: &'a InFlight,
    settlement: &'a Settlement,
    expect: &'a Expect,
    receipt: &'a Receipt,
    /// Whether the transaction carried nothing else.
    alone: bool,
}

impl Watcher {
    /// Notes a receipt together with what it proves about every payment that the transaction ever carried. A receipt always closes its
    /// transaction; a payment about which nothing is proven stays open for [`Watcher::decide_leftovers`].
    pub(super) async fn judge(
        &self,
        transaction: &InFlight,
        receipt: &Receipt,
        at: &Head,
    ) -> Result<(), Trouble> {
        let settlements = self.chain.store.carried_by(&transaction.id).await?;
        let alone = settlements.len() == 1;
        let mut verdicts = Vec::with_capacity(settlements.len());
        for settlement in &settlements {
            let Ok((_, expect)) = read_work(settlement) else {
                continue;
            };
            let paid = receipt
                .succeeded()
                .then(|| payment_log(&receipt.logs, &expect))
                .flatten();
            let verdict = match paid {
                Some(log_index) => Some(Verdict::Settled {
                    transaction: receipt.transaction_hash.clone(),
                    block: receipt.block(),
                    log_index,
                }),
                // Decided already, or another transaction of ours took it over: that one's end decides.
                None if !is_active(transaction, settlement) => None,
                // A batch may be sent anew once it failed, so that has to be final.
                None if matches!(expect.guard, Guard::Session { .. }) => None,
                None => {
                    let unpaid = Unpaid {
                        transaction,
                        settlement,
                        expect: &expect,
                        receipt,
                        alone,
                    };
                    self.judge_unpaid(&unpaid, at).await
                }
            };
            verdicts.extend(verdict.map(|verdict| (settlement.id.clone(), verdict)));
        }
        let mined = Mined {
            transaction_id: transaction.id.clone(),
            hash: receipt.transaction_hash.clone(),
            block: receipt.block(),
            succeeded: receipt.succeeded(),
            gas_used: receipt.gas_used.to(),
            gas_price: receipt.effective_gas_price.map_or(0, |price| price.to()),
            l1_fee: receipt.l1_fee.map_or(0, |fee| fee.saturating_to()),
        };
        if self.chain.store.mined(&mined, &verdicts).await? {
            observe::mined(observe::Landing {
                network: &self.chain.config.network,
                transaction,
                mined: &mined,
                settlements: &settlements,
                verdicts: &verdicts,
                now: self.chain.clock.now(),
            });
        }
        Ok(())
    }

    /// Our transaction landed and did not pay this settlement. What the chain's own guard says decides; `None` when it says nothing now.
    async fn judge_unpaid(&self, unpaid: &Unpaid<'_>, at: &Head) -> Option<Verdict> {
        let Unpaid {
            transaction,
            settlement,
            expect,
            receipt,
            alone,
        } = *unpaid;
        let carried = transaction.attempts.iter().any(|attempt| {
            attempt.role == Role::Payment
                && attempt.hash.eq_ignore_ascii_case(&receipt.transaction_hash)
        });
        match self.standing(settlement, at).await {
            Standing::Decided(verdict) => Some(verdict),
            Standing::Live if carried && alone => {
                let (reason, message) = if receipt.succeeded() {
                    (
                        codes::in_vain(expect),
                        "the transaction succeeded without the expected transfer",
                    )
                } else {
                    (codes::unpaid(expect), "the transaction reverted")
                };
                Some(failed(
                    reason,
                    message,
                    Some(&receipt.transaction_hash),
                    Some(receipt.block()),
                ))
            }
            // A failure inside a batch, or a noop: nothing was decided about the payment.
            Standing::Live => Some(self.requeue()),
            // A transfer that a token keeps quiet about leaves nothing to find: the proxy's word stands for the one payment that it can mean.
            Standing::Unclear
                if carried && alone && receipt.succeeded() && settles(&receipt.logs) =>
            {
                Some(in_vain(expect, &receipt.transaction_hash, receipt.block()))
            }
            Standing::Unclear => None,
        }
    }
}

/// Whether this transaction is the one that the settlement waits for.
pub(super) fn is_active(transaction: &InFlight, settlement: &Settlement) -> bool {
    match &settlement.stage {
        Stage::Submitted { transaction: hash } => transaction
            .attempts
            .iter()
            .any(|attempt| attempt.hash == *hash),
        Stage::Queued { .. }
        | Stage::Settled { .. }
        | Stage::Closed { .. }
        | Stage::SettledElsewhere { .. }
        | Stage::Failed { .. }
        | Stage::Expired { .. }
        | Stage::Released { .. } => false,
    }
}

/// The index of the log that proves the payment: the exact transfer by the asset itself and, for EIP-3009, the very nonce's consumption.
pub(in crate::chain::evm) fn payment_log(logs: &[Log], expect: &Expect) -> Option<u64> {
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
