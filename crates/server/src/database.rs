//! What outlives the process: autoscalers, what came of them, their states, leases and readings.

mod states;

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyPool, Row as _};

pub(crate) use self::states::States;
use crate::error::ServeError;

/// How many connections one instance holds at most.
const CONNECTIONS: u32 = 8;

/// A database in a file, or PostgreSQL. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pool: AnyPool,
    /// Held as long as the file is used.
    _lock: Option<Arc<File>>,
}

/// An autoscaler as it was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) request: String,
    pub(crate) created_at: i64,
    pub(crate) progress: String,
    pub(crate) lease: Lease,
}

/// Who acts on an autoscaler, and since how many renewals.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lease {
    /// The instance; empty: nobody.
    pub(crate) holder: String,
    pub(crate) renewals: i64,
}

/// What is kept of a new autoscaler.
pub(crate) struct New<'a> {
    pub(crate) id: &'a str,
    pub(crate) workload: &'a str,
    pub(crate) request: &'a str,
    pub(crate) created_at: i64,
    pub(crate) progress: &'a str,
    pub(crate) holder: &'a str,
}

/// A reading that somebody sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) workload: String,
    pub(crate) metric: String,
    pub(crate) value: f64,
    pub(crate) measured_at: i64,
}

impl Database {
    /// Opens the database at `place`, a file's path or a URL of PostgreSQL, and brings its tables up to date.
    ///
    /// A file is this process's alone until it ends, however it ends: leases in it are those of processes that are gone.
    pub(crate) async fn open(place: &str) -> Result<Self, ServeError> {
        sqlx::any::install_default_drivers();
        match place.split_once("://") {
            Some(("postgres" | "postgresql", _)) => {
                let pool = AnyPoolOptions::new().max_connections(CONNECTIONS).connect(place).await?;
                sqlx::migrate!("migrations/postgres").run(&pool).await?;
                Ok(Self { pool, _lock: None })
            }
            Some((scheme, _)) => Err(ServeError::DatabaseScheme(scheme.to_owned())),
            None => {
                let lock = lock(Path::new(place))?;
                // One writer at a time is all that SQLite has.
                let url = format!("sqlite://{}?mode=rwc", escaped(place));
                let pool = AnyPoolOptions::new().max_connections(1).connect(&url).await?;
                sqlx::query("PRAGMA synchronous = FULL").execute(&pool).await?;
                sqlx::migrate!("migrations/sqlite").run(&pool).await?;
                sqlx::query("UPDATE autoscalers SET holder = ''").execute(&pool).await?;
                Ok(Self { pool, _lock: Some(Arc::new(lock)) })
            }
        }
    }

    /// Keeps a new autoscaler. False when its workload has one already.
    pub(crate) async fn create(&self, new: New<'_>) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "INSERT INTO autoscalers (id, workload, request, created_at, progress, holder, renewals) \
             VALUES ($1, $2, $3, $4, $5, $6, 1) ON CONFLICT (workload) DO NOTHING",
        )
        .bind(new.id)
        .bind(new.workload)
        .bind(new.request)
        .bind(new.created_at)
        .bind(new.progress)
        .bind(new.holder)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// All autoscalers, in the order in which they were created.
    pub(crate) async fn list(&self) -> Result<Vec<Row>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT id, request, created_at, progress, holder, renewals FROM autoscalers ORDER BY created_at, id",
        )
        .fetch_all(&self.pool)
        .await?;
        rows.iter().map(row).collect()
    }

    /// The autoscaler called `id`.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Row>, sqlx::Error> {
        let found =
            sqlx::query("SELECT id, request, created_at, progress, holder, renewals FROM autoscalers WHERE id = $1")
                .bind(id)
                .fetch_optional(&self.pool)
                .await?;
        found.as_ref().map(row).transpose()
    }

    /// Forgets an autoscaler and its state. False when there is none.
    pub(crate) async fn delete(&self, id: &str) -> Result<bool, sqlx::Error> {
        let mut both = self.pool.begin().await?;
        sqlx::query("DELETE FROM states WHERE id = $1").bind(id).execute(&mut *both).await?;
        let done = sqlx::query("DELETE FROM autoscalers WHERE id = $1").bind(id).execute(&mut *both).await?;
        both.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Keeps what came of an autoscaler so far. False when `holder` no longer acts on it.
    pub(crate) async fn record(&self, id: &str, holder: &str, progress: &str) -> Result<bool, sqlx::Error> {
        let done = sqlx::query("UPDATE autoscalers SET progress = $3 WHERE id = $1 AND holder = $2")
            .bind(id)
            .bind(holder)
            .bind(progress)
            .execute(&self.pool)
            .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Takes or renews a lease for `holder`, if it is still as it was seen.
    pub(crate) async fn take(&self, id: &str, seen: &Lease, holder: &str) -> Result<bool, sqlx::Error> {
        let done = sqlx::query(
            "UPDATE autoscalers SET holder = $2, renewals = renewals + 1 WHERE id = $1 AND holder = $3 AND renewals = $4",
        )
        .bind(id)
        .bind(holder)
        .bind(&seen.holder)
        .bind(seen.renewals)
        .execute(&self.pool)
        .await?;
        Ok(done.rows_affected() == 1)
    }

    /// Gives `holder`'s leases back: others take over at once.
    pub(crate) async fn give_back(&self, holder: &str) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE autoscalers SET holder = '', renewals = renewals + 1 WHERE holder = $1")
            .bind(holder)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Keeps a reading in place of the one before.
    pub(crate) async fn send(&self, sent: &Sent) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO readings (workload, metric, value, measured_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (workload, metric) DO UPDATE SET value = excluded.value, measured_at = excluded.measured_at",
        )
        .bind(&sent.workload)
        .bind(&sent.metric)
        .bind(sent.value)
        .bind(sent.measured_at)
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The last readings of everything, but those from before `since`.
    pub(crate) async fn readings(&self, since: i64) -> Result<Vec<Sent>, sqlx::Error> {
        let rows = sqlx::query("SELECT workload, metric, value, measured_at FROM readings WHERE measured_at >= $1")
            .bind(since)
            .fetch_all(&self.pool)
            .await?;
        let sent = |row: &AnyRow| {
            Ok(Sent {
                workload: row.try_get(0)?,
                metric: row.try_get(1)?,
                value: row.try_get(2)?,
                measured_at: row.try_get(3)?,
            })
        };
        rows.iter().map(sent).collect()
    }

    /// Whether it answers.
    pub(crate) async fn ping(&self) -> Result<(), sqlx::Error> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map(drop)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

fn row(row: &AnyRow) -> Result<Row, sqlx::Error> {
    Ok(Row {
        id: row.try_get(0)?,
        request: row.try_get(1)?,
        created_at: row.try_get(2)?,
        progress: row.try_get(3)?,
        lease: Lease { holder: row.try_get(4)?, renewals: row.try_get(5)? },
    })
}

/// Locks the file beside `path`. The operating system unlocks it when the process ends, whatever ends it.
fn lock(path: &Path) -> Result<File, ServeError> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let failed = |source| ServeError::Lock { path: beside.clone(), source };
    let file = File::options().create(true).append(true).open(&beside).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ServeError::DatabaseInUse(path.to_owned())),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// A path as a part of a URL.
fn escaped(path: &str) -> String {
    path.replace('%', "%25").replace('?', "%3F").replace('#', "%23")
}
