//! The ledger against the chain: what agrees is not complained about, and every planted difference is found.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use alloy::primitives::Address;
use serde_json::Value;
use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use tokio::time::sleep;
use x402_facilitator::config::Reconcile;
use x402_facilitator::hooks::Nothing;
use x402_facilitator::reconcile::{Daily, Report};
use x402_facilitator::{clock::Clock, run, store::Store};

use crate::harness::binary::{self, Binary};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::postgres;
use crate::harness::proxy::{ALWAYS, Fault, Proxy};
use crate::harness::scene::Scene;
use crate::harness::sign::{Eip3009, Permit2, Terms};
use crate::harness::svm_world::{self, SvmRequest};

const PAYEE: Address = Address::repeat_byte(0xd1);
/// Blocks after which anvil calls a block final.
const FINALITY: u64 = 70;

/// Payments that are settled and final, and the settings of who settled them.
struct Past {
    sandbox: Sandbox,
    settings: Settings,
    /// The rows' ids in the order of settling.
    ids: Vec<String>,
}

impl Past {
    /// Two payments by EIP-3009 and one by Permit2, through an RPC of this URL.
    async fn of(rpc: impl AsyncFnOnce(&Sandbox) -> String) -> Self {
        let sandbox = Sandbox::start().await;
        sandbox.signer(0).await;
        let settings = Settings::new(&rpc(&sandbox).await).set("RECONCILE_INTERVAL_HOURS", "0");
        let program = Binary::start(settings.path(), &settings.pairs()).await;
        let payers = sandbox.payers(3).await;
        let terms = Terms::usdc(PAYEE, 2_500);
        let mut ids = Vec::new();
        for (index, payer) in payers.iter().enumerate() {
            let payload = if index == 2 {
                Permit2::new(&terms, payer.address()).signed_by(payer)
            } else {
                Eip3009::new(&terms, payer.address()).signed_by(payer)
            };
            let answer = program
                .client
                .settle(&terms.v2(&payload, &Value::Null))
                .await;
            assert_eq!(answer.body["success"], true, "{}", answer.text);
            let hash = answer.body["transaction"].as_str().expect("a hash");
            let record = program
                .client
                .get(&format!("/settlements/{hash}"))
                .await
                .body;
            ids.push(record[0]["id"].as_str().expect("an id").to_owned());
        }
        sandbox.mine(FINALITY).await;
        for id in &ids {
            finality(&program, id).await;
        }
        Self {
            sandbox,
            settings,
            ids,
        }
    }

    async fn new() -> Self {
        Self::of(async |sandbox| sandbox.url().to_owned()).await
    }

    async fn sql(&self, statement: &str) {
        sql(&self.settings, statement).await;
    }

    async fn compared(&self) -> (Option<i32>, Value) {
        compared(&self.settings).await
    }

    /// A copy of the database, which nobody has open.
    fn keep(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = std::fs::read_dir(self.settings.path()).expect("a folder");
        let paths = folder.map(|entry| entry.expect("an entry").path());
        let files = paths.filter(|path| path.to_string_lossy().contains("facilitator.db"));
        files
            .map(|path| (path.clone(), std::fs::read(&path).expect("a file")))
            .collect()
    }

    fn restore(&self, kept: &[(PathBuf, Vec<u8>)]) {
        for (path, _) in self.keep() {
            std::fs::remove_file(path).expect("it was there");
        }
        for (path, bytes) in kept {
            std::fs::write(path, bytes).expect("it is written");
        }
    }
}

async fn finality(program: &Binary, id: &str) {
    loop {
        let record = program.client.get(&format!("/settlements/{id}")).await.body;
        if record["final"] == true {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
}

async fn sql(settings: &Settings, statement: &str) {
    let url = format!("sqlite://{}/facilitator.db", settings.path().display());
    let mut database = SqliteConnection::connect(&url).await.expect("SQLite");
    let done = sqlx::query(AssertSqlSafe(statement.to_owned()))
        .execute(&mut database)
        .await
        .expect("the statement runs");
    assert_ne!(done.rows_affected(), 0, "{statement}");
}

/// The command's exit code and its report of the only network.
async fn compared(settings: &Settings) -> (Option<i32>, Value) {
    let output = binary::run(settings.path(), &settings.pairs(), &["reconcile", "--json"]).await;
    let reports: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code(), reports[0].clone())
}

/// Kinds and subjects.
fn differences(report: &Value) -> BTreeSet<(String, String)> {
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let all = report["differences"].as_array().expect("a list");
    let pair = |one: &Value| (text(&one["kind"]), text(&one["subject"]));
    all.iter().map(pair).collect()
}

#[tokio::test]
async fn what_agrees_is_not_complained_about() {
    let past = Past::new().await;
    let (code, report) = past.compared().await;
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(differences(&report), BTreeSet::new());
    assert_eq!(report["interrupted"], Value::Null);
    let counts = ["settled", "expired", "transactions", "signers"].map(|name| &report[name]);
    assert_eq!(counts, [3, 0, 3, 1].map(Value::from).each_ref());
}

#[tokio::test]
async fn every_planted_difference_is_found_by_its_kind() {
    let past = Past::new().await;
    let [first, second, third] = [0, 1, 2].map(|index| past.ids[index].clone());
    let row = |change: &str, id: &str| format!("update settlements set {change} where id = '{id}'");
    let of_first = format!(
        "id in (select transaction_id from settlement_transactions where settlement_id = '{first}')"
    );
    let transaction = |change: &str| format!("update transactions set {change} where {of_first}");
    let nowhere = format!("'0x{}'", "77".repeat(32));
    for (plant, kinds) in [
        (
            row("log_index = log_index + 1", &first),
            &["transfer_missing"][..],
        ),
        (
            row("expect = replace(expect, '0x9c4', '0x9c5')", &first),
            &["transfer_missing"],
        ),
        (
            row(&format!("transaction_hash = {nowhere}"), &first),
            &["transaction_missing"],
        ),
        (
            row(&format!("block_hash = {nowhere}"), &first),
            &["block_changed"],
        ),
        (row("state = 'expired'", &second), &["expired_but_used"]),
        (row("state = 'expired'", &third), &["expired_but_used"]),
        (
            transaction(&format!("mined_hash = {nowhere}")),
            &["transaction_missing"],
        ),
        (
            transaction(&format!("block_hash = {nowhere}")),
            &["block_changed"],
        ),
        (transaction("succeeded = 0"), &["result_changed"]),
        (
            transaction("cost_gwei = cost_gwei + 5"),
            &["cost_differs", "spending_differs"],
        ),
        (
            "update spending set gwei = gwei + 1".to_owned(),
            &["spending_differs"],
        ),
    ] {
        let kept = past.keep();
        past.sql(&plant).await;
        let (code, report) = past.compared().await;
        assert_eq!(code, Some(1), "{plant}");
        let found: Vec<String> = differences(&report)
            .into_iter()
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(found, kinds, "{plant}: {report:#}");
        past.restore(&kept);
    }
    assert_eq!(past.compared().await.0, Some(0), "everything was put back");
}

#[tokio::test]
async fn a_transaction_that_the_signer_sent_behind_our_back_is_found() {
    let past = Past::new().await;
    let signer = past.sandbox.signer(0).await;
    let nonce = past.sandbox.account_nonce(signer.address()).await;
    let hash = past.sandbox.transfer_by(&signer, nonce, 10).await;
    past.sandbox.receipt(hash).await;
    let (code, report) = past.compared().await;
    assert_eq!(code, Some(1));
    let subject = signer.address().to_string().to_lowercase();
    let expected = BTreeSet::from([("unknown_transaction".to_owned(), subject)]);
    assert_eq!(differences(&report), expected, "{report:#}");
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_is_no_difference() {
    let sandbox_proxy = tokio::sync::OnceCell::new();
    let past = Past::of(async |sandbox| {
        let proxy = sandbox_proxy
            .get_or_init(|| Proxy::start(sandbox.url()))
            .await;
        proxy.url().to_owned()
    })
    .await;
    let proxy: &Proxy = sandbox_proxy.get().expect("it was started");
    proxy.plan(
        "eth_getTransactionReceipt",
        ALWAYS,
        Fault::Refuse("down for repairs"),
    );
    let (code, report) = past.compared().await;
    assert_eq!(code, Some(1));
    assert_eq!(differences(&report), BTreeSet::new());
    let cause = report["interrupted"].as_str().expect("a cause");
    assert!(cause.contains("down for repairs"), "{cause}");
}

#[tokio::test]
async fn a_node_that_forgot_a_receipt_is_outvoted_by_one_that_has_it() {
    let proxies = tokio::sync::OnceCell::new();
    let past = Past::of(async |sandbox| {
        let proxy = proxies.get_or_init(|| Proxy::start(sandbox.url())).await;
        format!("{},{}", proxy.url(), sandbox.url())
    })
    .await;
    let proxy: &Proxy = proxies.get().expect("it was started");
    proxy.plan("eth_getTransactionReceipt", ALWAYS, Fault::Null);
    let (code, report) = past.compared().await;
    assert_eq!(code, Some(0), "{report:#}");
}

#[tokio::test]
async fn of_two_replicas_one_compares_once_a_day_and_leaves_what_it_found() {
    let sandbox = Sandbox::start().await;
    sandbox.signer(0).await;
    let url = postgres::database().await;
    let settings = Settings::new(sandbox.url()).set("DATABASE_URL", &url);
    let config = settings.load();
    let clock = Clock::manual(Clock::system().now());
    let store = Store::connect(&config.store.url, 2, clock.clone())
        .await
        .expect("it answers");
    store.migrate().await.expect("it is migrated");
    let daily = || {
        let witnesses = run::witnesses(&config, &store, &clock, std::sync::Arc::new(Nothing));
        Daily {
            witnesses: witnesses.expect("the keys are keys"),
            store: store.clone(),
            clock: clock.clone(),
            config: Reconcile {
                interval: Duration::from_hours(24),
                window: Duration::from_hours(24),
            },
        }
    };
    let (one, other) = (daily(), daily());

    let (first, second) = tokio::join!(one.step(), other.step());
    assert_eq!(first.len() + second.len(), 1);
    clock.advance(Duration::from_hours(23));
    assert_eq!(one.step().await, Vec::<Report>::new());
    clock.advance(Duration::from_hours(1));
    assert_eq!(other.step().await.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn a_solana_ledger_is_compared_like_any_other() {
    let scene = Scene::start().await;
    let settings = svm_world::settings(&scene, scene.ledger.url());
    let facilitator = Facilitator::start(settings.set("RECONCILE_INTERVAL_HOURS", "0")).await;
    let request = SvmRequest::new(&scene).await;
    let answer = facilitator.client().settle(&request.body).await;
    assert_eq!(answer.body["success"], true, "{}", answer.text);
    loop {
        scene.ledger.advance_slots(8).await;
        let reference = format!("/settlements/{}", request.id);
        let record = facilitator.client().get(&reference).await.body;
        assert_eq!(record[0]["state"], "settled", "{record}");
        if record[0]["final"] == true {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    let settings = facilitator.settings();

    let (code, report) = compared(settings).await;
    assert_eq!(code, Some(0), "{report:#}");
    let counts = ["settled", "transactions", "signers"].map(|name| &report[name]);
    assert_eq!(counts, [1, 1, 1].map(Value::from).each_ref());

    sql(
        settings,
        "update transactions set cost_gwei = cost_gwei - 1",
    )
    .await;
    let (_, report) = compared(settings).await;
    let kinds: Vec<String> = differences(&report)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(kinds, ["cost_differs", "spending_differs"]);

    // A payment of the fee payer that we know nothing of, and one that merely names it.
    let behind = scene.signed().await;
    scene.send(&behind).await;
    scene.ledger.advance_slots(64).await;
    let (_, report) = compared(settings).await;
    let kinds: Vec<String> = differences(&report)
        .into_iter()
        .map(|(kind, _)| kind)
        .collect();
    assert_eq!(
        kinds,
        ["cost_differs", "spending_differs", "unknown_transaction"]
    );
    assert!(facilitator.stop().await);
}
