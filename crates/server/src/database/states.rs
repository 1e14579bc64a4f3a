//! States of algorithms, as the engine keeps them.

use std::sync::Arc;

use setpoint::BoxFuture;
use setpoint_runtime::{StateStore, StoreError};
use sqlx::Row as _;

use super::Database;

/// The states of the autoscalers that one instance acts on.
pub(crate) struct States {
    pub(crate) database: Database,
    pub(crate) holder: Arc<str>,
}

/// The autoscaler is another instance's by now, or gone.
#[derive(Debug, thiserror::Error)]
#[error("this instance no longer acts on it")]
struct NotOurs;

impl StateStore for States {
    fn load<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        Box::pin(async move {
            let found = sqlx::query("SELECT state FROM states WHERE id = $1")
                .bind(key)
                .fetch_optional(&self.database.pool)
                .await
                .map_err(StoreError::new)?;
            found.map(|row| row.try_get(0).map_err(StoreError::new)).transpose()
        })
    }

    /// Fails unless this instance holds the lease: then nothing is written to the workload either.
    fn save<'a>(&'a self, key: &'a str, state: &'a [u8]) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let done = sqlx::query(
                "INSERT INTO states (id, state) SELECT id, $2 FROM autoscalers WHERE id = $1 AND holder = $3 \
                 ON CONFLICT (id) DO UPDATE SET state = excluded.state",
            )
            .bind(key)
            .bind(state.to_vec())
            .bind(self.holder.as_ref())
            .execute(&self.database.pool)
            .await
            .map_err(StoreError::new)?;
            if done.rows_affected() == 1 { Ok(()) } else { Err(StoreError::new(NotOurs)) }
        })
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        Box::pin(async move {
            let removed = sqlx::query("DELETE FROM states WHERE id = $1").bind(key).execute(&self.database.pool).await;
            removed.map(drop).map_err(StoreError::new)
        })
    }
}
