//! What is known of the fleet at one time.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use panofleet_job_schema::{Tenant, Timestamp};
use panofleet_jobs_db::Scope;
use panofleet_producer::api::{
    AskedJob, AskedTime, FailureGroupView, JobView, Rows, ScaleView, WorkerView,
};
use serde::{Deserialize, Serialize};

use crate::client::Client;

/// Jobs, groups and retries that are read, at most.
const ROWS: u32 = 100;
/// States that no worker and no dispatcher leaves.
const ENDS: [&str; 4] = ["succeeded", "dead", "cancelled", "expired"];

/// What is known of the fleet at one time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Snapshot {
    /// When it was read, by the fleet's clock.
    pub(crate) at: Timestamp,
    /// Whose jobs it is about; all tenants' if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<Tenant>,
    /// Jobs by state.
    pub(crate) states: BTreeMap<String, u64>,
    /// Queues; none if the key may not see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) queues: Option<Vec<ScaleView>>,
    /// The newest jobs that run.
    pub(crate) running: Vec<JobView>,
    /// Retries that are due within the hour, the next first.
    pub(crate) retries: Vec<AskedJob>,
    /// How many are due when.
    pub(crate) forecast: Vec<AskedTime>,
    /// What failed, by why.
    pub(crate) failures: Vec<FailureGroupView>,
    /// Workers; none if the key may not see them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) workers: Option<Vec<WorkerView>>,
}

/// Jobs a second between two times.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Rates {
    /// That were accepted.
    pub(crate) accepted: f64,
    /// That ended.
    pub(crate) ended: f64,
}

impl Snapshot {
    /// Reads everything.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let hour = |limit: u32| [("within", "1h".to_owned()), ("limit", limit.to_string())];
        let due = client.answer("retries-due", &hour(ROWS)).await?;
        let forecast = client.answer("retry-forecast", &hour(ROWS)).await?;
        let (Rows::Jobs { jobs: retries }, Rows::Times { times: forecast }) =
            (due.rows, forecast.rows)
        else {
            bail!("the service answers other questions; are both of one version?");
        };
        let who = client.whoami().await?;
        let may = who.scopes;
        let queues = match may.contains(&Scope::Scale) {
            true => Some(client.scale(&[]).await?),
            false => None,
        };
        let workers = match may.contains(&Scope::Ops) {
            true => Some(client.workers().await?),
            false => None,
        };
        let running = [("state", "running".to_owned()), ("limit", ROWS.to_string())];
        Ok(Self {
            at: due.at,
            tenant: who.tenant,
            states: client.counts().await?,
            queues,
            running: client.jobs(&running).await?.jobs,
            retries,
            forecast,
            failures: client.failures(&[("limit", ROWS.to_string())]).await?.groups,
            workers,
        })
    }

    /// How many jobs there are in a state.
    pub(crate) fn jobs(&self, state: &str) -> u64 {
        self.states.get(state).copied().unwrap_or(0)
    }

    /// How fast jobs came and went since another time; none if that is no later time, or if jobs were removed meanwhile.
    pub(crate) fn rates_since(&self, before: &Self) -> Option<Rates> {
        let seconds = self.at.since(before.at).as_secs_f64();
        let all = |snapshot: &Self| snapshot.states.values().sum::<u64>();
        let ended = |snapshot: &Self| ENDS.iter().map(|state| snapshot.jobs(state)).sum::<u64>();
        let rate = |now: u64, then: u64| Some(now.checked_sub(then)? as f64 / seconds);
        if seconds <= 0.0 {
            return None;
        }
        let accepted = rate(all(self), all(before))?;
        Some(Rates { accepted, ended: rate(ended(self), ended(before))? })
    }
}
