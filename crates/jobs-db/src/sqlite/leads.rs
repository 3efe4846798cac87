//! Who leads: one process owns a SQLite file, so it is enough that its parts agree.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::{JobsDbError, Lead};

/// The names that are led under.
#[derive(Clone, Debug, Default)]
pub(super) struct Leads(Arc<Mutex<BTreeSet<String>>>);

/// One of them; given back when it is dropped.
#[derive(Debug)]
pub(super) struct SqliteLead {
    leads: Leads,
    name: String,
}

impl Leads {
    pub(super) fn try_take(&self, name: &str) -> Option<SqliteLead> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        is_new.then(|| SqliteLead { leads: self.clone(), name: name.to_owned() })
    }
}

#[async_trait]
impl Lead for SqliteLead {
    /// Never: nobody can take it away.
    async fn lost(&mut self) {
        std::future::pending().await
    }

    async fn resign(self: Box<Self>) -> Result<(), JobsDbError> {
        Ok(())
    }
}

impl Drop for SqliteLead {
    fn drop(&mut self) {
        self.leads.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.name);
    }
}
