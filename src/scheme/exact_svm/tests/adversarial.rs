//! Attempts to spend the sponsor's lamports, tokens or signature. Each is refused, on either path.

use solana_instruction::{AccountMeta, Instruction};

use super::*;
use crate::scheme::exact_svm::policy::SmartWallet;

/// What an attacker would like a program to do with the sponsor.
#[expect(clippy::too_many_lines, reason = "a table")]
fn attacks() -> Vec<(&'static str, Instruction)> {
    let sponsor = AccountMeta::new(fee_payer(), true);
    let token = programs::TOKEN;
    let (loot, theirs) = (
        writable(account_of(other(), token)),
        writable(account_of(fee_payer(), token)),
    );
    let system = |data: &[u8]| ix(SYSTEM, &[sponsor.clone(), writable(other())], data);
    let on_token = |accounts: &[_], data: &[u8]| ix(token, accounts, data);
    let create = |kind: u8| {
        let accounts = [
            sponsor.clone(),
            loot.clone(),
            readonly(other()),
            readonly(USDC),
            readonly(SYSTEM),
            readonly(token),
        ];
        ix(programs::ASSOCIATED_TOKEN, &accounts, &[kind])
    };
    let nonce = ix(
        SYSTEM,
        &[
            writable(other()),
            readonly(second_fee_payer()),
            sponsor.clone(),
        ],
        &[4, 0, 0, 0],
    );
    let wrapped = [&[255, 4, 10][..], &transfer_data(1)].concat();
    vec![
        ("Transfer", system(&[2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])),
        ("CreateAccount", system(&[0; 52])),
        ("Assign", system(&[1; 36])),
        ("TransferWithSeed", system(&[11, 0, 0, 0])),
        ("AssignWithSeed", system(&[10, 0, 0, 0])),
        ("Create", create(0)),
        ("CreateIdempotent", create(1)),
        ("AdvanceNonce", nonce),
        (
            "token batch",
            on_token(
                &[
                    theirs.clone(),
                    readonly(USDC),
                    loot.clone(),
                    sponsor.clone(),
                ],
                &wrapped,
            ),
        ),
        (
            "TransferChecked",
            on_token(
                &[
                    theirs.clone(),
                    readonly(USDC),
                    loot.clone(),
                    sponsor.clone(),
                ],
                &transfer_data(1),
            ),
        ),
        (
            "token Transfer",
            on_token(&[theirs.clone(), loot.clone(), sponsor.clone()], &[3; 9]),
        ),
        (
            "Approve",
            on_token(&[theirs.clone(), loot.clone(), sponsor.clone()], &[4; 9]),
        ),
        (
            "SetAuthority",
            on_token(&[theirs.clone(), sponsor.clone()], &[6, 2, 1]),
        ),
        (
            "CloseAccount",
            on_token(&[theirs, loot, sponsor.clone()], &[9]),
        ),
        (
            "Lighthouse MemoryWrite",
            ix(
                programs::LIGHTHOUSE,
                std::slice::from_ref(&sponsor),
                &[0, 0, 0],
            ),
        ),
        (
            "Lighthouse MemoryClose",
            ix(
                programs::LIGHTHOUSE,
                std::slice::from_ref(&sponsor),
                &[1, 0, 0],
            ),
        ),
        (
            "a program that nobody knows",
            ix(other(), &[sponsor], &[1, 2, 3]),
        ),
    ]
}

fn with_smart_wallets() -> Case {
    let mut case = Case::new();
    case.policy.smart_wallet = Some(SmartWallet::default());
    case
}

#[test]
fn no_attack_passes_at_any_position_on_any_path() {
    for (name, attack) in attacks() {
        for at in 0..=4 {
            for mut case in [Case::new(), Case::v1(), with_smart_wallets()] {
                case.instructions.insert(at, attack.clone());
                assert!(case.rejection().is_some(), "{name} before {at}");
                let mut instead = case;
                instead
                    .instructions
                    .remove(if at == 4 { 3 } else { at + 1 });
                assert!(instead.rejection().is_some(), "{name} instead of {at}");
            }
        }
    }
}

#[test]
fn an_attack_after_the_transfer_is_an_unknown_instruction() {
    for (name, attack) in attacks() {
        let mut case = Case::new();
        case.instructions.insert(3, attack);
        let reason = case.rejection().map(|rejection| rejection.reason);
        let unknown = Some(Reason::InvalidExactSvmUnknownFourthInstruction);
        assert_eq!(reason, unknown, "{name}");
    }
}

#[test]
fn an_attack_instead_of_the_transfer_is_no_transfer_or_ours() {
    for (name, attack) in attacks() {
        let mut case = Case::new();
        case.instructions[2] = attack;
        let reason = case.rejection().map(|rejection| rejection.reason);
        let expected = match name {
            "TransferChecked" => Reason::InvalidExactSvmFeePayerTransferringFunds,
            _ => Reason::InvalidExactSvmNoTransferInstruction,
        };
        assert_eq!(reason, Some(expected), "{name}");
    }
}

#[test]
fn a_durable_nonce_is_no_compute_limit() {
    let (_, nonce) = attacks()
        .into_iter()
        .find(|(name, _)| *name == "AdvanceNonce")
        .unwrap();
    let mut case = Case::new();
    case.instructions.insert(0, nonce);
    let reason = case.rejection().map(|rejection| rejection.reason);
    assert_eq!(reason, Some(Reason::InvalidExactSvmComputeLimitInstruction));
}

#[test]
fn no_key_of_ours_has_a_part_in_the_transfer() {
    for key in [fee_payer(), second_fee_payer()] {
        for position in 0..=5 {
            let mut case = Case::new();
            let accounts = &mut case.instructions[2].accounts;
            // A multisig account's co-signers come after the authority.
            accounts.push(signer(payer()));
            accounts.resize(6, readonly(other()));
            accounts[position] = readonly(key);
            let reason = case.rejection().map(|rejection| rejection.reason);
            let expected = Reason::InvalidExactSvmFeePayerTransferringFunds;
            assert_eq!(reason, Some(expected), "at {position}");
        }
    }
}

#[test]
fn no_key_of_ours_is_named_by_a_memo_or_a_budget() {
    for key in [fee_payer(), second_fee_payer()] {
        for at in [0, 1, 3] {
            for account in [readonly(key), writable(key)] {
                let mut case = Case::new();
                case.instructions[at].accounts.push(account);
                let rejection = case.rejection().unwrap();
                assert_eq!(rejection.reason, Reason::InvalidExactSvmFeePayerNotIsolated);
            }
        }
    }
    let mut signing = Case::new();
    signing.instructions[3].accounts.push(signer(fee_payer()));
    let rejection = signing.rejection().unwrap();
    assert_eq!(rejection.reason, Reason::InvalidExactSvmFeePayerNotIsolated);
}

#[test]
fn a_guard_may_look_at_the_fee_payer_and_nothing_else_may() {
    let mut case = Case::new();
    case.instructions.push(guard());
    assert_eq!(case.rejection(), None);
    for data in [&[0, 0][..], &[1, 0], &[16, 0], &[5, 3], &[18, 0], &[5]] {
        let mut case = Case::new();
        case.instructions
            .push(ix(programs::LIGHTHOUSE, &guard().accounts, data));
        let reason = case.rejection().map(|rejection| rejection.reason);
        assert_eq!(reason, Some(Reason::InvalidExactSvmUnknownFifthInstruction));
    }
}
