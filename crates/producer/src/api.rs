//! The HTTP API: accepts jobs, answers questions about them, and hands out their results.
//!
//! | you look for | file |
//! |---|---|
//! | every route, and the scope that it needs | `routes.rs` |
//! | who may do what | `auth.rs` |
//! | keys, and who asks | `keys.rs` |
//! | rates and quotas of tenants | `quota.rs` |
//! | who has changed what | `audit.rs` |
//! | `POST /v1/jobs` | `submit.rs`, those of one moment in one write: `submit/together.rs`, where a source lies: `source.rs` |
//! | `GET /v1/jobs…`, what a job looks like from outside | `jobs.rs`, [`view`] |
//! | cancel, retry, reprioritise | `act.rs`; all jobs that match: `bulk.rs` |
//! | what somebody wants gone | `deletions.rs` |
//! | what failed, and why | `failures.rs` |
//! | what people ask about retries | `questions.rs` |
//! | pause, resume | `pauses.rs` |
//! | dead letters | `dead_letters.rs` |
//! | jobs that come again and again | `schedules.rs` |
//! | drain, undrain a worker | `drains.rs` |
//! | waiting for a job to change | `wait.rs`; a stream of changes: `events.rs`, of many jobs `feed.rs` |
//! | what a job is likely to take | `estimates.rs` |
//! | `/v1/uploads…` | `uploads.rs`, in parts: `uploads/parts.rs` |
//! | `GET /o/…`: files of results | `outputs.rs`, which they are: `manifests.rs` |
//! | operations, presets, JSON Schema | `schema.rs` |
//! | workers, counts, health, metrics | `fleet.rs`, `health.rs` |
//! | how many workers a queue should have | `scale.rs` |
//! | refusals | `error.rs` |
//! | lists in pages | `paging.rs` |
//! | pages of other origins | `cors.rs` |
//! | limits, headers, time-outs, connections | `guard.rs`, [`mod@serve`], [`config`] |
//!
//! Every query is for the tenant of whoever asks: somebody else's job is a job that does not exist.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use panofleet_bus::Bus;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{RegionKeys, Tenant, limits};
use panofleet_jobs_db::JobsDb;
use panofleet_objects::ObjectStore;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

mod act;
pub(crate) mod audit;
pub(crate) mod auth;
pub(crate) mod bulk;
mod changes;
pub mod config;
mod cors;
pub(crate) mod dead_letters;
mod deletions;
mod drains;
pub(crate) mod error;
mod estimates;
mod events;
pub(crate) mod extract;
mod failures;
mod feed;
pub(crate) mod fleet;
mod guard;
mod health;
pub(crate) mod jobs;
mod keys;
pub(crate) mod manifests;
pub(crate) mod openapi;
pub(crate) mod outputs;
pub(crate) mod overview;
mod paging;
mod pauses;
pub(crate) mod questions;
pub(crate) mod quota;
pub(crate) mod routes;
pub(crate) mod scale;
mod schedules;
mod schema;
pub mod serve;
mod shape;
mod source;
pub(crate) mod submit;
mod uploads;
pub mod view;
pub(crate) mod views;
mod wait;
mod webhooks;

pub use act::JobChange;
pub use audit::AuditList;
pub use auth::oidc::config::{BadOidc, OidcConfig, OidcGrant, OidcWho};
pub use auth::{Auth, Need};
pub use bulk::{BulkCount, BulkFilter, BulkList, BulkRequest, BulkView};
pub use config::ApiConfig;
pub use dead_letters::{LetterList, LetterView, ReplayView};
pub use deletions::{DeletionList, TenantDeletion};
pub use drains::DrainView;
pub use estimates::{Estimate, Likely};
pub use failures::{FailedJob, FailureGroupView, FailureList};
pub use fleet::WorkerView;
pub use keys::{KeyList, KeyState, KeyView, MadeKey, NewKey, Rotation, WhoView};
pub use openapi::shared as document;
pub use overview::{CourseView, OverviewView, QueueOverview, TenantOverview};
pub use questions::{
    AnswerView, AskedGroup, AskedJob, AskedTime, QuestionList, QuestionView, Rows,
};
pub use quota::config::{LimitsConfig, TenantQuota};
pub use routes::{Row, table};
pub use scale::ScaleView;
pub use schema::PresetList;
pub use serve::serve;
pub use uploads::parts::{PartAddress, PartAddresses, PartsStatus, UploadState, UploadStatus};
pub use uploads::{Cut, UploadView, UploadWay, WholePut};
pub use view::JobView;
pub use views::{NewView, ViewList, query_of as view_query};
pub use webhooks::{
    DeliveryList, MadeWebhook, NewWebhook, ReplayRequest, Replayed, TestDelivery, WebhookChange,
    WebhookList, WebhookView,
};

pub(crate) use view::Beside;

use auth::gate::{self, Gate};
use auth::identity::Identities;
use auth::oidc::Oidc;
use auth::uses::Uses;
use manifests::Manifests;
use quota::Quotas;
use submit::Together;

use crate::kept::Kept;
use crate::scale::KeptBacklog;

/// What the API works with.
#[derive(Clone, Debug)]
pub struct ApiState {
    /// The job database.
    pub db: Arc<dyn JobsDb>,
    /// The bus, for control records.
    pub bus: Arc<dyn Bus>,
    /// The object store of every configured bucket.
    pub objects: ObjectStore,
    /// What control records are signed with.
    pub keys: RegionKeys,
    /// What jobs get that do not say.
    pub policy: Policy,
    /// The settings; checked by whoever made them.
    pub config: ApiConfig,
}

/// What every handler shares.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) db: Arc<dyn JobsDb>,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) objects: ObjectStore,
    pub(crate) keys: RegionKeys,
    pub(crate) policy: Policy,
    pub(crate) config: ApiConfig,
    pub(crate) manifests: Manifests,
    pub(crate) identities: Identities,
    /// Where people sign in, beside with a key.
    pub(crate) oidc: Option<Oidc>,
    pub(crate) uses: Uses,
    pub(crate) quotas: Quotas,
    /// Jobs that come at about the same time.
    pub(crate) together: Together,
    /// What pages say of queues.
    pub(crate) kept_backlog: KeptBacklog,
    /// What pages say of jobs by state: a tenant's, or of all.
    pub(crate) kept_counts: Kept<Option<Tenant>, BTreeMap<String, u64>>,
    /// What pages say of jobs that failed lately: for good, and to be tried again.
    pub(crate) kept_failed: Kept<Option<Tenant>, (u64, u64)>,
    /// What pages say of what comes and goes: to whom, and whether they run the fleet.
    pub(crate) kept_overview: Kept<(Option<Tenant>, bool), Arc<OverviewView>>,
    /// Streams of news that may still be opened.
    pub(crate) streams: Arc<Semaphore>,
    /// Ends long waits, so that they do not hold up the end of the process.
    pub(crate) shutdown: CancellationToken,
}

impl Api {
    fn new(state: ApiState, shutdown: CancellationToken) -> Arc<Self> {
        let ApiState { db, bus, objects, keys, policy, config } = state;
        let (manifests, uses) = (Manifests::default(), Uses::default());
        let (identities, together) = (Identities::new(&config), Together::new(&db));
        let oidc = Oidc::new(&config);
        let streams = Arc::new(Semaphore::new(config.http.streams_max as usize));
        Arc::new(Self {
            db,
            bus,
            objects,
            keys,
            policy,
            config,
            manifests,
            identities,
            oidc,
            uses,
            quotas: Quotas::default(),
            together,
            kept_backlog: KeptBacklog::default(),
            kept_counts: Kept::default(),
            kept_failed: Kept::default(),
            kept_overview: Kept::default(),
            streams,
            shutdown,
        })
    }
}

/// Every route. `shutdown` ends the waits of clients; the caller ends the connections.
pub fn router(state: ApiState, shutdown: CancellationToken) -> Router {
    router_of(&Api::new(state, shutdown))
}

fn router_of(api: &Arc<Api>) -> Router {
    let gated = |(router, table): (Router<Arc<Api>>, routes::Table)| {
        let gate = Gate { api: Arc::clone(api), table: Arc::new(table) };
        router.layer(from_fn_with_state(gate, gate::pass))
    };
    gated(routes::prompt().into_parts())
        .layer(from_fn_with_state(Arc::clone(api), guard::within_time))
        .merge(gated(routes::patient().into_parts()))
        .fallback(guard::no_such_route)
        .method_not_allowed_fallback(guard::no_such_method)
        .layer(DefaultBodyLimit::max(limits::JOB_BODY_BYTES_MAX))
        .layer(from_fn(guard::same_site_only))
        .layer(from_fn_with_state(Arc::clone(api), cors::cors))
        .layer(from_fn(guard::security_headers))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn(guard::observe))
        .with_state(Arc::clone(api))
}
