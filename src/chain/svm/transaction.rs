//! A transaction, read strictly: whatever the runtime would choke on, or could read in another way, is refused here.

use solana_hash::Hash;
use solana_message::VersionedMessage;
use solana_message::v0::MessageAddressTableLookup;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use wincode::config::{self, Configuration};

use super::instruction::Instruction;

/// Most bytes of a transaction: one packet.
const WIRE_MAX: usize = 1232;
/// Most bytes that one list of a message may reserve before it is read: a list says how long it is, and a few bytes could ask for megabytes.
/// The longest that a packet holds, of some 400 empty instructions, takes 23 KiB.
const LIST_MAX: usize = 32 * 1024;
/// Bytes of a signature.
const SIGNATURE_LENGTH: usize = 64;

/// A legacy or v0 transaction whose every index is in bounds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    message: VersionedMessage,
    message_bytes: Vec<u8>,
    signatures: Vec<Signature>,
    /// The accounts that the message lists, and then those that it loads.
    keys: Vec<Pubkey>,
}

impl Transaction {
    /// Reads wire bytes. Never panics, whatever they are.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn decode(wire: &[u8]) -> Result<Self, &'static str> {
        if wire.len() > WIRE_MAX {
            return Err("the transaction is longer than a packet");
        }
        // One byte counts the signatures: a packet holds fewer than 128.
        let unreadable = "the bytes are not one legacy or v0 transaction";
        let (count, rest) = wire.split_first().ok_or(unreadable)?;
        let (slots, message_bytes) = rest
            .split_at_checked(SIGNATURE_LENGTH * usize::from(*count))
            .ok_or(unreadable)?;
        let limited = Configuration::default().with_preallocation_size_limit::<LIST_MAX>();
        let message: VersionedMessage =
            config::deserialize_exact(message_bytes, limited).map_err(|_| unreadable)?;
        match message {
            VersionedMessage::Legacy(_) | VersionedMessage::V0(_) => {}
            VersionedMessage::V1(_) => return Err(unreadable),
        }
        message
            .sanitize()
            .map_err(|_| "the message names what it does not hold")?;
        if *count != message.header().num_required_signatures {
            return Err("the number of signatures is not what the message requires");
        }
        if message.serialize() != message_bytes {
            return Err("the bytes can be written in another way");
        }
        let slots = slots.as_chunks::<SIGNATURE_LENGTH>().0.iter();
        let transaction = Self {
            keys: message.static_account_keys().to_vec(),
            message,
            message_bytes: message_bytes.to_vec(),
            signatures: slots.copied().map(Signature::from).collect(),
        };
        if transaction.names_a_key_twice() {
            return Err("an account is listed twice");
        }
        Ok(transaction)
    }

    /// The transaction together with the accounts that its lookup tables hold.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn load(mut self, loaded: &[Pubkey]) -> Result<Self, &'static str> {
        self.keys.truncate(self.listed().len());
        self.keys.extend_from_slice(loaded);
        if self.loads() != loaded.len() {
            return Err("the tables hold other accounts than the message takes");
        }
        if self.names_a_key_twice() {
            return Err("an account is loaded twice");
        }
        Ok(self)
    }

    /// What is signed.
    pub fn message_bytes(&self) -> &[u8] {
        &self.message_bytes
    }

    /// Account 0: it signs first and pays the fee.
    pub fn fee_payer(&self) -> &Pubkey {
        &self.keys[0]
    }

    /// Ends the message's life, some 150 blocks after it was made.
    pub fn blockhash(&self) -> &Hash {
        self.message.recent_blockhash()
    }

    /// The accounts that the message lists and, once they are [loaded](Self::load), those of its lookup tables.
    pub fn keys(&self) -> &[Pubkey] {
        &self.keys
    }

    /// The accounts of its lookup tables; none before they are loaded. They never sign.
    pub fn loaded(&self) -> &[Pubkey] {
        &self.keys[self.listed().len()..]
    }

    fn listed(&self) -> &[Pubkey] {
        self.message.static_account_keys()
    }

    /// Accounts that must sign, the fee payer first.
    pub fn signers(&self) -> &[Pubkey] {
        &self.listed()[..usize::from(self.message.header().num_required_signatures)]
    }

    /// The signatures of everybody but the fee payer. Slot 0 is ours: whatever a stranger wrote there means nothing.
    pub fn client_signatures(&self) -> &[Signature] {
        &self.signatures[1..]
    }

    /// Whether everybody but the fee payer has signed this message, judged as strictly as the runtime does.
    pub fn is_signed(&self) -> bool {
        let clients = self.signers().iter().skip(1);
        clients
            .zip(self.client_signatures())
            .all(|(key, signature)| signature.verify(key.as_array(), &self.message_bytes))
    }

    /// Which accounts of which tables the message loads.
    pub fn lookups(&self) -> &[MessageAddressTableLookup] {
        self.message.address_table_lookups().unwrap_or_default()
    }

    /// How many accounts the message loads.
    pub fn loads(&self) -> usize {
        let lookups = self.lookups().iter();
        lookups
            .map(|one| one.writable_indexes.len() + one.readonly_indexes.len())
            .sum()
    }

    /// Whether there are lookup tables whose accounts are not [loaded](Self::load).
    pub fn is_unread(&self) -> bool {
        self.loaded().len() < self.loads()
    }

    /// The instructions with as many of their accounts as are known. Programs are never loaded from tables, so those are all there.
    pub fn known_instructions(&self) -> Vec<Instruction> {
        let key = |index: &u8| self.keys.get(usize::from(*index)).copied();
        let compiled = self.message.instructions().iter();
        compiled
            .filter_map(|instruction| {
                Some(Instruction {
                    program: key(&instruction.program_id_index)?,
                    accounts: instruction.accounts.iter().filter_map(key).collect(),
                    data: instruction.data.clone(),
                })
            })
            .collect()
    }

    /// The instructions with their accounts by name; `None` when one names an account of a table that is not loaded.
    pub fn instructions(&self) -> Option<Vec<Instruction>> {
        let key = |index: &u8| self.keys.get(usize::from(*index)).copied();
        let compiled = self.message.instructions().iter();
        compiled
            .map(|instruction| {
                Some(Instruction {
                    program: key(&instruction.program_id_index)?,
                    accounts: instruction
                        .accounts
                        .iter()
                        .map(key)
                        .collect::<Option<_>>()?,
                    data: instruction.data.clone(),
                })
            })
            .collect()
    }

    /// Refused by the runtime, and a way to hide an account behind its second index.
    fn names_a_key_twice(&self) -> bool {
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_unstable();
        keys.windows(2).any(|pair| pair[0] == pair[1])
    }
}

/// The bytes that go to the chain: one signature per signer, then the message.
pub fn assemble(fee_payer: &Signature, clients: &[Signature], message: &[u8]) -> Vec<u8> {
    let count = u8::try_from(1 + clients.len()).expect("a packet holds fewer than 128 signatures");
    let mut wire = vec![count];
    wire.extend_from_slice(fee_payer.as_ref());
    for signature in clients {
        wire.extend_from_slice(signature.as_ref());
    }
    wire.extend_from_slice(message);
    wire
}
