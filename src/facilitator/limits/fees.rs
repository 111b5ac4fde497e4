//! Whether more gas may be spent for somebody today.

use super::refusal::{Overspent, Spender};
use crate::config::limits::{FeeLevel, Level, Limits};
use crate::store::{Fees, FeesToday};

/// The first limit of gas that is used up. `budget` is what the network's keys may spend in a day together.
pub(super) fn exceeded(
    rules: &Limits,
    caller: &Level,
    budget: i64,
    today: &FeesToday,
) -> Option<Overspent> {
    [
        (Spender::All, rules.all.fees, today.all),
        (Spender::Caller, caller.fees, today.caller),
        (Spender::Payer, rules.payer.fees, today.payer),
        (Spender::PayTo, rules.pay_to, today.pay_to),
    ]
    .into_iter()
    .find_map(|(who, most, spent)| over(who, most, budget, spent))
}

fn over(who: Spender, most: FeeLevel, budget: i64, spent: Fees) -> Option<Overspent> {
    let is_over = |percent: Option<u32>, gwei: i64| {
        percent.is_some_and(|percent| i128::from(gwei) >= share(budget, percent))
    };
    if is_over(most.all, spent.gwei) {
        return Some(Overspent { who, failed: false });
    }
    is_over(most.failed, spent.failed_gwei).then_some(Overspent { who, failed: true })
}

/// Percent of a budget. Wide enough that no product wraps.
fn share(budget: i64, percent: u32) -> i128 {
    i128::from(budget) * i128::from(percent) / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: i64 = 1000;

    fn fees(gwei: i64, failed_gwei: i64) -> Fees {
        Fees { gwei, failed_gwei }
    }

    fn judge(change: impl FnOnce(&mut Limits, &mut FeesToday)) -> Option<Overspent> {
        let mut rules = Limits::embedded();
        let mut today = FeesToday::default();
        change(&mut rules, &mut today);
        exceeded(&rules, &rules.key, BUDGET, &today)
    }

    #[test]
    fn a_limit_is_used_up_when_its_share_is_spent_and_not_before() {
        let payer = |failed| {
            judge(|_, today| today.payer = fees(failed, failed)).map(|over| (over.who, over.failed))
        };
        assert_eq!(payer(49), None);
        assert_eq!(payer(50), Some((Spender::Payer, true)));
    }

    #[test]
    fn what_paid_somebody_counts_only_where_all_gas_is_limited() {
        let spend = |percent| {
            judge(|rules, today| {
                rules.pay_to.all = percent;
                today.pay_to = fees(900, 0);
            })
        };
        assert_eq!(spend(None), None);
        let over = Overspent {
            who: Spender::PayTo,
            failed: false,
        };
        assert_eq!(spend(Some(90)), Some(over));
    }

    #[test]
    fn everybody_together_may_spend_what_the_keys_may() {
        let all = judge(|_, today| today.all = fees(BUDGET, 0)).unwrap();
        assert_eq!(all.who, Spender::All);
        assert_eq!(judge(|_, today| today.all = fees(BUDGET - 1, 0)), None);
    }

    #[test]
    fn no_budget_is_too_large_to_reckon_with() {
        assert_eq!(
            share(i64::MAX, u32::MAX),
            i128::from(i64::MAX) * i128::from(u32::MAX) / 100
        );
    }
}
