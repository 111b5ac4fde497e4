//! What must survive a crash. One SQL text on Postgres and SQLite; every transition is one conditional statement whose affected rows say who won.

mod bells;
mod claims;
mod exposures;
mod fees;
mod keys;
mod lanes;
mod outbox;
mod outcomes;
mod overview;
mod queue;
mod quotas;
mod reconcile;
mod row;
mod sessions;
mod settlements;
mod submissions;
mod survey;
mod transactions;
mod watch;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::{Any, AnyPool, SqlStr, Transaction};

use crate::clock::Clock;
use crate::secret::Secret;

pub use bells::{Bell, POLL};
pub use claims::NewClaim;
pub use fees::{Fees, FeesToday, Spenders};
pub use keys::{Added, ApiKey, KEYS_MAX};
pub use lanes::{LaneState, Lease};
pub use outbox::{Answered, Attempted, Dead, Due, Outbox, OutboxState};
pub use outcomes::{Block, Mined, Verdict};
pub use overview::{Carriage, HourCount, Life, Overdue, Recent, Tried};
pub use quotas::{Quota, UnderWay, Whose};
pub use reconcile::{Difference, DifferenceKind, FinalTransaction, KnownNonces, Spent};
pub use row::{Delivered, Proof, Settlement, Stage};
pub use sessions::{
    Batch, Batched, Charged, Fate, Held, Hold, HoldState, Keeper, NewBatch, NewCharge, NewHold,
    NewSession, NextAttempt, Opened, Purpose, Session, SessionState, Source, Totals, Unclaimed,
    Visible,
};
pub use settlements::{Delivery, Enqueued, NewSettlement};
pub use submissions::{Submission, Submitted};
pub use survey::{Connections, Cost, LaneRow, Waiting};
pub use transactions::{Attempt, InFlight, NewAttempt, Role};
pub use watch::{Carrier, NotFinal};

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: AnyPool,
    engine: Engine,
    clock: Clock,
    bells: Arc<bells::Bells>,
    outbox: Arc<Outbox>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Engine {
    Sqlite,
    Postgres,
}

/// The store could not be asked, or holds something it should not.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the database could not be asked")]
    Database(#[from] sqlx::Error),
    #[error("the database could not be migrated")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// Somebody else owns the lane now; nothing was written.
    #[error("the lease of this lane is lost")]
    Fenced,
    #[error("the database holds something impossible: {0}")]
    Inconsistent(String),
}

/// Migrations by their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schema {
    /// The newest that was applied; 0 for an empty database.
    pub applied: i64,
    /// The newest that this program has.
    pub known: i64,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Store {
    /// Opens the database named by a `sqlite:` or `postgres:` URL; a SQLite file is made where there is none.
    pub async fn connect(url: &Secret, max_connections: u32, clock: Clock) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let engine = match url.expose().split(':').next() {
            Some("sqlite") => Engine::Sqlite,
            _ => Engine::Postgres,
        };
        if engine == Engine::Sqlite {
            make_folder(url.expose())?;
        }
        let options: AnyConnectOptions = connect_url(url.expose(), engine).parse()?;
        let mut pool = AnyPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(Duration::from_secs(5));
        if engine == Engine::Sqlite {
            pool = pool.after_connect(|connection, _| Box::pin(prepare_sqlite(connection)));
        }
        let pool = pool.connect_with(options).await?;
        Ok(Self {
            pool,
            engine,
            clock,
            bells: Arc::default(),
            outbox: Arc::default(),
        })
    }

    /// Brings the schema up to date; a newer schema than this binary knows is an error.
    pub async fn migrate(&self) -> Result<()> {
        Ok(migrator().run(&self.pool).await?)
    }

    /// Whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        sqlx::query("select 1").execute(&self.pool).await?;
        Ok(())
    }

    /// How far the database's schema is, and how far this program's.
    pub async fn schema(&self) -> Result<Schema> {
        let known = migrator().iter().map(|migration| migration.version).max();
        let known = known.unwrap_or(0);
        let table = match self.engine {
            Engine::Sqlite => "select count(*) from sqlite_master where name = '_sqlx_migrations'",
            Engine::Postgres => {
                "select count(*) from pg_catalog.pg_tables where tablename = '_sqlx_migrations'"
            }
        };
        let tables: i64 = sqlx::query_scalar(table).fetch_one(&self.pool).await?;
        if tables == 0 {
            return Ok(Schema { applied: 0, known });
        }
        let applied = sqlx::query_scalar("select coalesce(max(version), 0) from _sqlx_migrations");
        let applied = applied.fetch_one(&self.pool).await?;
        Ok(Schema { applied, known })
    }

    /// Whether the database takes writes: a replica and a full or read-only disk do not. Leaves nothing behind.
    pub async fn try_write(&self) -> Result<()> {
        let mut tx = self.begin().await?;
        sqlx::query("create table x402_write_test (id text)")
            .execute(&mut *tx)
            .await?;
        tx.rollback().await?;
        Ok(())
    }

    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// A transaction that may write. SQLite takes its write lock at once: upgrading a read lock later can fail.
    ///
    /// Begun in a task of its own, which a dropped request cannot leave half done: the driver forgets a `begin` that is dropped while it waits for
    /// Postgres to answer, and hands the connection to the next request inside a transaction that nobody commits. A transaction that was begun
    /// for nobody is rolled back as it is dropped here.
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the statement or the pool's patience, and its end is awaited here"
    )]
    async fn begin(&self) -> Result<Transaction<'static, Any>> {
        let statement = match self.engine {
            Engine::Sqlite => "begin immediate",
            Engine::Postgres => "begin",
        };
        let pool = self.pool.clone();
        let begun = tokio::spawn(async move { pool.begin_with(statement).await });
        begun
            .await
            .map_err(|_| Error::Database(sqlx::Error::WorkerCrashed))?
            .map_err(Error::Database)
    }

    fn now(&self) -> i64 {
        self.clock.now().0
    }
}

fn connect_url(url: &str, engine: Engine) -> Cow<'_, str> {
    match engine {
        Engine::Sqlite if !url.contains('?') => Cow::Owned(format!("{url}?mode=rwc")),
        Engine::Sqlite | Engine::Postgres => Cow::Borrowed(url),
    }
}

/// SQLite makes the file but not the folder that it is in.
fn make_folder(url: &str) -> Result<()> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = std::path::Path::new(path.split('?').next().unwrap_or(path));
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|cause| Error::Database(sqlx::Error::Io(cause)))
        }
        Some(_) | None => Ok(()),
    }
}

/// WAL lets readers go on beside the one writer; FULL makes a commit survive a power cut, which "store before send" relies on.
async fn prepare_sqlite(connection: &mut sqlx::AnyConnection) -> sqlx::Result<()> {
    for pragma in [
        "pragma busy_timeout = 10000",
        "pragma journal_mode = wal",
        "pragma synchronous = full",
        "pragma foreign_keys = on",
    ] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

/// The migrations, embedded. Never edit one after a release.
fn migrator() -> Migrator {
    let texts = [
        (
            1,
            "settlements",
            include_str!("../../migrations/0001_settlements.sql"),
        ),
        (
            2,
            "sessions",
            include_str!("../../migrations/0002_sessions.sql"),
        ),
        (3, "keys", include_str!("../../migrations/0003_keys.sql")),
        (5, "pages", include_str!("../../migrations/0005_pages.sql")),
        (
            4,
            "claims",
            include_str!("../../migrations/0004_claims.sql"),
        ),
        (
            6,
            "reconcile",
            include_str!("../../migrations/0006_reconcile.sql"),
        ),
        (
            7,
            "webhooks",
            include_str!("../../migrations/0007_webhooks.sql"),
        ),
    ];
    let migrations = texts.map(|(version, name, sql)| {
        Migration::new(
            version,
            Cow::Borrowed(name),
            MigrationType::Simple,
            SqlStr::from_static(sql),
            false,
        )
    });
    Migrator {
        migrations: Cow::Owned(migrations.to_vec()),
        ..Migrator::DEFAULT
    }
}

fn new_id() -> String {
    uuid::Uuid::now_v7().to_string()
}
