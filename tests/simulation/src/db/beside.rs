//! What stands beside jobs in the job database and is not simulated: orders to workers, schedules, dead letters that
//! go back, bulk actions, groups of failures, API keys, the audit log, webhooks, retention, deletions. Nobody in the simulated world asks for any of it, so there is never any; who does is refused.

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Tenant, Timestamp};
use panofleet_jobs_db::{
    ApiKey, AuditDb, AuditEntry, AuditFilter, Bulk, BulksDb, Deletion, DeletionFilter, DeletionsDb,
    Delivery, DeliveryState, DueDeletion, DueDelivery, FailureGroup, FailuresDb, JobFilter,
    JobsDbError, KeysDb, LetterKey, NewOrder, OrderRow, OrdersDb, Replay, ReplaysDb, RetentionDb,
    RetireBefore, Retired, Schedule, SchedulesDb, SecretHash, Session, StoredKey, StoredWebhook,
    Sweep, Then, Tried, Upload, Versioned, VersionedBulk, VersionedSchedule, Webhook,
    WebhookSecret, WebhooksDb,
};
use uuid::Uuid;

use super::SimulatedDb;

pub(super) fn not_simulated<T>(what: &str) -> Result<T, JobsDbError> {
    Err(JobsDbError::Refused(format!("{what}: the simulation has none")))
}

#[async_trait]
impl OrdersDb for SimulatedDb {
    async fn order(&self, _: &NewOrder) -> Result<OrderRow, JobsDbError> {
        not_simulated("orders")
    }

    async fn orders(&self) -> Result<Vec<OrderRow>, JobsDbError> {
        self.read("orders", |_| Vec::new()).await
    }
}

#[async_trait]
impl ReplaysDb for SimulatedDb {
    async fn request_replay(&self, _: LetterKey, _: Timestamp) -> Result<Replay, JobsDbError> {
        not_simulated("replays")
    }

    async fn replays(&self, _: &[LetterKey]) -> Result<Vec<Replay>, JobsDbError> {
        self.read("replays", |_| Vec::new()).await
    }

    async fn open_replays(&self, _: u32) -> Result<Vec<Replay>, JobsDbError> {
        self.read("open_replays", |_| Vec::new()).await
    }

    async fn end_replay(
        &self,
        _: LetterKey,
        _: Timestamp,
        _: Option<&str>,
    ) -> Result<(), JobsDbError> {
        not_simulated("replays")
    }
}

#[async_trait]
impl RetentionDb for SimulatedDb {
    async fn sweeps_due(&self, _: Timestamp, _: u32) -> Result<Vec<Sweep>, JobsDbError> {
        self.read("sweeps_due", |_| Vec::new()).await
    }

    async fn end_sweep(&self, _: Sweep) -> Result<(), JobsDbError> {
        not_simulated("sweeps")
    }

    async fn ended(
        &self,
        _: &'static str,
        _: Option<JobId>,
        _: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        self.read("ended", |_| Vec::new()).await
    }

    async fn remove_job(&self, _: JobId, _: u64, _: Timestamp) -> Result<bool, JobsDbError> {
        not_simulated("retention")
    }

    async fn use_upload(&self, id: Uuid, _: Timestamp) -> Result<Option<Upload>, JobsDbError> {
        self.read("use_upload", move |db| db.uploads.get(&id).cloned()).await
    }

    async fn retire_uploads(
        &self,
        _: RetireBefore,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Upload>, JobsDbError> {
        self.read("retire_uploads", |_| Vec::new()).await
    }

    async fn retire_unused_upload(&self, _: Uuid, _: Timestamp) -> Result<bool, JobsDbError> {
        not_simulated("removing uploads")
    }

    async fn remove_upload(&self, _: Uuid) -> Result<(), JobsDbError> {
        not_simulated("retention")
    }

    async fn remove_keys(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_keys", |_| 0).await
    }
}

#[async_trait]
impl DeletionsDb for SimulatedDb {
    async fn request_deletions(&self, _: &[Deletion]) -> Result<(), JobsDbError> {
        not_simulated("deletions")
    }

    async fn deletion(&self, _: JobId) -> Result<Option<Deletion>, JobsDbError> {
        self.read("deletion", |_| None).await
    }

    async fn deletions(&self, _: &DeletionFilter, _: u32) -> Result<Vec<Deletion>, JobsDbError> {
        self.read("deletions", |_| Vec::new()).await
    }

    async fn deletions_due(&self, _: Timestamp, _: u32) -> Result<Vec<DueDeletion>, JobsDbError> {
        self.read("deletions_due", |_| Vec::new()).await
    }

    async fn write_deletion(&self, _: &Deletion, _: Option<Timestamp>) -> Result<(), JobsDbError> {
        not_simulated("deletions")
    }

    async fn retire_upload(
        &self,
        _: Uuid,
        _: Option<JobId>,
        _: Timestamp,
        _: Timestamp,
    ) -> Result<Retired, JobsDbError> {
        not_simulated("deletions")
    }

    async fn uploads_of(
        &self,
        _: &Tenant,
        _: Option<Uuid>,
        _: u32,
    ) -> Result<Vec<Upload>, JobsDbError> {
        not_simulated("deletions")
    }

    async fn remove_deletions(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_deletions", |_| 0).await
    }
}

#[async_trait]
impl SchedulesDb for SimulatedDb {
    async fn put_schedule(&self, _: &Schedule) -> Result<bool, JobsDbError> {
        not_simulated("schedules")
    }

    async fn schedules(&self, _: &Tenant) -> Result<Vec<VersionedSchedule>, JobsDbError> {
        self.read("schedules", |_| Vec::new()).await
    }

    async fn schedules_due(
        &self,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<VersionedSchedule>, JobsDbError> {
        self.read("schedules_due", |_| Vec::new()).await
    }

    async fn write_schedule(&self, _: &Schedule, _: u64) -> Result<bool, JobsDbError> {
        not_simulated("schedules")
    }

    async fn remove_schedule(&self, _: &Tenant, _: &str) -> Result<bool, JobsDbError> {
        not_simulated("schedules")
    }
}

#[async_trait]
impl FailuresDb for SimulatedDb {
    async fn failure_groups(
        &self,
        _: &JobFilter,
        _: u32,
    ) -> Result<Vec<FailureGroup>, JobsDbError> {
        not_simulated("groups of failures")
    }
}

#[async_trait]
impl BulksDb for SimulatedDb {
    async fn put_bulk(&self, _: &Bulk) -> Result<(), JobsDbError> {
        not_simulated("bulk actions")
    }

    async fn bulk(&self, _: Uuid) -> Result<Option<VersionedBulk>, JobsDbError> {
        self.read("bulk", |_| None).await
    }

    async fn bulks(&self, _: &Tenant, _: u32) -> Result<Vec<VersionedBulk>, JobsDbError> {
        self.read("bulks", |_| Vec::new()).await
    }

    async fn open_bulks(&self, _: u32) -> Result<Vec<VersionedBulk>, JobsDbError> {
        self.read("open_bulks", |_| Vec::new()).await
    }

    async fn write_bulk(&self, _: &Bulk, _: u64) -> Result<bool, JobsDbError> {
        not_simulated("bulk actions")
    }
}

#[async_trait]
impl KeysDb for SimulatedDb {
    async fn put_key(&self, _: &ApiKey, _: &SecretHash) -> Result<(), JobsDbError> {
        not_simulated("API keys")
    }

    async fn key(&self, _: Uuid) -> Result<Option<StoredKey>, JobsDbError> {
        self.read("key", |_| None).await
    }

    async fn keys(
        &self,
        _: Option<&Tenant>,
        _: Option<Uuid>,
        _: u32,
    ) -> Result<Vec<StoredKey>, JobsDbError> {
        self.read("keys", |_| Vec::new()).await
    }

    async fn write_key(&self, _: &ApiKey, _: u64) -> Result<bool, JobsDbError> {
        not_simulated("API keys")
    }

    async fn rotate_key(
        &self,
        _: (&ApiKey, u64),
        _: (&ApiKey, &SecretHash),
    ) -> Result<bool, JobsDbError> {
        not_simulated("API keys")
    }

    async fn note_uses(&self, _: &[(Uuid, Timestamp)]) -> Result<(), JobsDbError> {
        not_simulated("API keys")
    }

    async fn put_session(&self, _: &Session) -> Result<(), JobsDbError> {
        not_simulated("sessions")
    }

    async fn session(&self, _: &SecretHash) -> Result<Option<Session>, JobsDbError> {
        self.read("session", |_| None).await
    }

    async fn remove_session(&self, _: &SecretHash) -> Result<(), JobsDbError> {
        not_simulated("sessions")
    }

    async fn remove_sessions(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_sessions", |_| 0).await
    }
}

/// Entries go nowhere: nobody in the simulated world asks who did what.
#[async_trait]
impl AuditDb for SimulatedDb {
    async fn put_audit(&self, _: &AuditEntry) -> Result<(), JobsDbError> {
        self.read("put_audit", |_| ()).await
    }

    async fn end_audit(&self, _: &AuditEntry) -> Result<(), JobsDbError> {
        self.read("end_audit", |_| ()).await
    }

    async fn audit(&self, _: &AuditFilter, _: u32) -> Result<Vec<AuditEntry>, JobsDbError> {
        self.read("audit", |_| Vec::new()).await
    }

    async fn remove_audit(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_audit", |_| 0).await
    }
}

#[async_trait]
impl WebhooksDb for SimulatedDb {
    async fn put_webhook(&self, _: &Webhook, _: &[WebhookSecret]) -> Result<(), JobsDbError> {
        not_simulated("webhooks")
    }

    async fn webhook(&self, _: Uuid) -> Result<Option<StoredWebhook>, JobsDbError> {
        self.read("webhook", |_| None).await
    }

    async fn webhooks(
        &self,
        _: Option<&Tenant>,
        _: u32,
    ) -> Result<Vec<StoredWebhook>, JobsDbError> {
        self.read("webhooks", |_| Vec::new()).await
    }

    async fn write_webhook(
        &self,
        _: &Webhook,
        _: &[WebhookSecret],
        _: u64,
    ) -> Result<bool, JobsDbError> {
        not_simulated("webhooks")
    }

    async fn remove_webhook(&self, _: Uuid) -> Result<bool, JobsDbError> {
        not_simulated("webhooks")
    }

    async fn put_test_delivery(&self, _: Uuid, _: Timestamp) -> Result<Uuid, JobsDbError> {
        not_simulated("webhooks")
    }

    async fn deliveries_due(&self, _: Timestamp, _: u32) -> Result<Vec<DueDelivery>, JobsDbError> {
        self.read("deliveries_due", |_| Vec::new()).await
    }

    async fn end_try(&self, _: Uuid, _: u32, _: &Tried, _: Then) -> Result<(), JobsDbError> {
        not_simulated("webhooks")
    }

    async fn deliveries(
        &self,
        _: Uuid,
        _: Option<DeliveryState>,
        _: Option<Uuid>,
        _: u32,
    ) -> Result<Vec<Delivery>, JobsDbError> {
        self.read("deliveries", |_| Vec::new()).await
    }

    async fn replay_deliveries(
        &self,
        _: Uuid,
        _: Option<Uuid>,
        _: Timestamp,
    ) -> Result<u64, JobsDbError> {
        not_simulated("webhooks")
    }

    async fn remove_deliveries(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_deliveries", |_| 0).await
    }
}
