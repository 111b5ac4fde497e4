//! Solana in the sandbox: a local validator that is on this machine, a mint of our own on it, and funded payers. Validators are no packages
//! that could be fetched, so where there is none we say how to get one.

pub mod buyer;
pub mod keys;
pub mod node;
pub mod tokens;
pub mod transaction;
pub mod validator;

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use solana_pubkey::Pubkey;

use node::Node;
use tokens::USDC;
use validator::{Options, Validator};

/// The network's name in our settings.
pub const NAME: &str = "solana-local";
/// Decimals of the play money, like USDC's.
pub const DECIMALS: u8 = 6;
/// CAIP-2 names a Solana network by so much of its genesis hash.
const GENESIS_CHARACTERS: usize = 32;
/// What the fee payer and the bank are given: faucets may refuse more at once.
const SOL: u64 = 10_000_000_000;
/// Longest a local chain may take for one step of ours.
const PATIENCE: Duration = Duration::from_mins(1);
/// Payers in one transaction: each takes some 90 of 1232 bytes.
const AT_ONCE: usize = 5;

/// A running local Solana with play money. End it with [`Self::stop`].
#[derive(Debug)]
pub struct Solana {
    validator: Validator,
    node: Node,
    /// `solana:` and the first part of the genesis hash.
    pub network: String,
    pub mint: Pubkey,
}

impl Solana {
    /// Starts the validator and puts the mint, `payers` funded payers, the payee's account and the fee payer on it.
    ///
    /// # Errors
    /// What the validator or its chain has against it, in words. The validator is gone by then.
    pub async fn start(
        options: &Options<'_>,
        payers: usize,
        client: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let validator = Validator::start(options, &client).await?;
        let node = Node::new(client, validator.url());
        match furnish(&node, payers).await {
            Ok((network, mint)) => Ok(Self {
                validator,
                node,
                network,
                mint,
            }),
            Err(cause) => {
                validator.stop().await;
                Err(cause)
            }
        }
    }

    pub fn node(&self) -> &Node {
        &self.node
    }

    pub fn url(&self) -> &str {
        self.validator.url()
    }

    /// The settings that make the service serve it. Writes the network's facts into `folder`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn settings(&self, folder: &Path) -> anyhow::Result<Vec<(&'static str, String)>> {
        let facts = folder.join("networks.toml");
        std::fs::write(&facts, self.facts())
            .with_context(|| format!("writing {}", facts.display()))?;
        let key = keys::secret(&keys::account("fee payer", 0));
        Ok(vec![
            ("NETWORKS_FILE", facts.display().to_string()),
            ("SVM_NETWORKS", NAME.to_owned()),
            ("SVM_PRIVATE_KEY", key),
        ])
    }

    fn facts(&self) -> String {
        let genesis = self.network.trim_start_matches("solana:");
        let (url, mint) = (self.url(), self.mint);
        format!(
            "[svm.{NAME}]\ngenesis = \"{genesis}\"\ntestnet = true\nrpc = [\"{url}\"]\n\
             assets = [{{ mint = \"{mint}\", symbol = \"USDC\", decimals = {DECIMALS}, token_2022 = false }}]\n"
        )
    }

    /// What a person needs in order to pay here, as names and values.
    pub(super) fn facts_to_show(&self) -> Vec<(String, String)> {
        let mut shown = vec![
            ("network".to_owned(), self.network.clone()),
            ("RPC".to_owned(), self.url().to_owned()),
            (
                "mint".to_owned(),
                format!("{} \"USDC\", {DECIMALS} decimals", self.mint),
            ),
            ("payTo".to_owned(), buyer::pay_to().to_string()),
        ];
        shown.extend((0..3).map(|index| {
            let key = keys::account("payer", index);
            let (address, secret) = (keys::address(&key), keys::secret(&key));
            (format!("payer {index}"), format!("{address} key {secret}"))
        }));
        shown
    }

    /// Ends the validator and waits until it is gone, so that its files can be removed.
    pub async fn stop(self) {
        self.validator.stop().await;
    }
}

/// Makes everything that payments need, by transactions of our own: real validators have no way to set accounts that all of them share.
async fn furnish(node: &Node, payers: usize) -> anyhow::Result<(String, Pubkey)> {
    let genesis = node.genesis().await?;
    let genesis = genesis
        .get(..GENESIS_CHARACTERS)
        .context("the genesis hash is too short")?;
    let bank = keys::account("bank", 0);
    let fee_payer = keys::address(&keys::account("fee payer", 0));
    for account in [keys::address(&bank), fee_payer] {
        node.airdrop(&account, SOL)
            .await
            .context("asking the faucet")?;
    }

    let mint = keys::account("mint", 0);
    let rent = node.rent(tokens::MINT_LENGTH).await?;
    let made = tokens::make_mint(&bank, &mint, rent, DECIMALS);
    node.execute(&made, &[&bank, &mint])
        .await
        .context("making the mint")?;

    let mint = keys::address(&mint);
    let mut owners: Vec<(Pubkey, u64)> = vec![(buyer::pay_to(), 0)];
    owners.extend((0..payers).map(|index| (payer(index), USDC)));
    for owners in owners.chunks(AT_ONCE) {
        let given: Vec<_> = owners
            .iter()
            .flat_map(|(owner, units)| tokens::give(&bank, &mint, owner, *units))
            .collect();
        node.execute(&given, &[&bank])
            .await
            .context("funding payers")?;
    }
    Ok((format!("solana:{genesis}"), mint))
}

fn payer(index: usize) -> Pubkey {
    keys::address(&keys::account("payer", index))
}
