//! Sources that are being uploaded.

use panofleet_job_schema::Tenant;
use sqlx::SqlitePool;
use uuid::Uuid;

use super::file::SqliteFile;
use crate::row::{corrupt, integer, is_new};
use crate::upload::{UploadColumns, upload};
use crate::{JobsDbError, Upload};

pub(super) async fn put(file: &SqliteFile, upload: &Upload) -> Result<(), JobsDbError> {
    let parts = upload.parts.as_ref();
    let inserted = sqlx::query(
        "INSERT INTO uploads
             (id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (id) DO NOTHING",
    )
    .bind(upload.id.as_bytes().as_slice())
    .bind(upload.tenant.as_str())
    .bind(&upload.bucket)
    .bind(&upload.key)
    .bind(integer(upload.bytes))
    .bind(upload.created_at.as_millis())
    .bind(upload.sha256.as_ref().map(<[u8; 32]>::as_slice))
    .bind(parts.map(|parts| &parts.store_upload))
    .bind(parts.map(|parts| integer(parts.part_bytes)))
    .execute(&file.writer)
    .await?;
    is_new(inserted.rows_affected(), || format!("upload {}", upload.id))
}

pub(super) async fn get(readers: &SqlitePool, id: Uuid) -> Result<Option<Upload>, JobsDbError> {
    let row: Option<Columns> = sqlx::query_as(
        "SELECT id, tenant, bucket, key, bytes, created_at, sha256, store_upload, part_bytes FROM uploads
         WHERE id = ? AND retired_at IS NULL",
    )
    .bind(id.as_bytes().as_slice())
    .fetch_optional(readers)
    .await?;
    row.map(of_row).transpose()
}

pub(super) async fn bytes(readers: &SqlitePool, tenant: &Tenant) -> Result<u64, JobsDbError> {
    let bytes: i64 = sqlx::query_scalar(
        "SELECT coalesce(sum(bytes), 0) FROM uploads WHERE tenant = ? AND retired_at IS NULL",
    )
    .bind(tenant.as_str())
    .fetch_one(readers)
    .await?;
    u64::try_from(bytes).map_err(|error| corrupt("a sum of bytes", error))
}

pub(super) type Columns = UploadColumns<Vec<u8>>;

pub(super) fn of_row(columns: Columns) -> Result<Upload, JobsDbError> {
    let id = Uuid::from_slice(&columns.0).map_err(|error| corrupt("an upload's id", error))?;
    upload(id, columns)
}
