//! The last look before signing: one request simulates every claimed payment exactly as it would be signed, and reads what it costs.

use alloy::primitives::U256;
use serde_json::json;

use super::Lane;
use super::look::{self, Look, Step};
use crate::chain::evm::chain::{market_calls, parse, read_market};
use crate::chain::evm::fees::{self, Market};
use crate::chain::evm::rpc::Call as RpcCall;
use crate::chain::evm::transaction::{Fee, decode};
use crate::chain::evm::work::{Expect, Guard, Kind, Work};
use crate::chain::evm::{Error, revert};
use crate::observe;
use crate::protocol::Reason;
use crate::store::{self, Lease, Settlement, Stage};

/// A claimed payment whose simulation just passed.
pub(super) struct Ready {
    pub(super) settlement: Settlement,
    pub(super) work: Work,
    /// The payer's balance of the asset, as the simulation saw it.
    pub(super) balance: U256,
}

/// A claimed payment as it was read from its row.
struct Claimed {
    settlement: Settlement,
    work: Work,
    expect: Expect,
}

/// A claimed payment whose simulation failed.
pub(super) struct Refused {
    settlement: Settlement,
    work: Work,
    expect: Expect,
    step: Step,
    cause: Error,
}

/// What the simulations came to.
pub(super) struct Simulated {
    pub(super) readings: Readings,
    pub(super) ready: Vec<Ready>,
    pub(super) refused: Vec<Refused>,
}

/// What the request before signing says.
pub(super) struct Readings {
    pub(super) market: Market,
    /// The signer's native balance, wei.
    pub(super) funds: U256,
    payments: Vec<Look>,
}

impl Lane {
    /// When nothing could be asked, all are handed back and there is nothing to do.
    pub(super) async fn simulate(
        &mut self,
        lease: &Lease,
        claimed: Vec<Settlement>,
    ) -> store::Result<Option<Simulated>> {
        let claimed = self.read_rows(claimed).await?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let readings = match self.read(&claimed).await {
            Ok(readings) => readings,
            Err(cause) => {
                observe::chain_trouble(&self.chain.config.network, &cause);
                self.hand_back(claimed.iter().map(|claimed| &claimed.settlement))
                    .await?;
                return Ok(None);
            }
        };
        self.market = Some(readings.market);
        // A signer that cannot pay makes nodes refuse its simulations: that says nothing about the payments.
        if !self
            .affords(lease, &readings, Kind::Eip3009.gas_cap())
            .await?
        {
            self.hand_back(claimed.iter().map(|claimed| &claimed.settlement))
                .await?;
            return Ok(None);
        }
        let mut ready = Vec::with_capacity(claimed.len());
        let mut refused = Vec::new();
        for (claimed, look) in claimed.into_iter().zip(&readings.payments) {
            let Claimed {
                settlement,
                work,
                expect,
            } = claimed;
            match look {
                Look::Pays { balance } => ready.push(Ready {
                    settlement,
                    work,
                    balance: *balance,
                }),
                Look::Refused { step, cause } => refused.push(Refused {
                    settlement,
                    work,
                    expect,
                    step: *step,
                    cause: cause.clone(),
                }),
                Look::Unclear(cause) => {
                    observe::chain_trouble(&self.chain.config.network, cause);
                    self.hand_back(std::iter::once(&settlement)).await?;
                }
            }
        }
        Ok(Some(Simulated {
            readings,
            ready,
            refused,
        }))
    }

    /// Payments that would revert are given up, once a second look agrees: one stale node is no verdict. One that had bytes before is never given
    /// up here; the watcher asks the chain about it.
    pub(super) async fn refuse(&self, refused: Vec<Refused>) -> store::Result<()> {
        let fee = self
            .market
            .and_then(|market| fees::first(market, self.chain.limits()).ok());
        let looks = refused.iter().map(|refused| async move {
            let had_bytes = matches!(refused.settlement.stage, Stage::Queued { earlier: Some(_) });
            if had_bytes {
                return false;
            }
            let (work, expect) = (&refused.work, &refused.expect);
            let again = look::calls(self.signer.address(), work, expect, fee);
            let looks = self.chain.rpc.ask_up(&again).await;
            let mut looks = looks.iter().flatten().peekable();
            looks.peek().is_some()
                && looks.all(|answers| {
                    matches!(look::read(work, expect, answers), Look::Refused { .. })
                })
        });
        let agreed = futures::future::join_all(looks).await;
        for (refused, agreed) in refused.iter().zip(agreed) {
            if agreed {
                let (reason, message) = revert::reason(&refused.work, refused.step, &refused.cause);
                self.chain
                    .store
                    .release(&refused.settlement.id, reason, Some(&message))
                    .await?;
            } else {
                self.hand_back(std::iter::once(&refused.settlement)).await?;
            }
        }
        Ok(())
    }

    /// A payment whose window closes before the next block would only burn gas.
    fn is_too_late(&self, settlement: &Settlement) -> bool {
        let last_call = self
            .chain
            .clock
            .now()
            .as_secs()
            .saturating_add(self.chain.config.last_call());
        settlement.expires_at <= i64::try_from(last_call).unwrap_or(i64::MAX)
    }

    /// A row that cannot be read is given up: it must not stand in the way of the others.
    async fn read_rows(&self, settlements: Vec<Settlement>) -> store::Result<Vec<Claimed>> {
        let mut claimed = Vec::with_capacity(settlements.len());
        for settlement in settlements {
            match read_work(&settlement) {
                Ok((_, expect)) if self.is_too_late(&settlement) => {
                    let reason = match expect.guard {
                        Guard::Eip3009 { .. } => Reason::InvalidExactEvmAuthorizationValidBefore,
                        Guard::Permit2 { .. } => Reason::Permit2DeadlineExpired,
                        Guard::Session { .. } => Reason::AuthorizationExpired,
                    };
                    self.chain
                        .store
                        .release(&settlement.id, reason, None)
                        .await?;
                }
                Ok((work, expect)) => claimed.push(Claimed {
                    settlement,
                    work,
                    expect,
                }),
                Err(cause) => {
                    observe::store_trouble(&cause);
                    self.chain
                        .store
                        .release(&settlement.id, Reason::UnexpectedSettleError, None)
                        .await?;
                }
            }
        }
        Ok(claimed)
    }

    async fn read(&self, claimed: &[Claimed]) -> Result<Readings, Error> {
        let signer = self.signer.address();
        // With a price, as the transaction will have one: some contracts behave better in calls that cost nothing.
        let market = match self.market {
            Some(market) => market,
            None => self.chain.market().await?,
        };
        let fee = fees::first(market, self.chain.limits()).ok();
        let mut calls: Vec<RpcCall> = market_calls(Some(market));
        let offset = calls.len();
        calls.push(("eth_getBalance", json!([signer, "latest"])));
        for Claimed { work, expect, .. } in claimed {
            calls.extend(look::calls(signer, work, expect, fee));
        }
        let answers = self.chain.rpc.batch(calls).await?;
        let market = read_market(Some(market), &answers)?;
        let funds: U256 = parse(answers.get(offset))?;
        let mut at = offset + 1;
        let mut payments = Vec::with_capacity(claimed.len());
        for Claimed { work, expect, .. } in claimed {
            let end = at + look::count(work);
            payments.push(look::read(
                work,
                expect,
                answers.get(at..end).unwrap_or_default(),
            ));
            at = end;
        }
        Ok(Readings {
            market,
            funds,
            payments,
        })
    }

    /// Whether the signer's funds and today's spending cap bear a transaction of so much gas more; pauses the lane when they
    /// do not even bear a usual one.
    pub(super) async fn affords(
        &mut self,
        lease: &Lease,
        readings: &Readings,
        gas: u64,
    ) -> store::Result<bool> {
        let Ok(fee) = fees::first(readings.market, self.chain.limits()) else {
            return Ok(true); // Too dear is not the signer's poverty: the caller looks at that.
        };
        let spent = self
            .chain
            .store
            .spent_today(&self.chain.config.network, &self.address)
            .await?;
        if self.poverty(readings.funds, spent, fee, gas).is_none() {
            return Ok(true);
        }
        // One dear payment is no reason to stop the others.
        if let Some(reason) = self.poverty(readings.funds, spent, fee, Kind::Eip3009.gas_cap()) {
            self.pause(lease, reason).await?;
        }
        Ok(false)
    }

    /// Whether a typical payment could be made: what a paused lane waits for.
    pub(super) fn can_afford(&self, funds: U256, market: Market, spent_gwei: i64) -> bool {
        fees::first(market, self.chain.limits()).is_ok_and(|fee| {
            self.poverty(funds, spent_gwei, fee, Kind::Eip3009.gas_cap())
                .is_none()
        })
    }

    /// Why the signer may not send so much gas more, with everything in flight at its dearest.
    fn poverty(&self, funds: U256, spent_gwei: i64, fee: Fee, gas: u64) -> Option<&'static str> {
        let in_flight = self.open.iter().filter_map(|transaction| {
            let (call, fee) = decode(&transaction.attempts.last()?.raw)?;
            Some(u128::from(call.gas_limit).saturating_mul(fee.most()))
        });
        let cost = in_flight.fold(
            u128::from(gas).saturating_mul(fee.most()),
            u128::saturating_add,
        );
        let spent = u128::try_from(spent_gwei)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        if U256::from(cost) > funds {
            Some("the signer cannot pay for gas")
        } else if spent.saturating_add(cost) > self.chain.config.daily_spend_cap {
            Some("the signer's daily spend cap is reached")
        } else {
            None
        }
    }
}

/// What the scheme put into the row for us.
///
/// # Errors
/// [`store::Error::Inconsistent`] when the row was not written by this scheme.
pub(in crate::chain::evm) fn read_work(settlement: &Settlement) -> store::Result<(Work, Expect)> {
    let unreadable = |column: &str| {
        store::Error::Inconsistent(format!(
            "{column} of settlement {} is unreadable",
            settlement.id
        ))
    };
    let work = serde_json::from_str(&settlement.work).map_err(|_| unreadable("work"))?;
    let expect = serde_json::from_str(&settlement.expect).map_err(|_| unreadable("expect"))?;
    Ok((work, expect))
}
