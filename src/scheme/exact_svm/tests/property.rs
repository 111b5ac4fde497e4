//! What holds for every transaction, whatever it is made of.

use proptest::prelude::*;
use solana_instruction::{AccountMeta, Instruction};
use solana_signature::Signature;

use super::*;
use crate::chain::svm::transaction::{Transaction, assemble};
use crate::scheme::exact_svm::policy::SmartWallet;

fn any_key() -> impl Strategy<Value = Pubkey> {
    prop_oneof![
        3 => Just(fee_payer()),
        1 => Just(second_fee_payer()),
        2 => Just(payer()),
        1 => Just(pay_to()),
        1 => Just(USDC),
        1 => Just(account_of(pay_to(), programs::TOKEN)),
        1 => Just(account_of(payer(), programs::TOKEN)),
    ]
}

fn any_program() -> impl Strategy<Value = Pubkey> {
    prop_oneof![
        Just(programs::TOKEN),
        Just(programs::TOKEN_2022),
        Just(programs::MEMO),
        Just(programs::LIGHTHOUSE),
        Just(programs::COMPUTE_BUDGET),
        Just(programs::ASSOCIATED_TOKEN),
        Just(programs::SMART_WALLETS[0]),
        Just(SYSTEM),
    ]
}

prop_compose! {
    fn any_instruction()(
        program in any_program(),
        accounts in prop::collection::vec((any_key(), any::<bool>()), 0..5),
        data in prop::collection::vec(0_u8..20, 0..12),
    ) -> Instruction {
        let accounts: Vec<_> = accounts
            .into_iter()
            .map(|(key, writable)| AccountMeta { pubkey: key, is_signer: false, is_writable: writable })
            .collect();
        ix(program, &accounts, &data)
    }
}

/// A valid payment with guards and memos that may name anybody, and now and then something else.
fn any_case() -> impl Strategy<Value = Case> {
    let extra = prop_oneof![
        6 => Just(guard()),
        4 => any_key().prop_map(|key| ix(programs::LIGHTHOUSE, &[readonly(key)], &[5, 0])),
        4 => Just(memo(MEMO)),
        2 => any_key().prop_map(|key| ix(programs::MEMO, &[readonly(key)], b"m")),
        2 => any_instruction(),
    ];
    let extras = prop::collection::vec((any::<prop::sample::Index>(), extra), 0..5);
    let accounts = prop::collection::vec(any_key(), 0..3);
    (extras, accounts, any::<bool>()).prop_map(|(extras, accounts, wallets)| {
        let mut case = Case::new();
        case.policy.smart_wallet = wallets.then(SmartWallet::default);
        if extras.len() == 1 {
            let metas = accounts.into_iter().map(readonly);
            case.instructions[2].accounts.extend(metas);
        }
        for (at, instruction) in extras {
            let at = at.index(case.instructions.len() + 1);
            case.instructions.insert(at, instruction);
        }
        case
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn in_an_accepted_transaction_only_pure_asserts_name_a_key_of_ours(case in any_case()) {
        if case.rejection().is_none() {
            let transaction = Transaction::decode(&case.wire()).unwrap();
            let instructions = transaction.instructions().unwrap();
            for instruction in instructions.iter().filter(|i| !i.is_pure_assert()) {
                prop_assert!(!instruction.names(&fee_payer()), "{instruction:?}");
                prop_assert!(!instruction.names(&second_fee_payer()), "{instruction:?}");
            }
        }
    }

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..1_300)) {
        let _ = Transaction::decode(&bytes);
    }

    #[test]
    fn a_damaged_transaction_never_panics(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let case = Case::new();
        let mut wire = case.wire();
        for (at, byte) in damage {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        let _ = decode_all(&wire);
        let _ = decode_all(&wire[..cut.index(wire.len())]);
    }

    #[test]
    fn what_decodes_is_what_it_is_written_as(case in any_case()) {
        let wire = case.wire();
        if let Ok(transaction) = Transaction::decode(&wire) {
            let clients = transaction.client_signatures();
            let again = assemble(&Signature::default(), clients, transaction.message_bytes());
            prop_assert_eq!(again, wire);
        }
    }
}

/// Decodes, and touches everything that indexes.
fn decode_all(wire: &[u8]) -> Option<usize> {
    let transaction = Transaction::decode(wire).ok()?;
    let signed = usize::from(transaction.is_signed());
    let named = transaction.instructions().map_or(0, |all| all.len());
    Some(signed + named + transaction.signers().len() + transaction.fee_payer().as_ref().len())
}

#[test]
fn the_property_sees_accepted_and_refused_transactions() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..300 {
        let case = any_case().new_tree(&mut runner).unwrap().current();
        accepted += usize::from(case.rejection().is_none());
    }
    assert!((30..270).contains(&accepted), "{accepted} of 300");
}
