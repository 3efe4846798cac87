//! The rows of the simulated database.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::next_timer;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{ClaimId, Job, JobId, Lane, Region, Tenant, Timestamp, WorkerId};
use panofleet_jobs_db::{
    Accepted, Backlog, ByBand, Due, DueKey, HeartbeatWrite, HistoryEntry, JobFilter, JobsDbError,
    LineRead, Observation, Offer, PartitionRow, Pause, PauseTarget, QueueName, QueueOutlook,
    Upload, Versioned, WorkerRow,
};
use uuid::Uuid;

use super::leads::Holder;

/// Everything in the database.
#[derive(Debug, Default)]
pub(crate) struct DbState {
    pub(crate) jobs: BTreeMap<JobId, Row>,
    keys: BTreeMap<(Tenant, String), ([u8; 32], JobId)>,
    pub(super) partitions: BTreeMap<(String, u32), PartitionRow>,
    pub(super) workers: BTreeMap<WorkerId, WorkerRow>,
    pub(super) progress: BTreeMap<JobId, Progress>,
    pauses: BTreeMap<PauseTarget, Pause>,
    pub(super) uploads: BTreeMap<Uuid, Upload>,
    pub(super) leads: BTreeMap<String, Holder>,
    pub(super) sessions: u64,
    /// Counts writes.
    pub(super) changes: u64,
    /// How far the database's clock was set forward.
    pub(crate) ahead: Duration,
}

/// A job's row.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) job: Job,
    pub(super) version: u64,
    pub(super) timer_at: Option<Timestamp>,
    pub(crate) history: Vec<HistoryEntry>,
}

impl Row {
    pub(super) fn versioned(&self) -> Versioned {
        Versioned { job: self.job.clone(), version: self.version }
    }

    fn is_queued(&self, region: &Region, lane: Lane) -> bool {
        matches!(self.job.state, State::Queued { .. }) && self.is_of(region, lane)
    }

    fn is_of(&self, region: &Region, lane: Lane) -> bool {
        self.job.region == *region && self.job.lane == lane
    }

    fn line(&self) -> (u8, &Tenant) {
        (self.job.spec.priority.band(), &self.job.tenant)
    }
}

fn count(rows: impl Iterator) -> u32 {
    u32::try_from(rows.count()).unwrap_or(u32::MAX)
}

impl DbState {
    /// All or none: a job whose id is another's spoils them all.
    pub(super) fn accept_all(&mut self, offers: &[Offer]) -> Result<Vec<Accepted>, JobsDbError> {
        let (mut answers, mut keys, mut jobs) = (Vec::new(), self.keys.clone(), BTreeMap::new());
        for Offer { job, key } in offers {
            let key =
                key.as_ref().map(|key| ((job.tenant.clone(), key.key.clone()), key.payload_sha256));
            if let Some((key, payload)) = &key
                && let Some((known, id)) = keys.get(key)
            {
                let of_before = || self.jobs.get(id).map(|row| row.job.clone());
                let existing: Option<Job> = jobs.get(id).cloned().or_else(of_before);
                answers.push(match existing {
                    Some(existing) if known == payload => Accepted::Existing(Box::new(existing)),
                    _ => Accepted::KeyTaken(*id),
                });
                continue;
            }
            let is_new = !self.jobs.contains_key(&job.id) && !jobs.contains_key(&job.id);
            if !is_new {
                return Err(JobsDbError::Conflict(format!("job {}", job.id)));
            }
            keys.extend(key.map(|(key, payload)| (key, (payload, job.id))));
            jobs.insert(job.id, job.clone());
            answers.push(Accepted::Created);
        }
        self.keys = keys;
        for (id, job) in jobs {
            // What the lifecycle waits for, and the deadline at the latest.
            let timer_at = next_timer(&job, &Policy::default()).map(|at| at.min(job.deadline_at));
            self.jobs.insert(id, Row { job, version: 1, timer_at, history: Vec::new() });
        }
        self.changes += 1;
        Ok(answers)
    }

    pub(super) fn get(&self, ids: &[JobId]) -> Vec<Versioned> {
        ids.iter().filter_map(|id| self.jobs.get(id)).map(Row::versioned).collect()
    }

    pub(super) fn heads(
        &self,
        region: &Region,
        lane: Lane,
        after: &ByBand<Option<Tenant>>,
        limit: u32,
    ) -> Vec<Versioned> {
        let mut heads: BTreeMap<(u8, &Tenant), &Row> = BTreeMap::new();
        for row in self.jobs.values().filter(|row| row.is_queued(region, lane)) {
            let (band, tenant) = row.line();
            let after = after.get(usize::from(band)).and_then(Option::as_ref);
            if after.is_some_and(|after| tenant <= after) {
                continue;
            }
            let head = heads.entry((band, tenant)).or_insert(row);
            if (row.job.deadline_at, row.job.id) < (head.job.deadline_at, head.job.id) {
                *head = row;
            }
        }
        let mut of_band: BTreeMap<u8, u32> = BTreeMap::new();
        let heads = heads.into_iter().filter(|((band, _), _)| {
            let taken = of_band.entry(*band).or_default();
            *taken += 1;
            *taken <= limit
        });
        heads.map(|(_, row)| row.versioned()).collect()
    }

    pub(super) fn lines(&self, region: &Region, lane: Lane, lines: &[LineRead]) -> Vec<Versioned> {
        let mut found = Vec::new();
        for line in lines {
            let is_in =
                |row: &&Row| row.is_queued(region, lane) && row.line() == (line.band, &line.tenant);
            let mut rows: Vec<&Row> = self.jobs.values().filter(is_in).collect();
            rows.sort_by_key(|row| (row.job.deadline_at, row.job.id));
            found.extend(rows.into_iter().take(line.jobs as usize).map(Row::versioned));
        }
        found
    }

    pub(super) fn queue(&self, (region, lane): &QueueName) -> QueueOutlook {
        let rows = || self.jobs.values().filter(|row| row.is_of(region, *lane));
        let is_sent = |row: &&Row| matches!(row.job.state, State::Sent { .. });
        let has_queued = rows().any(|row| matches!(row.job.state, State::Queued { .. }));
        QueueOutlook { sent: count(rows().filter(is_sent)), has_queued }
    }

    pub(super) fn in_flight(&self, region: &Region, lane: Lane) -> BTreeMap<Tenant, u32> {
        let mut found = BTreeMap::new();
        for row in self.jobs.values().filter(|row| row.is_of(region, lane)) {
            if let State::Sent { .. } | State::Running { .. } = row.job.state {
                *found.entry(row.job.tenant.clone()).or_default() += 1;
            }
        }
        found
    }

    pub(super) fn due(&self, now: Timestamp, after: Option<DueKey>, limit: u32) -> Vec<Due> {
        let due = |row: &Row| {
            let timer_at = row.timer_at.filter(|at| *at <= now)?;
            Some(Due { timer_at, found: row.versioned() })
        };
        let mut due: Vec<Due> = self.jobs.values().filter_map(due).collect();
        due.retain(|due| after.is_none_or(|after| due.key() > after));
        due.sort_by_key(Due::key);
        due.truncate(limit as usize);
        due
    }

    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.jobs.values().filter_map(|row| row.timer_at).min()
    }

    pub(super) fn list(&self, filter: &JobFilter, limit: u32) -> Vec<Versioned> {
        let matches = |row: &&Row| {
            let job = &row.job;
            filter.parent == job.child_of.map(|of| of.parent)
                && filter.tenant.as_ref().is_none_or(|tenant| *tenant == job.tenant)
                && (filter.states.is_empty()
                    || filter.states.iter().any(|state| state == job.state.name()))
                && filter.before.is_none_or(|before| job.id < before)
                && filter.region.as_ref().is_none_or(|region| *region == job.region)
                && filter
                    .label
                    .as_ref()
                    .is_none_or(|(key, value)| job.spec.labels.get(key) == Some(value))
        };
        self.jobs.values().rev().filter(matches).take(limit as usize).map(Row::versioned).collect()
    }

    pub(super) fn counts(&self, tenant: Option<&Tenant>) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        let theirs = |row: &&Row| tenant.is_none_or(|tenant| row.job.tenant == *tenant);
        for row in self.jobs.values().filter(theirs) {
            *counts.entry(row.job.state.name().to_owned()).or_default() += 1;
        }
        counts
    }

    /// Number of jobs in each state that there are any in.
    pub(crate) fn by_state(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for row in self.jobs.values() {
            *counts.entry(row.job.state.name()).or_default() += 1;
        }
        counts
    }

    pub(super) fn backlog(&self) -> Vec<Backlog> {
        let mut groups: BTreeMap<(Region, Lane, &'static str), (u64, Timestamp)> = BTreeMap::new();
        for job in self.jobs.values().map(|row| &row.job).filter(|job| !job.state.is_terminal()) {
            let group = (job.region.clone(), job.lane, job.state.name());
            groups.entry(group).or_insert((0, job.accepted_at)).0 += 1;
        }
        let row = |((region, lane, state), (jobs, oldest_accepted_at))| Backlog {
            region,
            lane,
            state,
            jobs,
            oldest_accepted_at,
        };
        groups.into_iter().map(row).collect()
    }

    pub(super) fn history(&self, job: JobId) -> Vec<HistoryEntry> {
        self.jobs.get(&job).map_or_else(Vec::new, |row| row.history.clone())
    }

    pub(super) fn progress(&self, jobs: &[JobId]) -> BTreeMap<JobId, Progress> {
        let is_running = |job: &JobId| {
            self.jobs.get(job).is_some_and(|row| matches!(row.job.state, State::Running { .. }))
        };
        let said = |job: &JobId| {
            let progress = self.progress.get(job).filter(|_| is_running(job))?;
            Some((*job, progress.clone()))
        };
        jobs.iter().filter_map(said).collect()
    }

    pub(super) fn partitions(&self, log_id: &str) -> BTreeMap<u32, PartitionRow> {
        let ours = self.partitions.iter().filter(|((log, _), _)| log == log_id);
        ours.map(|((_, partition), row)| (*partition, *row)).collect()
    }

    pub(super) fn observe(&mut self, log_id: &str, observations: &[Observation], gap: Duration) {
        for Observation { partition, observed_at, caught_up_at } in observations {
            let key = (log_id.to_owned(), *partition);
            let row = self.partitions.entry(key).or_insert_with(unseen);
            let is_first = row.observed_at == Timestamp::from_millis(0);
            if is_first || observed_at.since(row.observed_at) > gap {
                row.restarted_at = *observed_at;
            }
            row.observed_at = row.observed_at.max(*observed_at);
            row.caught_up_at = row.caught_up_at.max(caught_up_at.unwrap_or(row.caught_up_at));
        }
    }

    pub(super) fn beats(&self, claims: &[(WorkerId, ClaimId)]) -> BTreeMap<ClaimId, Timestamp> {
        let beat = |(worker, claim): &(WorkerId, ClaimId)| {
            let row = self.workers.get(worker)?;
            row.claims.contains(claim).then_some((*claim, row.beat_at))
        };
        claims.iter().filter_map(beat).collect()
    }

    pub(super) fn pause(&mut self, pause: &Pause) {
        self.changes += 1;
        let kept = self.pauses.entry(pause.target.clone()).or_insert_with(|| pause.clone());
        kept.reason.clone_from(&pause.reason);
    }

    /// By kind and name.
    pub(super) fn pauses(&self) -> Vec<Pause> {
        let mut pauses: Vec<Pause> = self.pauses.values().cloned().collect();
        pauses.sort_by_key(|pause| (pause.target.kind(), pause.target.name()));
        pauses
    }

    pub(super) fn resume(&mut self, target: &PauseTarget) -> Option<Pause> {
        self.changes += 1;
        self.pauses.remove(target)
    }

    pub(super) fn put_upload(&mut self, upload: &Upload) -> Result<(), JobsDbError> {
        if self.uploads.contains_key(&upload.id) {
            return Err(JobsDbError::Conflict(format!("upload {}", upload.id)));
        }
        self.uploads.insert(upload.id, upload.clone());
        Ok(())
    }

    /// Of a tenant's uploads: none is retired here.
    pub(super) fn upload_bytes(&self, tenant: &Tenant) -> u64 {
        self.uploads
            .values()
            .filter(|upload| upload.tenant == *tenant)
            .map(|upload| upload.bytes)
            .sum()
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &HeartbeatWrite) {
        let name = &heartbeat.worker.worker;
        let started_at = heartbeat.worker.started_at;
        if self.workers.get(name).is_some_and(|row| row.worker.started_at > started_at) {
            return; // Of an earlier life of the worker.
        }
        let (worker, claims) = (heartbeat.worker.clone(), heartbeat.claims.clone());
        self.workers.insert(name.clone(), WorkerRow { worker, beat_at: heartbeat.at, claims });
        for (job, progress) in &heartbeat.progress {
            if self.jobs.contains_key(job) {
                self.progress.insert(*job, progress.clone());
            }
        }
    }
}

pub(super) const fn unseen() -> PartitionRow {
    let never = Timestamp::from_millis(0);
    PartitionRow { next_offset: 0, observed_at: never, caught_up_at: never, restarted_at: never }
}
