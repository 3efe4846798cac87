//! A batch of events, folded over the jobs that they are about.

use std::collections::{BTreeMap, BTreeSet};

use panofleet_bus::sealed::sealed_control;
use panofleet_bus::{BusError, DeadLetter, EventRecord};
use panofleet_job_schema::envelope::Body;
use panofleet_job_schema::job::Placement;
use panofleet_job_schema::lifecycle::{Decision, Effect, Event, Refusal, decide};
use panofleet_job_schema::message::{AttemptId, ClaimEvent, Heartbeat, HeldClaim, Report};
use panofleet_job_schema::{Job, JobId, Region, Timestamp};
use panofleet_jobs_db::{
    Batch, HeartbeatWrite, JobWrite, JobsDbError, OffsetAdvance, RefusedResult,
};
use panofleet_service::clock::wall_clock;
use panofleet_service::trace::job_span;

use tracing::{Instrument as _, Span};

use crate::metrics::{self, Tally};
use crate::{Collector, CollectorError};

/// Lost races after which something is wrong.
const TRIES_MAX: u32 = 32;

/// One record, read.
struct News<'a> {
    record: &'a EventRecord,
    /// Whose key signed it.
    region: &'a Region,
    sent_at: Timestamp,
    trace: Option<String>,
    said: Said,
}

enum Said {
    Event(Box<ClaimEvent>),
    Heartbeat(Heartbeat),
}

/// What a fold has come to so far.
struct Fold<'a> {
    collector: &'a Collector,
    partition: u32,
    now: Timestamp,
    jobs: BTreeMap<JobId, Row>,
    heartbeats: Vec<HeartbeatWrite>,
    control: BTreeSet<JobId>,
    letters: Vec<Letter<'a>>,
    refusals: Vec<RefusedResult>,
    tally: Tally,
}

/// A record that cannot be applied, and why.
struct Letter<'a> {
    record: &'a EventRecord,
    reason: String,
    /// Of the job that it is about.
    span: Span,
}

struct Row {
    job: Job,
    version: u64,
    write: Option<JobWrite>,
}

impl Collector {
    /// Applies records of one partition, in order, and the offset behind them. Returns the next offset.
    pub(crate) async fn apply(
        &self,
        log_id: &str,
        partition: u32,
        from: u64,
        records: &[EventRecord],
    ) -> Result<u64, CollectorError> {
        let to = records.last().map_or(from, |record| record.offset + 1);
        let advance = OffsetAdvance { log_id: log_id.to_owned(), partition, from, to };
        let mut news = Vec::new();
        for record in records {
            match self.read(record) {
                Ok(read) => news.push(read),
                Err(reason) => self.bury(partition, record, &reason).await?,
            }
        }
        let mut buried = BTreeSet::new();
        for tries_left in (0..TRIES_MAX).rev() {
            let fold = self.fold(partition, &news).await?;
            // Before the commit, after which nobody would read them again; once, however many races are lost.
            for Letter { record, reason, span } in &fold.letters {
                if buried.insert(record.offset) {
                    self.bury(partition, record, reason).instrument(span.clone()).await?;
                }
            }
            let jobs = fold.jobs.into_values().filter_map(|row| row.write).collect::<Vec<_>>();
            let closed: Vec<Job> = jobs
                .iter()
                .filter(|write| fold.control.contains(&write.job.id))
                .map(|write| write.job.clone())
                .collect();
            let (heartbeats, refusals) = (fold.heartbeats, fold.refusals);
            let batch = Batch { jobs, offset: Some(advance.clone()), heartbeats, refusals };
            panofleet_service::CrashPoint::CollectorBeforeCommit.pass();
            match self.db.commit(batch).await {
                Ok(()) => {
                    panofleet_service::CrashPoint::CollectorAfterCommit.pass();
                    fold.tally.committed(records.len());
                    self.publish_control(&closed).await;
                    return Ok(to);
                }
                Err(conflict @ JobsDbError::Conflict(_)) => {
                    metrics::lost_race();
                    let rows = self.db.partitions(log_id).await?;
                    let next_offset = rows.get(&partition).map_or(0, |row| row.next_offset);
                    if next_offset != from || tries_left == 0 {
                        // Another collector has this partition: start over from where it stands.
                        return Err(conflict.into());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(to)
    }

    /// Opens a record, or says why nobody can use it.
    fn read<'a>(&'a self, record: &'a EventRecord) -> Result<News<'a>, String> {
        let (envelope, region) =
            self.keys.open(&record.payload).map_err(|unreadable| unreadable.to_string())?;
        let (sent_at, trace) = (envelope.sent_at, envelope.trace);
        let said = match envelope.body {
            Body::Event(event) => Said::Event(event),
            Body::Heartbeat(heartbeat) if heartbeat.worker.region == *region => {
                Said::Heartbeat(heartbeat)
            }
            Body::Heartbeat(heartbeat) => {
                let of = heartbeat.worker.region;
                return Err(format!("a heartbeat of region {of}, signed with a key of {region}"));
            }
            Body::Job(_) | Body::Control(_) | Body::Order(_) => {
                return Err("not an event or a heartbeat".to_owned());
            }
        };
        Ok(News { record, region, sent_at, trace, said })
    }

    async fn fold<'a>(
        &'a self,
        partition: u32,
        news: &[News<'a>],
    ) -> Result<Fold<'a>, CollectorError> {
        let ids: BTreeSet<JobId> = news.iter().flat_map(|news| jobs_of(&news.said)).collect();
        let (now, found) = self.db.get_now(&ids.into_iter().collect::<Vec<_>>()).await?;
        let rows = found.into_iter().map(|found| {
            (found.job.id, Row { job: found.job, version: found.version, write: None })
        });
        let mut fold = Fold {
            collector: self,
            partition,
            now,
            jobs: rows.collect(),
            heartbeats: Vec::new(),
            control: BTreeSet::new(),
            letters: Vec::new(),
            refusals: Vec::new(),
            tally: Tally::default(),
        };
        for News { record, region, sent_at, trace, said } in news {
            let kind = match said {
                Said::Event(event) => {
                    let span = job_span(event.id.job, trace.as_deref());
                    span.in_scope(|| fold.event(record, region, event));
                    event.report.name()
                }
                Said::Heartbeat(heartbeat) => {
                    fold.heartbeat(region, heartbeat);
                    "heartbeat"
                }
            };
            fold.tally.event(kind, wall_clock().since(*sent_at));
        }
        Ok(fold)
    }

    /// Keeps a record that cannot be applied, and why.
    async fn bury(
        &self,
        partition: u32,
        record: &EventRecord,
        reason: &str,
    ) -> Result<(), CollectorError> {
        tracing::warn!(partition, offset = record.offset, reason, "event goes to the dead letters");
        metrics::buried();
        let letter = DeadLetter {
            topic: "pf.events".into(),
            placement: Placement { partition, offset: record.offset },
            reason: reason.to_owned(),
            payload: record.payload.clone(),
        };
        Ok(self.bus.dead_letter(letter).await?)
    }

    /// Tells workers about jobs that nobody needs to start any more. It saves work; nothing hangs on it.
    async fn publish_control(&self, jobs: &[Job]) {
        for job in jobs {
            let published = async {
                for (region, record) in sealed_control(job, &self.keys, wall_clock())? {
                    self.bus.publish_control(&region, job.id, record).await?;
                }
                Ok::<_, BusError>(())
            };
            if let Err(error) = published.await {
                let _span = job_span(job.id, job.trace.as_deref()).entered();
                tracing::warn!(%error, "control record was not published");
            }
        }
    }
}

fn jobs_of(said: &Said) -> Vec<JobId> {
    match said {
        Said::Event(event) => vec![event.id.job],
        Said::Heartbeat(heartbeat) => heartbeat.claims.iter().map(|held| held.id.job).collect(),
    }
}

impl<'a> Fold<'a> {
    fn event(&mut self, record: &'a EventRecord, region: &Region, event: &ClaimEvent) {
        let (id, kind) = (event.id, event.report.name());
        if let Some(row) = self.jobs.get(&id.job)
            && row.job.region_of(id.attempt) != Some(region)
        {
            let sent_to = row.job.region_of(id.attempt).map_or("long ago", Region::as_str);
            let reason =
                format!("about an attempt sent to {sent_to}, signed with a key of {region}");
            return self.put_away(record, reason);
        }
        let reported = Event::Reported { event: event.clone(), now: self.now };
        let reason = match self.decide(id.job, &reported) {
            None => "the job is not known".to_owned(),
            Some(Err(refusal @ Refusal::UnknownAttempt)) => refusal.to_string(),
            Some(Ok(())) => {
                tracing::debug!(kind, attempt = %id.attempt, worker = %event.worker, "event applied");
                return;
            }
            Some(Err(refusal)) => {
                self.tally.refused(refusal);
                self.note_refusal(event, region, refusal);
                tracing::debug!(kind, attempt = %id.attempt, %refusal, "event changes nothing");
                return;
            }
        };
        self.put_away(record, reason);
    }

    /// Somebody may ask which results came too late, and from whom. One that says what is known is none of them.
    fn note_refusal(&mut self, event: &ClaimEvent, region: &Region, refusal: Refusal) {
        let is_result = matches!(
            event.report,
            Report::Succeeded { .. } | Report::Failed { .. } | Report::Expanded { .. }
        );
        let Some(row) = self.jobs.get(&event.id.job) else { return };
        if !is_result || refusal == Refusal::NothingNew {
            return;
        }
        self.refusals.push(RefusedResult {
            at: self.now,
            job: event.id.job,
            tenant: row.job.tenant.clone(),
            region: region.clone(),
            worker: event.worker.clone(),
            attempt: event.id.attempt,
            why: refusal.name(),
        });
    }

    fn put_away(&mut self, record: &'a EventRecord, reason: String) {
        self.letters.push(Letter { record, reason, span: Span::current() });
    }

    fn heartbeat(&mut self, region: &Region, heartbeat: &Heartbeat) {
        for HeldClaim { id, claim, .. } in &heartbeat.claims {
            if self.is_elsewhere(*id, region) {
                continue; // Not this region's to say anything about.
            }
            let renewed = Event::Renewed {
                id: *id,
                claim: *claim,
                worker: heartbeat.worker.worker.clone(),
                // A worker's heartbeats all come by the partition that this one came by.
                heartbeat_partition: self.partition,
                now: self.now,
            };
            // Most say nothing new, and one of a job that has ended is merely late.
            if let Some(Err(refusal)) = self.decide(id.job, &renewed)
                && refusal != Refusal::NothingNew
            {
                let trace = self.jobs.get(&id.job).and_then(|row| row.job.trace.as_deref());
                let _span = job_span(id.job, trace).entered();
                tracing::debug!(attempt = %id.attempt, %refusal, "heartbeat changes nothing");
            }
        }
        let progress = heartbeat.claims.iter().filter_map(|held| {
            let running =
                self.jobs.get(&held.id.job).is_some_and(|row| !row.job.state.is_terminal())
                    && !self.is_elsewhere(held.id, region);
            held.progress.clone().filter(|_| running).map(|progress| (held.id.job, progress))
        });
        self.heartbeats.push(HeartbeatWrite {
            worker: heartbeat.worker.clone(),
            claims: heartbeat.claims.iter().map(|held| held.claim).collect(),
            progress: progress.collect(),
            at: self.now,
        });
    }

    /// Whether an attempt of a job that there is was sent to another region.
    fn is_elsewhere(&self, id: AttemptId, region: &Region) -> bool {
        let row = self.jobs.get(&id.job);
        row.is_some_and(|row| row.job.region_of(id.attempt) != Some(region))
    }

    /// Applies an event to the job as the batch has left it so far; `None` if there is no such job.
    fn decide(&mut self, id: JobId, event: &Event) -> Option<Result<(), Refusal>> {
        let row = self.jobs.get_mut(&id)?;
        let policy = &self.collector.policy;
        Some(decide(&row.job, event, policy).map(|decision: Decision| {
            row.job = decision.job.clone();
            row.write = Some(match row.write.take() {
                None => JobWrite::of(&decision, row.version, self.now, policy),
                Some(write) => write.then(&decision, self.now, policy),
            });
            if decision.effects.contains(&Effect::Control) {
                self.control.insert(id);
            }
        }))
    }
}
