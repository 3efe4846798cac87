//! What is left of people: entries of the audit log that are old, and sessions that are over.

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
        let mut most = sessions;
        if let Keep::For(span) = self.retention.audit {
            let entries = self.db.remove_audit(now - span.0, ROWS_MAX).await?;
            metrics::gone(Gone::AuditEntry, entries);
            most = most.max(entries);
        }
        Ok(if most < ROWS_MAX.into() { Done::All } else { Done::Some })
    }
}
