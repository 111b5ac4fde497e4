//! What the sponsor agrees to pay for.

use std::collections::BTreeSet;

use solana_pubkey::Pubkey;

use crate::chain::svm::programs;
use crate::config::{SmartWallets, SvmPolicy};

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
    pub lookup_tables: LookupTables,
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

/// What becomes of messages that take accounts from lookup tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LookupTables {
    /// The tables are read, and every check sees the accounts in them.
    Read,
    Refused,
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
            lookup_tables: LookupTables::Read,
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

impl From<&SvmPolicy> for Policy {
    fn from(chosen: &SvmPolicy) -> Self {
        let smart_wallet = match &chosen.smart_wallets {
            SmartWallets::Off => None,
            SmartWallets::Known => Some(SmartWallet::default()),
            SmartWallets::Programs(programs) => Some(SmartWallet {
                programs: programs.iter().copied().collect(),
                ..SmartWallet::default()
            }),
        };
        Self {
            max_compute_units: chosen.max_compute_units,
            max_compute_unit_price: chosen.max_compute_unit_price,
            max_priority_fee: chosen.max_priority_fee,
            max_required_signatures: chosen.max_required_signatures,
            lookup_tables: if chosen.lookup_tables {
                LookupTables::Read
            } else {
                LookupTables::Refused
            },
            smart_wallet,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, Environment};

    fn policy(settings: &[(&str, &str)]) -> Policy {
        let usual = [("EVM_NETWORKS", ""), ("DATABASE_URL", "sqlite://pay.db")];
        let settings: Environment = usual.into_iter().chain(settings.iter().copied()).collect();
        Policy::from(&Config::load(&settings).unwrap().svm.policy)
    }

    #[test]
    fn the_settings_have_the_same_defaults() {
        assert_eq!(policy(&[]), Policy::default());
    }

    #[test]
    fn an_operator_chooses_the_bounds_and_the_wallet_programs() {
        let program = "SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf";
        let chosen = policy(&[
            ("SVM_MAX_COMPUTE_UNITS", "40000"),
            ("SVM_MAX_COMPUTE_UNIT_PRICE", "9"),
            ("SVM_MAX_PRIORITY_FEE_LAMPORTS", "7"),
            ("SVM_MAX_REQUIRED_SIGNATURES", "2"),
            ("SVM_SMART_WALLETS", program),
        ]);
        let expected = Policy {
            max_compute_units: 40_000,
            max_compute_unit_price: 9,
            max_priority_fee: 7,
            max_required_signatures: 2,
            smart_wallet: Some(SmartWallet {
                programs: [program.parse().unwrap()].into(),
                ..SmartWallet::default()
            }),
            ..Policy::default()
        };
        assert_eq!(chosen, expected);
        let known = policy(&[("SVM_SMART_WALLETS", "on")]).smart_wallet;
        assert_eq!(known, Some(SmartWallet::default()));
    }
}
