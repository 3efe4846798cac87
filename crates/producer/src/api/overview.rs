//! `GET /v1/overview`: what comes and goes, queue by queue, how long what is queued has waited, and when retries are due.
//!
//! The same answer is given for a while to whoever asks: see [`crate::kept`].

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use panofleet_job_schema::{Lane, Region, Span, Tenant, Timestamp};
use panofleet_jobs_db::{Course, QueueAges, Scope, TenantLoad, Traffic};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::scale::queue_views;

/// What rates are measured over.
const WITHIN: Duration = Duration::from_secs(300);
/// Steps of the course, and of the retries that are due: of the last hour, and of the next one.
const COURSE: (Duration, u32) = (Duration::from_secs(120), 30);
const RETRIES: (Duration, u32) = (Duration::from_secs(300), 12);
/// Parts of the queued jobs whose age is told: half of them are not older, and all but one in a hundred.
const SHARES: [f64; 2] = [0.5, 0.99];
/// Tenants that are shown.
const TENANTS: u32 = 50;

/// How things go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OverviewView {
    /// When that was so, by the database's clock.
    pub at: Timestamp,
    /// What `accepted`, `succeeded`, `failed` and `cancelled` of a queue are counted over, until then.
    pub within: Span,
    /// Each queue, by region and lane. For one tenant, those where it has or had jobs.
    pub queues: Vec<QueueOverview>,
    /// What came and went in the last hour.
    pub course: CourseView,
    /// Retries that are due in each twelfth of the next hour; those that are due already are in the first.
    pub retries: Vec<u64>,
    /// The tenants that have most jobs queued; for those who run the fleet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tenants: Vec<TenantOverview>,
}

/// A queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct QueueOverview {
    /// What came to it and left it.
    #[serde(flatten)]
    pub traffic: Traffic,
    /// Jobs that are queued.
    pub queued: u64,
    /// Seconds that half of the queued jobs have waited at most; none if none is queued.
    pub age_p50_s: Option<u64>,
    /// Seconds that all but one in a hundred of them have waited at most.
    pub age_p99_s: Option<u64>,
    /// Jobs that run, of all tenants; for those who run the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running: Option<u64>,
    /// Jobs that its workers can run at once; for those who run the fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
}

/// Jobs by time, a count for each step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CourseView {
    /// When the first step began.
    pub since: Timestamp,
    /// How long a step is.
    pub step: Span,
    /// The counts.
    #[serde(flatten)]
    pub counts: Course,
}

/// What a tenant has open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TenantOverview {
    /// Whose.
    pub tenant: Tenant,
    /// Jobs that are queued.
    pub queued: u64,
    /// Jobs that were sent, or run.
    pub at_work: u64,
    /// Seconds that the oldest queued one has waited.
    pub oldest_s: Option<u64>,
}

/// How things go.
pub(super) async fn overview(api: Granted) -> Result<Json<OverviewView>, ApiError> {
    Ok(Json(OverviewView::clone(&*api.overview().await?)))
}

impl Granted {
    /// How things go, for whoever shows it.
    pub(crate) async fn overview(&self) -> Result<Arc<OverviewView>, ApiError> {
        let key = (self.whose().cloned(), self.has(Scope::Ops));
        self.kept_overview.get(key, self.read_overview()).await
    }

    async fn read_overview(&self) -> Result<Arc<OverviewView>, ApiError> {
        let (db, whose) = (self.db.as_ref(), self.whose());
        let at = db.now().await?;
        let (step, steps) = COURSE;
        let since = at - step * steps;
        let traffic = db.traffic(whose, at - WITHIN).await?;
        let ages = db.queue_ages(whose, &SHARES).await?;
        let course = db.course(whose, since, COURSE).await?;
        let retries = db.retry_forecast(whose, at, RETRIES).await?;
        let mut queues = queues(traffic, ages, at);
        let mut tenants = Vec::new();
        if self.has(Scope::Ops) {
            self.add_loads(&mut queues).await?;
            let busiest = db.busiest_tenants(TENANTS).await?;
            tenants = busiest.into_iter().map(|load| TenantOverview::of(load, at)).collect();
        }
        let queues = queues.into_values().collect();
        let course = CourseView { since, step: Span(step), counts: course };
        Ok(Arc::new(OverviewView { at, within: Span(WITHIN), queues, course, retries, tenants }))
    }

    /// Adds who works on the queues, and those that nothing came to.
    async fn add_loads(&self, queues: &mut Queues) -> Result<(), ApiError> {
        let readings = self.kept_backlog.readings(self.db.as_ref()).await?;
        for load in queue_views(self, &readings, &self.config.scale) {
            let queue = entry(queues, load.region, load.lane);
            (queue.running, queue.slots) = (Some(load.running), Some(load.slots));
        }
        Ok(())
    }
}

impl TenantOverview {
    fn of(load: TenantLoad, at: Timestamp) -> Self {
        let TenantLoad { tenant, queued, at_work, oldest_accepted_at } = load;
        let oldest_s = oldest_accepted_at.map(|accepted_at| at.since(accepted_at).as_secs());
        Self { tenant, queued, at_work, oldest_s }
    }
}

/// Queues by region and lane.
type Queues = BTreeMap<(Region, Lane), QueueOverview>;

fn entry(queues: &mut Queues, region: Region, lane: Lane) -> &mut QueueOverview {
    queues.entry((region, lane)).or_insert_with_key(|(region, lane)| {
        QueueOverview::of(Traffic::none(region.clone(), *lane))
    })
}

impl QueueOverview {
    const fn of(traffic: Traffic) -> Self {
        Self { traffic, queued: 0, age_p50_s: None, age_p99_s: None, running: None, slots: None }
    }
}

/// What came and went, and what waits, by queue.
fn queues(traffic: Vec<Traffic>, ages: Vec<QueueAges>, at: Timestamp) -> Queues {
    let by_queue = |traffic: Traffic| {
        let queue = (traffic.region.clone(), traffic.lane);
        (queue, QueueOverview::of(traffic))
    };
    let mut queues: Queues = traffic.into_iter().map(by_queue).collect();
    for QueueAges { region, lane, queued, accepted_at } in ages {
        let age = |place: usize| accepted_at.get(place).map(|from| at.since(*from).as_secs());
        let queue = entry(&mut queues, region, lane);
        (queue.queued, queue.age_p50_s, queue.age_p99_s) = (queued, age(0), age(1));
    }
    queues
}
