//! One attempt, from its start to the report of how it ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use panofleet_job_schema::manifest::{
    Manifest, ManifestObject, ManifestSummary, SourceRecord, StepTiming,
};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::message::{JobMessage, Report};
use panofleet_job_schema::operation::FleetNoop;
use panofleet_job_schema::runner_protocol::Task;
use panofleet_job_schema::{ClaimId, ErrorClass, Failure, Operation, Span};
use panofleet_objects::manifest::{self, Published};
use panofleet_objects::{ObjectStore, ObjectsError};
use panofleet_service::clock::wall_clock;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::claims::{Hold, Stop};
use crate::config::WorkerConfig;
use crate::conversation::Product;
use crate::execute::{Ears, Execution, execute, timed_out};
use crate::metrics;
use crate::runner::Runner;
use crate::scratch::ClaimFolder;
use crate::source::{Fetched, Sources};
use crate::store::{Uploads, scratch_failure, store_failure};

/// The share of the whole that the download takes in what heartbeats say; the rest is the child's.
const DOWNLOAD_SHARE: f64 = 0.1;

/// What every attempt of a worker uses.
#[derive(Debug)]
pub(crate) struct Workshop {
    /// Where outputs go.
    pub(crate) objects: ObjectStore,
    /// Where inputs come from.
    pub(crate) sources: Sources,
    /// What starts children.
    pub(crate) runner: Arc<dyn Runner>,
    /// The settings.
    pub(crate) config: WorkerConfig,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// A manifest stands; it may be another claim's.
    Succeeded(ManifestSummary),
    /// It failed.
    Failed(Failure),
    /// The job ended without a result while this ran.
    Sealed,
    /// It was told to stop.
    Stopped(Stop),
}

impl Ending {
    /// Says it in the log, once.
    pub(crate) fn log(&self) {
        match self {
            Self::Succeeded(manifest) => {
                tracing::info!(files = manifest.files, bytes = manifest.total_bytes, "succeeded");
            }
            Self::Failed(failure) => {
                let Failure { class, code, message, detail } = failure;
                let detail = detail.as_deref().unwrap_or_default();
                if *class == ErrorClass::Bug {
                    tracing::error!(?class, code, reason = message, detail, "failed");
                } else {
                    tracing::warn!(?class, code, reason = message, detail, "failed");
                }
            }
            Self::Sealed => tracing::info!("the job has ended meanwhile; stopped"),
            Self::Stopped(stop) => tracing::info!(?stop, "stopped"),
        }
    }

    /// Its name in metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Succeeded(_) => "succeeded",
            Self::Failed(failure) => match failure.class {
                ErrorClass::Transient => "transient",
                ErrorClass::Rejected => "rejected",
                ErrorClass::Crashed => "crashed",
                ErrorClass::Bug => "bug",
            },
            Self::Sealed => "sealed",
            Self::Stopped(Stop::Cancelled) => "cancelled",
            Self::Stopped(Stop::Released) => "released",
            Self::Stopped(Stop::Drained | Stop::Ordered) => "drained",
        }
    }

    /// What is reported. A sealed job has ended: its claims interest nobody, so nothing is.
    pub(crate) fn report(self) -> Option<Report> {
        let released = |reason: &str| Report::Released { started: true, reason: reason.to_owned() };
        match self {
            Self::Succeeded(manifest) => Some(Report::Succeeded { manifest }),
            Self::Failed(failure) => Some(Report::Failed { failure }),
            Self::Sealed => None,
            Self::Stopped(Stop::Cancelled) => {
                Some(released("the job was cancelled or started anew"))
            }
            Self::Stopped(Stop::Released) => Some(released("somebody asked for it")),
            Self::Stopped(Stop::Drained) => Some(released("the worker ends")),
            Self::Stopped(Stop::Ordered) => Some(released("the worker was told to drain")),
        }
    }
}

/// A claimed job.
#[derive(Debug)]
pub(crate) struct Attempt<'a> {
    pub(crate) workshop: &'a Workshop,
    pub(crate) message: &'a JobMessage,
    pub(crate) claim: ClaimId,
    pub(crate) folder: &'a ClaimFolder,
    pub(crate) hold: &'a Hold,
    /// Hears how long the attempt may take, if its source says that it takes longer than it had.
    pub(crate) timeout: watch::Sender<Option<Span>>,
}

/// How long an attempt may take.
#[derive(Clone, Copy, Debug)]
struct TimeLimit {
    begun: Instant,
    /// When the job's deadline passes.
    deadline: Instant,
}

impl TimeLimit {
    /// When an attempt's time is up that may take this long.
    fn after(self, timeout: Span) -> Instant {
        self.deadline.min(self.begun + timeout.0)
    }
}

impl Attempt<'_> {
    /// Runs to the end, or until it is told to stop; then the child's process group is killed at once.
    pub(crate) async fn run(&self) -> Ending {
        let work = async { self.work().await.unwrap_or_else(|ending| ending) };
        tokio::select! {
            biased;
            stop = self.hold.stopped() => Ending::Stopped(stop),
            ending = work => ending,
        }
    }

    async fn work(&self) -> Result<Ending, Ending> {
        let JobMessage { manifest: address, .. } = self.message;
        let left = self.message.deadline.since(wall_clock());
        if left.is_zero() {
            return Err(Ending::Failed(deadline_passed()));
        }
        let begun = Instant::now();
        let limit = TimeLimit { begun, deadline: begun + left };
        let until = limit.after(self.message.timeout);
        if let Some(noop) = self.noop() {
            in_time(until, tokio::time::sleep(noop.run_time())).await?;
            return Ok(Ending::Succeeded(self.nothing()));
        }
        let adopted = manifest::read_object(&self.workshop.objects, address);
        match in_time(until, adopted).await?.map_err(|error| failed(store_failure(&error)))? {
            Some(ManifestObject::Manifest(manifest)) => {
                return Ok(Ending::Succeeded(manifest.summary(address)));
            }
            Some(ManifestObject::Seal(_)) => return Ok(Ending::Sealed),
            None => {}
        }
        if self.message.join.is_some() {
            return Err(failed(no_join()));
        }
        let begun = Instant::now();
        let fetched = in_time(until, self.fetch()).await?.map_err(failed)?;
        let download = StepTiming { step: "download".into(), wall_ms: millis(begun.elapsed()) };
        let (mut product, until) = self.execute(limit).await.map_err(failed)?;
        product.steps.insert(0, download);
        let manifest = self.manifest(fetched, product);
        in_time(until, self.publish(&manifest)).await?
    }

    /// What is asked for, if it is nothing.
    fn noop(&self) -> Option<&FleetNoop> {
        self.message.outputs.values().find_map(|operation| match operation {
            Operation::FleetNoop(noop) => Some(noop),
            _ => None,
        })
    }

    /// The result of a job that makes nothing: it has no manifest.
    fn nothing(&self) -> ManifestSummary {
        let JobMessage { id, manifest: address, .. } = self.message;
        ManifestSummary {
            bucket: address.bucket.clone(),
            key: address.manifest_key(),
            attempt: id.attempt,
            claim: self.claim,
            outputs: 0,
            files: 0,
            total_bytes: 0,
            source_bytes: None,
        }
    }

    async fn fetch(&self) -> Result<Fetched, Failure> {
        let moved = |bytes: u64, total: Option<u64>| {
            #[expect(clippy::cast_precision_loss, reason = "a share for people to see")]
            let share = total.map_or(0.0, |total| bytes as f64 / total.max(1) as f64);
            self.progress(DOWNLOAD_SHARE * share.min(1.0), "download".into(), 0);
        };
        let to = self.folder.make_source().await.map_err(|error| scratch_failure(&error))?;
        let fetched = self.workshop.sources.fetch(&self.message.source, &to, moved).await?;
        metrics::downloaded(fetched.bytes);
        Ok(fetched)
    }

    async fn execute(&self, limit: TimeLimit) -> Result<(Product, Instant), Failure> {
        let out = self.folder.make_out().await.map_err(|error| scratch_failure(&error))?;
        let task = Task {
            source: self.folder.source().to_string_lossy().into_owned(),
            scratch: out.to_string_lossy().into_owned(),
            outputs: self.message.outputs.clone(),
            limits: self.workshop.config.child.into(),
        };
        let uploads = Uploads {
            objects: self.workshop.objects.clone(),
            bucket: self.message.manifest.bucket.as_str().into(),
            prefix: self.prefix().into(),
            out: out.into(),
            bytes: Arc::new(AtomicU64::new(0)),
        };
        let execution = Execution {
            runner: &*self.workshop.runner,
            task: &task,
            stall: self.workshop.config.stall(self.message.lane).0,
            until: limit.after(self.message.timeout),
            stores_max: self.workshop.config.upload_concurrency as usize,
            store_step: "upload",
        };
        let uploaded = Arc::clone(&uploads.bytes);
        let moved = |fraction, step| {
            let fraction = DOWNLOAD_SHARE + (1.0 - DOWNLOAD_SHARE) * fraction;
            self.progress(fraction, step, uploaded.load(Ordering::Relaxed));
        };
        let ears = Ears {
            store: |file| uploads.clone().store(file),
            probed: |media: &MediaInfo| limit.after(self.probed(media)),
            moved,
        };
        execute(execution, ears).await
    }

    /// How long this attempt may take, now that its source is known. What its submitter said stands.
    fn probed(&self, media: &MediaInfo) -> Span {
        let JobMessage { timeout, own_timeout, outputs, .. } = self.message;
        let needed = Span(outputs.values().map(|operation| operation.time_for(media)).sum());
        if *own_timeout || needed <= *timeout {
            return *timeout;
        }
        self.timeout.send_replace(Some(needed));
        needed
    }

    fn prefix(&self) -> String {
        self.message.manifest.attempt_prefix(self.message.id.attempt, self.claim)
    }

    fn progress(&self, fraction: f64, step: String, uploaded_bytes: u64) {
        self.hold.progress(fraction, step, uploaded_bytes);
    }

    fn manifest(&self, fetched: Fetched, product: Product) -> Manifest {
        let id = self.message.id;
        let mut outputs = product.outputs;
        for (name, output) in &mut outputs {
            output.prefix = format!("{}/{name}", self.prefix());
        }
        Manifest {
            schema: 1,
            job: id.job,
            generation: id.generation,
            attempt: id.attempt,
            claim: self.claim,
            worker: self.workshop.config.name.clone(),
            region: self.workshop.config.region.clone(),
            finished_at: wall_clock(),
            source: SourceRecord {
                bytes: fetched.bytes,
                sha256: fetched.sha256,
                media: product.media,
            },
            outputs,
            steps: product.steps,
            warnings: product.warnings,
        }
    }

    async fn publish(&self, manifest: &Manifest) -> Result<Ending, Ending> {
        let JobMessage { manifest: address, deadline, .. } = self.message;
        match manifest::publish(&self.workshop.objects, address, manifest, *deadline, wall_clock)
            .await
        {
            Ok(Published::Won(summary)) => {
                panofleet_service::CrashPoint::WorkerAfterManifest.pass();
                Ok(Ending::Succeeded(summary))
            }
            Ok(Published::Other(summary)) => {
                tracing::info!(winner = %summary.claim, "another claim finished first");
                Ok(Ending::Succeeded(summary))
            }
            Ok(Published::Sealed) => Ok(Ending::Sealed),
            Err(ObjectsError::DeadlinePassed { .. }) => Err(failed(deadline_passed())),
            Err(error) => Err(failed(store_failure(&error))),
        }
    }
}

async fn in_time<T>(until: Instant, work: impl Future<Output = T>) -> Result<T, Ending> {
    timeout_at(until, work).await.map_err(|_elapsed| failed(timed_out()))
}

const fn failed(failure: Failure) -> Ending {
    Ending::Failed(failure)
}

/// The dispatcher closes the job by its own clock. A worker whose clock is wrong only costs an attempt.
fn deadline_passed() -> Failure {
    Failure::transient(
        "deadline_passed",
        "the job's deadline passed, by this worker's clock, before it was finished",
    )
}

/// No operation of this program splits a job; a message to join one is a later program's.
fn no_join() -> Failure {
    Failure::transient(
        "join_unknown",
        "this worker's program does not know how to join what this job was split into: upgrade it",
    )
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
