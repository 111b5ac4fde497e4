//! A Solana node per test: a program of its own package (`tests/ledger`), for its crates would change the features of ours. The first test
//! of a machine builds it, in minutes; it starts in a tenth of a second.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio::time::timeout;

use super::mint::Mint;
use super::rpc::Rpc;
use super::scratch::tests_dir;
use super::sign_svm::SYSTEM;
use super::svm_wire::{Key, Keypair, Table, Transaction};

const START_TIMEOUT: Duration = Duration::from_secs(30);
const SOL: u64 = 1_000_000_000;
/// Enough that no account of ours pays rent.
const RENT: u64 = SOL / 100;
/// The program that owns lookup tables, and their header with no authority: kind 1, never deactivated.
const LOOKUP_TABLES: &str = "AddressLookupTab1e1111111111111111111111111";
const TABLE_HEADER: usize = 56;

/// A ledger, gone when dropped. Calls on it go to its [`Rpc`].
#[derive(Debug)]
pub(crate) struct Ledger {
    rpc: Rpc,
    url: String,
    process: Child,
}

impl Deref for Ledger {
    type Target = Rpc;

    fn deref(&self) -> &Rpc {
        &self.rpc
    }
}

impl Ledger {
    /// One that plays devnet.
    pub(crate) async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// One that plays the network with this genesis hash.
    pub(crate) async fn of_genesis(hash: &str) -> Self {
        Self::start_with(&["--genesis", hash]).await
    }

    async fn start_with(arguments: &[&str]) -> Self {
        let mut process = Command::new(program().await)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the ledger was built");
        let stdout = process.stdout.as_mut().expect("stdout is piped");
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START_TIMEOUT, lines.next_line()).await;
        let line = line.expect("the ledger starts in time").expect("output");
        let url = line.expect("the ledger tells where it listens");
        Self {
            rpc: Rpc::new(&url),
            url,
            process,
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Lets go of the leash; true when the ledger ended for that.
    pub(crate) async fn unleash(mut self) -> bool {
        drop(self.process.stdin.take());
        let ended = timeout(START_TIMEOUT, self.process.wait()).await;
        ended.is_ok_and(|ended| ended.is_ok_and(|status| status.success()))
    }

    /// Puts a mint where it belongs.
    pub(crate) async fn place(&self, mint: Mint) -> Mint {
        let data = mint.data(u64::MAX);
        self.set_account(mint.key, mint.program, RENT, &data).await;
        mint
    }

    /// Gives an owner an associated account with exactly so many units.
    pub(crate) async fn fund(&self, mint: &Mint, owner: Key, units: u64) {
        let (account, data) = (mint.account_of(owner), mint.account_data(owner, units));
        self.set_account(account, mint.program, RENT, &data).await;
    }

    /// A new owner with so many units.
    pub(crate) async fn payer(&self, mint: &Mint, units: u64) -> Keypair {
        let payer = Keypair::fresh();
        self.fund(mint, payer.key(), units).await;
        payer
    }

    /// A new fee payer with plenty of SOL.
    pub(crate) async fn fee_payer(&self) -> Keypair {
        let fee_payer = Keypair::fresh();
        self.set_lamports(fee_payer.key(), 100 * SOL).await;
        fee_payer
    }

    pub(crate) async fn set_lamports(&self, owner: Key, lamports: u64) {
        self.set_account(owner, Key::of(SYSTEM), lamports, &[])
            .await;
    }

    /// Puts a lookup table there that may be used at once.
    pub(crate) async fn place_table(&self, addresses: &[Key]) -> Table {
        let table = Table {
            address: Key::fresh(),
            addresses: addresses.to_vec(),
        };
        let mut data = [1_u32.to_le_bytes().as_slice(), &u64::MAX.to_le_bytes()].concat();
        data.resize(TABLE_HEADER, 0);
        data.extend(addresses.iter().flat_map(|address| address.0));
        let owner = Key::of(LOOKUP_TABLES);
        self.set_account(table.address, owner, RENT, &data).await;
        table
    }

    pub(crate) async fn set_account(&self, key: Key, owner: Key, lamports: u64, data: &[u8]) {
        let account = json!({
            "lamports": lamports,
            "owner": owner.to_string(),
            "data": BASE64.encode(data),
        });
        self.control("test_setAccount", json!([key.to_string(), account]))
            .await;
    }

    pub(crate) async fn remove_account(&self, key: Key) {
        self.control("test_setAccount", json!([key.to_string(), null]))
            .await;
    }

    /// The units of an owner's associated account; none without one.
    pub(crate) async fn units(&self, mint: &Mint, owner: Key) -> u64 {
        let account = mint.account_of(owner).to_string();
        let params = json!([account, {"encoding": "base64"}]);
        let answer: Value = self.call("getAccountInfo", params).await;
        let Some(data) = answer["value"]["data"][0].as_str() else {
            return 0;
        };
        let data = BASE64.decode(data).expect("base64");
        u64::from_le_bytes(data[64..72].try_into().expect("a token account"))
    }

    pub(crate) async fn lamports(&self, owner: Key) -> u64 {
        let answer: Value = self.call("getBalance", json!([owner.to_string()])).await;
        answer["value"].as_u64().expect("a number")
    }

    pub(crate) async fn blockhash(&self) -> [u8; 32] {
        let answer: Value = self.call("getLatestBlockhash", json!([])).await;
        let hash = answer["value"]["blockhash"].as_str().expect("a hash");
        Key::of(hash).0
    }

    pub(crate) async fn slot(&self) -> u64 {
        self.call("getSlot", json!([])).await
    }

    /// Sends a transaction: its id, or the node's error.
    pub(crate) async fn submit(
        &self,
        transaction: &Transaction,
        preflight: bool,
    ) -> Result<Value, Value> {
        let config = json!({"encoding": "base64", "skipPreflight": !preflight});
        let params = json!([transaction.base64(), config]);
        self.try_call("sendTransaction", params).await
    }

    /// `simulateTransaction`'s value, or the node's error. `config` needs no encoding.
    pub(crate) async fn simulate(
        &self,
        transaction: &Transaction,
        mut config: Value,
    ) -> Result<Value, Value> {
        config["encoding"] = json!("base64");
        let params = json!([transaction.base64(), config]);
        let mut answer = self.try_call("simulateTransaction", params).await?;
        Ok(answer["value"].take())
    }

    /// The status of a transaction; null while there is none.
    pub(crate) async fn status(&self, id: &str) -> Value {
        let params = json!([[id], {"searchTransactionHistory": true}]);
        let mut answer: Value = self.call("getSignatureStatuses", params).await;
        answer["value"][0].take()
    }

    /// A confirmed transaction with its `meta`; null when there is none.
    pub(crate) async fn transaction(&self, id: &str) -> Value {
        let config = json!({"commitment": "confirmed", "maxSupportedTransactionVersion": 0});
        self.call("getTransaction", json!([id, config])).await
    }

    /// Every blockhash handed out so far is too old from now on.
    pub(crate) async fn expire_blockhash(&self) {
        self.control("test_expireBlockhash", json!([])).await;
    }

    pub(crate) async fn advance_slots(&self, slots: u64) {
        self.control("test_advanceSlots", json!([slots])).await;
    }

    /// Accepts transactions and executes none until [`Self::release`].
    pub(crate) async fn hold(&self) {
        self.control("test_hold", json!([])).await;
    }

    pub(crate) async fn release(&self) {
        self.control("test_release", json!([])).await;
    }

    /// Forgets what waits; how many transactions that was.
    pub(crate) async fn drop_waiting(&self) -> u64 {
        self.call("test_drop", json!([])).await
    }

    /// Accepts so many more transactions and forgets them.
    pub(crate) async fn swallow(&self, count: u64) {
        self.control("test_swallow", json!([count])).await;
    }

    /// Executes transactions so long after they were accepted.
    pub(crate) async fn delay(&self, by: Duration) {
        let milliseconds = u64::try_from(by.as_millis()).expect("a short time");
        self.control("test_delay", json!([milliseconds])).await;
    }

    /// So many slots after it landed a transaction is seen, confirmed and finalized: 0, 0 and 31 unless set.
    pub(crate) async fn confirm_after(&self, seen: u64, confirmed: u64, finalized: u64) {
        let slots = json!({"seen": seen, "confirmed": confirmed, "finalized": finalized});
        self.control("test_setConfirmation", json!([slots])).await;
    }

    /// Remembers everything as it is, for [`Self::revert`].
    pub(crate) async fn snapshot(&self) {
        self.control("test_snapshot", json!([])).await;
    }

    /// Undoes what landed since the snapshot, as a fork does that loses.
    pub(crate) async fn revert(&self) {
        self.control("test_revert", json!([])).await;
    }

    async fn control(&self, method: &str, params: Value) {
        let () = self.call(method, params).await;
    }
}

/// The ledger's program. Cargo's lock lets one process build it while others wait.
pub(crate) async fn program() -> PathBuf {
    static PROGRAM: OnceCell<PathBuf> = OnceCell::const_new();
    let build = || async {
        let building = tokio::task::spawn_blocking(build);
        building.await.expect("the build ends")
    };
    PROGRAM.get_or_init(build).await.clone()
}

fn build() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let target = target.parent().expect("target/tmp").join("ledger");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // Politely: other tests are running, and some of them watch the time.
    let status = Blocking::new("nice")
        .arg(cargo)
        .args(["build", "--locked", "--manifest-path"])
        .arg(tests_dir().join("ledger").join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&target)
        .stdin(Stdio::null())
        .status()
        .expect("cargo runs");
    assert!(status.success(), "the ledger does not build: {status}");
    target.join("debug").join("ledger")
}
