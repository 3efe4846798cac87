//! Filling the window of a queue: how many jobs go, which ones, and sending them.

use std::collections::{BTreeMap, VecDeque};

use panofleet_bus::Queue;
use panofleet_job_schema::job::State;
use panofleet_job_schema::lifecycle::{Event, decide};
use panofleet_job_schema::{Tenant, Timestamp};
use panofleet_jobs_db::{JobsDbError, LineRead, QueueOutlook, Versioned, WorkerRow};

use super::fair_share::{Beyond, FairShare, Line, TENANTS_MAX, Waiting};
use super::pausing::Pauses;
use super::{Dispatcher, Look, Out, TURN_JOBS_MAX, TurnError};
use crate::metrics;

/// Windows of tenants' names that one turn looks through until it finds somebody who may go. The next turn goes on.
const READINGS_MAX: u32 = 16;

/// A window with less room than this share of it is left alone for a moment.
const GATHER_SHARE: u32 = 8;

/// What came of a look at a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Filled {
    /// Nobody may go, or there is no room.
    Settled,
    /// Whoever may go has gone, as far as there was room.
    Sent,
    /// As many have gone as one turn sends. The next turn goes on.
    More,
    /// There is little room, and soon there will be more.
    Gathering,
    /// Nobody was found yet, among more tenants than one turn looks at.
    Searching,
}

/// What filling one queue goes by.
#[derive(Debug)]
struct Turn<'a> {
    now: Timestamp,
    pauses: &'a Pauses,
    /// Jobs that each tenant has sent or running.
    in_flight: BTreeMap<Tenant, u32>,
}

impl Dispatcher {
    /// Sends jobs of one queue until its window is full.
    pub(super) async fn fill_window(
        &self,
        (queue, QueueOutlook { sent, has_queued }): (&Queue, QueueOutlook),
        share: &mut FairShare,
        (Look { now, workers, pauses, .. }, out): (&Look, &Out),
    ) -> Result<Filled, TurnError> {
        let now = *now;
        let window = self.window(queue, workers, now);
        metrics::window(queue, window, window.saturating_sub(sent));
        if pauses.hold(queue) || !has_queued {
            return Ok(Filled::Settled);
        }
        let in_flight = self.in_flight(queue).await?;
        let all = in_flight.values().copied().fold(0, u32::saturating_add);
        let allowed = self.config.queue_jobs_max.map_or(u32::MAX, |max| max.saturating_sub(all));
        let room = window.saturating_sub(sent).min(allowed).min(TURN_JOBS_MAX);
        if room == 0 {
            return Ok(Filled::Settled);
        }
        if window.saturating_sub(sent) < window / GATHER_SHARE {
            return Ok(Filled::Gathering);
        }
        let turn = Turn { now, in_flight, pauses };
        let next = self.next_jobs(queue, share, room, &turn).await?;
        let mut decided = Vec::new();
        for Versioned { job, version } in &next {
            if let Ok(decision) = decide(job, &Event::Dispatched { now }, &self.policy) {
                decided.push((decision, *version));
            }
        }
        let written = self.write(decided, now).await?;
        self.carry_out(&written, out).await;
        Ok(match next.len() {
            0 if share.has_seen_all() => Filled::Settled,
            0 => Filled::Searching,
            // Somebody was faster, or nobody may go after all: there is no write of ours to tell from others' news.
            _ if written.is_empty() => Filled::Settled,
            sent if sent == TURN_JOBS_MAX as usize => Filled::More,
            _ => Filled::Sent,
        })
    }

    /// What each tenant has at work, if that matters.
    async fn in_flight(&self, queue: &Queue) -> Result<BTreeMap<Tenant, u32>, JobsDbError> {
        if !self.config.has_limits() {
            return Ok(BTreeMap::new());
        }
        self.db.in_flight(&queue.region, queue.lane).await
    }

    /// How many messages may wait unclaimed in a queue: as many as its workers can run, at least one.
    fn window(&self, queue: &Queue, workers: &[WorkerRow], now: Timestamp) -> u32 {
        self.slots(queue, workers, now).max(1)
    }

    /// How many jobs the workers of a queue that live and do not drain can run at once.
    pub(super) fn slots(&self, queue: &Queue, workers: &[WorkerRow], now: Timestamp) -> u32 {
        workers
            .iter()
            .filter(|row| row.worker.region == queue.region)
            .filter(|row| !row.worker.draining && now.since(row.beat_at) < self.policy.lease.0)
            .map(|row| row.worker.slots_of(queue.lane))
            .fold(0, u32::saturating_add)
    }

    /// Up to `room` jobs, in the order in which they go.
    async fn next_jobs(
        &self,
        queue: &Queue,
        share: &mut FairShare,
        room: u32,
        turn: &Turn<'_>,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        let tenants_max = u32::try_from(TENANTS_MAX).expect("it is a small constant");
        for _ in 0..READINGS_MAX {
            let is_first = share.after().iter().all(Option::is_none);
            let heads = self.db.heads(&queue.region, queue.lane, share.after(), tenants_max);
            let heads = heads.await?;
            if heads.is_empty() && is_first {
                break;
            }
            // How many of each would go if all were like their heads: no more than that is read.
            let alike: Vec<_> = heads
                .iter()
                .map(|head| self.line(&line_of(head), [head], Beyond::Alike, turn))
                .collect();
            let mut asked = vec![0; heads.len()];
            for index in share.clone().choose(&alike, room) {
                asked[index] += 1;
            }
            let names: Vec<_> = heads.iter().map(line_of).collect();
            let mut queued = self.read_lines(queue, heads, &asked).await?;
            let lines: Vec<_> = (names.iter().zip(&queued).zip(&asked))
                .map(|((name, jobs), asked)| {
                    let is_all = (jobs.len() as u64) < u64::from(*asked);
                    let beyond = if is_all { Beyond::Nothing } else { Beyond::Unknown };
                    self.line(name, jobs, beyond, turn)
                })
                .collect();
            let chosen = share.choose(&lines, room);
            if !chosen.is_empty() {
                return Ok(chosen.iter().filter_map(|line| queued[*line].pop_front()).collect());
            }
        }
        Ok(Vec::new())
    }

    /// The lines of these heads, each as far as it is asked for; its head alone if that is no further.
    async fn read_lines(
        &self,
        queue: &Queue,
        heads: Vec<Versioned>,
        asked: &[u32],
    ) -> Result<Vec<VecDeque<Versioned>>, JobsDbError> {
        let mut reads = Vec::new();
        let mut places = BTreeMap::new();
        let mut lines = Vec::new();
        for (place, (head, &jobs)) in heads.into_iter().zip(asked).enumerate() {
            if jobs > 1 {
                let (band, tenant) = line_of(&head);
                places.insert((band, tenant.clone()), place);
                reads.push(LineRead { band, tenant, jobs });
                lines.push(VecDeque::new());
            } else {
                lines.push(VecDeque::from([head]));
            }
        }
        if reads.is_empty() {
            return Ok(lines);
        }
        for found in self.db.lines(&queue.region, queue.lane, &reads).await? {
            if let Some(place) = places.get(&line_of(&found)) {
                lines[*place].push_back(found);
            }
        }
        Ok(lines)
    }

    fn line<'a>(
        &self,
        (band, tenant): &(u8, Tenant),
        jobs: impl IntoIterator<Item = &'a Versioned>,
        beyond: Beyond,
        turn: &Turn<'_>,
    ) -> Line {
        let waiting = |Versioned { job, .. }: &Versioned| Waiting {
            deadline_at: job.deadline_at,
            lifts: match job.state {
                State::Queued { since } => self.config.lifts(turn.now.since(since)),
                _ => 0,
            },
        };
        let in_flight = turn.in_flight.get(tenant).copied().unwrap_or(0);
        let left = match turn.pauses.hold_tenant(tenant) {
            true => 0,
            false => self.config.jobs_max(tenant).saturating_sub(in_flight),
        };
        Line {
            tenant: tenant.clone(),
            weight: self.config.weight(tenant),
            left,
            band: *band,
            jobs: jobs.into_iter().map(waiting).collect(),
            beyond,
        }
    }
}

fn line_of(head: &Versioned) -> (u8, Tenant) {
    (head.job.spec.priority.band(), head.job.tenant.clone())
}
