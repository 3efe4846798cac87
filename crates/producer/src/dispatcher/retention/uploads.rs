//! Uploads that no job named, and those that no job can need any more.

use panofleet_jobs_db::RetireBefore;

use super::config::Keep;
use super::{Done, RetentionError};
use crate::dispatcher::Dispatcher;
use crate::metrics::{self, Gone};
use crate::uploaded;

/// Uploads of one look.
const UPLOADS_MAX: u32 = 64;

impl Dispatcher {
    /// They are taken out of use first, so that no job names one whose object goes.
    pub(super) async fn remove_uploads(&self) -> Result<Done, RetentionError> {
        let now = self.db.now().await?;
        let before = |keep| match keep {
            Keep::Forever => None,
            Keep::For(span) => Some(now - span.0),
        };
        let before = RetireBefore {
            begun: before(self.retention.uploads),
            used: before(self.retention.used_uploads()),
        };
        let retired = self.db.retire_uploads(before, now, UPLOADS_MAX).await?;
        let done = if retired.len() < UPLOADS_MAX as usize { Done::All } else { Done::Some };
        for upload in retired {
            uploaded::remove(&self.objects, &upload).await?;
            self.db.remove_upload(upload.id).await?;
            metrics::gone(Gone::Upload, 1);
            tracing::info!(upload = %upload.id, "an upload is removed: no job needs it");
        }
        Ok(done)
    }
}
