//! A mint account: whose it is, and what Token-2022 lets it do to a payment.

use std::collections::BTreeSet;
use std::fmt;

use solana_pubkey::Pubkey;

use crate::chain::svm::ledger::Account;
use crate::chain::svm::programs;

/// Bytes of a mint without extensions.
const MINT_LENGTH: usize = 82;
const DECIMALS_AT: usize = 44;
const IS_INITIALIZED_AT: usize = 45;
/// Extended accounts are padded to the length of a token account; what kind they are comes next, then the extensions.
const KIND_AT: usize = 165;
const KIND_MINT: u8 = 1;
const EXTENSIONS_AT: usize = 166;

/// A Token-2022 extension, by its number on chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Extension(u16);

/// What an extension does to the amount that the payee gets and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// Display, metadata, or the end of a mint without supply.
    None,
    Changes,
}

/// The extensions of mints that are known.
const KNOWN: [(u16, &str, Effect); 17] = [
    (1, "transfer_fee", Effect::Changes),
    (3, "mint_close_authority", Effect::None),
    (4, "confidential_transfer", Effect::Changes),
    (6, "default_account_state", Effect::Changes),
    (9, "non_transferable", Effect::Changes),
    (10, "interest_bearing", Effect::None),
    (12, "permanent_delegate", Effect::Changes),
    (14, "transfer_hook", Effect::Changes),
    (16, "confidential_transfer_fee", Effect::Changes),
    (18, "metadata_pointer", Effect::None),
    (19, "token_metadata", Effect::None),
    (20, "group_pointer", Effect::None),
    (21, "token_group", Effect::None),
    (22, "group_member_pointer", Effect::None),
    (23, "token_group_member", Effect::None),
    (24, "confidential_mint_burn", Effect::Changes),
    (25, "scaled_ui_amount", Effect::None),
];
/// `Pausable` and whatever comes after it changes something until somebody has read what.
const PAUSABLE: (u16, &str) = (26, "pausable");

impl Extension {
    pub const TRANSFER_FEE: Self = Self(1);

    /// Reads a name as operators write it, or a number for what has no name here.
    pub fn parse(text: &str) -> Option<Self> {
        if text == PAUSABLE.1 {
            return Some(Self(PAUSABLE.0));
        }
        let known = KNOWN.iter().find(|(_, name, _)| *name == text);
        let number = known.map(|(number, ..)| *number);
        number.or_else(|| text.parse().ok()).map(Self)
    }

    fn changes_payments(self) -> bool {
        let known = KNOWN.iter().find(|(number, ..)| *number == self.0);
        known.is_none_or(|(_, _, effect)| *effect == Effect::Changes)
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == PAUSABLE.0 {
            return f.write_str(PAUSABLE.1);
        }
        match KNOWN.iter().find(|(number, ..)| *number == self.0) {
            Some((_, name, _)) => f.write_str(name),
            None => write!(f, "extension {}", self.0),
        }
    }
}

/// A mint as it is on chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mint {
    pub decimals: u8,
    pub extensions: BTreeSet<Extension>,
}

/// Why a mint is not paid with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unfit {
    NotAMint,
    /// It belongs to the other token program, or to none.
    OfAnotherProgram(Pubkey),
    Extended(Extension),
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAMint => f.write_str("the asset is not a mint"),
            Self::OfAnotherProgram(owner) => write!(f, "the asset belongs to {owner}"),
            Self::Extended(extension) => write!(f, "the mint has {extension}"),
        }
    }
}

impl Mint {
    /// Reads a mint account of a token program, and refuses what may change a payment unless it is allowed. The presence of an extension
    /// counts, not its setting: that can change between this look and the transfer.
    ///
    /// # Errors
    /// Why it is not paid with.
    pub fn read(
        account: &Account,
        token_program: &Pubkey,
        allowed: &BTreeSet<Extension>,
    ) -> Result<Self, Unfit> {
        if account.owner != *token_program {
            return Err(Unfit::OfAnotherProgram(account.owner));
        }
        let data = &account.data;
        let (Some(decimals), Some(1)) = (data.get(DECIMALS_AT), data.get(IS_INITIALIZED_AT)) else {
            return Err(Unfit::NotAMint);
        };
        let extensions = if data.len() == MINT_LENGTH {
            BTreeSet::new()
        } else if *token_program == programs::TOKEN_2022 && data.get(KIND_AT) == Some(&KIND_MINT) {
            extensions(&data[EXTENSIONS_AT..]).ok_or(Unfit::NotAMint)?
        } else {
            return Err(Unfit::NotAMint);
        };
        let mut unwanted = extensions.difference(allowed);
        match unwanted.find(|extension| extension.changes_payments()) {
            Some(extension) => Err(Unfit::Extended(*extension)),
            None => Ok(Self {
                decimals: *decimals,
                extensions,
            }),
        }
    }
}

/// The kinds of the entries: two bytes of kind, two of length, the value. Kind 0 ends them.
fn extensions(mut entries: &[u8]) -> Option<BTreeSet<Extension>> {
    let mut found = BTreeSet::new();
    while let Some((kind, rest)) = entries.split_first_chunk::<2>() {
        let kind = u16::from_le_bytes(*kind);
        if kind == 0 {
            break;
        }
        found.insert(Extension(kind));
        let (length, rest) = rest.split_first_chunk::<2>()?;
        entries = rest.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mint(extensions: &[u16]) -> Account {
        let mut data = vec![0; MINT_LENGTH];
        data[DECIMALS_AT] = 6;
        data[IS_INITIALIZED_AT] = 1;
        if !extensions.is_empty() {
            data.resize(KIND_AT, 0);
            data.push(KIND_MINT);
        }
        for kind in extensions {
            data.extend_from_slice(&kind.to_le_bytes());
            data.extend_from_slice(&[3, 0, 7, 7, 7]);
        }
        Account {
            owner: programs::TOKEN_2022,
            data,
        }
    }

    fn read(account: &Account) -> Result<Mint, Unfit> {
        Mint::read(account, &programs::TOKEN_2022, &BTreeSet::new())
    }

    #[test]
    fn refuses_every_extension_that_changes_what_the_payee_gets() {
        for (kind, name) in [
            (1, "transfer_fee"),
            (4, "confidential_transfer"),
            (6, "default_account_state"),
            (9, "non_transferable"),
            (12, "permanent_delegate"),
            (14, "transfer_hook"),
            (16, "confidential_transfer_fee"),
            (24, "confidential_mint_burn"),
            (26, "pausable"),
        ] {
            let account = mint(&[18, kind]);
            assert_eq!(read(&account), Err(Unfit::Extended(Extension(kind))));
            assert_eq!(Extension::parse(name), Some(Extension(kind)));
            assert_eq!(Extension(kind).to_string(), name);
            let allowed = [Extension(kind)].into();
            let allowed = Mint::read(&account, &programs::TOKEN_2022, &allowed).unwrap();
            assert!(allowed.extensions.contains(&Extension(kind)), "{name}");
        }
        for unknown in [2, 27, 28, 500] {
            let refused = Err(Unfit::Extended(Extension(unknown)));
            assert_eq!(read(&mint(&[unknown])), refused);
        }
    }

    #[test]
    fn takes_plain_mints_and_harmless_extensions() {
        for kinds in [
            &[][..],
            &[3],
            &[10, 18, 19, 20, 21, 22, 23, 25],
            &[18, 0, 14],
        ] {
            assert_eq!(read(&mint(kinds)).unwrap().decimals, 6, "{kinds:?}");
        }
        let plain = Account {
            owner: programs::TOKEN,
            ..mint(&[])
        };
        assert!(Mint::read(&plain, &programs::TOKEN, &BTreeSet::new()).is_ok());
    }

    #[test]
    fn refuses_what_is_no_mint() {
        let mut fresh = mint(&[]);
        fresh.data[IS_INITIALIZED_AT] = 0;
        let mut token_account = mint(&[18]);
        token_account.data[KIND_AT] = 2;
        let mut cut = mint(&[18]);
        cut.data.pop();
        let mut legacy = mint(&[14]);
        legacy.owner = programs::TOKEN;
        let short = Account {
            data: vec![1; 50],
            ..mint(&[])
        };
        for account in [fresh, token_account, cut, short] {
            assert_eq!(read(&account), Err(Unfit::NotAMint));
        }
        let of_token = |account| Mint::read(&account, &programs::TOKEN, &BTreeSet::new());
        assert_eq!(of_token(legacy), Err(Unfit::NotAMint));
        let other = Err(Unfit::OfAnotherProgram(programs::TOKEN_2022));
        assert_eq!(of_token(mint(&[])), other);
    }
}
