//! `GET /v1/scale/{region}/{lane}` and `/v1/scale`: how many workers a queue should have, for whoever starts and ends them.
//!
//! It is for those who run the fleet, and is about the jobs of all tenants. The rule is in [`crate::scale`].

use axum::Json;
use panofleet_bus::Queue;
use panofleet_job_schema::{Lane, Region, Span};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Api;
use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{Params, Segments, bad_parameter};
use super::submit::unknown_region;
use crate::scale::{Readings, ScaleConfig};

/// Other bounds than the configuration's.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Bounds {
    target_wait: Option<Span>,
    min: Option<u32>,
    max: Option<u32>,
    slots: Option<u32>,
}

/// The load of one queue, and what it wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScaleView {
    /// Its region.
    pub region: Region,
    /// Its lane.
    pub lane: Lane,
    /// Jobs that wait for their turn.
    pub queued: u64,
    /// Jobs that were sent and not claimed yet.
    pub sent: u64,
    /// Jobs that run.
    pub running: u64,
    /// Seconds since the oldest of those that are queued or sent was accepted; 0 if there is none.
    pub oldest_s: u64,
    /// Workers that take jobs.
    pub workers: u32,
    /// Those of them that hold a job.
    pub workers_busy: u32,
    /// Jobs that they can run at once.
    pub slots: u32,
    /// Jobs that they hold.
    pub slots_busy: u32,
    /// Whether nothing is sent to the queue.
    pub paused: bool,
    /// Workers that there should be.
    pub desired: u32,
}

/// Every queue.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ScaleList {
    queues: Vec<ScaleView>,
}

/// One queue.
pub(super) async fn one(
    api: Granted,
    Segments((region, lane)): Segments<(String, String)>,
    Params(bounds): Params<Bounds>,
) -> Result<Json<ScaleView>, ApiError> {
    let region = Region::new(region)
        .map_err(|_unfit| ApiError::absent("region_unknown", "no region has such a name"))?;
    if !api.config.regions.contains_key(&region) {
        return Err(unknown_region(&api.config, &region));
    }
    let lane = Lane::ALL.into_iter().find(|known| known.as_str() == lane).ok_or_else(|| {
        let known = Lane::ALL.map(Lane::as_str).join(", ");
        ApiError::absent("lane_unknown", format!("there is no lane `{lane}`; there are {known}"))
    })?;
    let config = bounds.over(api.config.scale)?;
    let readings = Readings::read(api.db.as_ref()).await?;
    Ok(Json(view(&api, Queue { region, lane }, &readings, &config)))
}

/// All queues.
pub(super) async fn all(
    api: Granted,
    Params(bounds): Params<Bounds>,
) -> Result<Json<ScaleList>, ApiError> {
    let config = bounds.over(api.config.scale)?;
    let readings = Readings::read(api.db.as_ref()).await?;
    Ok(Json(ScaleList { queues: queue_views(&api, &readings, &config) }))
}

/// Every queue as the API shows it.
pub(crate) fn queue_views(api: &Api, readings: &Readings, config: &ScaleConfig) -> Vec<ScaleView> {
    let regions = api.config.regions.keys();
    let queues = regions.flat_map(|region| Lane::ALL.map(|lane| (region.clone(), lane)));
    queues.map(|(region, lane)| view(api, Queue { region, lane }, readings, config)).collect()
}

impl Bounds {
    fn over(self, config: ScaleConfig) -> Result<ScaleConfig, ApiError> {
        let config = ScaleConfig {
            target_wait: self.target_wait.unwrap_or(config.target_wait),
            workers_min: self.min.unwrap_or(config.workers_min),
            workers_max: self.max.unwrap_or(config.workers_max),
            slots: self.slots.unwrap_or(config.slots),
        };
        config.check().map_err(|bad| bad_parameter(bad.to_string()))?;
        Ok(config)
    }
}

fn view(api: &Api, queue: Queue, readings: &Readings, config: &ScaleConfig) -> ScaleView {
    let load = readings.load(&queue, &api.policy);
    ScaleView {
        desired: load.desired(config),
        region: queue.region,
        lane: queue.lane,
        queued: load.queued,
        sent: load.sent,
        running: load.running,
        oldest_s: load.oldest.as_secs(),
        workers: load.workers,
        workers_busy: load.workers_busy,
        slots: load.slots,
        slots_busy: load.slots_busy,
        paused: load.paused,
    }
}
