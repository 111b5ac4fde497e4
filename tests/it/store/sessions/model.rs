//! Ten thousand random operations against a model: the account is what the model says, whoever crashes and whatever the chain does.

mod act;
mod compare;
mod decide;
mod expected;

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::test_runner::{Config, TestCaseError, TestError, TestRunner};
use tokio::runtime::Runtime;

use crate::harness::{postgres, scratch};

/// Random histories, and operations in each.
const HISTORIES: u32 = 40;
const LENGTH: usize = 250;

/// What may happen next. `key` names a request that may be repeated; `after` is when a crash drops the operation.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Hold {
        amount: u64,
        key: Option<u8>,
    },
    Charge {
        amount: u64,
        key: Option<u8>,
    },
    Track {
        amount: u64,
        key: Option<u8>,
    },
    Advance {
        seconds: u64,
    },
    Expire,
    /// A batch of at most this much of what is pending.
    Batch {
        most: u64,
    },
    /// The oldest batch that is queued gets its transaction.
    Send,
    Settle,
    Revert,
    Reorg,
    Finalise,
    Release,
    Close,
    /// The owner's next permit.
    Open,
    GiveUp,
}

/// How an operation is carried out.
#[derive(Debug, Clone, Copy)]
enum Manner {
    /// By one of two replicas.
    Plainly(usize),
    /// Dropped where it waits for the n-th time after its first: between two statements, or within one.
    Crashing { replica: usize, after: u32 },
    /// By both replicas at once.
    Twice,
}

fn operation() -> impl Strategy<Value = Operation> {
    let amount = || 0_u64..400;
    let key = || prop_oneof![2 => Just(None), 1 => (0_u8..4).prop_map(Some)];
    prop_oneof![
        10 => (amount(), key()).prop_map(|(amount, key)| Operation::Hold { amount, key }),
        10 => (amount(), key()).prop_map(|(amount, key)| Operation::Charge { amount, key }),
        3 => (amount(), key()).prop_map(|(amount, key)| Operation::Track { amount, key }),
        2 => (1_u64..90).prop_map(|seconds| Operation::Advance { seconds }),
        2 => Just(Operation::Expire),
        6 => (1_u64..900).prop_map(|most| Operation::Batch { most }),
        6 => Just(Operation::Send),
        4 => Just(Operation::Settle),
        3 => Just(Operation::Revert),
        3 => Just(Operation::Reorg),
        4 => Just(Operation::Finalise),
        2 => Just(Operation::Release),
        1 => Just(Operation::Close),
        3 => Just(Operation::Open),
        1 => Just(Operation::GiveUp),
    ]
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        6 => (0_usize..2).prop_map(Manner::Plainly),
        3 => (0_usize..2, 0_u32..24).prop_map(|(replica, after)| Manner::Crashing { replica, after }),
        2 => Just(Manner::Twice),
    ]
}

/// Plays one history on an empty database.
async fn replay(url: &str, history: Vec<(Operation, Manner)>) -> Result<(), TestCaseError> {
    let mut world = act::World::new(url).await;
    for (number, (operation, manner)) in history.into_iter().enumerate() {
        world.step(number, operation, manner).await?;
    }
    world.close().await
}

/// Plays random histories, each on a database of its own.
fn play(histories: u32, database: impl Fn(&Runtime, &scratch::Folder) -> String) {
    let runtime = Runtime::new().expect("a runtime");
    let config = Config {
        cases: histories,
        failure_persistence: None,
        max_shrink_iters: 0,
        ..Config::default()
    };
    let history = vec((operation(), manner()), LENGTH);
    let played = TestRunner::new(config).run(&history, |history| {
        let folder = scratch::Folder::new();
        let url = database(&runtime, &folder);
        runtime.block_on(replay(&url, history))
    });
    match played {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("{reason}"),
        Err(TestError::Fail(reason, history)) => panic!("{reason}\nafter {history:?}"),
    }
}

#[test]
fn ten_thousand_random_operations_keep_the_account_on_sqlite() {
    play(HISTORIES, |_, folder| {
        format!("sqlite://{}/store.db", folder.path().display())
    });
}

#[test]
fn two_thousand_random_operations_keep_the_account_on_postgres() {
    play(HISTORIES / 5, |runtime, _| {
        runtime.block_on(postgres::database())
    });
}

/// A history that began with the least that a crash can hide: whether a hold of nothing was made shows only in what the next charge is told.
#[tokio::test]
async fn a_hold_of_nothing_may_crash_anywhere() {
    for after in 0..24 {
        let folder = scratch::Folder::new();
        let url = format!("sqlite://{}/store.db", folder.path().display());
        let crash = Manner::Crashing { replica: 0, after };
        let nothing = Operation::Hold {
            amount: 0,
            key: None,
        };
        let charge = Operation::Charge {
            amount: 363,
            key: None,
        };
        let history = vec![(nothing, crash), (charge, Manner::Plainly(1))];
        let played = replay(&url, history).await;
        assert!(played.is_ok(), "{after}: {played:?}");
    }
}

/// How long a hold lasts in these histories.
const HOLD: Duration = Duration::from_mins(1);
