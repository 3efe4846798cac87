//! Whom a tenant has told of its jobs, and what there is to tell: the outbox.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use async_trait::async_trait;
use panofleet_job_schema::{JobId, Secret, Tenant, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::row::{corrupt, from_doc, time};
use crate::{JobWrite, JobsDbError, Versioned};

/// Webhooks, and their deliveries. A job that ends gets a delivery for each webhook that wants to hear of it, with the
/// write that ends it: what is written is told, and what is told was written.
#[async_trait]
pub trait WebhooksDb {
    /// Keeps a new webhook.
    ///
    /// # Errors
    /// [`JobsDbError::Conflict`] if there is one with its id.
    async fn put_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
    ) -> Result<(), JobsDbError>;

    /// A webhook by its id.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn webhook(&self, id: Uuid) -> Result<Option<StoredWebhook>, JobsDbError>;

    /// Webhooks of a tenant, or all that there are; newest first.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn webhooks(
        &self,
        tenant: Option<&Tenant>,
        limit: u32,
    ) -> Result<Vec<StoredWebhook>, JobsDbError>;

    /// Changes a webhook that still has this version. Whether it was changed.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn write_webhook(
        &self,
        webhook: &Webhook,
        secrets: &[WebhookSecret],
        expected_version: u64,
    ) -> Result<bool, JobsDbError>;

    /// Removes a webhook and its deliveries. Whether there was one.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_webhook(&self, id: Uuid) -> Result<bool, JobsDbError>;

    /// Makes a delivery that is about no job, to try a webhook out. Gives its id.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn put_test_delivery(&self, webhook: Uuid, now: Timestamp) -> Result<Uuid, JobsDbError>;

    /// What is due at `now` and may be sent, at most `each` of a webhook, longest due first in each. Webhooks that are
    /// disabled are left out, and so is what happened to a job while the same webhook has not been told what happened to
    /// it before.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deliveries_due(
        &self,
        now: Timestamp,
        each: u32,
    ) -> Result<Vec<DueDelivery>, JobsDbError>;

    /// Notes what came of a try. A delivery that somebody else has noted a try of meanwhile stays as it is.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn end_try(
        &self,
        delivery: Uuid,
        tries_before: u32,
        tried: &Tried,
        then: Then,
    ) -> Result<(), JobsDbError>;

    /// Deliveries of a webhook, the newest first, from the one before `before` on; those in one state, or in any.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn deliveries(
        &self,
        webhook: Uuid,
        state: Option<DeliveryState>,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<Delivery>, JobsDbError>;

    /// Has deliveries that are over made once more: one, or all that failed. They keep their ids, and count their tries
    /// anew. How many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn replay_deliveries(
        &self,
        webhook: Uuid,
        one: Option<Uuid>,
        now: Timestamp,
    ) -> Result<u64, JobsDbError>;

    /// Forgets deliveries of what happened before a time, and says how many.
    ///
    /// # Errors
    /// [`JobsDbError`].
    async fn remove_deliveries(&self, before: Timestamp, limit: u32) -> Result<u64, JobsDbError>;
}

/// What a webhook may hear of.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
pub enum WebhookEvent {
    /// A job has its result.
    #[serde(rename = "job.succeeded")]
    JobSucceeded,
    /// A job was given up.
    #[serde(rename = "job.dead")]
    JobDead,
    /// Somebody cancelled a job.
    #[serde(rename = "job.cancelled")]
    JobCancelled,
    /// A job's deadline passed.
    #[serde(rename = "job.expired")]
    JobExpired,
    /// Somebody tries the webhook out.
    #[serde(rename = "webhook.test")]
    Test,
}

impl WebhookEvent {
    /// What a webhook may choose of.
    pub const OF_JOBS: [Self; 4] =
        [Self::JobSucceeded, Self::JobDead, Self::JobCancelled, Self::JobExpired];

    /// Its name: `job.succeeded`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JobSucceeded => "job.succeeded",
            Self::JobDead => "job.dead",
            Self::JobCancelled => "job.cancelled",
            Self::JobExpired => "job.expired",
            Self::Test => "webhook.test",
        }
    }
}

impl fmt::Display for WebhookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No webhook hears of this.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("event `{0}` is none of job.succeeded, job.dead, job.cancelled, job.expired")]
pub struct BadWebhookEvent(String);

impl FromStr for WebhookEvent {
    type Err = BadWebhookEvent;
    fn from_str(text: &str) -> Result<Self, BadWebhookEvent> {
        let found = Self::OF_JOBS.into_iter().find(|event| event.name() == text);
        found.ok_or_else(|| BadWebhookEvent(text.to_owned()))
    }
}

/// Whom a tenant has told of its jobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// Its identity, a UUID version 7.
    pub id: Uuid,
    /// Whose jobs it hears of.
    pub tenant: Tenant,
    /// Where the messages go.
    pub url: String,
    /// What it hears of; everything about jobs if there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<WebhookEvent>,
    /// When it was made.
    pub created_at: Timestamp,
    /// Why it hears of nothing now, if it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<Disabled>,
}

/// A webhook that hears of nothing for now: what happens meanwhile is not kept for it, and what was kept waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Disabled {
    /// Since when.
    pub at: Timestamp,
    /// Why.
    pub why: DisabledBecause,
}

/// Why a webhook hears of nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DisabledBecause {
    /// Somebody wanted it.
    Requested,
    /// The receiver answered 410: it wants no more.
    Gone,
}

/// What messages are signed with. Unlike an API key, it has to be kept as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebhookSecret {
    /// The key, base64.
    pub key: Secret,
    /// Until when messages are signed with it too; without an end if there is none.
    pub until: Option<Timestamp>,
}

/// A secret as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptSecret {
    key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

/// Deliveries that one look gives, at most: each has a job with it.
pub(crate) const DUE_MAX: u32 = 2000;

/// A webhook as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredWebhook {
    /// The webhook.
    pub webhook: Webhook,
    /// The newest first.
    pub secrets: Vec<WebhookSecret>,
    /// Its version, from 1; each write adds 1.
    pub version: u64,
}

/// How a delivery stands.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// It is to be sent, or sent again.
    Pending,
    /// The receiver has it.
    Delivered,
    /// It was given up.
    Failed,
}

impl DeliveryState {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
        }
    }
}

/// What came of a try to deliver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tried {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// The HTTP status of the answer, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// What went wrong, if anything did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What follows a try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// Nothing: the receiver has it.
    Delivered,
    /// Another try.
    Again(Timestamp),
    /// Nothing: it is given up.
    GivenUp,
}

/// One message to one webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Delivery {
    /// Its identity: `webhook-id`, the same for every try.
    pub id: Uuid,
    /// To whom.
    pub webhook: Uuid,
    /// What happened.
    pub event: WebhookEvent,
    /// To which job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
    /// When it happened.
    pub happened_at: Timestamp,
    /// How it stands.
    pub state: DeliveryState,
    /// Tries so far.
    pub tries: u32,
    /// When the next try is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// What came of the last try.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Tried>,
}

/// A delivery that may be sent.
#[derive(Clone, Debug, PartialEq)]
pub struct DueDelivery {
    /// What.
    pub delivery: Delivery,
    /// The job as it was then.
    pub job: Option<Versioned>,
    /// To whom.
    pub to: StoredWebhook,
}

/// A job that ends with a write, and when: what webhooks are told of. Children end as parts of their parents.
pub(crate) fn ends_of<'a>(
    writes: impl IntoIterator<Item = &'a JobWrite>,
) -> Vec<(JobId, Timestamp)> {
    let ended = writes.into_iter().map(|write| &write.job).filter(|job| job.state.is_terminal());
    let of_nobody = ended.filter(|job| job.child_of.is_none());
    let mut ends: Vec<_> = of_nobody.filter_map(|job| Some((job.id, job.finished_at?))).collect();
    ends.sort_unstable();
    ends
}

/// How a webhook's row says what it hears of: names with commas on all sides, or nothing.
pub(crate) fn events_column(webhook: &Webhook) -> String {
    webhook.events.iter().fold(String::new(), |column, event| {
        let comma = if column.is_empty() { "," } else { "" };
        format!("{column}{comma}{event},")
    })
}

/// How a webhook's row keeps its secrets.
pub(crate) fn secrets_column(secrets: &[WebhookSecret]) -> String {
    let kept = |secret: &WebhookSecret| KeptSecret {
        key: secret.key.expose().to_owned(),
        until: secret.until,
    };
    crate::row::to_doc(&secrets.iter().map(kept).collect::<Vec<_>>())
}

/// The columns of `webhooks`: `secrets`, `version`, `doc`.
pub(crate) type WebhookColumns = (String, i64, String);

pub(crate) fn stored_webhook(columns: WebhookColumns) -> Result<StoredWebhook, JobsDbError> {
    let (secrets, version, doc) = columns;
    let webhook: Webhook = from_doc(&doc, || "a webhook".to_owned())?;
    let named = || format!("webhook {}", webhook.id);
    let kept: Vec<KeptSecret> = from_doc(&secrets, named)?;
    let secret = |KeptSecret { key, until }| WebhookSecret { key: Secret::new(key), until };
    let version = u64::try_from(version).map_err(|error| corrupt(named(), error))?;
    Ok(StoredWebhook { secrets: kept.into_iter().map(secret).collect(), version, webhook })
}

/// The columns of `deliveries` that make a [`Delivery`], with ids as the database gives them: `id`, `webhook`, `event`,
/// `job`, `happened_at`, `delivered`, `tries`, `due_at`, `last`.
pub(crate) type DeliveryColumns<Id> =
    (Id, Id, String, Option<Id>, i64, bool, i64, Option<i64>, Option<String>);

pub(crate) fn delivery<Id>(
    columns: DeliveryColumns<Id>,
    uuid: impl Fn(Id) -> Result<Uuid, JobsDbError>,
) -> Result<Delivery, JobsDbError> {
    let (id, webhook, event, job, happened_at, delivered, tries, due_at, last) = columns;
    let id = uuid(id)?;
    let named = || format!("delivery {id}");
    let event = match event.as_str() {
        "webhook.test" => WebhookEvent::Test,
        name => name.parse().map_err(|error| corrupt(named(), error))?,
    };
    let state = match (due_at, delivered) {
        (Some(_), _) => DeliveryState::Pending,
        (None, true) => DeliveryState::Delivered,
        (None, false) => DeliveryState::Failed,
    };
    Ok(Delivery {
        id,
        webhook: uuid(webhook)?,
        event,
        job: job.map(&uuid).transpose()?.map(JobId),
        happened_at: time(happened_at),
        state,
        tries: u32::try_from(tries).map_err(|error| corrupt(named(), error))?,
        due_at: due_at.map(time),
        last: last.map(|doc| from_doc(&doc, named)).transpose()?,
    })
}

/// The columns of what is due: those of `deliveries` with the job's version and doc, then those of `webhooks`.
#[rustfmt::skip]
pub(crate) type DueColumns<Id> = (
    Id, Id, String, Option<Id>, i64, bool, i64, Option<i64>, Option<String>,
    Option<i64>, Option<String>,
    String, i64, String,
);

pub(crate) fn due_delivery<Id>(
    columns: DueColumns<Id>,
    uuid: impl Fn(Id) -> Result<Uuid, JobsDbError>,
) -> Result<DueDelivery, JobsDbError> {
    let (
        id,
        webhook,
        event,
        job,
        happened_at,
        delivered,
        tries,
        due_at,
        last,
        job_version,
        job_doc,
        secrets,
        version,
        doc,
    ) = columns;
    let to = (secrets, version, doc);
    let delivery =
        delivery((id, webhook, event, job, happened_at, delivered, tries, due_at, last), uuid)?;
    let named = || format!("the job of delivery {}", delivery.id);
    let job = match job_version.zip(job_doc) {
        Some((version, doc)) => {
            let version = u64::try_from(version).map_err(|error| corrupt(named(), error))?;
            Some(Versioned { job: from_doc(&doc, named)?, version })
        }
        None => None,
    };
    Ok(DueDelivery { job, to: stored_webhook(to)?, delivery })
}
