//! One network as the schemes see it.

use std::sync::Arc;

use alloy::primitives::Address;

use super::payers::{Payer, Payers};
use super::signed::Deploys;
use crate::chain::evm::eip712::Domains;
use crate::chain::evm::reads::{Read, ReadResult, Reads};
use crate::chain::evm::signature::Deployment;
use crate::clock::UnixMillis;
use crate::config::EvmNetwork;
use crate::scheme::Refusal;

/// A network, the way to read it, and what was learned about it lately.
#[derive(Debug)]
pub struct Chain {
    pub(in crate::scheme) network: EvmNetwork,
    reads: Arc<Reads>,
    pub(in crate::scheme) signers: Vec<Address>,
    payers: Payers,
    pub(in crate::scheme) domains: Domains,
}

impl Chain {
    /// `signers` are the accounts that pay the gas, for `/supported`.
    pub fn new(network: EvmNetwork, reads: Arc<Reads>, signers: Vec<Address>) -> Self {
        Self {
            network,
            reads,
            signers,
            payers: Payers::default(),
            domains: Domains::default(),
        }
    }

    pub(in crate::scheme) fn has_assets(&self) -> bool {
        self.network.any_asset || !self.network.assets.is_empty()
    }

    /// Whether the operator knows this asset: one that is merely not forbidden is trusted less.
    pub(in crate::scheme) fn lists(&self, asset: Address) -> bool {
        self.network.assets.iter().any(|a| a.address == asset)
    }

    pub(in crate::scheme) fn allows(&self, asset: Address) -> bool {
        self.network.any_asset || self.lists(asset)
    }

    /// What may be done about a deployment that a signature brings.
    pub(in crate::scheme) fn deploys(&self, deployment: Option<&Deployment>) -> Deploys {
        let Some(deployment) = deployment else {
            return Deploys::Nothing;
        };
        let mut factories = self.network.factories.iter();
        match factories.find(|factory| factory.address == deployment.factory) {
            Some(factory) => Deploys::ByListed(*factory),
            None => Deploys::ByUnlisted,
        }
    }

    /// What was learned about the payer's code lately.
    pub(in crate::scheme) fn seen(&self, payer: Address, now: UnixMillis) -> Option<Payer> {
        self.payers.seen(payer, now)
    }

    pub(in crate::scheme) fn remember(&self, address: Address, payer: Payer, now: UnixMillis) {
        self.payers.remember(address, payer, now);
    }

    /// Asks the chain. The payer is the first account of the read, and what its code is gets remembered.
    ///
    /// # Errors
    /// [`Refusal::Unavailable`]: nothing was learned.
    pub(in crate::scheme) async fn ask(
        &self,
        read: &Read,
        now: UnixMillis,
    ) -> Result<(Payer, ReadResult), Refusal> {
        let unavailable = |text: &str| Refusal::Unavailable(text.to_owned());
        let answer = self.reads.read(read).await;
        let answer = answer.map_err(|cause| unavailable(&cause.to_string()))?;
        let (Some(address), Some(code)) = (read.accounts.first(), answer.codes.first()) else {
            return Err(unavailable("the read is incomplete"));
        };
        let payer = if code.is_empty() {
            Payer::WithoutCode
        } else {
            Payer::WithCode
        };
        self.remember(*address, payer, now);
        Ok((payer, answer))
    }
}
