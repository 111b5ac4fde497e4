//! Solana's messages and transactions byte by byte, written from the format's description: no code that the service could share.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use sha2::{Digest, Sha256};

pub(crate) const SIGNATURE_LENGTH: usize = 64;

/// An account's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key(pub(crate) [u8; 32]);

impl Key {
    /// From base58. Panics unless it is 32 bytes.
    pub(crate) fn of(text: &str) -> Self {
        text.parse().expect("an address in base58")
    }

    /// An address that no other value of this process has.
    pub(crate) fn fresh() -> Self {
        Keypair::fresh().key()
    }

    /// The address that `seeds` make for a program (`find_program_address`).
    pub(crate) fn derived(seeds: &[&[u8]], program: Self) -> Self {
        Self::derived_with_bump(seeds, program).0
    }

    /// The same, with the byte that puts it off the curve.
    pub(crate) fn derived_with_bump(seeds: &[&[u8]], program: Self) -> (Self, u8) {
        let with_bump = |bump: u8| {
            let mut hasher = Sha256::new();
            hasher.update(seeds.concat());
            hasher.update([bump]);
            hasher.update(program.0);
            hasher.update(b"ProgramDerivedAddress");
            (<[u8; 32]>::from(hasher.finalize()), bump)
        };
        let hashes = (0..=u8::MAX).rev().map(with_bump);
        let mut off_curve = hashes.filter(|(hash, _)| VerifyingKey::from_bytes(hash).is_err());
        let (hash, bump) = off_curve.next().expect("one of 256 is off the curve");
        (Self(hash), bump)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = bs58::decode(text).into_vec();
        let bytes = bytes.map_err(|cause| cause.to_string())?;
        let bytes = bytes.try_into().map_err(|_| "not 32 bytes".to_owned())?;
        Ok(Self(bytes))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&bs58::encode(self.0).into_string())
    }
}

/// An owner that can sign.
#[derive(Debug, Clone)]
pub(crate) struct Keypair(SigningKey);

impl Keypair {
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        Self(SigningKey::from_bytes(&seed))
    }

    /// One that no other value of this process is.
    pub(crate) fn fresh() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        Self::from_seed(Sha256::digest(next.to_be_bytes()).into())
    }

    pub(crate) fn key(&self) -> Key {
        Key(self.0.verifying_key().to_bytes())
    }

    /// Both halves in base58, as wallets export them.
    pub(crate) fn secret(&self) -> String {
        bs58::encode(self.0.to_keypair_bytes()).into_string()
    }

    pub(crate) fn sign(&self, bytes: &[u8]) -> [u8; SIGNATURE_LENGTH] {
        self.0.sign(bytes).to_bytes()
    }
}

/// An account of an instruction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Meta {
    pub(crate) key: Key,
    pub(crate) signer: bool,
    pub(crate) writable: bool,
}

impl Meta {
    pub(crate) fn readonly(key: Key) -> Self {
        Self {
            key,
            signer: false,
            writable: false,
        }
    }

    pub(crate) fn writable(key: Key) -> Self {
        Self {
            writable: true,
            ..Self::readonly(key)
        }
    }

    pub(crate) fn signer(key: Key) -> Self {
        Self {
            signer: true,
            ..Self::readonly(key)
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Instruction {
    pub(crate) program: Key,
    pub(crate) accounts: Vec<Meta>,
    pub(crate) data: Vec<u8>,
}

/// How a message begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    Legacy,
    Numbered(u8),
}

/// An address lookup table that is on the chain.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) address: Key,
    pub(crate) addresses: Vec<Key>,
}

/// A message whose every byte is open: change what [`Message::compile`] made for one that no compiler would make.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) version: Version,
    /// Required signatures, read-only ones of them, read-only accounts without.
    pub(crate) header: [u8; 3],
    pub(crate) keys: Vec<Key>,
    pub(crate) blockhash: [u8; 32],
    pub(crate) instructions: Vec<Compiled>,
    pub(crate) lookups: Vec<Lookup>,
}

/// An instruction with indexes in place of addresses.
#[derive(Debug, Clone)]
pub(crate) struct Compiled {
    pub(crate) program: u8,
    pub(crate) accounts: Vec<u8>,
    pub(crate) data: Vec<u8>,
}

#[derive(Debug, Clone)]
pub(crate) struct Lookup {
    pub(crate) table: Key,
    pub(crate) writable: Vec<u8>,
    pub(crate) readonly: Vec<u8>,
}

impl Message {
    /// The order is @solana/kit's: fee payer, signers, writable, read-only, each by text. What a table has, and neither signs nor is
    /// invoked, is looked up.
    pub(crate) fn compile(
        version: Version,
        fee_payer: Key,
        instructions: &[Instruction],
        tables: &[Table],
        blockhash: [u8; 32],
    ) -> Self {
        let mut metas = used(fee_payer, instructions);
        let mut looked_up = [Vec::new(), Vec::new()];
        let lookups = tables.iter().map(|table| {
            let mut indexes = [Vec::new(), Vec::new()];
            for (index, key) in (0..).zip(&table.addresses) {
                let fits = |meta: &Used| meta.key == *key && !meta.signer && !meta.invoked;
                if let Some(found) = metas.iter().position(fits) {
                    let group = usize::from(!metas.remove(found).writable);
                    looked_up[group].push(*key);
                    indexes[group].push(index);
                }
            }
            let [writable, readonly] = indexes;
            let table = table.address;
            Lookup {
                table,
                writable,
                readonly,
            }
        });
        let lookups = lookups.collect();
        metas[1..].sort_by_key(Used::place);
        let count =
            |wanted: &dyn Fn(&Used) -> bool| small(metas.iter().filter(|it| wanted(it)).count());
        let header = [
            count(&|it| it.signer),
            count(&|it| it.signer && !it.writable),
            count(&|it| !it.signer && !it.writable),
        ];
        let keys: Vec<Key> = metas.iter().map(|it| it.key).collect();
        let all = [keys.as_slice(), &looked_up[0], &looked_up[1]].concat();
        let instructions = instructions.iter().map(|one| Compiled::new(one, &all));
        Self {
            version,
            header,
            instructions: instructions.collect(),
            keys,
            blockhash,
            lookups,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Version::Numbered(version) = self.version {
            bytes.push(0x80 | version);
        }
        bytes.extend(self.header);
        push_length(&mut bytes, self.keys.len());
        bytes.extend(self.keys.iter().flat_map(|key| key.0));
        bytes.extend(self.blockhash);
        push_length(&mut bytes, self.instructions.len());
        for instruction in &self.instructions {
            bytes.push(instruction.program);
            push_all(&mut bytes, &instruction.accounts);
            push_all(&mut bytes, &instruction.data);
        }
        if self.version != Version::Legacy {
            push_length(&mut bytes, self.lookups.len());
            for lookup in &self.lookups {
                bytes.extend(lookup.table.0);
                push_all(&mut bytes, &lookup.writable);
                push_all(&mut bytes, &lookup.readonly);
            }
        }
        bytes
    }
}

impl Compiled {
    fn new(instruction: &Instruction, keys: &[Key]) -> Self {
        let index = |key: Key| {
            let found = keys.iter().position(|known| *known == key);
            small(found.expect("every key is in the message"))
        };
        let accounts = instruction.accounts.iter().map(|meta| index(meta.key));
        Self {
            program: index(instruction.program),
            accounts: accounts.collect(),
            data: instruction.data.clone(),
        }
    }
}

/// A message with its signatures: slots stay zero until they are signed.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub(crate) signatures: Vec<[u8; SIGNATURE_LENGTH]>,
    pub(crate) message: Message,
}

impl Transaction {
    pub(crate) fn new(message: Message) -> Self {
        let slots = usize::from(message.header[0]);
        Self {
            signatures: vec![[0; SIGNATURE_LENGTH]; slots],
            message,
        }
    }

    /// With an owner's signature in its slot. Panics when there is none for it.
    pub(crate) fn signed_by(mut self, owner: &Keypair) -> Self {
        let key = owner.key();
        let slot = self.message.keys.iter().position(|known| *known == key);
        let slot = slot.expect("the owner is in the message");
        self.signatures[slot] = owner.sign(&self.message.bytes());
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        push_length(&mut bytes, self.signatures.len());
        bytes.extend(self.signatures.iter().flatten());
        bytes.extend(self.message.bytes());
        bytes
    }

    pub(crate) fn base64(&self) -> String {
        BASE64.encode(self.bytes())
    }

    /// The transaction's name on the chain: the fee payer's signature.
    pub(crate) fn id(&self) -> String {
        bs58::encode(self.signatures[0]).into_string()
    }
}

/// An account of a message: everything that its instructions want of it.
struct Used {
    key: Key,
    signer: bool,
    writable: bool,
    invoked: bool,
}

impl Used {
    /// By text as people sort it: upper and lower case together, the lower first.
    fn place(&self) -> (bool, bool, String, String) {
        let text = self.key.to_string();
        let swapped = |letter: char| {
            if letter.is_ascii_lowercase() {
                letter.to_ascii_uppercase()
            } else {
                letter.to_ascii_lowercase()
            }
        };
        let ties = text.chars().map(swapped).collect();
        let text = text.to_ascii_lowercase();
        (!self.signer, !self.writable, text, ties)
    }
}

fn used(fee_payer: Key, instructions: &[Instruction]) -> Vec<Used> {
    let new = |key: Key| Used {
        key,
        signer: key == fee_payer,
        writable: key == fee_payer,
        invoked: false,
    };
    let mut all = vec![new(fee_payer)];
    let mut note = |meta: &Meta, invoked: bool| {
        let known = all.iter().position(|one| one.key == meta.key);
        let place = known.unwrap_or_else(|| {
            all.push(new(meta.key));
            all.len() - 1
        });
        all[place].signer |= meta.signer;
        all[place].writable |= meta.writable;
        all[place].invoked |= invoked;
    };
    for instruction in instructions {
        note(&Meta::readonly(instruction.program), true);
        instruction
            .accounts
            .iter()
            .for_each(|meta| note(meta, false));
    }
    all
}

fn push_all(bytes: &mut Vec<u8>, all: &[u8]) {
    push_length(bytes, all.len());
    bytes.extend(all);
}

/// Seven bits per byte, the lowest first.
fn push_length(bytes: &mut Vec<u8>, length: usize) {
    let mut rest = length;
    while rest >= 0x80 {
        bytes.push(small(rest & 0x7f) | 0x80);
        rest >>= 7;
    }
    bytes.push(small(rest));
}

fn small(number: usize) -> u8 {
    number.try_into().expect("below 256")
}
