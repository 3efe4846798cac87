//! One job on this machine, without any service: the same child, the same checks, a folder instead of a store.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::manifest::{OutputRecord, SourceRecord, StepTiming};
use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::message::Progress;
use panofleet_job_schema::runner_protocol::{Task, TaskLimits};
use panofleet_job_schema::{Failure, Operation, OutputName};
use serde::{Deserialize, Serialize};
use tokio::fs;
use tokio::time::Instant;
use uuid::Uuid;

use crate::child::Program;
use crate::execute::{Ears, Execution, execute};
use crate::store::{blocking, hash, keep, scratch_failure};

/// Files that are hashed and moved at once.
const KEEPS_MAX: usize = 4;

/// What is run, and where.
#[derive(Clone, Debug)]
pub struct LocalRun {
    /// The runner's program; see [`crate::config::find_runner`].
    pub runner: PathBuf,
    /// The source file. It is only read.
    pub source: PathBuf,
    /// What to make of it.
    pub outputs: BTreeMap<OutputName, Operation>,
    /// Folder of the results; made if it is not there, and refused if something is in it.
    pub out: PathBuf,
    /// What the child may use.
    pub limits: TaskLimits,
    /// A child that moves nothing for this long is killed.
    pub stall: Duration,
    /// Longest run.
    pub timeout: Duration,
}

/// What a local run has made; also written to `<out>/manifest.json`. It is a manifest without a job: each
/// output's prefix is its folder in `out`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LocalReport {
    /// Version of this format; 1.
    pub schema: u32,
    /// What it was made from.
    pub source: SourceRecord,
    /// The outputs.
    pub outputs: BTreeMap<OutputName, OutputRecord>,
    /// How long each step took.
    pub steps: Vec<StepTiming>,
    /// What was odd, and what was assumed because nobody said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Runs one job on a local file. Dropping the future kills the child.
///
/// # Errors
/// As an attempt in the fleet would have failed. `Rejected` with code `out_not_empty` or `source_not_found`
/// before anything is started.
pub async fn run_local(
    run: LocalRun,
    mut moved: impl FnMut(Progress),
) -> Result<LocalReport, Failure> {
    let source = open_source(&run.source).await?;
    prepare_out(&run.out).await?;
    // Beside the results, so that moving a file is a rename.
    let out = fs::canonicalize(&run.out).await.map_err(|error| scratch_failure(&error))?;
    let scratch = Scratch::make(&out).await?;
    let hashed = blocking(move || {
        let (digest, bytes) =
            hash(&source.file).map_err(|error| unreadable(&source.path, &error))?;
        Ok((source.path, hex::encode(digest), bytes))
    });
    let (path, sha256, bytes) = hashed.await?;
    let task = Task {
        source: path.to_string_lossy().into_owned(),
        scratch: scratch.0.to_string_lossy().into_owned(),
        outputs: run.outputs,
        limits: run.limits,
    };
    let execution = Execution {
        runner: &Program(run.runner.clone()),
        task: &task,
        stall: run.stall,
        until: Instant::now() + run.timeout,
        stores_max: KEEPS_MAX,
        store_step: "move",
    };
    let until = execution.until;
    let ears = Ears {
        store: |file| keep(scratch.0.as_path().into(), out.as_path().into(), file),
        probed: |_: &MediaInfo| until, // Whoever runs it has said how long it may take.
        moved: |fraction, step| {
            moved(Progress { fraction, step, uploaded_bytes: 0, curve: Curve::default() })
        },
    };
    let (product, _until) = execute(execution, ears).await?;
    let mut report = LocalReport {
        schema: 1,
        source: SourceRecord { bytes, sha256, media: product.media },
        outputs: product.outputs,
        steps: product.steps,
        warnings: product.warnings,
    };
    for (name, output) in &mut report.outputs {
        name.as_str().clone_into(&mut output.prefix);
    }
    let json =
        serde_json::to_vec_pretty(&report).map_err(|error| scratch_failure(&error.into()))?;
    fs::write(out.join("manifest.json"), json).await.map_err(|error| scratch_failure(&error))?;
    Ok(report)
}

struct Source {
    path: PathBuf,
    file: std::fs::File,
}

async fn open_source(path: &Path) -> Result<Source, Failure> {
    let opened = async {
        let path = fs::canonicalize(path).await?;
        let file = fs::File::open(&path).await?.into_std().await;
        Ok(Source { path, file })
    };
    opened.await.map_err(|error| unreadable(path, &error))
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::rejected(
        "source_not_found",
        format!("the source {} cannot be read: {error}", path.display()),
    )
}

async fn prepare_out(out: &Path) -> Result<(), Failure> {
    fs::create_dir_all(out).await.map_err(|error| scratch_failure(&error))?;
    let mut entries = fs::read_dir(out).await.map_err(|error| scratch_failure(&error))?;
    match entries.next_entry().await {
        Ok(None) => Ok(()),
        Ok(Some(_)) => {
            let message = format!("the folder {} is not empty; give a new one", out.display());
            Err(Failure::rejected("out_not_empty", message))
        }
        Err(error) => Err(scratch_failure(&error)),
    }
}

/// The child's folder; removed when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    async fn make(out: &Path) -> Result<Self, Failure> {
        let path = out.join(format!(".panofleet-{}", Uuid::new_v4().simple()));
        fs::create_dir(&path).await.map_err(|error| scratch_failure(&error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the scratch folder of a local run cannot be removed");
        }
    }
}
