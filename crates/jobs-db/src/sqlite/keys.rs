//! API keys, and the sessions of people who have signed in.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::SqliteJobsDb;
use crate::key::{KeyColumns, SessionColumns, session as of_columns, stored_key};
use crate::row::{corrupt, integer, is_new, to_doc};
use crate::{ApiKey, JobsDbError, KeysDb, SecretHash, Session, StoredKey};

#[async_trait]
impl KeysDb for SqliteJobsDb {
    async fn put_key(&self, key: &ApiKey, secret: &SecretHash) -> Result<(), JobsDbError> {
        let mut connection = self.file.writer.acquire().await?;
        insert(&mut connection, key, secret).await
    }

    async fn key(&self, id: Uuid) -> Result<Option<StoredKey>, JobsDbError> {
        let row: Option<KeyColumns> = sqlx::query_as(
            "SELECT secret_sha256, last_used_at, version, doc FROM api_keys WHERE id = ?1",
        )
        .bind(id.as_bytes().as_slice())
        .fetch_optional(&self.file.readers)
        .await?;
        row.map(stored_key).transpose()
    }

    async fn keys(
        &self,
        tenant: Option<&Tenant>,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<StoredKey>, JobsDbError> {
        let rows: Vec<KeyColumns> = sqlx::query_as(
            "SELECT secret_sha256, last_used_at, version, doc FROM api_keys
             WHERE (?1 IS NULL OR tenant = ?1) AND (?2 IS NULL OR id < ?2)
             ORDER BY id DESC LIMIT ?3",
        )
        .bind(tenant.map(Tenant::as_str))
        .bind(before.map(|id| id.as_bytes().to_vec()))
        .bind(limit)
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(stored_key).collect()
    }

    async fn write_key(&self, key: &ApiKey, expected_version: u64) -> Result<bool, JobsDbError> {
        let mut connection = self.file.writer.acquire().await?;
        update(&mut connection, key, expected_version).await
    }

    async fn rotate_key(
        &self,
        (key, expected_version): (&ApiKey, u64),
        (successor, secret): (&ApiKey, &SecretHash),
    ) -> Result<bool, JobsDbError> {
        let mut transaction = self.file.write().await?;
        if !update(&mut transaction, key, expected_version).await? {
            return Ok(false);
        }
        insert(&mut transaction, successor, secret).await?;
        transaction.commit().await?;
        Ok(true)
    }

    async fn note_uses(&self, uses: &[(Uuid, Timestamp)]) -> Result<(), JobsDbError> {
        let mut transaction = self.file.write().await?;
        for (id, at) in uses {
            sqlx::query(
                "UPDATE api_keys SET last_used_at = max(coalesce(last_used_at, 0), ?1) WHERE id = ?2",
            )
            .bind(at.as_millis())
            .bind(id.as_bytes().as_slice())
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    async fn put_session(&self, session: &Session) -> Result<(), JobsDbError> {
        let (key, secret, person) = session.of.to_columns();
        let inserted = sqlx::query(
            "INSERT INTO sessions (id_sha256, key, secret_sha256, person, tenant, expires_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (id_sha256) DO NOTHING",
        )
        .bind(session.id.as_slice())
        .bind(key.map(|id| id.as_bytes().to_vec()))
        .bind(secret.as_slice())
        .bind(person)
        .bind(session.tenant.as_ref().map(Tenant::as_str))
        .bind(session.expires_at.as_millis())
        .execute(&self.file.writer)
        .await?;
        is_new(inserted.rows_affected(), || "a session".to_owned())
    }

    async fn session(&self, id: &SecretHash) -> Result<Option<Session>, JobsDbError> {
        let row: Option<(Option<Vec<u8>>, Vec<u8>, Option<String>, Option<String>, i64)> = sqlx::query_as(
            "SELECT key, secret_sha256, person, tenant, expires_at FROM sessions WHERE id_sha256 = ?1",
        )
        .bind(id.as_slice())
        .fetch_optional(&self.file.readers)
        .await?;
        let Some((key, secret, person, tenant, expires_at)) = row else { return Ok(None) };
        let key = key.as_deref().map(Uuid::from_slice).transpose();
        let key = key.map_err(|error| corrupt("a session's key", error))?;
        let columns: SessionColumns = (secret, person, tenant, expires_at);
        of_columns(*id, key, columns).map(Some)
    }

    async fn remove_session(&self, id: &SecretHash) -> Result<(), JobsDbError> {
        sqlx::query("DELETE FROM sessions WHERE id_sha256 = ?1")
            .bind(id.as_slice())
            .execute(&self.file.writer)
            .await?;
        Ok(())
    }

    async fn remove_sessions(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError> {
        let removed = sqlx::query(
            "DELETE FROM sessions WHERE id_sha256 IN (
                SELECT id_sha256 FROM sessions WHERE expires_at < ?1 LIMIT ?2)",
        )
        .bind(before.as_millis())
        .bind(limit)
        .execute(&self.file.writer)
        .await?;
        Ok(removed.rows_affected())
    }
}

async fn insert(
    connection: &mut SqliteConnection,
    key: &ApiKey,
    secret: &SecretHash,
) -> Result<(), JobsDbError> {
    let inserted = sqlx::query(
        "INSERT INTO api_keys (id, tenant, secret_sha256, version, doc) VALUES (?1, ?2, ?3, 1, ?4)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(key.id.as_bytes().as_slice())
    .bind(key.tenant.as_ref().map(Tenant::as_str))
    .bind(secret.as_slice())
    .bind(to_doc(key))
    .execute(connection)
    .await?;
    is_new(inserted.rows_affected(), || format!("API key {}", key.id))
}

async fn update(
    connection: &mut SqliteConnection,
    key: &ApiKey,
    expected_version: u64,
) -> Result<bool, JobsDbError> {
    let written = sqlx::query(
        "UPDATE api_keys SET doc = ?1, version = version + 1 WHERE id = ?2 AND version = ?3",
    )
    .bind(to_doc(key))
    .bind(key.id.as_bytes().as_slice())
    .bind(integer(expected_version))
    .execute(connection)
    .await?;
    Ok(written.rows_affected() > 0)
}
