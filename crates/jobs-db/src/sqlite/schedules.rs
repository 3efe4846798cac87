//! Jobs that come again and again.

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};

use super::SqliteJobsDb;
use crate::row::{integer, to_doc};
use crate::schedule::{ScheduleColumns, versioned_schedule};
use crate::{JobsDbError, Schedule, SchedulesDb, VersionedSchedule};

#[async_trait]
impl SchedulesDb for SqliteJobsDb {
    async fn put_schedule(&self, schedule: &Schedule) -> Result<bool, JobsDbError> {
        let written = sqlx::query(
            "INSERT INTO schedules (tenant, name, next_at, version, doc)
             VALUES (?1, ?2, ?3, 1, ?4) ON CONFLICT (tenant, name) DO NOTHING",
        )
        .bind(schedule.tenant.as_str())
        .bind(&schedule.name)
        .bind(schedule.next_at.map(Timestamp::as_millis))
        .bind(to_doc(schedule))
        .execute(&self.file.writer)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    async fn schedules(&self, tenant: &Tenant) -> Result<Vec<VersionedSchedule>, JobsDbError> {
        let rows: Vec<ScheduleColumns> = sqlx::query_as(
            "SELECT name, version, doc FROM schedules WHERE tenant = ?1 ORDER BY name",
        )
        .bind(tenant.as_str())
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(versioned_schedule).collect()
    }

    async fn schedules_due(
        &self,
        now: Timestamp,
        limit: u32,
    ) -> Result<Vec<VersionedSchedule>, JobsDbError> {
        let rows: Vec<ScheduleColumns> = sqlx::query_as(
            "SELECT name, version, doc FROM schedules WHERE next_at <= ?1
             ORDER BY next_at, tenant, name LIMIT ?2",
        )
        .bind(now.as_millis())
        .bind(i64::from(limit))
        .fetch_all(&self.file.readers)
        .await?;
        rows.into_iter().map(versioned_schedule).collect()
    }

    async fn write_schedule(
        &self,
        schedule: &Schedule,
        expected_version: u64,
    ) -> Result<bool, JobsDbError> {
        let written = sqlx::query(
            "UPDATE schedules SET next_at = ?1, doc = ?2, version = version + 1
             WHERE tenant = ?3 AND name = ?4 AND version = ?5",
        )
        .bind(schedule.next_at.map(Timestamp::as_millis))
        .bind(to_doc(schedule))
        .bind(schedule.tenant.as_str())
        .bind(&schedule.name)
        .bind(integer(expected_version))
        .execute(&self.file.writer)
        .await?;
        Ok(written.rows_affected() > 0)
    }

    async fn remove_schedule(&self, tenant: &Tenant, name: &str) -> Result<bool, JobsDbError> {
        let removed = sqlx::query("DELETE FROM schedules WHERE tenant = ?1 AND name = ?2")
            .bind(tenant.as_str())
            .bind(name)
            .execute(&self.file.writer)
            .await?;
        Ok(removed.rows_affected() > 0)
    }
}
