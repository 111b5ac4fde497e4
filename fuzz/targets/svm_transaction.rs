//! The decoder of Solana transactions: never panics, reserves little, and takes exactly what a validator reads in the same way.

#![no_main]

use fuzz::{memory, node};
use libfuzzer_sys::fuzz_target;
use solana_pubkey::Pubkey;
use solana_transaction::versioned::VersionedTransaction;
use x402_facilitator::chain::svm::transaction::{Transaction, assemble};

/// Most bytes that reading one packet may hold: its smallest instructions, three bytes each, take some 60 in memory.
const MEMORY_MAX: usize = 96 * 1024;
/// Keys and instructions that fit into a packet.
const KEYS_MAX: usize = node::PACKET / 32;
const INSTRUCTIONS_MAX: usize = node::PACKET / 3;

fuzz_target!(|wire: &[u8]| {
    let read = memory::within(MEMORY_MAX, || Transaction::decode(wire));
    let by_node = node::read(wire);
    match (read, by_node) {
        (Ok(ours), Some(theirs)) => compare(wire, &ours, &theirs),
        (Ok(_), None) => panic!("a validator does not read it so"),
        (Err(why), Some(theirs)) if node::is_usual(&theirs) => panic!("a good one refused: {why}"),
        (Err(_), _) => {}
    }
});

fn compare(wire: &[u8], ours: &Transaction, theirs: &VersionedTransaction) {
    let message = &theirs.message;
    assert!(node::is_usual(theirs));
    assert_eq!(ours.message_bytes(), message.serialize());
    assert_eq!(ours.keys(), message.static_account_keys());
    assert_eq!(ours.blockhash(), message.recent_blockhash());
    assert_eq!(ours.signers().len(), theirs.signatures.len());
    assert_eq!(ours.client_signatures(), &theirs.signatures[1..]);
    assert_eq!(ours.fee_payer(), &message.static_account_keys()[0]);
    let again = assemble(
        &theirs.signatures[0],
        ours.client_signatures(),
        ours.message_bytes(),
    );
    assert_eq!(again, wire, "written again it is the same");

    assert!(ours.keys().len() <= KEYS_MAX);
    assert!(message.instructions().len() <= INSTRUCTIONS_MAX);
    let lookups = message.address_table_lookups().unwrap_or_default();
    assert_eq!(ours.lookups(), lookups);
    match ours.instructions() {
        Some(named) => same_instructions(&named, theirs),
        None => assert!(ours.is_unread(), "only a table's accounts have no name"),
    }
    load(ours);
    // Whatever it says, it does not bring the check of signatures down.
    ours.is_signed();
}

/// With some accounts in the place of its tables' every instruction can be named.
fn load(ours: &Transaction) {
    let accounts = (0..ours.loads()).map(|index| {
        let mut bytes = [0xff; 32];
        bytes[..8].copy_from_slice(&index.to_le_bytes());
        Pubkey::new_from_array(bytes)
    });
    let accounts: Vec<Pubkey> = accounts.collect();
    if let Ok(loaded) = ours.clone().load(&accounts) {
        assert_eq!(loaded.loaded(), accounts);
        assert!(!loaded.is_unread());
        let known = loaded.known_instructions();
        assert_eq!(loaded.instructions(), Some(known));
    }
    assert!(
        ours.clone()
            .load(&[accounts, vec![Pubkey::default()]].concat())
            .is_err()
    );
}

fn same_instructions(
    named: &[x402_facilitator::chain::svm::instruction::Instruction],
    theirs: &VersionedTransaction,
) {
    let keys = theirs.message.static_account_keys();
    let compiled = theirs.message.instructions();
    assert_eq!(named.len(), compiled.len());
    for (ours, theirs) in named.iter().zip(compiled) {
        assert_eq!(ours.program, keys[usize::from(theirs.program_id_index)]);
        assert_eq!(ours.data, theirs.data);
        let accounts: Vec<_> = theirs
            .accounts
            .iter()
            .map(|index| keys[usize::from(*index)])
            .collect();
        assert_eq!(ours.accounts, accounts);
    }
}
