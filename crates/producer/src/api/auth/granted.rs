//! The API as whoever asks may use it. Handlers get this and not the [`Api`]: what it gives is the asker's.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use panofleet_job_schema::{JobId, Tenant};
use panofleet_jobs_db::{JobFilter, Scope, Versioned};
use uuid::Uuid;

use super::{Auth, Principal};
use crate::api::Api;
use crate::api::error::ApiError;

/// What the gate found out about a request that it let through.
#[derive(Clone, Debug)]
pub(crate) struct Access {
    pub(super) principal: Arc<Principal>,
    /// Whose things it is about; all tenants' if there is none.
    pub(super) tenant: Option<Tenant>,
    pub(super) note: Arc<Note>,
}

/// What the audit log is to say about a request, beside what its path says.
#[derive(Debug, Default)]
pub(crate) struct Note {
    noted: Mutex<Noted>,
}

/// What a handler has noted.
#[derive(Clone, Debug, Default)]
pub(crate) struct Noted {
    pub(crate) subject: Option<String>,
    pub(crate) tenant: Option<Tenant>,
    pub(crate) outcome: Option<&'static str>,
}

impl Note {
    fn note(&self, change: impl FnOnce(&mut Noted)) {
        change(&mut self.noted.lock().unwrap_or_else(PoisonError::into_inner));
    }

    pub(super) fn read(&self) -> Noted {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The API as whoever sent a request may use it.
#[derive(Clone, Debug)]
pub(crate) struct Granted {
    api: Arc<Api>,
    access: Access,
}

impl Deref for Granted {
    type Target = Api;
    fn deref(&self) -> &Api {
        &self.api
    }
}

impl FromRequestParts<Arc<Api>> for Granted {
    type Rejection = ApiError;

    /// Fails where the gate was not passed, so that a route that was forgotten shows nothing.
    async fn from_request_parts(parts: &mut Parts, api: &Arc<Api>) -> Result<Self, ApiError> {
        let access = parts.extensions.get::<Access>().cloned();
        let access = access.ok_or_else(|| {
            ApiError::Internal(format!("{} is reached without a gate", parts.uri.path()))
        })?;
        Ok(Self { api: Arc::clone(api), access })
    }
}

impl Granted {
    /// Who asks.
    pub(crate) fn principal(&self) -> &Principal {
        &self.access.principal
    }

    /// Whether the API asks nobody who they are.
    pub(crate) fn is_open(&self) -> bool {
        self.api.config.auth == Auth::Open
    }

    /// Whether they hold a scope.
    pub(crate) fn has(&self, scope: Scope) -> bool {
        self.principal().has(scope)
    }

    /// Whose things are shown; all tenants' if there is none.
    pub(crate) fn whose(&self) -> Option<&Tenant> {
        self.access.tenant.as_ref()
    }

    /// Whose keys and audit entries are shown; all tenants' if there is none. An API that asks nobody shows them all.
    pub(crate) fn administered(&self) -> Option<&Tenant> {
        self.whose().filter(|_| !self.is_open())
    }

    /// Whose things are made: where a key is for all tenants and none is named, the configured one's.
    pub(crate) fn tenant(&self) -> &Tenant {
        self.whose().unwrap_or(&self.api.config.tenant)
    }

    /// Whether something of a tenant may be shown.
    pub(crate) fn sees(&self, tenant: &Tenant) -> bool {
        self.whose().is_none_or(|own| own == tenant)
    }

    /// A job, if it may be shown.
    pub(crate) async fn job(&self, id: JobId) -> Result<Versioned, ApiError> {
        let found = self.db.get(&[id]).await?.pop();
        let found = found.filter(|found| self.sees(&found.job.tenant));
        let found = found.ok_or(ApiError::NoSuchJob(id))?;
        self.note_tenant(&found.job.tenant);
        Ok(found)
    }

    /// All jobs that may be shown.
    pub(crate) fn own_jobs(&self) -> JobFilter {
        JobFilter { tenant: self.whose().cloned(), ..JobFilter::default() }
    }

    /// What the audit log says it was done to, in place of the variable parts of the path.
    pub(crate) fn note_subject(&self, subject: Uuid) {
        self.access.note.note(|noted| noted.subject = Some(subject.to_string()));
    }

    /// Whose thing the audit log says it was.
    pub(crate) fn note_tenant(&self, tenant: &Tenant) {
        self.access.note.note(|noted| noted.tenant = Some(tenant.clone()));
    }

    /// What the audit log says came of it, in place of `done`.
    pub(crate) fn note_outcome(&self, outcome: &'static str) {
        self.access.note.note(|noted| noted.outcome = Some(outcome));
    }
}
