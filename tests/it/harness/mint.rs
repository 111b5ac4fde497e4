//! Mints and token accounts as the token programs keep them, byte by byte: the real programs read them.

use super::sign_svm::{ASSOCIATED_TOKEN, TOKEN, TOKEN_2022};
use super::svm_wire::Key;

const DECIMALS: u8 = 6;
/// Where Token-2022 says what an account is; extensions follow.
const BASE: usize = 165;
const IS_MINT: u8 = 1;
const IS_ACCOUNT: u8 = 2;
/// Extensions by their numbers, with those that they bring into accounts.
const TRANSFER_FEE: u16 = 1;
const TRANSFER_FEE_AMOUNT: u16 = 2;
const IMMUTABLE_OWNER: u16 = 7;
const PERMANENT_DELEGATE: u16 = 12;
const TRANSFER_HOOK: u16 = 14;
const TRANSFER_HOOK_ACCOUNT: u16 = 15;

/// A token that is on the ledger once [`super::ledger::Ledger::place`] has put it there.
#[derive(Debug, Clone)]
pub(crate) struct Mint {
    pub(crate) key: Key,
    pub(crate) program: Key,
    pub(crate) authority: Key,
    pub(crate) decimals: u8,
    pub(crate) extensions: Vec<Extension>,
}

/// What Token-2022 adds to a mint.
#[derive(Debug, Clone)]
pub(crate) enum Extension {
    TransferFee {
        basis_points: u16,
        maximum: u64,
    },
    PermanentDelegate(Key),
    TransferHook(Key),
    /// Any other by its number.
    Other(u16, Vec<u8>),
}

impl Mint {
    /// Of the original token program.
    pub(crate) fn token() -> Self {
        Self::of(Key::of(TOKEN))
    }

    pub(crate) fn token_2022(extensions: &[Extension]) -> Self {
        Self {
            extensions: extensions.to_vec(),
            ..Self::of(Key::of(TOKEN_2022))
        }
    }

    fn of(program: Key) -> Self {
        Self {
            key: Key::fresh(),
            program,
            authority: Key::fresh(),
            decimals: DECIMALS,
            extensions: Vec::new(),
        }
    }

    /// The associated token account of an owner.
    pub(crate) fn account_of(&self, owner: Key) -> Key {
        let seeds = [owner.0.as_slice(), &self.program.0, &self.key.0];
        Key::derived(&seeds, Key::of(ASSOCIATED_TOKEN))
    }

    /// The mint's data, after so many units were made.
    pub(crate) fn data(&self, supply: u64) -> Vec<u8> {
        let mut data = Vec::new();
        push_some(&mut data, self.authority);
        data.extend(supply.to_le_bytes());
        data.extend([self.decimals, 1]);
        data.extend([0; 36]);
        let extensions = self.extensions.iter().map(Extension::of_mint);
        with_extensions(data, IS_MINT, extensions.collect())
    }

    /// The data of an owner's account with so many units.
    pub(crate) fn account_data(&self, owner: Key, units: u64) -> Vec<u8> {
        let mut data = [self.key.0, owner.0].concat();
        data.extend(units.to_le_bytes());
        data.extend([0; 36]);
        data.push(1);
        data.extend([0; 56]);
        let mut extensions: Vec<_> = self
            .extensions
            .iter()
            .filter_map(Extension::of_account)
            .collect();
        if self.program == Key::of(TOKEN_2022) {
            extensions.insert(0, (IMMUTABLE_OWNER, Vec::new()));
        }
        with_extensions(data, IS_ACCOUNT, extensions)
    }
}

impl Extension {
    fn of_mint(&self) -> (u16, Vec<u8>) {
        match self {
            Self::TransferFee {
                basis_points,
                maximum,
            } => {
                let mut fee = vec![0; 8];
                fee.extend(maximum.to_le_bytes());
                fee.extend(basis_points.to_le_bytes());
                (TRANSFER_FEE, [vec![0; 72], fee.clone(), fee].concat())
            }
            Self::PermanentDelegate(delegate) => (PERMANENT_DELEGATE, delegate.0.to_vec()),
            Self::TransferHook(program) => (TRANSFER_HOOK, [[0; 32], program.0].concat()),
            Self::Other(number, data) => (*number, data.clone()),
        }
    }

    fn of_account(&self) -> Option<(u16, Vec<u8>)> {
        match self {
            Self::TransferFee { .. } => Some((TRANSFER_FEE_AMOUNT, vec![0; 8])),
            Self::TransferHook(_) => Some((TRANSFER_HOOK_ACCOUNT, vec![0])),
            Self::PermanentDelegate(_) | Self::Other(..) => None,
        }
    }
}

fn with_extensions(mut data: Vec<u8>, kind: u8, extensions: Vec<(u16, Vec<u8>)>) -> Vec<u8> {
    if extensions.is_empty() {
        return data;
    }
    data.resize(BASE, 0);
    data.push(kind);
    for (number, value) in extensions {
        let length = u16::try_from(value.len()).expect("a short extension");
        data.extend(number.to_le_bytes());
        data.extend(length.to_le_bytes());
        data.extend(value);
    }
    data
}

/// An optional key that is there.
fn push_some(data: &mut Vec<u8>, key: Key) {
    data.extend(1_u32.to_le_bytes());
    data.extend(key.0);
}
