//! The EIP-2612 extension of a Permit2 payment: what takes part in the settlement, and what is wrong with it.

use alloy::sol_types::SolValue;

use super::chain::Chain;
use super::eip2612::{self, Sponsored};
use super::payers::Payer;
use crate::chain::evm::eip712::Domain;
use crate::protocol::Reason;
use crate::protocol::payment::Payment;

/// The EIP-2612 extension of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::scheme) enum Sponsoring {
    Absent,
    Malformed(Reason, &'static str),
    /// `by_another`: the permit is not signed by the payer's key. Only a payer with code may still have made it.
    Present {
        sponsored: Sponsored,
        by_another: bool,
    },
}

pub(in crate::scheme) fn read(
    chain: &Chain,
    payment: &Payment,
    expected: &eip2612::Expected,
) -> Sponsoring {
    let extension = payment.extensions.get(eip2612::EXTENSION);
    let sponsored = match eip2612::read(extension.map(AsRef::as_ref), expected) {
        None => return Sponsoring::Absent,
        Some(Err((reason, message))) => return Sponsoring::Malformed(reason, message),
        Some(Ok(sponsored)) => sponsored,
    };
    let text = |name| payment.requirements.extra_text(name);
    // Without the token's domain only the simulation can tell.
    let by_another = text("name")
        .zip(text("version"))
        .is_some_and(|(name, version)| {
            let domain = Domain {
                chain_id: chain.network.chain_id,
                contract: expected.asset,
                name: name.to_owned(),
                version: version.to_owned(),
            };
            let digest = sponsored.permit.digest(chain.domains.separator(&domain));
            sponsored.signature.recover(digest) != Some(expected.payer)
        });
    Sponsoring::Present {
        sponsored,
        by_another,
    }
}

impl Sponsoring {
    /// What of it takes part in the settlement.
    pub(in crate::scheme) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Absent | Self::Malformed(..) => Vec::new(),
            Self::Present { sponsored, .. } => sponsored.argument().abi_encode(),
        }
    }

    /// What is wrong with it for such a payer. A permit by another key is refused though an allowance may exist: it is not what was agreed on.
    pub(in crate::scheme) fn flaw(&self, payer: Option<Payer>) -> Option<(Reason, &'static str)> {
        match self {
            Self::Absent => None,
            Self::Malformed(reason, message) => Some((*reason, message)),
            Self::Present { by_another, .. } => {
                let refused = *by_another && payer == Some(Payer::WithoutCode);
                refused.then_some((
                    Reason::InvalidEip2612ExtensionFormat,
                    "the permit is not signed by the payer",
                ))
            }
        }
    }
}
