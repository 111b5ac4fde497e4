//! What a Solana sponsor may have that a stranger would like, and the instructions that would take it.

use sha2::{Digest, Sha256};

use crate::harness::scene::WEALTH;
use crate::harness::sign_svm::{ASSOCIATED_TOKEN, SYSTEM, TOKEN};
use crate::harness::svm_wire::{Instruction, Key, Keypair, Meta};
use crate::harness::svm_world::SvmWorld;

const RENT: u64 = 10_000_000;
/// What an attack takes, lamports or units.
const TAKE: u64 = 1_000_000;
const SEED: &str = "savings";
const MULTISIG_SIGNERS: usize = 11;
const RECENT_BLOCKHASHES: &str = "SysvarRecentB1ockHashes11111111111111111111";
/// Kinds of authority: over an account.
const ACCOUNT_OWNER: u8 = 2;

/// The sponsor's belongings.
pub(super) struct Loot {
    sponsor: Key,
    mint: Key,
    /// The sponsor's token account, with units and more lamports than it needs.
    pub(super) full: Key,
    /// Another one, with lamports alone.
    empty: Key,
    /// A token account of a multisig that the sponsor and the payer are to sign for.
    pub(super) shared: Key,
    pub(super) multisig: Key,
    /// Lamports under an address made of the sponsor's.
    seeded: Key,
    nonce: Key,
    /// The thief's, with nothing in it.
    pub(super) bag: Key,
}

impl Loot {
    pub(super) async fn place(world: &SvmWorld) -> Self {
        let (ledger, mint) = (&world.ledger, &world.terms.mint);
        let (token, system) = (Key::of(TOKEN), Key::of(SYSTEM));
        let (sponsor, multisig) = (world.fee_payer.key(), Key::fresh());
        let this = Self {
            sponsor,
            mint: mint.key,
            full: mint.account_of(sponsor),
            empty: Key::fresh(),
            shared: mint.account_of(multisig),
            multisig,
            seeded: with_seed(sponsor, SEED, system),
            nonce: Key::fresh(),
            bag: Key::fresh(),
        };
        ledger.fund(mint, sponsor, WEALTH).await;
        ledger.fund(mint, multisig, WEALTH).await;
        let empty = mint.account_data(sponsor, 0);
        ledger.set_account(this.empty, token, RENT, &empty).await;
        let bag = mint.account_data(Key::fresh(), 0);
        ledger.set_account(this.bag, token, RENT, &bag).await;
        let two = two_of_two(sponsor, world.payer.key());
        ledger.set_account(multisig, token, RENT, &two).await;
        ledger.set_lamports(this.seeded, RENT).await;
        let nonce = nonce_of(sponsor);
        ledger.set_account(this.nonce, system, RENT, &nonce).await;
        this
    }

    fn sponsor(&self) -> Meta {
        Meta {
            writable: true,
            ..Meta::signer(self.sponsor)
        }
    }

    /// `Transfer` of the System program.
    pub(super) fn lamports(&self) -> Instruction {
        let data = [&[2, 0, 0, 0][..], &TAKE.to_le_bytes()].concat();
        system(vec![self.sponsor(), Meta::writable(self.bag)], data)
    }

    /// `CreateAccount`: the thief pays no rent.
    pub(super) fn account_for(&self, thief: &Keypair) -> Instruction {
        let created = Meta {
            writable: true,
            ..Meta::signer(thief.key())
        };
        let space = 0_u64.to_le_bytes();
        let data = [&[0; 4][..], &RENT.to_le_bytes(), &space, &Key::of(TOKEN).0].concat();
        system(vec![self.sponsor(), created], data)
    }

    /// `Assign`: the sponsor's own account becomes a program's.
    pub(super) fn assignment(&self) -> Instruction {
        let data = [&[1, 0, 0, 0][..], &Key::of(TOKEN).0].concat();
        system(vec![self.sponsor()], data)
    }

    pub(super) fn lamports_with_seed(&self) -> Instruction {
        let owner = Key::of(SYSTEM).0;
        let data = [&[11, 0, 0, 0][..], &TAKE.to_le_bytes(), &text(SEED), &owner].concat();
        let from = Meta::writable(self.seeded);
        system(
            vec![from, Meta::signer(self.sponsor), Meta::writable(self.bag)],
            data,
        )
    }

    pub(super) fn assignment_with_seed(&self) -> Instruction {
        let owner = Key::of(TOKEN);
        let assigned = with_seed(self.sponsor, SEED, owner);
        let data = [&[10, 0, 0, 0][..], &self.sponsor.0, &text(SEED), &owner.0].concat();
        system(
            vec![Meta::writable(assigned), Meta::signer(self.sponsor)],
            data,
        )
    }

    pub(super) fn nonce_advance(&self) -> Instruction {
        let sysvar = Meta::readonly(Key::of(RECENT_BLOCKHASHES));
        let accounts = vec![
            Meta::writable(self.nonce),
            sysvar,
            Meta::signer(self.sponsor),
        ];
        system(accounts, vec![4, 0, 0, 0])
    }

    /// `Create` (0) or `CreateIdempotent` (1) of an associated account: the sponsor pays its rent, its owner closes it.
    pub(super) fn associated_account(&self, world: &SvmWorld, kind: u8) -> Instruction {
        let owner = Key::fresh();
        let accounts = vec![
            self.sponsor(),
            Meta::writable(world.terms.mint.account_of(owner)),
            Meta::readonly(owner),
            Meta::readonly(self.mint),
            Meta::readonly(Key::of(SYSTEM)),
            Meta::readonly(Key::of(TOKEN)),
        ];
        Instruction {
            program: Key::of(ASSOCIATED_TOKEN),
            accounts,
            data: vec![kind],
        }
    }

    /// `TransferChecked` out of the sponsor's account.
    pub(super) fn units(&self) -> Instruction {
        token(self.checked_accounts(), checked(TAKE))
    }

    /// The same in the token program's batch.
    pub(super) fn batch(&self) -> Instruction {
        let transfer = checked(TAKE);
        let data = [&[255, 4, 10][..], &transfer].concat();
        token(self.checked_accounts(), data)
    }

    fn checked_accounts(&self) -> Vec<Meta> {
        vec![
            Meta::writable(self.full),
            Meta::readonly(self.mint),
            Meta::writable(self.bag),
            Meta::signer(self.sponsor),
        ]
    }

    /// `Transfer`, which names no mint.
    pub(super) fn unchecked_units(&self) -> Instruction {
        self.on(self.full, &[3], &TAKE.to_le_bytes())
    }

    pub(super) fn approval(&self) -> Instruction {
        self.on(self.full, &[4], &u64::MAX.to_le_bytes())
    }

    pub(super) fn closing(&self) -> Instruction {
        self.on(self.empty, &[9], &[])
    }

    /// `WithdrawExcessLamports`: what a token account has above its rent.
    pub(super) fn excess(&self) -> Instruction {
        self.on(self.full, &[38], &[])
    }

    /// Something that the sponsor's token account does for the bag.
    fn on(&self, account: Key, kind: &[u8], amount: &[u8]) -> Instruction {
        let accounts = vec![
            Meta::writable(account),
            Meta::writable(self.bag),
            Meta::signer(self.sponsor),
        ];
        token(accounts, [kind, amount].concat())
    }

    pub(super) fn authority(&self) -> Instruction {
        let accounts = vec![Meta::writable(self.full), Meta::signer(self.sponsor)];
        let data = [&[6, ACCOUNT_OWNER, 1][..], &self.bag.0].concat();
        token(accounts, data)
    }

    pub(super) fn burning(&self) -> Instruction {
        let accounts = vec![
            Meta::writable(self.full),
            Meta::writable(self.mint),
            Meta::signer(self.sponsor),
        ];
        token(accounts, [&[8][..], &TAKE.to_le_bytes()].concat())
    }
}

fn system(accounts: Vec<Meta>, data: Vec<u8>) -> Instruction {
    let program = Key::of(SYSTEM);
    Instruction {
        program,
        accounts,
        data,
    }
}

fn token(accounts: Vec<Meta>, data: Vec<u8>) -> Instruction {
    let program = Key::of(TOKEN);
    Instruction {
        program,
        accounts,
        data,
    }
}

/// `TransferChecked`'s data.
fn checked(units: u64) -> Vec<u8> {
    [&[12][..], &units.to_le_bytes(), &[6]].concat()
}

/// Text as the System program reads it.
fn text(text: &str) -> Vec<u8> {
    let length = u64::try_from(text.len()).expect("short").to_le_bytes();
    [&length[..], text.as_bytes()].concat()
}

fn with_seed(base: Key, seed: &str, owner: Key) -> Key {
    let mut hasher = Sha256::new();
    hasher.update(base.0);
    hasher.update(seed);
    hasher.update(owner.0);
    Key(hasher.finalize().into())
}

/// A multisig account: how many of how many, whether it is there, its signers.
fn two_of_two(one: Key, other: Key) -> Vec<u8> {
    let mut data = [&[2, 2, 1][..], &one.0, &other.0].concat();
    data.resize(3 + 32 * MULTISIG_SIGNERS, 0);
    data
}

/// A nonce account: its version, that it is there, its authority, a hash and the price of a signature then.
fn nonce_of(authority: Key) -> Vec<u8> {
    let present = 1_u32.to_le_bytes();
    let price = 5_000_u64.to_le_bytes();
    [&present[..], &present, &authority.0, &[7; 32], &price].concat()
}
