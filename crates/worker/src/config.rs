//! The worker's settings.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use panofleet_job_schema::limits::SOURCE_FILE_BYTES_MAX;
use panofleet_job_schema::runner_protocol::TaskLimits;
use panofleet_job_schema::{Lane, Region, Span, WorkerId};
use panofleet_service::egress::Network;
use serde::{Deserialize, Serialize};

/// How a worker works. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WorkerConfig {
    /// Its name: the same over restarts, another for each worker. Default `worker-1`.
    pub name: WorkerId,
    /// Where it stands. Default `local`.
    pub region: Region,
    /// The lanes that it takes from, each into slots of its own. Default: all.
    pub lanes: Vec<Lane>,
    /// Jobs of the lane `image` that it runs at once; without it, one for each core.
    pub slots: Option<NonZeroU32>,
    /// Jobs of the lane `video` that it runs at once; without it, one for every four cores, at least one.
    pub video_slots: Option<NonZeroU32>,
    /// Folder for sources and outputs in work; each worker has a folder of its own inside. Default `scratch`.
    pub scratch: PathBuf,
    /// The runner. A bare name is looked for beside this program. Default `panofleet-runner`.
    pub runner: PathBuf,
    /// What one child may use.
    pub child: ChildConfig,
    /// Bytes of a source file. Default 2 GiB.
    pub source_bytes_max: u64,
    /// Private networks that sources may lie in all the same, such as `10.1.0.0/16`. An address in one of
    /// them, written as an address, may also have any port and plain http. Default: none.
    pub source_networks: Vec<Network>,
    /// A child of an image job that moves nothing for this long is killed. Default 2 min.
    pub image_stall: Span,
    /// A child of a video job that moves nothing for this long is killed. Default 5 min.
    pub video_stall: Span,
    /// Files of one attempt that are uploaded at once. Default 16.
    pub upload_concurrency: u32,
    /// How long an attempt waits for an object store that is away, before it fails. Its own timeout goes on meanwhile.
    /// Default 5 min.
    pub store_patience: Span,
    /// Events that wait for the bus. When they are that many, no further job is taken. Default 1024.
    pub event_buffer: u32,
    /// How long running attempts may go on when the worker is told to end. Default 5 min.
    pub drain_grace: Span,
}

/// What one child may use; the operating system enforces it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChildConfig {
    /// Address space. Default 3 GiB.
    pub memory_bytes: u64,
    /// Processor time, all threads together. Default 3600.
    pub cpu_s: u64,
    /// Size of one written file. Default 8 GiB.
    pub file_bytes: u64,
    /// Threads for pixel work; 0 is one for each core. Default 0.
    pub threads: u32,
    /// Whether a kernel without Landlock or seccomp is refused rather than reported. Default true.
    pub require_sandbox: bool,
}

/// Settings that no worker can run with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadWorkerConfig {
    /// A number or a time outside its interval.
    #[error("worker.{what} is {value}; it must be {min} to {max}")]
    Outside {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// The smallest allowed.
        min: String,
        /// The largest allowed.
        max: String,
    },
    /// Nothing to take from.
    #[error("worker.lanes is empty; name at least one, such as [\"image\"]")]
    NoLanes,
    /// No such program.
    #[error("the runner {0} is not a file; set worker.runner to the panofleet-runner program")]
    NoRunner(PathBuf),
}

const GIB: u64 = 1 << 30;

impl Default for WorkerConfig {
    fn default() -> Self {
        Self {
            name: WorkerId::new("worker-1").expect("a lower-case name"),
            region: Region::new("local").expect("a lower-case name"),
            lanes: Lane::ALL.to_vec(),
            slots: None,
            video_slots: None,
            scratch: "scratch".into(),
            runner: "panofleet-runner".into(),
            child: ChildConfig::default(),
            source_bytes_max: 2 * GIB,
            source_networks: Vec::new(),
            image_stall: Span::from_secs(120),
            video_stall: Span::from_secs(300),
            upload_concurrency: 16,
            store_patience: Span::from_secs(300),
            event_buffer: 1024,
            drain_grace: Span::from_secs(300),
        }
    }
}

impl Default for ChildConfig {
    fn default() -> Self {
        Self {
            memory_bytes: 3 * GIB,
            cpu_s: 3600,
            file_bytes: 8 * GIB,
            threads: 0,
            require_sandbox: true,
        }
    }
}

impl From<ChildConfig> for TaskLimits {
    fn from(config: ChildConfig) -> Self {
        let ChildConfig { memory_bytes, cpu_s, file_bytes, threads, require_sandbox } = config;
        Self { memory_bytes, cpu_s, file_bytes, threads, require_sandbox }
    }
}

impl WorkerConfig {
    /// Checks what can be known without touching the machine.
    ///
    /// # Errors
    /// The first setting that does not fit.
    pub fn check(&self) -> Result<(), BadWorkerConfig> {
        if self.lanes.is_empty() {
            return Err(BadWorkerConfig::NoLanes);
        }
        for (what, slots) in [("slots", self.slots), ("video_slots", self.video_slots)] {
            check_number(what, slots.map_or(1, NonZeroU32::get).into(), 1, 1024)?;
        }
        check_number("child.memory_bytes", self.child.memory_bytes, 64 << 20, 1 << 44)?;
        check_number("child.cpu_s", self.child.cpu_s, 1, 14 * 24 * 3600)?;
        check_number("child.file_bytes", self.child.file_bytes, 1 << 20, 1 << 44)?;
        check_number("child.threads", self.child.threads.into(), 0, 1024)?;
        check_number("source_bytes_max", self.source_bytes_max, 1, SOURCE_FILE_BYTES_MAX)?;
        check_number("upload_concurrency", self.upload_concurrency.into(), 1, 256)?;
        // One reception claims up to a job a slot, and each has one more event at its end.
        check_number(
            "event_buffer",
            self.event_buffer.into(),
            2 * self.slots_by_lane().values().copied().map(u64::from).sum::<u64>(),
            1 << 20,
        )?;
        check_span("image_stall", self.image_stall, 1, 24 * 3600)?;
        check_span("store_patience", self.store_patience, 0, 24 * 3600)?;
        check_span("video_stall", self.video_stall, 1, 24 * 3600)?;
        check_span("drain_grace", self.drain_grace, 0, 24 * 3600)
    }

    /// The lanes that it takes from, with the jobs of each that it runs at once.
    pub fn slots_by_lane(&self) -> BTreeMap<Lane, u32> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let slots = |lane: &Lane| {
            let (said, otherwise) = match lane {
                Lane::Image => (self.slots, cores),
                Lane::Video => (self.video_slots, (cores / 4).max(1)),
            };
            let otherwise = u32::try_from(otherwise).unwrap_or(u32::MAX);
            (*lane, said.map_or(otherwise, NonZeroU32::get))
        };
        self.lanes.iter().map(slots).collect()
    }

    /// How long a child of a lane may move nothing.
    pub const fn stall(&self, lane: Lane) -> Span {
        match lane {
            Lane::Image => self.image_stall,
            Lane::Video => self.video_stall,
        }
    }

    /// The runner as an absolute path.
    ///
    /// # Errors
    /// [`BadWorkerConfig::NoRunner`] if there is no such file.
    pub fn runner_path(&self) -> Result<PathBuf, BadWorkerConfig> {
        find_runner(&self.runner)
    }
}

/// The absolute path of a runner; a bare name is looked for beside this program, then one folder up, where
/// cargo leaves the programs that its tests run.
///
/// # Errors
/// [`BadWorkerConfig::NoRunner`] if there is no such file.
pub fn find_runner(runner: &Path) -> Result<PathBuf, BadWorkerConfig> {
    let beside = std::env::current_exe().unwrap_or_default();
    let bare = runner.components().count() == 1;
    let candidates = if bare {
        beside.ancestors().skip(1).take(2).map(|folder| folder.join(runner)).collect()
    } else {
        vec![runner.to_owned()]
    };
    let found =
        candidates.iter().find(|path| path.is_file()).and_then(|path| path.canonicalize().ok());
    found
        .ok_or_else(|| BadWorkerConfig::NoRunner(candidates.into_iter().next().unwrap_or_default()))
}

fn check_number(what: &'static str, value: u64, min: u64, max: u64) -> Result<(), BadWorkerConfig> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(BadWorkerConfig::Outside {
        what,
        value: value.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    })
}

fn check_span(
    what: &'static str,
    value: Span,
    min_s: u64,
    max_s: u64,
) -> Result<(), BadWorkerConfig> {
    let (min, max) = (Span::from_secs(min_s), Span::from_secs(max_s));
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(BadWorkerConfig::Outside {
        what,
        value: value.to_string(),
        min: min.to_string(),
        max: max.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(settings: serde_json::Value) -> Result<WorkerConfig, String> {
        let config: WorkerConfig = serde_json::from_value(settings).map_err(|e| e.to_string())?;
        config.check().map_err(|e| e.to_string())?;
        Ok(config)
    }

    #[test]
    fn nothing_needs_to_be_set() {
        let config = read(json!({})).unwrap();
        let slots = config.slots_by_lane();
        assert!(
            slots.keys().eq(&Lane::ALL) && slots.values().all(|count| *count >= 1),
            "{slots:?}"
        );
        assert_eq!(config.stall(Lane::Image), Span::from_secs(120));
        assert_eq!(config.stall(Lane::Video), Span::from_secs(300));
    }

    #[test]
    fn what_does_not_fit_is_refused_by_name() {
        for (settings, expected) in [
            (json!({ "lanes": [] }), "worker.lanes is empty"),
            (json!({ "slots": 0 }), "nonzero"),
            (
                json!({ "slots": 4, "video_slots": 1, "event_buffer": 7 }),
                "event_buffer is 7; it must be 10 to",
            ),
            (json!({ "upload_concurrency": 0 }), "worker.upload_concurrency is 0"),
            (json!({ "image_stall": "0s" }), "worker.image_stall is 0s"),
            (json!({ "store_patience": "25h" }), "worker.store_patience is 25h"),
            (json!({ "child": { "memory_bytes": 5 } }), "worker.child.memory_bytes is 5"),
            (json!({ "source_networks": ["10.0.0.0/33"] }), "10.0.0.0/33"),
            (json!({ "colour": 1 }), "unknown field `colour`"),
        ] {
            let said = read(settings.clone()).unwrap_err();
            assert!(said.contains(expected), "{settings}: {said}");
        }
    }

    #[test]
    fn a_runner_that_is_not_there_is_named() {
        let missing = find_runner(Path::new("no-such-runner")).unwrap_err();
        assert!(missing.to_string().contains("no-such-runner"), "{missing}");
    }
}
