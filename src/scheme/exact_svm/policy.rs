//! What the sponsor agrees to pay for.

use std::collections::BTreeSet;

use solana_pubkey::Pubkey;

use super::mint::Extension;
use super::programs;

/// Bounds of one network. The defaults let stock clients and wallets pass and nobody drain the sponsor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub layout: Layout,
    /// Most compute units of a plain transfer.
    pub max_compute_units: u32,
    /// Highest price of a compute unit, in micro-lamports.
    pub max_compute_unit_price: u64,
    /// Most lamports that units and price may come to together.
    pub max_priority_fee: u64,
    /// Most signatures that a transaction may require, the sponsor's among them: each costs 5 000 lamports.
    pub max_required_signatures: u8,
    /// Most wallet guards in one transaction.
    pub max_lighthouse: usize,
    /// Longest memo, bytes.
    pub max_memo_bytes: usize,
    /// Fewest blocks for which the message can still land: one that cannot be sent again and again may be lost.
    pub min_blocks_left: u64,
    /// Token-2022 extensions that change what the payee gets, and are accepted all the same.
    pub allowed_extensions: BTreeSet<Extension>,
    /// Payments from smart wallets, judged by simulation; off unless set.
    pub smart_wallet: Option<SmartWallet>,
}

/// Where Lighthouse guards may stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// Anywhere: wallets put them before the transfer.
    LighthouseAnywhere,
    /// After the transfer only, counted like memos, as the npm packages have it.
    Npm,
}

/// Bounds of a payment that runs a wallet's program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmartWallet {
    /// The programs that may be called, besides compute budget, memo and Lighthouse's asserts.
    pub programs: BTreeSet<Pubkey>,
    pub max_compute_units: u32,
    /// In micro-lamports.
    pub max_compute_unit_price: u64,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            layout: Layout::LighthouseAnywhere,
            max_compute_units: 200_000,
            max_compute_unit_price: 5_000_000,
            // The highest price with the 20 000 units that stock clients ask for.
            max_priority_fee: 100_000,
            max_required_signatures: 3,
            max_lighthouse: 4,
            max_memo_bytes: 566,
            // Some 20 s.
            min_blocks_left: 50,
            allowed_extensions: BTreeSet::new(),
            smart_wallet: None,
        }
    }
}

impl Default for SmartWallet {
    fn default() -> Self {
        Self {
            programs: programs::SMART_WALLETS.into(),
            max_compute_units: 400_000,
            max_compute_unit_price: 50_000,
        }
    }
}
