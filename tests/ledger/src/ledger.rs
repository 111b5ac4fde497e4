//! The state: an SVM, the slots that passed, what waits to be executed and what has landed.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use litesvm::LiteSVM;
use solana_account::Account;
use solana_clock::Clock;
use solana_hash::Hash;
use solana_pubkey::Pubkey;
use solana_signature::Signature;
use solana_slot_hashes::SlotHashes;
use solana_transaction::versioned::VersionedTransaction;
use solana_transaction_error::TransactionError;

use crate::history::{Landed, Snapshot};
use crate::wallets;

/// A transaction may land until so many blocks after its blockhash.
const BLOCKHASH_LIFE: u64 = 150;
const LISTED_BLOCKHASHES: usize = 150;
const RECENT_BLOCKHASHES: Pubkey =
    Pubkey::from_str_const("SysvarRecentB1ockHashes11111111111111111111");
const SYSVARS: Pubkey = Pubkey::from_str_const("Sysvar1111111111111111111111111111111111111");
const LAMPORTS_PER_SIGNATURE: u64 = 5_000;
/// Slots without a block since genesis: whoever takes a slot for a height is wrong by this much.
const SKIPPED_SLOTS: u64 = 21_000_000;
const MILLISECONDS_PER_SLOT: u64 = 400;
/// Of slot 0. Chain time goes by slots alone.
const GENESIS_TIME: i64 = 1_600_000_000;

/// What tests have set.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Accept transactions, but execute none.
    pub hold: bool,
    /// Accept so many more transactions and forget them.
    pub swallow: u64,
    /// Execute a transaction so long after it was accepted.
    pub delay: Duration,
    /// Slots until a landed transaction is seen, confirmed and finalized.
    pub seen: u64,
    pub confirmed: u64,
    pub finalized: u64,
}

#[derive(Clone)]
struct Waiting {
    transaction: VersionedTransaction,
    due: Instant,
}

/// Cloning it takes a snapshot.
#[derive(Clone)]
pub struct Ledger {
    pub svm: LiteSVM,
    pub genesis: String,
    pub rules: Rules,
    pub landed: HashMap<Signature, Landed>,
    /// How often each method was called since somebody wanted to know; HTTP requests too.
    pub asked: BTreeMap<String, u64>,
    /// Hashes of the messages that have landed: no signature decides what is a repetition.
    processed: HashSet<Hash>,
    /// The newest first, each with the last height at which it is good.
    blockhashes: VecDeque<(Hash, u64)>,
    pool: Vec<Waiting>,
    slot: u64,
    pub saved: Option<Box<Ledger>>,
}

impl Ledger {
    pub fn new(genesis: String) -> Self {
        // Signatures, blockhashes and repetitions are checked here: litesvm knows one blockhash, and either all checks or none.
        let mut svm = LiteSVM::new()
            .with_sigverify(false)
            .with_blockhash_check(false);
        wallets::install(&mut svm);
        let slot = svm.get_sysvar::<Clock>().slot.max(SKIPPED_SLOTS + 1);
        let rules = Rules {
            hold: false,
            swallow: 0,
            delay: Duration::ZERO,
            seen: 0,
            confirmed: 0,
            finalized: 31,
        };
        let mut this = Self {
            svm,
            genesis,
            rules,
            landed: HashMap::new(),
            asked: BTreeMap::new(),
            processed: HashSet::new(),
            blockhashes: VecDeque::new(),
            pool: Vec::new(),
            slot,
            saved: None,
        };
        this.advance(1);
        this
    }

    pub fn slot(&self) -> u64 {
        self.slot
    }

    pub fn height(&self) -> u64 {
        self.slot - SKIPPED_SLOTS
    }

    /// Seconds since 1970 as the chain has it.
    pub fn time(&self) -> i64 {
        let since = self.slot * MILLISECONDS_PER_SLOT / 1_000;
        GENESIS_TIME.saturating_add_unsigned(since)
    }

    /// The newest blockhash, and the last height at which it is good.
    pub fn latest_blockhash(&self) -> (Hash, u64) {
        self.blockhashes[0]
    }

    pub fn knows_blockhash(&self, wanted: &Hash) -> bool {
        self.blockhashes.iter().any(|(hash, _)| hash == wanted)
    }

    /// Lets slots pass, each with a block.
    pub fn advance(&mut self, slots: u64) {
        for _ in 0..slots {
            self.slot += 1;
            self.svm.expire_blockhash();
            let hash = self.svm.latest_blockhash();
            self.blockhashes
                .push_front((hash, self.height() + BLOCKHASH_LIFE));
        }
        let height = self.height();
        self.blockhashes.retain(|(_, last)| *last >= height);
        self.list_blockhashes();
        let mut clock = self.svm.get_sysvar::<Clock>();
        clock.slot = self.slot;
        clock.unix_timestamp = self.time();
        self.svm.set_sysvar(&clock);
        self.svm.set_sysvar(&self.slot_hashes());
    }

    /// The blocks before this one: lookup tables take their addresses from a recent slot, and are used only after the slot that filled them.
    fn slot_hashes(&self) -> SlotHashes {
        let passed = (1..).zip(self.blockhashes.iter().skip(1));
        let passed = passed.map(|(ago, (hash, _))| (self.slot - ago, *hash));
        SlotHashes::new(&passed.collect::<Vec<_>>())
    }

    /// Keeps the runtime's own list of them: litesvm's has one.
    fn list_blockhashes(&mut self) {
        let recent = self.blockhashes.iter().take(LISTED_BLOCKHASHES);
        let mut data = (recent.len() as u64).to_le_bytes().to_vec();
        for (hash, _) in recent {
            data.extend(hash.as_ref());
            data.extend(LAMPORTS_PER_SIGNATURE.to_le_bytes());
        }
        let list = Account {
            lamports: self.svm.minimum_balance_for_rent_exemption(data.len()),
            data,
            owner: SYSVARS,
            ..Account::default()
        };
        let listed = self.svm.set_account(RECENT_BLOCKHASHES, list);
        listed.expect("a list as the runtime reads it");
    }

    /// Executes what is due.
    pub fn catch_up(&mut self) {
        if self.rules.hold {
            return;
        }
        let now = Instant::now();
        let pool = std::mem::take(&mut self.pool);
        let (due, later) = pool.into_iter().partition(|waiting| waiting.due <= now);
        self.pool = later;
        let due: Vec<Waiting> = due;
        for waiting in due {
            self.land(waiting.transaction);
        }
    }

    /// Takes a transaction in. Like a real node it says nothing about what becomes of it.
    pub fn accept(&mut self, transaction: VersionedTransaction) {
        if self.rules.swallow > 0 {
            self.rules.swallow -= 1;
            return;
        }
        let due = Instant::now() + self.rules.delay;
        let signature = transaction.signatures[0];
        let same = |waiting: &Waiting| waiting.transaction.signatures[0] == signature;
        if !self.pool.iter().any(same) {
            self.pool.push(Waiting { transaction, due });
        }
        self.catch_up();
    }

    /// Forgets what waits; how much that was.
    pub fn drop_pool(&mut self) -> usize {
        std::mem::take(&mut self.pool).len()
    }

    /// What keeps a transaction out of every block, as far as that does not take executing it.
    pub fn check(&self, transaction: &VersionedTransaction) -> Result<(), TransactionError> {
        if self.processed.contains(&transaction.message.hash()) {
            return Err(TransactionError::AlreadyProcessed);
        }
        if !self.knows_blockhash(transaction.message.recent_blockhash()) {
            return Err(TransactionError::BlockhashNotFound);
        }
        Ok(())
    }

    /// Executes a transaction in a slot of its own, unless no leader would take it. It may land with an error.
    fn land(&mut self, transaction: VersionedTransaction) {
        if !verified(&transaction) || self.check(&transaction).is_err() {
            return;
        }
        let before = Snapshot::take(&self.svm, &transaction.message);
        self.advance(1);
        let executed = self.svm.send_transaction(transaction.clone());
        let signature = transaction.signatures[0];
        if executed.is_err() && self.svm.get_transaction(&signature).is_none() {
            return;
        }
        let after = Snapshot::take(&self.svm, &transaction.message);
        self.processed.insert(transaction.message.hash());
        let landed = Landed::new(self, transaction, executed, before, after);
        self.landed.insert(signature, landed);
    }
}

/// Whether every required signature is there and good, by the runtime's strict rules.
pub fn verified(transaction: &VersionedTransaction) -> bool {
    transaction.verify_with_results().iter().all(|good| *good)
}
