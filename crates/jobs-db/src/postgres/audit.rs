//! What people and their programs have changed.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use sqlx::{Postgres, QueryBuilder};

use super::PostgresJobsDb;
use crate::row::{from_doc, is_new, to_doc};
use crate::{AuditDb, AuditEntry, AuditFilter, JobsDbError};

#[async_trait]
impl AuditDb for PostgresJobsDb {
    async fn put_audit(&self, entry: &AuditEntry) -> Result<(), JobsDbError> {
        let inserted = sqlx::query(
            "INSERT INTO audit (id, at, tenant, key, action, subject, doc, person)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO NOTHING",
        )
        .bind(entry.id)
        .bind(entry.at.as_millis())
        .bind(entry.tenant.as_ref().map(Tenant::as_str))
        .bind(entry.key())
        .bind(&entry.action)
        .bind(entry.subject.as_deref())
        .bind(to_doc(entry))
        .bind(entry.person())
        .execute(&self.pool)
        .await?;
        is_new(inserted.rows_affected(), || format!("audit entry {}", entry.id))
    }

    async fn end_audit(&self, entry: &AuditEntry) -> Result<(), JobsDbError> {
        sqlx::query("UPDATE audit SET tenant = $1, subject = $2, doc = $3 WHERE id = $4")
            .bind(entry.tenant.as_ref().map(Tenant::as_str))
            .bind(entry.subject.as_deref())
            .bind(to_doc(entry))
            .bind(entry.id)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    async fn audit(
        &self,
        filter: &AuditFilter,
        limit: u32,
    ) -> Result<Vec<AuditEntry>, JobsDbError> {
        let mut query = QueryBuilder::<Postgres>::new("SELECT doc FROM audit WHERE TRUE");
        let AuditFilter { tenant, key, action, subject, since, before, .. } = filter;
        if let Some(tenant) = tenant {
            query.push(" AND tenant = ").push_bind(tenant.as_str());
        }
        if let Some(key) = key {
            query.push(" AND key = ").push_bind(*key);
        }
        if let Some(person) = filter.plain_person() {
            query.push(" AND person = ").push_bind(person);
        }
        if let Some(action) = action {
            query.push(" AND action = ").push_bind(action);
        }
        if let Some(subject) = subject {
            query.push(" AND subject = ").push_bind(subject);
        }
        if let Some(since) = since {
            query.push(" AND at >= ").push_bind(since.as_millis());
        }
        if let Some(before) = before {
            query.push(" AND id < ").push_bind(*before);
        }
        query.push(" ORDER BY id DESC LIMIT ").push_bind(i64::from(limit));
        let docs: Vec<String> = query.build_query_scalar().fetch_all(&self.pool).await?;
        docs.iter().map(|doc| from_doc(doc, || "an audit entry".to_owned())).collect()
    }

    async fn remove_audit(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < $1 LIMIT $2)",
        )
        .bind(before.as_millis())
        .bind(i64::from(limit))
        .execute(&self.pool)
        .await?;
        Ok(removed.rows_affected())
    }
}
