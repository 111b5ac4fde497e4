//! What the resource server asks for, as this scheme reads it.

use alloy::primitives::{Address, U256};

use super::chain::Chain;
use super::{NAME, wire};
use crate::chain::evm::work::{Expect, Guard, Work};
use crate::protocol::payment::{Payment, Requirements};
use crate::protocol::{Amount, Network, Reason};
use crate::scheme::Rejection;
use crate::scheme::verified::Terms;

/// The terms of the requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requested {
    pub(super) network: Network,
    pub(super) asset: Address,
    pub(super) pay_to: Address,
    pub(super) amount: U256,
}

impl Requested {
    /// # Errors
    /// `invalid_payment_requirements`: `asset` or `payTo` is not an address to pay with or to.
    pub(super) fn parse(requirements: &Requirements) -> Result<Self, Rejection> {
        let address = |text: &str, member: &str| {
            wire::address(text)
                .filter(|address| !address.is_zero())
                .ok_or_else(|| {
                    Rejection::new(Reason::InvalidPaymentRequirements)
                        .because(format!("{member} is not an address"))
                })
        };
        Ok(Self {
            network: requirements.network.clone(),
            asset: address(&requirements.asset, "asset")?,
            pay_to: address(&requirements.pay_to, "payTo")?,
            amount: requirements.amount.units(),
        })
    }

    /// The checks of the requirements themselves, common to all kinds of payment.
    pub(super) fn flaw(&self) -> Option<(Reason, &'static str)> {
        self.amount.is_zero().then_some((
            Reason::InvalidPaymentRequirements,
            "amount must be more than zero",
        ))
    }

    /// The settlement that this payment asks for once it is verified.
    pub(super) fn terms(
        &self,
        payer: Address,
        work: &Work,
        guard: Guard,
        batchable: bool,
    ) -> Terms {
        let expect = Expect {
            asset: self.asset,
            from: payer,
            to: self.pay_to,
            value: self.amount,
            guard,
        };
        Terms {
            scheme: NAME,
            network: self.network.clone(),
            asset: format!("{:#x}", self.asset),
            payer: format!("{payer:#x}"),
            pay_to: format!("{:#x}", self.pay_to),
            expires_at: expect.guard.expires_at(),
            amount: Amount::from(self.amount),
            work: serde_json::to_string(work).expect("plain data is JSON"),
            expect: serde_json::to_string(&expect).expect("plain data is JSON"),
            required_sender: None,
            batchable,
            contract_wallet: work.kind.is_contract_wallet(),
        }
    }
}

/// Whether buyer and seller both say `exact`.
pub(super) fn schemes_agree(payment: &Payment) -> bool {
    payment.accepted_scheme == NAME && payment.requirements.scheme == NAME
}

/// Whether buyer and seller name the network alike, as they wrote it.
pub(super) fn networks_agree(payment: &Payment) -> bool {
    payment.accepted_network == payment.wire_network
}

/// `asset_not_allowed` for an asset that the operator does not take.
pub(super) fn asset_flaw(chain: &Chain, asset: Address) -> Option<Reason> {
    (!chain.allows(asset)).then_some(Reason::AssetNotAllowed)
}
