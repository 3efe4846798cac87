//! What is to go because somebody asks.

use anyhow::Result;
use panofleet_job_schema::{JobId, Tenant};
use panofleet_jobs_db::Deletion;
use panofleet_producer::api::{DeletionList, TenantDeletion};
use reqwest::Method;
use uuid::Uuid;

use super::Client;

impl Client {
    pub(crate) async fn delete(&self, id: JobId) -> Result<Deletion> {
        self.ask(self.request(Method::DELETE, &format!("/v1/jobs/{id}"))).await
    }

    pub(crate) async fn delete_tenant(&self, tenant: &Tenant) -> Result<TenantDeletion> {
        self.ask(self.request(Method::DELETE, &format!("/v1/tenants/{tenant}"))).await
    }

    pub(crate) async fn deletion(&self, id: JobId) -> Result<Deletion> {
        self.ask(self.request(Method::GET, &format!("/v1/deletions/{id}"))).await
    }

    pub(crate) async fn deletions(
        &self,
        bulk: Option<Uuid>,
        over: Option<bool>,
        limit: u32,
    ) -> Result<DeletionList> {
        let mut query = vec![("limit", limit.to_string())];
        query.extend(bulk.map(|bulk| ("bulk", bulk.to_string())));
        query.extend(over.map(|over| ("over", over.to_string())));
        self.ask(self.request(Method::GET, "/v1/deletions").query(&query)).await
    }
}
