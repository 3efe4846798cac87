//! The HTTP API: accepts jobs, answers questions about them, and hands out their results.
//!
//! | you look for | file |
//! |---|---|
//! | `POST /v1/jobs` | `submit.rs`, where a source lies: `source.rs` |
//! | `GET /v1/jobs…`, what a job looks like from outside | `jobs.rs`, [`view`] |
//! | cancel, retry | `act.rs`; all jobs that match: `bulk.rs` |
//! | what failed, and why | `failures.rs` |
//! | pause, resume | `pauses.rs` |
//! | dead letters | `dead_letters.rs` |
//! | jobs that come again and again | `schedules.rs` |
//! | drain, undrain a worker | `drains.rs` |
//! | waiting for a job to change | `wait.rs` |
//! | `POST /v1/uploads` | `uploads.rs` |
//! | `GET /o/…`: files of results | `outputs.rs`, which they are: `manifests.rs` |
//! | operations, JSON Schema | `schema.rs` |
//! | workers, counts, health, metrics | `fleet.rs`, `health.rs` |
//! | how many workers a queue should have | `scale.rs` |
//! | refusals | `error.rs` |
//! | limits, headers, time-outs, connections | `guard.rs`, [`mod@serve`], [`config`] |
//!
//! Every query is for the configured tenant: somebody else's job is a job that does not exist.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post, put};
use panofleet_bus::Bus;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{JobId, RegionKeys, limits};
use panofleet_jobs_db::{JobsDb, Versioned};
use panofleet_objects::ObjectStore;
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;

mod act;
pub(crate) mod bulk;
pub mod config;
mod dead_letters;
mod drains;
pub(crate) mod error;
pub(crate) mod extract;
mod failures;
mod fleet;
mod guard;
mod health;
mod jobs;
pub(crate) mod manifests;
pub(crate) mod outputs;
mod pauses;
mod scale;
mod schedules;
mod schema;
pub mod serve;
mod source;
pub(crate) mod submit;
mod uploads;
pub mod view;
mod wait;

pub use bulk::{BulkCount, BulkFilter, BulkList, BulkRequest, BulkView};
pub use config::ApiConfig;
pub use dead_letters::{LetterList, LetterView, ReplayView};
pub use drains::DrainView;
pub use failures::{FailedJob, FailureGroupView, FailureList};
pub use fleet::WorkerView;
pub use scale::ScaleView;
pub use serve::serve;
pub use uploads::UploadView;
pub use view::JobView;

use crate::pages;
use error::ApiError;
use manifests::Manifests;

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
    /// Ends long waits, so that they do not hold up the end of the process.
    pub(crate) shutdown: CancellationToken,
}

impl Api {
    /// A job of the tenant.
    pub(crate) async fn job(&self, id: JobId) -> Result<Versioned, ApiError> {
        let found = self.db.get(&[id]).await?.pop();
        let ours = found.filter(|found| found.job.tenant == self.config.tenant);
        ours.ok_or(ApiError::NoSuchJob(id))
    }
}

/// Every route. `shutdown` ends the waits of clients; the caller ends the connections.
pub fn router(state: ApiState, shutdown: CancellationToken) -> Router {
    let ApiState { db, bus, objects, keys, policy, config } = state;
    let manifests = Manifests::default();
    let api = Arc::new(Api { db, bus, objects, keys, policy, config, manifests, shutdown });
    let prompt = jobs_routes()
        .merge(other_routes())
        .merge(pages::routes())
        .layer(from_fn_with_state(Arc::clone(&api), guard::within_time));
    prompt
        .route("/v1/jobs/{id}/wait", get(wait::wait))
        .fallback(guard::no_such_route)
        .method_not_allowed_fallback(guard::no_such_method)
        .layer(DefaultBodyLimit::max(limits::JOB_BODY_BYTES_MAX))
        .layer(from_fn(guard::same_site_only))
        .layer(from_fn(guard::security_headers))
        .layer(CatchPanicLayer::custom(guard::panicked))
        .layer(from_fn(guard::observe))
        .with_state(api)
}

fn jobs_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/jobs", get(jobs::list).post(submit::submit))
        .route("/v1/jobs/{id}", get(jobs::get))
        .route("/v1/jobs/{id}/history", get(jobs::history))
        .route("/v1/jobs/{id}/manifest", get(outputs::manifest))
        .route("/v1/jobs/{id}/cancel", post(act::cancel))
        .route("/v1/jobs/{id}/retry", post(act::retry))
        .route("/v1/failures", get(failures::list))
        .route("/v1/bulk", get(bulk::list).post(bulk::begin))
        .route("/v1/bulk/{id}", get(bulk::get))
        .route("/v1/bulk/{id}/stop", post(bulk::stop))
}

fn other_routes() -> Router<Arc<Api>> {
    Router::new()
        .route("/v1/uploads", post(uploads::begin))
        .route("/v1/operations", get(schema::operations))
        .route("/v1/schema/job", get(schema::job))
        .route("/v1/workers", get(fleet::workers))
        .route("/v1/workers/{worker}/drain", put(drains::drain).delete(drains::undrain))
        .route("/v1/counts", get(fleet::counts))
        .route("/v1/scale", get(scale::all))
        .route("/v1/scale/{region}/{lane}", get(scale::one))
        .route("/v1/dead-letters", get(dead_letters::list))
        .route("/v1/dead-letters/{id}", get(dead_letters::show))
        .route("/v1/dead-letters/{id}/replay", post(dead_letters::replay))
        .route("/v1/schedules", get(schedules::list))
        .route("/v1/schedules/{name}", put(schedules::add).delete(schedules::remove))
        .route("/v1/schedules/{name}/pause", post(schedules::pause))
        .route("/v1/schedules/{name}/resume", post(schedules::resume))
        .route("/v1/pauses", get(pauses::list))
        .route("/v1/pauses/{kind}/{name}", put(pauses::pause).delete(pauses::resume))
        .route("/o/{job}/{output}/{*path}", get(outputs::file))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
}
