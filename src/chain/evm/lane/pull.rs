//! Taking on queued payments: simulate exactly what will be signed, sign, store, send.

use alloy::primitives::{Address, U256};
use alloy::sol_types::SolCall;
use serde_json::{Value, json};

use super::{End, IN_FLIGHT_MAX, Lane};
use crate::chain::evm::chain::{Chain, eth_call, parse, parse_word, read_market};
use crate::chain::evm::contracts::Token;
use crate::chain::evm::fees::{self, Market};
use crate::chain::evm::rpc::Call as RpcCall;
use crate::chain::evm::transaction::{Call, Fee, decode};
use crate::chain::evm::work::{Expect, Work};
use crate::chain::evm::{Error, revert};
use crate::hooks::Point;
use crate::observe;
use crate::protocol::Amount;
use crate::signer::Signed;
use crate::store::{self, Lease, NewAttempt, Role, Settlement, Submission, Submitted};

/// How long a claim keeps other lanes away: longer than simulating and signing take.
const CLAIM: std::time::Duration = std::time::Duration::from_secs(20);
/// When a payment that did not fit now is looked at again.
const LATER: std::time::Duration = std::time::Duration::from_millis(300);
/// Payments that share a transaction.
const GROUP_MAX: usize = 1;

/// A claimed payment whose simulation just passed.
struct Ready {
    settlement: Settlement,
    work: Work,
    /// The payer's balance of the asset that the simulation saw.
    balance: U256,
}

/// What the one batch of reads before signing says.
struct Readings {
    market: Market,
    funds: U256,
    payments: Vec<Result<U256, Error>>,
}

impl Lane {
    pub(super) async fn pull(&mut self, lease: &Lease) -> store::Result<Option<End>> {
        let now = self.chain.clock.now();
        let room = u32::try_from(IN_FLIGHT_MAX - self.open.len()).unwrap_or(0);
        let store = self.chain.store.clone();
        let claimed = store
            .claim(
                &self.chain.config.network,
                &self.address,
                now.plus(CLAIM),
                room,
            )
            .await?;
        if claimed.is_empty() {
            return Ok(None);
        }
        let Some((readings, payments)) = self.simulate(claimed).await? else {
            return Ok(None);
        };
        let Ok(fee) = fees::first(readings.market, self.chain.limits()) else {
            observe::too_dear(&self.chain.config.network);
            self.hand_back(payments.iter().map(|ready| &ready.settlement))
                .await?;
            return Ok(None);
        };
        let mut unsent = Vec::new();
        let mut payments = payments.into_iter();
        loop {
            let group: Vec<Ready> = payments.by_ref().take(GROUP_MAX).collect();
            if group.is_empty() {
                break;
            }
            if !self.afford(lease, &readings, fee, &group).await? {
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                self.hand_back(payments.as_slice().iter().map(|ready| &ready.settlement))
                    .await?;
                break;
            }
            unsent.extend(self.store_group(lease, &group, fee).await?);
        }
        for (id, signed) in unsent {
            if let Some(end) = self.send(lease, &id, &signed, true).await? {
                return Ok(Some(end));
            }
        }
        Ok(None)
    }

    /// Simulates every claimed payment in one request. Those that fail are released with the reason; when nothing could be asked, all are
    /// handed back.
    async fn simulate(
        &mut self,
        claimed: Vec<Settlement>,
    ) -> store::Result<Option<(Readings, Vec<Ready>)>> {
        let mut parsed = Vec::with_capacity(claimed.len());
        for settlement in claimed {
            let (work, expect) = read_work(&settlement)?;
            parsed.push((settlement, work, expect));
        }
        let asked = self.read(&parsed).await;
        let readings = match asked {
            Ok(readings) => readings,
            Err(cause) => {
                observe::chain_trouble(&self.chain.config.network, &cause);
                self.hand_back(parsed.iter().map(|(settlement, ..)| settlement))
                    .await?;
                return Ok(None);
            }
        };
        self.market = Some(readings.market);
        let mut ready = Vec::with_capacity(parsed.len());
        for ((settlement, work, _), answer) in parsed.into_iter().zip(&readings.payments) {
            match answer {
                Ok(balance) => ready.push(Ready {
                    settlement,
                    work,
                    balance: *balance,
                }),
                Err(cause) if cause.is_revert() => {
                    let (reason, message) = revert::reason(&work, cause);
                    self.chain
                        .store
                        .release(&settlement.id, reason, Some(&message))
                        .await?;
                }
                Err(cause) => {
                    observe::chain_trouble(&self.chain.config.network, cause);
                    self.hand_back(std::iter::once(&settlement)).await?;
                }
            }
        }
        Ok(Some((readings, ready)))
    }

    async fn read(&self, parsed: &[(Settlement, Work, Expect)]) -> Result<Readings, Error> {
        let signer = self.signer.address();
        // With a price, as the transaction will have one: some contracts behave better in calls that cost nothing.
        let market = match self.market {
            Some(market) => market,
            None => self.chain.market().await?,
        };
        let fee = fees::first(market, self.chain.limits()).ok();
        let mut calls: Vec<RpcCall> = Chain::market_calls().to_vec();
        calls.push(("eth_getBalance", json!([signer, "latest"])));
        for (_, work, expect) in parsed {
            calls.push(eth_call(simulation(signer, work, fee), "latest"));
            let data = Token::balanceOfCall {
                account: expect.from,
            }
            .abi_encode();
            calls.push(eth_call(
                json!({"to": expect.asset, "data": alloy::primitives::Bytes::from(data)}),
                "latest",
            ));
        }
        let answers = self.chain.rpc.batch(calls).await?;
        let market = read_market(&answers)?;
        let funds: U256 = parse(answers.get(3))?;
        let payments = (0..parsed.len())
            .map(|i| {
                parse::<alloy::primitives::Bytes>(answers.get(4 + 2 * i))?;
                parse_word(answers.get(5 + 2 * i))
            })
            .collect();
        Ok(Readings {
            market,
            funds,
            payments,
        })
    }

    /// Whether the signer's funds and today's spending cap bear one more transaction; pauses the lane when not.
    async fn afford(
        &mut self,
        lease: &Lease,
        readings: &Readings,
        fee: Fee,
        group: &[Ready],
    ) -> store::Result<bool> {
        let gas: u64 = group.iter().map(|ready| ready.work.gas_limit).sum();
        let cost = self
            .in_flight_cost()
            .saturating_add(u128::from(gas).saturating_mul(fee.most()));
        if U256::from(cost) > readings.funds {
            self.pause(lease, "the signer cannot pay for gas").await?;
            return Ok(false);
        }
        let spent = self
            .chain
            .store
            .spent_today(&self.chain.config.network, &self.address)
            .await?;
        let spent = u128::try_from(spent)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        if spent.saturating_add(cost) > self.chain.config.daily_spend_cap {
            self.pause(lease, "the signer's daily spend cap is reached")
                .await?;
            return Ok(false);
        }
        Ok(true)
    }

    /// Whether a typical payment could be made: what a paused lane waits for.
    pub(super) fn can_afford(&self, funds: U256, market: Market, spent_gwei: i64) -> bool {
        let Ok(fee) = fees::first(market, self.chain.limits()) else {
            return false;
        };
        let typical =
            u128::from(crate::chain::evm::work::Kind::Eip3009.gas_cap()).saturating_mul(fee.most());
        let cost = self.in_flight_cost().saturating_add(typical);
        let spent = u128::try_from(spent_gwei)
            .unwrap_or(0)
            .saturating_mul(1_000_000_000);
        U256::from(cost) <= funds && spent.saturating_add(cost) <= self.chain.config.daily_spend_cap
    }

    /// Wei that the transactions in flight can cost at most.
    fn in_flight_cost(&self) -> u128 {
        let costs = self.open.iter().filter_map(|transaction| {
            let (call, fee) = decode(&transaction.attempts.last()?.raw)?;
            Some(u128::from(call.gas_limit).saturating_mul(fee.most()))
        });
        costs.fold(0, u128::saturating_add)
    }

    /// Signs one transaction for the group and stores it. `None` when nothing was stored.
    async fn store_group(
        &mut self,
        lease: &Lease,
        group: &[Ready],
        fee: Fee,
    ) -> store::Result<Option<(String, Signed)>> {
        let [only] = group else { return Ok(None) };
        let call = Call {
            to: only.work.to,
            data: only.work.data.clone(),
            gas_limit: only.work.gas_limit,
        };
        let nonce = self.next_nonce;
        self.chain.hooks.reached(Point::NonceChosen).await;
        let signed = match self
            .signer
            .sign(call.unsigned(self.chain.config.chain_id, nonce, fee))
            .await
        {
            Ok(signed) => signed,
            Err(cause) => {
                observe::not_signed(&self.chain.config.network, &self.address, &cause);
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                return Ok(None);
            }
        };
        self.chain
            .hooks
            .reached(Point::Signed {
                raw: signed.raw.clone(),
            })
            .await;
        let attempt = NewAttempt {
            role: Role::Payment,
            hash: signed.hash.to_string(),
            raw: signed.raw.to_vec(),
            max_fee: fee.most(),
            priority_fee: fee.priority(),
        };
        let submissions = group.iter().map(submission).collect();
        match self
            .chain
            .store
            .submit(lease, nonce, attempt, submissions)
            .await?
        {
            Submitted::Stored(id) => {
                self.next_nonce += 1;
                self.reload().await?;
                self.chain.hooks.reached(Point::Stored).await;
                Ok(Some((id, signed)))
            }
            // Their requests gave them up while we simulated.
            Submitted::Gone(_) => Ok(None),
            Submitted::Crowded(_) => {
                self.hand_back(group.iter().map(|ready| &ready.settlement))
                    .await?;
                Ok(None)
            }
        }
    }

    async fn hand_back(&self, settlements: impl Iterator<Item = &Settlement>) -> store::Result<()> {
        let from = self.chain.clock.now().plus(LATER);
        for settlement in settlements {
            self.chain
                .store
                .unclaim(&settlement.id, &self.address, from)
                .await?;
        }
        Ok(())
    }
}

fn submission(ready: &Ready) -> Submission {
    Submission {
        settlement_id: ready.settlement.id.clone(),
        asset: ready.settlement.asset.clone(),
        payer: ready.settlement.payer.clone(),
        balance: Amount::from(ready.balance),
    }
}

/// The call exactly as it will be signed: sender, recipient, data, gas limit and price.
fn simulation(signer: Address, work: &Work, fee: Option<Fee>) -> Value {
    let gas = format!("{:#x}", work.gas_limit);
    match fee {
        Some(Fee::Dynamic {
            max_fee,
            priority_fee,
        }) => json!({
            "from": signer, "to": work.to, "data": work.data, "gas": gas,
            "maxFeePerGas": format!("{max_fee:#x}"), "maxPriorityFeePerGas": format!("{priority_fee:#x}"),
        }),
        Some(Fee::Legacy { gas_price }) => json!({
            "from": signer, "to": work.to, "data": work.data, "gas": gas, "gasPrice": format!("{gas_price:#x}"),
        }),
        None => json!({"from": signer, "to": work.to, "data": work.data, "gas": gas}),
    }
}

/// What the scheme put into the row for us.
pub(crate) fn read_work(settlement: &Settlement) -> store::Result<(Work, Expect)> {
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
