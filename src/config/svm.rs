//! The Solana networks to serve: which, over which nodes, with which tokens, and what the sponsor agrees to.

use super::reader::Reader;
use super::{SmartWallets, Svm, SvmPolicy};

pub(super) fn read(_reader: &mut Reader<'_>) -> Svm {
    Svm {
        keys: Vec::new(),
        networks: Vec::new(),
        policy: SvmPolicy {
            max_compute_units: 200_000,
            max_compute_unit_price: 5_000_000,
            max_priority_fee: 100_000,
            max_required_signatures: 3,
            smart_wallets: SmartWallets::Off,
            token_2022_extensions: Vec::new(),
        },
    }
}
