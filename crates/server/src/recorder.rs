//! Keeps what came of each look.

use std::sync::Arc;

use setpoint::BoxFuture;
use setpoint_runtime::{Listener, Look};

use crate::database::Database;
use crate::progress::Progress;

/// Keeps what came of the looks of one instance.
pub(crate) struct Recorder {
    pub(crate) database: Database,
    pub(crate) holder: Arc<str>,
}

impl Recorder {
    async fn record(&self, look: &Look) -> Result<(), sqlx::Error> {
        let Some(row) = self.database.get(&look.key).await? else {
            // Deleted while it was looked at.
            return Ok(());
        };
        let mut progress: Progress = serde_json::from_str(&row.progress).unwrap_or_else(|error| {
            tracing::warn!(autoscaler = %look.key, %error, "what came of it so far can't be read: it begins anew");
            Progress::default()
        });
        progress.note(look);
        let text = serde_json::to_string(&progress).map_err(|error| sqlx::Error::Encode(error.into()))?;
        if !self.database.record(&look.key, &self.holder, &text).await? {
            tracing::info!(autoscaler = %look.key, "it is another instance's by now");
        }
        Ok(())
    }
}

impl Listener for Recorder {
    fn looked<'a>(&'a self, look: &'a Arc<Look>) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Err(error) = self.record(look).await {
                tracing::error!(autoscaler = %look.key, %error, "what came of a look can't be kept");
            }
        })
    }
}
