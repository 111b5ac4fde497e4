//! What to bid for gas. Pure: the market and the limits come in, a bid comes out.

use super::transaction::Fee;

/// Raise of a replacement in percent: nodes ask for 10, some for 12.5.
const RAISE_PERCENT: u128 = 15;

/// What the newest block and the node say, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Market {
    /// `None` on chains without EIP-1559.
    pub base_fee: Option<u128>,
    /// The node's suggestion: priority fee, or gas price on chains without EIP-1559.
    pub tip: u128,
}

/// What the operator allows, wei per gas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub max_fee: u128,
    pub min_priority_fee: u128,
}

/// Gas costs more than the operator allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooDear;

/// The first bid: room for the base fee to double, never above the limit.
pub(super) fn first(market: Market, limits: Limits) -> Result<Fee, TooDear> {
    let priority_fee = market.tip.max(limits.min_priority_fee);
    let Some(base_fee) = market.base_fee else {
        return affordable(priority_fee, limits).map(|gas_price| Fee::Legacy { gas_price });
    };
    // A node's suggestion alone must not make gas too dear: strangers' tips are in it.
    let room = limits.max_fee.checked_sub(base_fee).ok_or(TooDear)?;
    if room < limits.min_priority_fee {
        return Err(TooDear);
    }
    let priority_fee = priority_fee.min(room);
    let needed = base_fee.saturating_add(priority_fee);
    let roomy = base_fee.saturating_mul(2).saturating_add(priority_fee);
    Ok(Fee::Dynamic {
        max_fee: roomy.clamp(needed, limits.max_fee),
        priority_fee,
    })
}

/// A replacement's bid: both fields raised as nodes demand, and at least today's first bid.
pub(super) fn raise(previous: Fee, market: Market, limits: Limits) -> Result<Fee, TooDear> {
    let raised = |fee: u128| fee.saturating_add((fee.saturating_mul(RAISE_PERCENT) / 100).max(1));
    // A market we cannot afford today must not keep us from clearing the nonce with what we may bid.
    let today = first(market, limits).ok();
    Ok(match previous {
        Fee::Legacy { gas_price } => {
            let today = today.map_or(0, Fee::most);
            Fee::Legacy {
                gas_price: affordable(raised(gas_price).max(today), limits)?,
            }
        }
        Fee::Dynamic {
            max_fee,
            priority_fee,
        } => {
            let (today_max, today_priority) =
                today.map_or((0, 0), |fee| (fee.most(), fee.priority()));
            let max_fee = affordable(raised(max_fee).max(today_max), limits)?;
            Fee::Dynamic {
                max_fee,
                priority_fee: raised(priority_fee).max(today_priority).min(max_fee),
            }
        }
    })
}

fn affordable(fee: u128, limits: Limits) -> Result<u128, TooDear> {
    if fee <= limits.max_fee {
        Ok(fee)
    } else {
        Err(TooDear)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_fee: 1000,
        min_priority_fee: 5,
    };

    fn market(base_fee: u128, tip: u128) -> Market {
        Market {
            base_fee: Some(base_fee),
            tip,
        }
    }

    #[test]
    fn bids_twice_the_base_fee_and_at_least_the_minimum_priority_fee() {
        assert_eq!(
            first(market(100, 1), LIMITS),
            Ok(Fee::Dynamic {
                max_fee: 205,
                priority_fee: 5
            })
        );
    }

    #[test]
    fn bids_up_to_the_limit_when_twice_the_base_fee_is_above_it() {
        assert_eq!(
            first(market(600, 10), LIMITS),
            Ok(Fee::Dynamic {
                max_fee: 1000,
                priority_fee: 10
            })
        );
    }

    #[test]
    fn bids_what_is_left_when_a_suggested_tip_is_above_the_limit() {
        let fee = Fee::Dynamic {
            max_fee: 1000,
            priority_fee: 900,
        };
        assert_eq!(first(market(100, 1_000_000), LIMITS), Ok(fee));
    }

    #[test]
    fn refuses_a_market_above_the_limit() {
        assert_eq!(first(market(996, 5), LIMITS), Err(TooDear));
        assert_eq!(
            first(
                Market {
                    base_fee: None,
                    tip: 1001
                },
                LIMITS
            ),
            Err(TooDear)
        );
    }

    #[test]
    fn raises_both_fields_by_more_than_an_eighth() {
        let previous = Fee::Dynamic {
            max_fee: 200,
            priority_fee: 8,
        };
        assert_eq!(
            raise(previous, market(10, 1), LIMITS),
            Ok(Fee::Dynamic {
                max_fee: 230,
                priority_fee: 9
            })
        );
        assert_eq!(
            raise(
                Fee::Legacy { gas_price: 3 },
                Market {
                    base_fee: None,
                    tip: 0
                },
                LIMITS
            ),
            Ok(Fee::Legacy { gas_price: 5 })
        );
    }

    #[test]
    fn never_raises_above_the_limit() {
        let previous = Fee::Dynamic {
            max_fee: 900,
            priority_fee: 8,
        };
        assert_eq!(raise(previous, market(10, 1), LIMITS), Err(TooDear));
    }

    #[test]
    fn follows_the_market_when_it_rose_more_than_the_raise() {
        let previous = Fee::Dynamic {
            max_fee: 100,
            priority_fee: 5,
        };
        assert_eq!(
            raise(previous, market(300, 20), LIMITS),
            Ok(Fee::Dynamic {
                max_fee: 620,
                priority_fee: 20
            })
        );
    }
}
