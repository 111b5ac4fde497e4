//! Instructions of the System, Token and Associated Token programs, as far as the sandbox needs them.

use ed25519_dalek::SigningKey;
use solana_instruction::{AccountMeta, Instruction};
use solana_pubkey::Pubkey;

use super::keys;
use crate::chain::svm::programs::{ASSOCIATED_TOKEN, TOKEN};
use crate::chain::svm::token;

/// Bytes of a mint.
pub const MINT_LENGTH: u64 = 82;
/// What a payer owns: a million dollars of play money.
pub const USDC: u64 = 1_000_000_000_000;
const SYSTEM: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");

// Each program's number of what it is asked to do.
const SYSTEM_CREATE_ACCOUNT: u32 = 0;
const ASSOCIATED_CREATE_IDEMPOTENT: u8 = 1;
const TOKEN_MINT_TO: u8 = 7;
const TOKEN_TRANSFER_CHECKED: u8 = 12;
const TOKEN_INITIALIZE_MINT: u8 = 20;

/// Creates a mint whose tokens `bank` makes. Both sign.
pub fn make_mint(
    bank: &SigningKey,
    mint: &SigningKey,
    rent: u64,
    decimals: u8,
) -> Vec<Instruction> {
    let (bank, mint) = (keys::address(bank), keys::address(mint));
    let create = [
        &SYSTEM_CREATE_ACCOUNT.to_le_bytes()[..],
        &rent.to_le_bytes(),
        &MINT_LENGTH.to_le_bytes(),
        TOKEN.as_ref(),
    ]
    .concat();
    let nobody_freezes = 0;
    let initialize = [
        &[TOKEN_INITIALIZE_MINT, decimals],
        bank.as_ref(),
        &[nobody_freezes],
    ]
    .concat();
    vec![
        Instruction {
            program_id: SYSTEM,
            accounts: vec![AccountMeta::new(bank, true), AccountMeta::new(mint, true)],
            data: create,
        },
        Instruction {
            program_id: TOKEN,
            accounts: vec![AccountMeta::new(mint, false)],
            data: initialize,
        },
    ]
}

/// Gives an owner an associated account with so many more units. The bank signs and pays for the account.
pub fn give(bank: &SigningKey, mint: &Pubkey, owner: &Pubkey, units: u64) -> [Instruction; 2] {
    let (bank, account) = (keys::address(bank), account_of(owner, mint));
    let mint_to = [&[TOKEN_MINT_TO][..], &units.to_le_bytes()].concat();
    [
        Instruction {
            program_id: ASSOCIATED_TOKEN,
            accounts: vec![
                AccountMeta::new(bank, true),
                AccountMeta::new(account, false),
                AccountMeta::new_readonly(*owner, false),
                AccountMeta::new_readonly(*mint, false),
                AccountMeta::new_readonly(SYSTEM, false),
                AccountMeta::new_readonly(TOKEN, false),
            ],
            data: vec![ASSOCIATED_CREATE_IDEMPOTENT],
        },
        Instruction {
            program_id: TOKEN,
            accounts: vec![
                AccountMeta::new(*mint, false),
                AccountMeta::new(account, false),
                AccountMeta::new_readonly(bank, true),
            ],
            data: mint_to,
        },
    ]
}

/// Moves units between associated accounts, naming the mint. `from` signs.
pub fn transfer(
    mint: &Pubkey,
    from: &Pubkey,
    to: &Pubkey,
    units: u64,
    decimals: u8,
) -> Instruction {
    let data = [
        &[TOKEN_TRANSFER_CHECKED][..],
        &units.to_le_bytes(),
        &[decimals],
    ]
    .concat();
    Instruction {
        program_id: TOKEN,
        accounts: vec![
            AccountMeta::new(account_of(from, mint), false),
            AccountMeta::new_readonly(*mint, false),
            AccountMeta::new(account_of(to, mint), false),
            AccountMeta::new_readonly(*from, true),
        ],
        data,
    }
}

/// An owner's account of a mint of the Token program.
pub fn account_of(owner: &Pubkey, mint: &Pubkey) -> Pubkey {
    token::associated_account(owner, &TOKEN, mint).expect("one of 256 bumps is off the curve")
}
