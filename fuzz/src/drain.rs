//! What a sponsor must never sign, told from the transaction as a validator reads it and without our own checks.

use std::sync::LazyLock;

use solana_message::VersionedMessage;
use solana_pubkey::Pubkey;
use solana_transaction::versioned::VersionedTransaction;
use x402_facilitator::dev::buyer::AMOUNT;
use x402_facilitator::dev::solana::{buyer, keys};

pub const COMPUTE_BUDGET: Pubkey =
    Pubkey::from_str_const("ComputeBudget111111111111111111111111111111");
pub const TOKEN: Pubkey = Pubkey::from_str_const("TokenkegQfeZyiNwAJbNbGKPFXCWuBvf9Ss623VQ5DA");
pub const TOKEN_2022: Pubkey =
    Pubkey::from_str_const("TokenzQdBNbLqP5VEhdkAS6EPFLC1PHnBqCXEpPxuEb");
pub const MEMO: Pubkey = Pubkey::from_str_const("MemoSq4gqABAXKb96qnH8TysNcWxMyWCqXgDLGmfcHr");
pub const LIGHTHOUSE: Pubkey =
    Pubkey::from_str_const("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95");

pub const ASSOCIATED_TOKEN: Pubkey =
    Pubkey::from_str_const("ATokenGPvbdGVxr1b2hvZbsiqW5xWH25efTNsLJA8knL");

/// What is paid with.
pub static MINT: LazyLock<Pubkey> = LazyLock::new(|| keys::address(&keys::account("mint", 0)));
/// Where it goes to, by token program.
pub static DUE: LazyLock<[Pubkey; 2]> = LazyLock::new(|| {
    let owner = buyer::pay_to();
    [TOKEN, TOKEN_2022].map(|program| {
        let seeds = [owner.as_ref(), program.as_ref(), MINT.as_ref()];
        Pubkey::find_program_address(&seeds, &ASSOCIATED_TOKEN).0
    })
});

/// The defaults of the sponsor's policy, in lamports and signatures.
const FEE_MAX: u128 = 100_000;
const SIGNATURES_MAX: usize = 3;
const LAMPORTS_PER_SIGNATURE: u128 = 5_000;
/// Lighthouse's ways to write its own accounts, which somebody pays for.
const LIGHTHOUSE_WRITES: [u8; 2] = [0, 1];

/// Panics unless a plain payment does what was agreed and nothing else.
pub fn is_harmless(transaction: &VersionedTransaction, ours: &[Pubkey]) {
    let message = &transaction.message;
    let keys = message.static_account_keys();
    assert!(ours.contains(&keys[0]), "ours pays");
    assert!(message.address_table_lookups().is_none_or(<[_]>::is_empty));
    let signatures = usize::from(message.header().num_required_signatures);
    assert!(signatures <= SIGNATURES_MAX);
    assert!(
        !keys[1..signatures].iter().any(|key| ours.contains(key)),
        "nobody has a second key of ours sign"
    );
    let mut transfers = 0;
    for instruction in message.instructions() {
        let program = keys[usize::from(instruction.program_id_index)];
        let accounts = instruction.accounts.iter();
        let accounts: Vec<Pubkey> = accounts.map(|index| keys[usize::from(*index)]).collect();
        let names_ours = accounts.iter().any(|account| ours.contains(account));
        match program {
            LIGHTHOUSE => {
                let kind = instruction.data.first();
                assert!(kind.is_some_and(|kind| !LIGHTHOUSE_WRITES.contains(kind)));
                continue;
            }
            TOKEN | TOKEN_2022 => {
                transfers += 1;
                is_the_transfer(&program, &accounts, &instruction.data);
            }
            COMPUTE_BUDGET | MEMO => {}
            other => panic!("{other} has no business here"),
        }
        assert!(!names_ours, "{program} gets an account of ours");
    }
    assert_eq!(transfers, 1);
    assert!(fee(message) <= FEE_MAX + LAMPORTS_PER_SIGNATURE * signatures as u128);
}

fn is_the_transfer(program: &Pubkey, accounts: &[Pubkey], data: &[u8]) {
    let due = if *program == TOKEN { DUE[0] } else { DUE[1] };
    let transfer_checked = 12;
    assert_eq!((data.len(), data[0]), (10, transfer_checked));
    assert_eq!(data[1..9], AMOUNT.to_le_bytes());
    assert_eq!(accounts[1], *MINT);
    assert_eq!(accounts[2], due);
    assert_ne!(accounts[0], due, "it moves");
}

/// What the runtime would take, lamports: signatures, and all the units asked for at their price.
fn fee(message: &VersionedMessage) -> u128 {
    let keys = message.static_account_keys();
    let budget = message
        .instructions()
        .iter()
        .filter(|instruction| keys[usize::from(instruction.program_id_index)] == COMPUTE_BUDGET);
    let (mut limit, mut price) = (200_000 * message.instructions().len() as u128, 0);
    for instruction in budget {
        match instruction.data.as_slice() {
            [2, rest @ ..] => limit = number(rest),
            [3, rest @ ..] => price = number(rest),
            other => panic!("nobody agreed to {other:?}"),
        }
    }
    let signatures = u128::from(message.header().num_required_signatures);
    signatures * LAMPORTS_PER_SIGNATURE + (limit * price).div_ceil(1_000_000)
}

fn number(little_endian: &[u8]) -> u128 {
    let bytes = little_endian.iter().rev();
    bytes.fold(0, |number, byte| number << 8 | u128::from(*byte))
}
