//! What the resource server asks for, as the schemes of EVM chains read it.

use alloy::primitives::{Address, U256};

use super::chain::Chain;
use super::wire;
use crate::chain::evm::work::{Expect, Guard, Work};
use crate::protocol::payment::{Payment, Requirements};
use crate::protocol::{Amount, Network, Reason};
use crate::scheme::Rejection;
use crate::scheme::verified::Terms;

/// The terms of the requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) struct Requested {
    /// The name of the scheme that reads them.
    pub(in crate::scheme) scheme: &'static str,
    pub(in crate::scheme) network: Network,
    pub(in crate::scheme) asset: Address,
    pub(in crate::scheme) pay_to: Address,
    pub(in crate::scheme) amount: U256,
}

impl Requested {
    /// # Errors
    /// `invalid_payment_requirements`: `asset` or `payTo` is not an address to pay with or to.
    pub(in crate::scheme) fn parse(
        scheme: &'static str,
        requirements: &Requirements,
    ) -> Result<Self, Rejection> {
        let address = |text: &str, member: &str| {
            wire::address(text)
                .filter(|address| !address.is_zero())
                .ok_or_else(|| {
                    Rejection::new(Reason::InvalidPaymentRequirements)
                        .because(format!("{member} is not an address"))
                })
        };
        Ok(Self {
            scheme,
            network: requirements.network.clone(),
            asset: address(&requirements.asset, "asset")?,
            pay_to: address(&requirements.pay_to, "payTo")?,
            amount: requirements.amount.units(),
        })
    }

    /// The checks of the requirements themselves, common to all kinds of payment.
    pub(in crate::scheme) fn flaw(&self) -> Option<(Reason, &'static str)> {
        self.amount.is_zero().then_some((
            Reason::InvalidPaymentRequirements,
            "amount must be more than zero",
        ))
    }

    /// The settlement that this payment asks for once it is verified.
    pub(in crate::scheme) fn terms(
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
            scheme: self.scheme,
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
        }
    }
}

/// Whether buyer and seller both name this scheme.
pub(in crate::scheme) fn schemes_agree(payment: &Payment, scheme: &str) -> bool {
    payment.accepted_scheme == scheme && payment.requirements.scheme == scheme
}

/// Whether buyer and seller name the network alike, as they wrote it.
pub(in crate::scheme) fn networks_agree(payment: &Payment) -> bool {
    payment.accepted_network == payment.wire_network
}

/// `asset_not_allowed` for an asset that the operator does not take.
pub(in crate::scheme) fn asset_flaw(chain: &Chain, asset: Address) -> Option<Reason> {
    (!chain.allows(asset)).then_some(Reason::AssetNotAllowed)
}
