//! What the resource server asks for, as this scheme reads it.

use std::str::FromStr;

use ruint::aliases::U256;
use serde_json::Value;
use solana_pubkey::Pubkey;

use super::NAME;
use super::cluster::Cluster;
use crate::protocol::payment::{Payment, Requirements, Version};
use crate::protocol::{Amount, Network, Reason};
use crate::scheme::Rejection;

/// The terms of the requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requested {
    pub(super) network: Network,
    /// The mint.
    pub(super) asset: Pubkey,
    /// The owner of the account that is paid.
    pub(super) pay_to: Pubkey,
    pub(super) amount: Amount,
    /// Who pays the fee; all zero where nobody readable is named, and then the payment is refused.
    pub(super) fee_payer: Pubkey,
    pub(super) memo: Option<String>,
}

impl Requested {
    /// # Errors
    /// `invalid_payment_requirements`: `asset` or `payTo` is no address, or `extra.memo` no text.
    pub(super) fn parse(requirements: &Requirements) -> Result<Self, Rejection> {
        let flawed = |why: String| Rejection::new(Reason::InvalidPaymentRequirements).because(why);
        let address = |text: &str, member: &str| {
            Pubkey::from_str(text).map_err(|_| flawed(format!("{member} is not an address")))
        };
        let fee_payer = requirements.extra_text("feePayer").unwrap_or_default();
        let memo = match requirements.extra.get("memo") {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(text.clone()).filter(|text| !text.is_empty()),
            Some(_) => return Err(flawed("extra.memo is not text".to_owned())),
        };
        Ok(Self {
            network: requirements.network.clone(),
            asset: address(&requirements.asset, "asset")?,
            pay_to: address(&requirements.pay_to, "payTo")?,
            amount: requirements.amount,
            fee_payer: Pubkey::from_str(fee_payer).unwrap_or_default(),
            memo,
        })
    }

    pub(super) fn is_exactly(&self, amount: u64) -> bool {
        self.amount.units() == U256::from(amount)
    }

    pub(super) fn is_covered_by(&self, amount: u64) -> bool {
        self.amount.units() <= U256::from(amount)
    }
}

/// The first failure, in the reference order, of what comes before the transaction.
pub(super) fn flaw(
    payment: &Payment,
    requested: &Requested,
    cluster: &Cluster,
) -> Option<Rejection> {
    let version = payment.version;
    let reject = |reason| Some(Rejection::new(reason));
    if requested.amount.is_zero() {
        return Some(
            Rejection::new(Reason::InvalidPaymentRequirements)
                .because("amount must be more than zero"),
        );
    }
    if payment.accepted_scheme != NAME || payment.requirements.scheme != NAME {
        return reject(match version {
            Version::V1 => Reason::UnsupportedScheme,
            Version::V2 => Reason::InvalidExactSvmUnsupportedScheme,
        });
    }
    if payment.accepted_network != payment.wire_network {
        return reject(match version {
            Version::V1 => Reason::NetworkMismatch,
            Version::V2 => Reason::InvalidExactSvmNetworkMismatch,
        });
    }
    if payment.requirements.extra_text("feePayer").is_none() {
        return reject(Reason::InvalidExactSvmMissingFeePayer);
    }
    if !cluster.fee_payers.contains(&requested.fee_payer) {
        return reject(match version {
            Version::V1 => Reason::FeePayerNotManagedByFacilitator,
            Version::V2 => Reason::InvalidExactSvmFeePayerNotManaged,
        });
    }
    (!cluster.assets.allow(&requested.asset)).then(|| Rejection::new(Reason::AssetNotAllowed))
}
