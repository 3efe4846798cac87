//! The dispatcher: the only one that sends jobs, and the one that looks after every timer.
//!
//! It commits `Sent`, then produces, then records where the message lies; a crash between any two is found
//! again by the timer of a `Sent` job without a placement. It decides who runs next: a lane's queue holds only
//! a small window, so that an urgent job does not wait behind what was sent before.
//!
//! | you look for | file |
//! |---|---|
//! | who goes next, of whom | `dispatcher/fair_share.rs`, pure; `dispatcher/filling.rs` reads and sends |
//! | what gets no jobs | `dispatcher/pausing.rs` |
//! | what workers are told | `dispatcher/ordering.rs` |
//! | jobs that come again and again | `dispatcher/ticking.rs` |
//! | what goes when its time has come | `dispatcher/retention.rs` |
//! | what goes because somebody asked | `dispatcher/deleting.rs` |
//! | dead letters that go back | `dispatcher/replaying.rs` |
//! | what is done to all jobs that match | `dispatcher/bulk.rs` |
//! | what webhooks are told | `dispatcher/telling.rs` |
//! | settings | `dispatcher/config.rs` |
//! | what silence proves | `dispatcher/horizon.rs`; of a whole region, `dispatcher/reach.rs` |
//! | messages, and where they lie | `dispatcher/sending.rs` |
//! | seals | `dispatcher/closing.rs` |
//! | jobs that are split, and their children | `dispatcher/families.rs` |
//! | how much there is to do | `dispatcher/backlog.rs` |
//!
//! One dispatcher leads a database, the others stand by. Two at work would be safe, each write being a
//! compare-and-set, but would send some jobs twice; that happens for a moment when a lead is lost unnoticed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use panofleet_bus::sealed::sealed_control;
use panofleet_bus::{Bus, BusError, Queue};
use panofleet_job_schema::lifecycle::{Decision, Effect, Event, Reason, decide};
use panofleet_job_schema::policy::Policy;
use panofleet_job_schema::{Job, Lane, Region, RegionKeys, Timestamp};
use panofleet_jobs_db::{
    Due, DueKey, JobWrite, JobsDb, JobsDbError, Lead, Pause, QueueName, Versioned, WorkerRow,
};
use panofleet_objects::ObjectStore;
use panofleet_service::clock::wall_clock;
use panofleet_service::trace;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::api::ApiConfig;
use crate::metrics;
use crate::transition::{Transition, transition};

mod backlog;
mod bulk;
mod closing;
mod config;
mod deleting;
mod fair_share;
mod families;
mod filling;
mod horizon;
mod ordering;
pub(crate) mod pausing;
pub(crate) mod reach;
mod readings;
mod replaying;
mod retention;
mod sending;
mod telling;
mod ticking;

pub use config::{BadDispatchConfig, DispatchConfig, TenantLimits};
pub use retention::config::{BadRetention, Keep, RetentionConfig};

use fair_share::FairShare;
use filling::Filled;
use pausing::Pauses;
use reach::Reach;
use readings::{Crew, Timers};

/// Jobs that one turn sends to one queue, and timers that it reads at once.
const TURN_JOBS_MAX: u32 = 1024;
/// Readings of timers in one turn. The next turn goes on behind them: timers that may not fire yet hold up no others.
const TURN_READINGS_MAX: u32 = 16;
/// Seals under way at once.
const CONCURRENT_MAX: usize = 16;
/// Jobs that wait to be sealed. Those beyond it wait for their next timer.
const CLOSINGS_MAX: usize = 256;
/// Longest wait between two turns: writes of other processes are noticed at least this often.
const TURN_WAIT_MAX: Duration = Duration::from_secs(1);
/// How long a reading of the workers' slots is good for: they change when a worker comes, drains or falls silent.
const CREW_KEPT: Duration = Duration::from_millis(250);
/// How long a reading of the next timer is good for. One that is set meanwhile and due before that fires a moment late.
const TIMERS_KEPT: Duration = Duration::from_millis(250);
/// Wait for more room in a window that is nearly full. Its jobs are on their way; many small turns would only cost more.
const GATHER_WAIT: Duration = Duration::from_millis(5);
/// Wait while a timer is due that may not fire yet: silence is not trusted before the log is caught up.
const NOT_YET_WAIT: Duration = Duration::from_millis(250);
/// Time between two tries of a standby to lead.
const STANDBY_WAIT: Duration = Duration::from_secs(1);
/// What the dispatchers of a database lead under.
const LEAD: &str = "dispatcher";
/// Wait after a turn that failed.
const TROUBLE_WAIT: Duration = Duration::from_secs(1);

/// What the dispatcher works with.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    /// The job database.
    pub db: Arc<dyn JobsDb>,
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// The object store, for seals.
    pub objects: ObjectStore,
    /// What messages are signed with.
    pub keys: RegionKeys,
    /// What timers go by.
    pub policy: Policy,
    /// The regions whose queues it fills.
    pub regions: Vec<Region>,
    /// Who goes next.
    pub config: DispatchConfig,
    /// How long what is kept.
    pub retention: RetentionConfig,
    /// What the API accepts, for the jobs of schedules.
    pub api: ApiConfig,
}

/// What the turns hand to those that work beside them.
#[derive(Clone, Debug)]
struct Out {
    /// Jobs to be sealed.
    closings: mpsc::Sender<Job>,
    /// Messages that the bus has.
    placed: mpsc::Sender<sending::Placed>,
    /// Where those lie whose place is not written yet.
    unwritten: Arc<sending::Unwritten>,
}

/// Where the turns have come to.
#[derive(Debug, Default)]
struct Place {
    /// The database's change counter.
    seen: u64,
    /// The last timer that was looked after, if there are more behind it.
    after: Option<DueKey>,
    /// How tenants stand to each other in each queue. It starts anew with whoever leads.
    shares: BTreeMap<Queue, FairShare>,
    /// When regions were heard of.
    reach: Reach,
    /// Whose slots there are.
    crew: Crew,
    /// The next timer.
    timers: Timers,
}

/// What a turn knows, for all timers and queues.
#[derive(Debug)]
struct Look {
    now: Timestamp,
    workers: Arc<Vec<WorkerRow>>,
    pauses: Pauses,
    /// By region, the time before which nothing is concluded from silence.
    excused: BTreeMap<Region, Timestamp>,
}

/// What went wrong in a turn. Nothing is lost: the next turn finds it all again.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Db(#[from] JobsDbError),
    #[error(transparent)]
    Bus(#[from] BusError),
}

impl Dispatcher {
    /// Runs until `shutdown`: stands by, and works while it leads. Trouble with the database or the bus is waited out.
    pub async fn run(self, shutdown: CancellationToken) {
        // They outlive a lead, which ends with its connection to the database.
        let unwritten = Arc::new(sending::Unwritten::default());
        while let Some(mut lead) = self.await_lead(&shutdown).await {
            tracing::info!("leading: this dispatcher sends jobs");
            let _leading = metrics::Leading::begin();
            tokio::select! {
                () = self.work(&unwritten, &shutdown) => {}
                () = lead.lost() => {
                    tracing::warn!("the lead is lost; standing by");
                    continue;
                }
            }
            if let Err(error) = lead.resign().await {
                tracing::warn!(%error, "the lead is not given up; the database will notice");
            }
        }
    }

    /// The lead, once nobody else has it; `None` when it is time to end.
    async fn await_lead(&self, shutdown: &CancellationToken) -> Option<Box<dyn Lead>> {
        let mut trouble = false;
        while !shutdown.is_cancelled() {
            let tried = tokio::select! {
                tried = self.db.try_lead(LEAD) => tried,
                () = shutdown.cancelled() => return None,
            };
            match tried {
                Ok(Some(lead)) => return Some(lead),
                Ok(None) => trouble = false,
                Err(error) => {
                    if !std::mem::replace(&mut trouble, true) {
                        tracing::warn!(%error, "nobody can be asked for the lead");
                    }
                }
            }
            tokio::select! {
                () = tokio::time::sleep(STANDBY_WAIT) => {}
                () = shutdown.cancelled() => {}
            }
        }
        None
    }

    /// What the leader does until `shutdown`. May be dropped anywhere: what was not carried out is found again.
    async fn work(&self, unwritten: &Arc<sending::Unwritten>, shutdown: &CancellationToken) {
        let (closings, closing) = mpsc::channel(CLOSINGS_MAX);
        let (placed, places) = mpsc::channel(sending::PLACES_WAITING_MAX);
        let out = Out { closings, placed, unwritten: Arc::clone(unwritten) };
        tokio::join!(
            self.dispatch(out.clone(), shutdown),
            self.close(out.clone(), closing, shutdown),
            self.end_strays(out.clone(), shutdown),
            self.delete_requested(shutdown),
            self.do_bulks(out, shutdown),
            self.keep_places(places, unwritten, shutdown),
            self.measure(shutdown),
            self.order_workers(shutdown),
            self.replay_letters(shutdown),
            self.retain(shutdown),
            self.tell(shutdown),
            self.tick_schedules(shutdown),
            self.watch_regions(shutdown)
        );
    }

    /// Puts seals beside the turns: a store that does not answer holds up nobody else's job.
    async fn close(&self, out: Out, closing: mpsc::Receiver<Job>, shutdown: &CancellationToken) {
        let jobs =
            stream::unfold(closing, async |mut closing| Some((closing.recv().await?, closing)));
        let seals = jobs.for_each_concurrent(CONCURRENT_MAX, async |job| {
            let closing = async {
                if let Err(error) = closing::close(self, &job, &out).await {
                    tracing::warn!(%error, "closing is tried again later");
                }
            };
            closing.instrument(span_of(&job)).await;
        });
        tokio::select! {
            () = seals => {}
            () = shutdown.cancelled() => {}
        }
    }

    async fn dispatch(&self, out: Out, shutdown: &CancellationToken) {
        let mut place = Place::default();
        let mut in_trouble = false;
        while !shutdown.is_cancelled() {
            let turn = tokio::select! {
                turn = self.turn(&mut place, &out) => turn,
                () = shutdown.cancelled() => return,
            };
            match turn {
                Ok(()) if in_trouble => {
                    in_trouble = false;
                    tracing::info!("dispatching again");
                }
                Ok(()) => {}
                Err(error) => {
                    metrics::turn_failed();
                    if !in_trouble {
                        tracing::warn!(%error, "dispatching waits");
                    }
                    in_trouble = true;
                    tokio::select! {
                        () = tokio::time::sleep(TROUBLE_WAIT) => {}
                        () = shutdown.cancelled() => return,
                    }
                }
            }
        }
    }

    /// One turn: due timers, then whoever goes next, then a wait for something to change.
    async fn turn(&self, place: &mut Place, out: &Out) -> Result<(), TurnError> {
        let begun = Instant::now();
        // Read before the work: what is written meanwhile ends the wait at once.
        place.seen = self.db.changed(place.seen, Duration::ZERO).await?;
        let queues: Vec<QueueName> = (self.regions.iter())
            .flat_map(|region| Lane::ALL.map(|lane| (region.clone(), lane)))
            .collect();
        let db = self.db.as_ref();
        let mut outlook = place.timers.outlook(db, &queues, TIMERS_KEPT).await?;
        if outlook.is_due() {
            let workers = place.crew.read(db, Duration::ZERO).await?;
            let now = self.db.now().await?;
            let look = self.look_around(&mut place.reach, workers, (now, outlook.pauses));
            self.look_after_timers(&mut place.after, (&look, out)).await?;
            outlook = place.timers.outlook(db, &queues, Duration::ZERO).await?;
        }
        let workers = place.crew.read(db, CREW_KEPT).await?;
        let look = self.look_around(&mut place.reach, workers, (outlook.now, outlook.pauses));
        let (mut goes_on, mut gathers, mut has_queued) = (false, false, false);
        for ((region, lane), stand) in queues.into_iter().zip(outlook.queues) {
            let queue = Queue { region, lane };
            has_queued |= stand.has_queued;
            let share = place.shares.entry(queue.clone()).or_default();
            let come_to = self.fill_window((&queue, stand), share, (&look, out)).await?;
            // What is written here needs no other turn.
            place.seen += u64::from(matches!(come_to, Filled::Sent | Filled::More));
            goes_on |= matches!(come_to, Filled::Searching | Filled::More);
            gathers |= come_to == Filled::Gathering;
        }
        let knows_timers = place.timers.are_read_since(begun);
        let wait_max = if has_queued || !knows_timers { CREW_KEPT } else { TURN_WAIT_MAX };
        let wait = match outlook.next_due {
            _ if goes_on => Duration::ZERO,
            Some(due) => match due.since(outlook.now) {
                Duration::ZERO => NOT_YET_WAIT,
                left => left.min(wait_max),
            },
            None => wait_max,
        };
        metrics::turned(begun.elapsed());
        if gathers && !goes_on {
            tokio::time::sleep(GATHER_WAIT).await;
        }
        place.seen = self.db.changed(place.seen, wait).await?;
        Ok(())
    }

    fn look_around(
        &self,
        reach: &mut Reach,
        workers: Arc<Vec<WorkerRow>>,
        (now, pauses): (Timestamp, Vec<Pause>),
    ) -> Look {
        let excused = reach.look(&self.regions, &workers, now, &self.policy);
        Look { now, workers, pauses: Pauses::of(pauses), excused }
    }

    /// Looks after due timers, from the one behind `after` on.
    async fn look_after_timers(
        &self,
        after: &mut Option<DueKey>,
        with: (&Look, &Out),
    ) -> Result<(), TurnError> {
        for _ in 0..TURN_READINGS_MAX {
            let now = self.db.now().await?;
            let due = self.db.due(now, *after, TURN_JOBS_MAX).await?;
            let is_last = due.len() < TURN_JOBS_MAX as usize;
            // From the first again, once the last was looked after.
            *after = due.last().filter(|_| !is_last).map(Due::key);
            let due: Vec<_> = due.into_iter().map(|due| due.found).collect();
            self.look_after(&due, now, with).await?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    async fn look_after(
        &self,
        due: &[Versioned],
        now: Timestamp,
        (look, out): (&Look, &Out),
    ) -> Result<(), TurnError> {
        if due.is_empty() {
            return Ok(());
        }
        let horizons = horizon::Horizons::read(self, due, look).await?;
        let mut decided = Vec::new();
        for Versioned { job, version } in due {
            let event = match out.unwritten.event_for(job, now) {
                Some(placed) => placed,
                None => Event::Tick { now, horizon: horizons.of(job, self).await },
            };
            if let Ok(decision) = decide(job, &event, &self.policy) {
                decided.push((decision, *version));
            }
        }
        let written = self.write(decided, now).await?;
        for decision in &written {
            metrics::timer_fired(decision.reason);
            if let Reason::LeaseLapsed | Reason::AttemptTimedOut | Reason::MessageLost =
                decision.reason
            {
                let _span = span_of(&decision.job).entered();
                tracing::warn!(reason = %decision.reason.name(), "attempt given up");
            }
        }
        self.carry_out(&written, out).await;
        Ok(())
    }

    /// Writes decisions, all at once, and says which were written.
    async fn write(
        &self,
        decided: Vec<(Decision, u64)>,
        now: Timestamp,
    ) -> Result<Vec<Decision>, JobsDbError> {
        if decided.is_empty() {
            return Ok(Vec::new());
        }
        let write_of = |(decision, version): &(Decision, u64)| {
            JobWrite::of(decision, *version, now, &self.policy)
        };
        let writes: Vec<JobWrite> = decided.iter().map(write_of).collect();
        // What somebody else changed meanwhile is found again.
        let written = self.db.write_each(&writes).await?;
        let decisions = decided.into_iter().map(|(decision, _)| decision);
        Ok(decisions.filter(|decision| written.contains(&decision.job.id)).collect())
    }

    async fn effects(&self, decision: &Decision, out: &Out) {
        let job = &decision.job;
        for effect in &decision.effects {
            let done = match effect {
                Effect::Produce(attempt) => {
                    self.produce(job, *attempt, (decision.reason, out)).await
                }
                Effect::Control => self.publish_control(job).await,
                Effect::Close => {
                    if let Err(full) = out.closings.try_send(job.clone()) {
                        tracing::debug!(%full, "closing waits for its next timer");
                    }
                    Ok(())
                }
            };
            if let Err(error) = done {
                tracing::warn!(?effect, %error, "effect is tried again later");
            }
        }
    }

    async fn publish_control(&self, job: &Job) -> Result<(), TurnError> {
        for (region, record) in sealed_control(job, &self.keys, wall_clock())? {
            self.bus.publish_control(&region, job.id, record).await?;
        }
        Ok(())
    }

    /// Applies what closing found out.
    async fn closed(
        &self,
        job: &Job,
        event: impl Fn(Timestamp) -> Event + Send + Sync,
    ) -> Result<(), TurnError> {
        let applied =
            transition(self.db.as_ref(), job.id, &self.policy, |now, _| event(now)).await?;
        if let Transition::Changed(decision) = applied {
            self.publish_control(&decision.job).await?;
        }
        Ok(())
    }
}

fn span_of(job: &Job) -> tracing::Span {
    trace::job_span(job.id, job.trace.as_deref())
}

/// Horizons by partition, as one turn reads them.
type Partitions = BTreeMap<u32, panofleet_job_schema::lifecycle::PartitionHorizon>;
