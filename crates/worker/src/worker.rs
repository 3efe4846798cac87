//! The worker as a whole: what it starts, and how it ends.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use panofleet_bus::{Bus, BusError, ControlFollower, JobSource, Queue};
use panofleet_job_schema::envelope::KeyRing;
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{ErrorClass, Failure, Lane, Operation, Span};
use panofleet_objects::ObjectStore;
use panofleet_service::clock::wall_clock;
use panofleet_service::patience::persistently;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::attempt::{Attempt, Ending, Workshop};
use crate::child::Program;
use crate::claims::{Claims, Stop};
use crate::config::WorkerConfig;
use crate::control::Control;
use crate::error::WorkerError;
use crate::heartbeat::{self, Identity};
use crate::intake::{ClaimedJob, Intake};
use crate::metrics::{self, Busy};
use crate::orders::{Orders, Taking};
use crate::outbox::Outbox;
use crate::reporter::{ClaimName, Reporter};
use crate::runner::Runner;
use crate::scratch::{Probed, Scratch};
use crate::source::{HttpsClient, Sources};
use crate::store::SCRATCH_FULL;

/// How long attempts that were told to stop, and their last events, may take.
const RELEASE_GRACE: Duration = Duration::from_secs(5);
/// How long a slot takes nothing after its job has found the disk full.
const DISK_FULL_REST: Duration = Duration::from_secs(10);

/// What a worker works with.
#[derive(Clone, Debug)]
pub struct WorkerResources {
    /// Where jobs come from and events go.
    pub bus: Arc<dyn Bus>,
    /// Where outputs go, and objects as sources come from.
    pub objects: ObjectStore,
    /// The region's keys.
    pub keys: KeyRing,
    /// The settings.
    pub config: WorkerConfig,
    /// How often claims are renewed: `policy.heartbeat`.
    pub heartbeat: Span,
}

/// Runs a worker until `shutdown` is cancelled and its attempts have ended.
///
/// After `shutdown` no work is taken; running attempts go on for `config.drain_grace` at most, heartbeats with
/// them. Then, or as soon as `now` is cancelled, their children are killed and their claims released; that takes
/// some 5 s at most, so give the process that much more than the drain grace. What could not be reported by then
/// is reported by the worker's next life. Dropping the future kills the children and reports nothing.
///
/// # Errors
/// [`WorkerError`] if it cannot start, or if the bus refuses what it cannot do without.
pub async fn run(
    resources: WorkerResources,
    shutdown: CancellationToken,
    now: CancellationToken,
) -> Result<(), WorkerError> {
    let runner = Arc::new(Program(resources.config.runner_path()?));
    run_with(runner, resources, shutdown, now).await
}

/// As [`run`], with something else than the configured program to start children: a simulation's.
///
/// # Errors
/// As [`run`].
pub async fn run_with(
    runner: Arc<dyn Runner>,
    resources: WorkerResources,
    shutdown: CancellationToken,
    now: CancellationToken,
) -> Result<(), WorkerError> {
    let grace = resources.config.drain_grace.0;
    // Ours to cancel when the worker ends for another reason.
    let shutdown = shutdown.child_token();
    let worker = Arc::new(Worker::assemble(runner, resources, shutdown.clone()).await?);
    // Both sets are aborted when this function ends, in whatever way. The first runs for ever, the second holds
    // a task for each claim until its last event is durable.
    let (mut background, claims) = (JoinSet::new(), Mutex::new(JoinSet::new()));
    worker.start_talking(&mut background);
    worker.report_abandoned(&claims).await?;

    let halt = worker.halt(now, grace, &mut background);
    let ended = tokio::select! {
        ended = worker.take_work(&mut background, &claims) => ended,
        () = halt.cancelled() => Ok(()),
    };
    let mut claims = claims.into_inner().unwrap_or_else(PoisonError::into_inner);
    tracing::info!(claims = claims.len(), "no more jobs are taken");
    shutdown.cancel();
    tokio::select! {
        () = all_ended(&mut claims) => {}
        () = halt.cancelled() => {}
    }
    worker.claims.stop_all(Stop::Drained);
    if tokio::time::timeout(RELEASE_GRACE, all_ended(&mut claims)).await.is_err() {
        tracing::warn!(claims = claims.len(), "claims are left to the next life of this worker");
    }
    ended
}

/// A task for each claim, until its last event is durable.
type Claiming = Mutex<JoinSet<()>>;

/// One worker.
#[derive(Debug)]
struct Worker {
    bus: Arc<dyn Bus>,
    claims: Arc<Claims>,
    control: Arc<Control>,
    orders: Arc<Orders>,
    outbox: Arc<Outbox>,
    reporter: Arc<Reporter>,
    scratch: Arc<Scratch>,
    /// One for each lane.
    intakes: Vec<Intake>,
    workshop: Workshop,
    identity: Identity,
    heartbeat: Duration,
    shutdown: CancellationToken,
}

impl Worker {
    async fn assemble(
        runner: Arc<dyn Runner>,
        resources: WorkerResources,
        shutdown: CancellationToken,
    ) -> Result<Self, WorkerError> {
        let WorkerResources { bus, objects, keys, config, heartbeat } = resources;
        config.check()?;
        let objects = objects.patient_for(config.store_patience.0);
        let scratch = Arc::new(Scratch::open(&config.scratch, &config.name).await?);
        let https = HttpsClient::new(config.source_networks.clone())?;
        let claims = Arc::new(Claims::default());
        let orders = Arc::new(Orders::new(config.name.clone()));
        let control =
            Arc::new(Control::new(keys.clone(), Arc::clone(&claims), Arc::clone(&orders)));
        let outbox = Arc::new(Outbox::new(config.event_buffer));
        let reporter =
            Arc::new(Reporter::new(keys.clone(), config.name.clone(), bus.event_partitions()));
        let slots = config.slots_by_lane();
        let intake = |(lane, slots): (&Lane, &u32)| Intake {
            lane: *lane,
            bus: Arc::clone(&bus),
            keys: keys.clone(),
            control: Arc::clone(&control),
            orders: Arc::clone(&orders),
            reporter: Arc::clone(&reporter),
            outbox: Arc::clone(&outbox),
            scratch: Arc::clone(&scratch),
            slots: Arc::new(Semaphore::new(*slots as usize)),
            shutdown: shutdown.clone(),
        };
        let intakes = slots.iter().map(intake).collect();
        metrics::slots(slots.values().sum());
        let identity = Identity {
            worker: config.name.clone(),
            region: config.region.clone(),
            slots,
            started_at: wall_clock(),
        };
        let sources =
            Sources { objects: objects.clone(), https, bytes_max: config.source_bytes_max };
        let workshop = Workshop { objects, sources, runner, config };
        let heartbeat = heartbeat.0;
        Ok(Self {
            bus,
            claims,
            control,
            orders,
            outbox,
            reporter,
            scratch,
            intakes,
            workshop,
            identity,
            heartbeat,
            shutdown,
        })
    }

    /// Starts to send events and heartbeats.
    fn start_talking(self: &Arc<Self>, background: &mut JoinSet<()>) {
        let this = Arc::clone(self);
        background.spawn(async move { this.outbox.pump(&*this.bus).await });
        let this = Arc::clone(self);
        background.spawn(async move {
            let voice = (&*this.reporter, &*this.outbox);
            let state = (&*this.claims, &*this.orders);
            heartbeat::beat(this.heartbeat, &this.identity, state, voice, &this.shutdown).await;
        });
        let this = Arc::clone(self);
        background.spawn(async move { this.orders.enforce(&this.claims).await });
    }

    /// A token that is cancelled when running attempts may not go on: `now`, or `grace` after the shutdown.
    fn halt(
        &self,
        now: CancellationToken,
        grace: Duration,
        background: &mut JoinSet<()>,
    ) -> CancellationToken {
        let halt = CancellationToken::new();
        let (shutdown, halted) = (self.shutdown.clone(), halt.clone());
        background.spawn(async move {
            let graced = async {
                shutdown.cancelled().await;
                tokio::time::sleep(grace).await;
            };
            tokio::select! {
                () = now.cancelled() => {}
                () = graced => {}
            }
            halted.cancel();
            // Whoever watches over these tasks takes an end for a panic.
            std::future::pending().await
        });
        halt
    }

    /// Reports the claims that an earlier life has left, so that their jobs are sent again at once.
    async fn report_abandoned(self: &Arc<Self>, claims: &Claiming) -> Result<(), WorkerError> {
        for (name, folder) in self.scratch.left_behind().await? {
            let span = name.span();
            let this = Arc::clone(self);
            let report = async move {
                tracing::warn!("an earlier life of this worker left a claim");
                folder.clear().await;
                let abandoned = this.reporter.event(&name, Report::Abandoned);
                if this.outbox.publish(vec![abandoned]).await.wait().await {
                    folder.end();
                }
            };
            locked(claims).spawn(report.instrument(span));
        }
        Ok(())
    }

    /// Takes and starts jobs until the worker is to end, except while it is told to drain. Lanes do not wait for each other.
    async fn take_work(
        self: &Arc<Self>,
        background: &mut JoinSet<()>,
        claims: &Claiming,
    ) -> Result<(), WorkerError> {
        let follower = tokio::select! {
            follower = self.follow_control() => follower?,
            () = self.shutdown.cancelled() => return Ok(()),
        };
        let this = Arc::clone(self);
        background.spawn(async move { this.control.follow(follower).await });
        let lanes = self.intakes.iter().map(|intake| self.take_from_lane(intake, claims));
        tokio::select! {
            ended = try_join_all(lanes) => ended.map(|_| ()),
            Some(ended) = background.join_next() => panicked(ended),
        }
    }

    async fn take_from_lane(
        self: &Arc<Self>,
        intake: &Intake,
        claims: &Claiming,
    ) -> Result<(), WorkerError> {
        while !self.shutdown.is_cancelled() {
            let source = tokio::select! {
                source = self.join(intake.lane) => source?,
                () = self.shutdown.cancelled() => return Ok(()),
            };
            self.take_from(source, intake, claims).await?;
        }
        Ok(())
    }

    /// Takes and starts jobs of a lane until the worker is to end, or to drain. It leaves the others who take jobs then, so
    /// that nothing waits for it.
    async fn take_from(
        self: &Arc<Self>,
        mut source: Box<dyn JobSource>,
        intake: &Intake,
        claims: &Claiming,
    ) -> Result<(), WorkerError> {
        let mut probed = Probed::default();
        while !self.shutdown.is_cancelled() && self.orders.taking() == Taking::Yes {
            let taken = intake.next(&mut *source, &mut probed).await?;
            for job in taken.jobs {
                let this = Arc::clone(self);
                let span = span(&job);
                locked(claims).spawn(async move { this.attend(job).await }.instrument(span));
            }
            intake.acknowledge(&mut *source, taken.settling).await;
            while locked(claims).try_join_next().is_some() {}
        }
        Ok(())
    }

    /// Reads control to its end. While the bus is away, this waits.
    async fn follow_control(&self) -> Result<Box<dyn ControlFollower>, WorkerError> {
        let region = &self.identity.region;
        let mut follower =
            persistently("the bus", || self.bus.follow_control(region), is_away).await?;
        self.control.catch_up(&mut *follower).await?;
        Ok(follower)
    }

    /// Joins those who take jobs of a lane, unless the worker is told to drain. Until then, and while the bus is away,
    /// this waits.
    async fn join(&self, lane: Lane) -> Result<Box<dyn JobSource>, WorkerError> {
        self.orders.until(Taking::Yes).await;
        let Identity { worker, region, slots, .. } = &self.identity;
        let queue = Queue { region: region.clone(), lane };
        let taking = || self.bus.take_jobs(&queue, worker.as_str());
        let source = persistently("the bus", taking, is_away).await?;
        tracing::info!(%worker, %region, %lane, slots = slots[&lane], "taking jobs");
        Ok(source)
    }

    /// Sees one claimed job through, and reports how it ended.
    async fn attend(&self, job: ClaimedJob) {
        let ClaimedJob { message, name, folder, slot } = job;
        let (begun, busy) = (Instant::now(), Busy::begin());
        tracing::info!("attempt begins");
        metrics::attempt_begins(&message, wall_clock());
        let hold = self.claims.hold(name.id, name.claim);
        if let Some(stop) = self.control.stops(name.id) {
            self.claims.stop_each(|id| (id == name.id).then_some(stop));
        }
        let claim = name.claim;
        let (timeout, longer) = watch::channel(None);
        let attempt = Attempt {
            workshop: &self.workshop,
            message: &message,
            claim,
            folder: &folder,
            hold: &hold,
            timeout,
        };
        let run = AssertUnwindSafe(attempt.run()).catch_unwind();
        let ended = tokio::select! {
            biased;
            ended = run => ended,
            never = self.report_longer(&name, longer) => match never {},
        };
        let ending = ended.unwrap_or_else(|_panic| {
            let message =
                "the worker panicked while it ran the attempt; this is a fault of Panofleet";
            Ending::Failed(Failure::new(ErrorClass::Bug, "worker_panicked", message))
        });
        ending.log();
        metrics::attempt_ended(&message, ending.name(), begun.elapsed());
        let is_disk_full = matches!(&ending, Ending::Failed(failed) if failed.code == SCRATCH_FULL);
        let Some(report) = ending.report() else {
            folder.clear().await;
            return folder.end();
        };
        let durable = self.outbox.publish(vec![self.reporter.event(&name, report)]).await;
        drop(hold);
        folder.clear().await;
        if is_disk_full {
            self.rest().await;
        }
        drop((slot, busy));
        if durable.wait().await {
            panofleet_service::CrashPoint::WorkerAfterReport.pass();
            folder.end();
        }
    }

    /// Keeps a slot for a while from taking more: a worker without room on its disk would fail one job after the other,
    /// and faster than others work.
    async fn rest(&self) {
        tokio::select! {
            () = tokio::time::sleep(DISK_FULL_REST) => {}
            () = self.shutdown.cancelled() => {}
        }
    }

    /// Reports that an attempt may take longer, if it turns out to; ends never.
    async fn report_longer(
        &self,
        name: &ClaimName,
        mut longer: watch::Receiver<Option<Span>>,
    ) -> Infallible {
        if let Ok(Some(timeout)) = longer.wait_for(Option::is_some).await.map(|longer| *longer) {
            tracing::info!(%timeout, "the source takes longer than the attempt had");
            let probed = self.reporter.event(name, Report::Probed { timeout });
            self.outbox.publish(vec![probed]).await;
        }
        std::future::pending().await
    }
}

fn is_away(error: &BusError) -> bool {
    matches!(error, BusError::Unavailable(_))
}

/// Background tasks run for ever: one that has ended has panicked, and without it nobody hears of us.
fn panicked(ended: Result<(), JoinError>) -> ! {
    match ended {
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        ended => unreachable!("a task that runs for ever has ended: {ended:?}"),
    }
}

fn locked(claims: &Claiming) -> MutexGuard<'_, JoinSet<()>> {
    claims.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn all_ended(claims: &mut JoinSet<()>) {
    while claims.join_next().await.is_some() {}
}

/// What every line about an attempt carries.
fn span(job: &ClaimedJob) -> tracing::Span {
    let operations: Vec<_> = job.message.outputs.values().map(Operation::name).collect();
    let span = job.name.span();
    span.record("operation", operations.join(","));
    span
}
