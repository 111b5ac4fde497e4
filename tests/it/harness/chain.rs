//! A private chain per test: anvil answers after 15 ms and holds our contracts 5 ms later, so there is nothing to gain from sharing one.

use std::ops::Deref;

use alloy::primitives::{Address, U256};
use alloy::signers::local::PrivateKeySigner;
use x402_facilitator::dev::chain::{BASE_SEPOLIA, Options};
use x402_facilitator::dev::{Chain, keys};

use super::rpc::Rpc;
use super::{npm, scratch};

pub(crate) use x402_facilitator::dev::contracts::{USDC, WALLET_FACTORY};

/// What each payer of [`Sandbox::payers`] owns, in units of the token.
pub(crate) const WEALTH: u64 = 1_000_000_000;

/// A chain with x402's contracts, gone when dropped. Calls on it go to its [`Rpc`].
#[derive(Debug)]
pub(crate) struct Sandbox {
    chain: Chain,
    rpc: Rpc,
}

impl Deref for Sandbox {
    type Target = Rpc;

    fn deref(&self) -> &Rpc {
        &self.rpc
    }
}

impl Sandbox {
    pub(crate) async fn start() -> Self {
        Self::with_id(BASE_SEPOLIA).await
    }

    pub(crate) async fn with_id(chain_id: u64) -> Self {
        let options = Options {
            anvil: npm::anvil().await,
            chain_id,
            port: None,
        };
        let chain = Chain::start(&options, scratch::client())
            .await
            .expect("anvil starts");
        chain.place_contracts().await.expect("contracts are placed");
        let rpc = Rpc::new(chain.url());
        Self { chain, rpc }
    }

    pub(crate) fn url(&self) -> &str {
        self.chain.url()
    }

    /// The first `count` payers, each with tokens and with Permit2 approved.
    pub(crate) async fn payers(&self, count: usize) -> Vec<PrivateKeySigner> {
        let payers: Vec<_> = (0..count).map(|i| keys::account("payer", i)).collect();
        let addresses: Vec<_> = payers.iter().map(PrivateKeySigner::address).collect();
        self.fund(&addresses).await;
        payers
    }

    /// Gives accounts tokens and approves Permit2 for them.
    pub(crate) async fn fund(&self, accounts: &[Address]) {
        let funded = self.chain.fund(accounts, U256::from(WEALTH)).await;
        funded.expect("accounts are funded");
    }

    /// A facilitator's signer with plenty of gas.
    pub(crate) async fn signer(&self, index: usize) -> PrivateKeySigner {
        let signer = keys::account("signer", index);
        let wei = U256::from(10).pow(U256::from(21));
        let funded = self.chain.set_gas_balance(signer.address(), wei).await;
        funded.expect("the signer is funded");
        signer
    }
}
