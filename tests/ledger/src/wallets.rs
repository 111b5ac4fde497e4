//! Stand-ins for programs that cannot be had: native programs at their ids. Smart wallets make the calls that they are told, with the
//! signature of their vault (seed `vault`); Lighthouse asserts nothing and always succeeds.
//!
//! A wallet's data is a list of calls: the index of the program among the instruction's accounts, the number of accounts, an index and flags
//! (1 writable, 2 signer) for each, the length of the data (two bytes, little endian), the data. Before a call may stand 255 or 254 and the
//! index of an account: the call is made only while that account exists, or only while it does not.

use litesvm::LiteSVM;
use solana_instruction::error::InstructionError;
use solana_instruction::{AccountMeta, Instruction};
use solana_program_runtime::declare_process_instruction;
use solana_program_runtime::invoke_context::InvokeContext;
use solana_program_runtime::solana_sbpf::program::BuiltinFunctionDefinition;
use solana_pubkey::Pubkey;

const WALLETS: [Pubkey; 6] = [
    Pubkey::from_str_const("SQDS4ep65T869zMMBKyuUq6aD6EgTu8psMjkvj52pCf"),
    Pubkey::from_str_const("SMRTzfY6DfH5ik3TKiyLFfXexV8uSG3d2UksSCYdunG"),
    Pubkey::from_str_const("SWiGmQedKzMz1tiTqoJCWeGDnGXfNBp2PkXLkpCAtQo"),
    Pubkey::from_str_const("swigypWHEksbC64pWKwah1WTeh9JXwx8H1rJHLdbQMB"),
    Pubkey::from_str_const("GovER5Lthms3bLBqWub97yVrMmEogzX7xNjdXpPPCVZw"),
    Pubkey::from_str_const("CoREENxT6tW1HoK8ypY1SxRMZTcVPm7R94rH4PZNhX7d"),
];
const LIGHTHOUSE: Pubkey = Pubkey::from_str_const("L2TExMFKdjpN9kozasaurPirfHy9P8sbXoAN1qA3S95");
const VAULT: &[u8] = b"vault";
const UNITS: u64 = 1_000;
/// The next call is made only while an account exists, or only while it does not.
const WHILE_THERE: u8 = 255;
const WHILE_GONE: u8 = 254;

declare_process_instruction!(Wallet, UNITS, |invoke_context| { execute(invoke_context) });
declare_process_instruction!(Lighthouse, UNITS, |_invoke_context| { Ok(()) });

pub fn install(svm: &mut LiteSVM) {
    for id in WALLETS {
        svm.add_builtin(id, Wallet::register);
    }
    svm.add_builtin(LIGHTHOUSE, Lighthouse::register);
}

fn execute(context: &mut InvokeContext<'_, '_>) -> Result<(), InstructionError> {
    let current = context
        .transaction_context
        .get_current_instruction_context()?;
    let program = *current.get_program_key()?;
    let accounts = 0..current.get_number_of_instruction_accounts();
    let accounts = accounts.map(|index| current.get_key_of_instruction_account(index).copied());
    let accounts: Vec<Pubkey> = accounts.collect::<Result<_, _>>()?;
    let exists = |index: u8| {
        let account = current.try_borrow_instruction_account(index.into());
        account.is_ok_and(|account| account.get_lamports() > 0)
    };
    let data = current.get_instruction_data().to_vec();
    let calls = calls(&data, &accounts, exists);
    let (_, bump) = Pubkey::find_program_address(&[VAULT], &program);
    for call in calls.ok_or(InstructionError::InvalidInstructionData)? {
        context.native_invoke_signed(call, &[&[VAULT, &[bump]]])?;
    }
    Ok(())
}

fn calls(
    mut data: &[u8],
    accounts: &[Pubkey],
    exists: impl Fn(u8) -> bool,
) -> Option<Vec<Instruction>> {
    let mut calls = Vec::new();
    while !data.is_empty() {
        let mut first = byte(&mut data)?;
        let mut is_made = true;
        while matches!(first, WHILE_THERE | WHILE_GONE) {
            is_made &= exists(byte(&mut data)?) == (first == WHILE_THERE);
            first = byte(&mut data)?;
        }
        let program_id = *accounts.get(usize::from(first))?;
        let mut metas = Vec::new();
        for _ in 0..byte(&mut data)? {
            let pubkey = *accounts.get(usize::from(byte(&mut data)?))?;
            let flags = byte(&mut data)?;
            metas.push(AccountMeta {
                pubkey,
                is_signer: flags & 2 != 0,
                is_writable: flags & 1 != 0,
            });
        }
        let length = usize::from(u16::from_le_bytes([byte(&mut data)?, byte(&mut data)?]));
        let (given, rest) = data.split_at_checked(length)?;
        data = rest;
        if is_made {
            calls.push(Instruction {
                program_id,
                accounts: metas,
                data: given.to_vec(),
            });
        }
    }
    Some(calls)
}

fn byte(data: &mut &[u8]) -> Option<u8> {
    let (first, rest) = data.split_first()?;
    *data = rest;
    Some(*first)
}
