//! What is left of people and their programs: entries of the audit log and deletions that are old, sessions that are over,
//! what webhooks were told long ago, attempts that came to nothing last week.

use panofleet_jobs_db::SETBACKS_KEPT;

use super::config::Keep;
use super::{Done, RetentionError};
use crate::dispatcher::Dispatcher;
use crate::metrics::{self, Gone};

/// Rows of one look.
const ROWS_MAX: u32 = 1000;

impl Dispatcher {
    pub(super) async fn remove_access(&self) -> Result<Done, RetentionError> {
        let now = self.db.now().await?;
        let sessions = self.db.remove_sessions(now, ROWS_MAX).await?;
        metrics::gone(Gone::Session, sessions);
        let setbacks = self.db.remove_setbacks(now - SETBACKS_KEPT, ROWS_MAX).await?;
        metrics::gone(Gone::Setback, setbacks);
        let mut most = sessions.max(setbacks);
        if let Keep::For(span) = self.retention.audit {
            let entries = self.db.remove_audit(now - span.0, ROWS_MAX).await?;
            metrics::gone(Gone::AuditEntry, entries);
            let deletions = self.db.remove_deletions(now - span.0, ROWS_MAX).await?;
            metrics::gone(Gone::Deletion, deletions);
            most = most.max(entries).max(deletions);
        }
        if let Keep::For(span) = self.retention.webhook_deliveries {
            let deliveries = self.db.remove_deliveries(now - span.0, ROWS_MAX).await?;
            metrics::gone(Gone::WebhookDelivery, deliveries);
            most = most.max(deliveries);
        }
        Ok(if most < ROWS_MAX.into() { Done::All } else { Done::Some })
    }
}
