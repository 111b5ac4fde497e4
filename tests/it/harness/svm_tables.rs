//! Address lookup tables as wallets make them: with the chain's own program, and keys of their own.

use super::ledger::Ledger;
use super::sign_svm::SYSTEM;
use super::svm_wire::{Instruction, Key, Keypair, Message, Meta, Table, Transaction, Version};

const PROGRAM: &str = "AddressLookupTab1e1111111111111111111111111";
const SOL: u64 = 1_000_000_000;

/// Somebody who makes lookup tables, and may fill and end them.
pub(crate) struct TableMaker<'a> {
    ledger: &'a Ledger,
    authority: Keypair,
}

impl<'a> TableMaker<'a> {
    pub(crate) async fn new(ledger: &'a Ledger) -> Self {
        let authority = Keypair::fresh();
        ledger.set_lamports(authority.key(), SOL).await;
        Self { ledger, authority }
    }

    /// A table with these addresses that may be used from the next slot on.
    pub(crate) async fn fill(&self, addresses: &[Key]) -> Table {
        self.ledger.advance_slots(1).await;
        let recent = self.ledger.slot().await - 1;
        let (authority, program) = (self.authority.key(), Key::of(PROGRAM));
        let seeds = [&authority.0[..], &recent.to_le_bytes()];
        let (address, bump) = Key::derived_with_bump(&seeds, program);
        let create = [&[0, 0, 0, 0][..], &recent.to_le_bytes(), &[bump]].concat();
        let keys = addresses.iter().flat_map(|key| key.0);
        let count = u64::try_from(addresses.len()).expect("few addresses");
        let mut extend = [&[2, 0, 0, 0][..], &count.to_le_bytes()].concat();
        extend.extend(keys);
        self.run(&[self.call(address, &create), self.call(address, &extend)])
            .await;
        Table {
            address,
            addresses: addresses.to_vec(),
        }
    }

    /// The same, usable at once.
    pub(crate) async fn make(&self, addresses: &[Key]) -> Table {
        let table = self.fill(addresses).await;
        self.ledger.advance_slots(1).await;
        table
    }

    pub(crate) async fn deactivate(&self, table: &Table) {
        self.run(&[self.call(table.address, &[3, 0, 0, 0])]).await;
    }

    fn call(&self, table: Key, data: &[u8]) -> Instruction {
        let authority = Meta::signer(self.authority.key());
        let payer = Meta {
            writable: true,
            ..authority
        };
        let system = Meta::readonly(Key::of(SYSTEM));
        Instruction {
            program: Key::of(PROGRAM),
            accounts: vec![Meta::writable(table), authority, payer, system],
            data: data.to_vec(),
        }
    }

    async fn run(&self, instructions: &[Instruction]) {
        let blockhash = self.ledger.blockhash().await;
        let payer = self.authority.key();
        let message = Message::compile(Version::Legacy, payer, instructions, &[], blockhash);
        let transaction = Transaction::new(message).signed_by(&self.authority);
        let sent = self.ledger.submit(&transaction, true).await;
        sent.expect("the program takes it");
        let status = self.ledger.status(&transaction.id()).await;
        assert_eq!(status["confirmationStatus"], "confirmed", "{status}");
    }
}
