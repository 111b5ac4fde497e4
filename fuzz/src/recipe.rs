//! A transaction from few bytes: instructions as they should be, each with its small change. A message's own bytes seldom stay one when they
//! are changed at random, and an attack is a payment that is good but for one thing.

use std::sync::LazyLock;

use solana_hash::Hash;
use solana_instruction::{AccountMeta, Instruction};
use solana_message::{Message, VersionedMessage, v0};
use solana_pubkey::Pubkey;
use x402_facilitator::dev::solana::{buyer, keys};

use crate::deployment::FEE_PAYERS;
use crate::drain::{
    ASSOCIATED_TOKEN, COMPUTE_BUDGET, DUE, LIGHTHOUSE, MEMO, MINT, TOKEN, TOKEN_2022,
};

const SYSTEM: Pubkey = Pubkey::from_str_const("11111111111111111111111111111111");
const SQUADS: Pubkey = Pubkey::from_str_const("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf");
/// Most instructions, and most accounts that one is given beside its own.
const INSTRUCTIONS_MAX: usize = 12;
const ACCOUNTS_MAX: u8 = 4;

/// A payment as the sandbox's buyer makes it: limit, price, transfer, memo.
static USUAL: LazyLock<Vec<Instruction>> = LazyLock::new(|| buyer::payment(&MINT, &PALETTE[2]));
/// Whoever could have a part in a payment; ours first.
static PALETTE: LazyLock<[Pubkey; 10]> = LazyLock::new(|| {
    let account = |role: &str| keys::address(&keys::account(role, 0));
    let (payer, stranger, source) = (account("payer"), account("stranger"), account("source"));
    let (ours, pay_to) = (&FEE_PAYERS, buyer::pay_to());
    [
        ours[0], ours[1], payer, pay_to, *MINT, DUE[0], DUE[1], stranger, source, TOKEN,
    ]
});

/// Bytes that are used up, zeros after their end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn next(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, limit: u8) -> u8 {
        self.next() % limit
    }
}

/// The message of a recipe; `None` when its instructions cannot be compiled. `[0, 0, 0, 0, 1, 0, 0, 2, 0, 0, 4]` is an honest payment.
pub fn message(bytes: &[u8]) -> Option<VersionedMessage> {
    let mut bytes = Bytes(bytes);
    let form = bytes.next();
    let fee_payer = palette(form >> 4);
    let mut instructions = Vec::new();
    while !bytes.0.is_empty() && instructions.len() < INSTRUCTIONS_MAX {
        instructions.push(instruction(&mut bytes));
    }
    let blockhash = Hash::default();
    if form & 1 == 0 {
        let message = v0::Message::try_compile(&fee_payer, &instructions, &[], blockhash);
        return Some(VersionedMessage::V0(message.ok()?));
    }
    let message = Message::new_with_blockhash(&instructions, Some(&fee_payer), &blockhash);
    Some(VersionedMessage::Legacy(message))
}

fn instruction(bytes: &mut Bytes<'_>) -> Instruction {
    let mut usual = USUAL.clone();
    let mut instruction = match bytes.below(8) {
        0 => usual.swap_remove(0),
        1 => usual.swap_remove(1),
        2 => usual.swap_remove(2),
        3 => of_token_2022(usual.swap_remove(2)),
        4 => usual.swap_remove(3),
        5 => Instruction {
            program_id: LIGHTHOUSE,
            accounts: Vec::new(),
            data: vec![5, 0, 1],
        },
        6 => Instruction {
            program_id: program(bytes.next()),
            ..usual.swap_remove(2)
        },
        _ => Instruction {
            program_id: program(bytes.next()),
            accounts: Vec::new(),
            data: vec![bytes.next()],
        },
    };
    change(&mut instruction, bytes);
    for _ in 0..bytes.below(ACCOUNTS_MAX + 1) {
        instruction.accounts.push(account(bytes));
    }
    instruction
}

/// A byte more, a byte less, another byte, another account; mostly nothing.
fn change(instruction: &mut Instruction, bytes: &mut Bytes<'_>) {
    let kind = bytes.next();
    let data = &mut instruction.data;
    match kind {
        1 => data.push(bytes.next()),
        2 => data.truncate(usize::from(bytes.next())),
        3 if !data.is_empty() => {
            let place = usize::from(bytes.next()) % data.len();
            data[place] = bytes.next();
        }
        4 if !instruction.accounts.is_empty() => {
            let place = usize::from(bytes.next()) % instruction.accounts.len();
            instruction.accounts[place] = account(bytes);
        }
        5 => instruction.accounts.truncate(usize::from(bytes.next())),
        _ => {}
    }
}

fn of_token_2022(mut transfer: Instruction) -> Instruction {
    transfer.program_id = TOKEN_2022;
    transfer.accounts[2].pubkey = DUE[1];
    transfer
}

fn account(bytes: &mut Bytes<'_>) -> AccountMeta {
    let (key, flags) = (palette(bytes.next()), bytes.next());
    AccountMeta {
        pubkey: key,
        is_signer: flags & 1 == 1,
        is_writable: flags & 2 == 2,
    }
}

fn palette(index: u8) -> Pubkey {
    PALETTE[usize::from(index) % PALETTE.len()]
}

fn program(index: u8) -> Pubkey {
    let all = [
        COMPUTE_BUDGET,
        TOKEN,
        TOKEN_2022,
        ASSOCIATED_TOKEN,
        MEMO,
        LIGHTHOUSE,
        SYSTEM,
        SQUADS,
    ];
    all[usize::from(index) % all.len()]
}
