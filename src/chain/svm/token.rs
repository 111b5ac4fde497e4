//! Token instructions and the accounts they are about.

use solana_pubkey::Pubkey;

use super::instruction::Instruction;
use super::programs;

/// `TransferChecked` of SPL Token and Token-2022.
const TRANSFER_CHECKED: u8 = 12;
/// Its kind, the amount, and the decimals.
const TRANSFER_CHECKED_LENGTH: usize = 10;

/// A transfer that names its mint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    pub token_program: Pubkey,
    pub source: Pubkey,
    pub mint: Pubkey,
    pub destination: Pubkey,
    /// The source's owner or delegate, possibly a multisig account.
    pub authority: Pubkey,
    pub amount: u64,
}

impl Transfer {
    /// Reads a `TransferChecked`; what wraps or extends it is not one.
    pub fn parse(instruction: &Instruction) -> Option<Self> {
        let Instruction {
            program,
            accounts,
            data,
        } = instruction;
        let [source, mint, destination, authority, ..] = accounts[..] else {
            return None;
        };
        let plain = programs::is_token(program)
            && data.len() == TRANSFER_CHECKED_LENGTH
            && data[0] == TRANSFER_CHECKED;
        let amount = data.get(1..9)?.try_into().ok()?;
        plain.then_some(Self {
            token_program: *program,
            source,
            mint,
            destination,
            authority,
            amount: u64::from_le_bytes(amount),
        })
    }
}

/// The associated token account of an owner; `None` where none can be derived.
pub fn associated_account(owner: &Pubkey, token_program: &Pubkey, mint: &Pubkey) -> Option<Pubkey> {
    let seeds = [owner.as_ref(), token_program.as_ref(), mint.as_ref()];
    Pubkey::try_find_program_address(&seeds, &programs::ASSOCIATED_TOKEN)
        .map(|(address, _)| address)
}
