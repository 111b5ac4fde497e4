//! Which payments the operator takes. What is on record is answered before any rule: a rule never calls a payment refused that is under way
//! or landed. Rules that need nobody come first, questions to others after them, what must be known of the verified payer last.

mod ask;
mod gate;

use std::sync::Arc;

pub use ask::Questions;
pub use gate::Gates;

use super::Caller;
use super::limits::Kind;
use crate::config::{DenyList, policy};
use crate::protocol::{Amount, Network, Party, Payment, Reason};
use crate::reload::Reloadable;
use crate::scheme::{Refusal, Rejection, Verified};

/// The operator's rules.
pub struct Policy {
    rules: policy::Policy,
    denied: Arc<Reloadable<DenyList>>,
    questions: Questions,
    gates: Gates,
}

/// What somebody wants to pay to whom: of a payment, or of a charge within a session.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'a> {
    pub scheme: &'a str,
    pub network: &'a Network,
    /// The network as the request wrote it.
    pub wire_network: &'a str,
    pub asset: &'a str,
    pub pay_to: &'a str,
    pub amount: Amount,
}

impl<'a> From<&'a Payment> for Terms<'a> {
    fn from(payment: &'a Payment) -> Self {
        let terms = &payment.requirements;
        Self {
            scheme: &terms.scheme,
            network: &terms.network,
            wire_network: &payment.wire_network,
            asset: &terms.asset,
            pay_to: &terms.pay_to,
            amount: terms.amount,
        }
    }
}

impl Policy {
    pub fn new(
        rules: policy::Policy,
        denied: Arc<Reloadable<DenyList>>,
        questions: Questions,
        gates: Gates,
    ) -> Self {
        Self {
            rules,
            denied,
            questions,
            gates,
        }
    }

    /// The rules about the terms alone. At verification the amount of `upto` is only a ceiling, so what is charged is judged at settlement.
    pub fn terms(&self, terms: &Terms<'_>, kind: Kind) -> Result<(), Rejection> {
        let is_charge = kind == Kind::Settle || terms.scheme == "exact";
        if is_charge {
            self.amount(terms)?;
        }
        self.pay_to(terms)?;
        self.network(terms)?;
        if self.denied.current().contains(&Party::of(terms.pay_to)) {
            let reason = Reason::PolicyPayToDenied;
            return Err(Rejection::new(reason).because("this payTo is not served here"));
        }
        Ok(())
    }

    fn amount(&self, terms: &Terms<'_>) -> Result<(), Rejection> {
        let amount = terms.amount;
        if let Some(most) = self.rules.max_amount.filter(|most| amount > *most) {
            return Err(Rejection::new(Reason::PolicyAmountTooHigh).because(format!(
                "amount {amount} exceeds SETTLE_MAX_AMOUNT ({most})"
            )));
        }
        let least = self.rules.minimum.for_asset(&Party::of(terms.asset));
        if let Some(least) = least.filter(|least| amount < *least) {
            return Err(Rejection::new(Reason::PolicyAmountTooLow)
                .because(format!("amount {amount} is below MIN_AMOUNT ({least})")));
        }
        Ok(())
    }

    fn pay_to(&self, terms: &Terms<'_>) -> Result<(), Rejection> {
        let Some(allowed) = &self.rules.pay_to else {
            return Ok(());
        };
        let message = if terms.pay_to.is_empty() {
            "payTo missing; SETTLE_PAYTO_ALLOWLIST is set"
        } else if allowed.contains(&Party::of(terms.pay_to)) {
            return Ok(());
        } else {
            "payTo not in SETTLE_PAYTO_ALLOWLIST"
        };
        Err(Rejection::new(Reason::PolicyPayToNotAllowed).because(message))
    }

    fn network(&self, terms: &Terms<'_>) -> Result<(), Rejection> {
        let names = [terms.network.as_str(), terms.wire_network];
        match &self.rules.networks {
            Some(allowed) if !allowed.iter().any(|one| names.contains(&one.as_str())) => {
                let reason = Reason::PolicyNetworkNotAllowed;
                Err(Rejection::new(reason).because("network not in SETTLE_NETWORK_ALLOWLIST"))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The rules about a payer, claimed or verified.
    pub fn payer(&self, payer: &str, terms: &Terms<'_>) -> Result<(), Rejection> {
        let party = Party::of(payer);
        let refused = |reason: Reason, message: &str| {
            Err(Rejection::new(reason).because(message).of(payer.to_owned()))
        };
        if self.denied.current().contains(&party) {
            return refused(Reason::PolicyPayerDenied, "this payer is not served here");
        }
        if party == Party::of(terms.pay_to) {
            let message = "payer and payTo are the same";
            return refused(Reason::PolicyPayerIsPayTo, message);
        }
        Ok(())
    }

    /// Asks whoever the operator named, before the chain is asked.
    pub async fn ask(
        &self,
        kind: Kind,
        terms: &Terms<'_>,
        payer: &str,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let asked = ask::About {
            terms,
            payer,
            caller: caller.as_str(),
        };
        let refused = |rejection: Rejection| Refusal::Rejected(rejection.of(payer.to_owned()));
        match kind {
            Kind::Verify => {
                let hook = self.rules.before_verify.as_ref();
                self.questions.hook("verify.before", hook, &asked).await
            }
            Kind::Settle => match self.preflight(terms).await {
                Ok(()) => {
                    let hook = self.rules.before_settle.as_ref();
                    self.questions.hook("settle.before", hook, &asked).await
                }
                Err(rejection) => Err(rejection),
            },
        }
        .map_err(refused)
    }

    async fn preflight(&self, terms: &Terms<'_>) -> Result<(), Rejection> {
        match &self.rules.preflight {
            Some(preflight) => self.questions.preflight(preflight, terms).await,
            None => Ok(()),
        }
    }

    /// The rules about the owner of a session, whose own key signed.
    pub async fn owner(&self, owner: &str, terms: &Terms<'_>) -> Result<(), Refusal> {
        let held = self.gates.admit(terms.network, owner).await;
        held.map_err(|rejection| Refusal::Rejected(rejection.of(owner.to_owned())))
    }

    /// The rules about what the chain said of the payer.
    pub async fn verified(&self, verified: &Verified, terms: &Terms<'_>) -> Result<(), Refusal> {
        let payer = verified.payer();
        // A smart wallet on Solana is named by the simulation only.
        let holder = verified.account();
        self.payer(holder, terms).map_err(Refusal::Rejected)?;
        if !self.rules.contract_wallets && verified.is_contract_wallet() {
            return Err(Refusal::Rejected(
                Rejection::new(Reason::PolicyContractWallet)
                    .because("only payers without code are served here")
                    .of(payer.to_owned()),
            ));
        }
        let held = self.gates.admit(terms.network, holder).await;
        held.map_err(|rejection| Refusal::Rejected(rejection.of(payer.to_owned())))
    }
}
