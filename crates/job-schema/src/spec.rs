//! What a client submits: one source, any number of named outputs, and how it may be run.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Lane, OutputName, PresetName, Region};
use crate::limits;
use crate::operation::Operation;
use crate::source::Source;
use crate::time::{Span, Timestamp};

/// A job as submitted. `source` and one output are enough; everything else has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JobSpec {
    /// Where the input lies.
    pub source: Source,
    /// What the SHA-256 of the source has to be, hexadecimal; another file is rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_sha256: Option<String>,
    /// What to make of it, by the client's own names. The source is read and decoded once for all.
    #[serde(default)]
    pub outputs: BTreeMap<OutputName, Operation>,
    /// A named set of outputs beside those; an accepted job has the outputs themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<PresetName>,
    /// Where to run; without it, where the source's bucket lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// In place of `region`: those that it may run in, the preferred one first. Where it waits for too long it goes on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub regions: Vec<Region>,
    /// In place of `regions`: all that there are, the one where the source lies first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any_region: bool,
    /// How long it waits in a region before it goes on to the next; without it, 5 min.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop_after: Option<Span>,
    /// Which band of the queue it waits in.
    #[serde(default)]
    pub priority: Priority,
    /// When it may start at the earliest, such as `2026-12-24T18:00:00Z`; without it, at once. Its deadline counts from
    /// then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_at: Option<Timestamp>,
    /// Longest time that one attempt may run; without it, the lane's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Span>,
    /// Longest time from being due to being finished, all attempts together; without it, 24 h.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Span>,
    /// Failed attempts before the job is dead; without it, 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_attempts: Option<u32>,
    /// A second submit with the same key is the same job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<String>,
    /// The client's own words, to find jobs by.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// A band of the queue: everything in a higher band goes first.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Somebody is waiting for it.
    High,
    /// The default.
    #[default]
    Normal,
    /// Whenever there is room.
    Low,
}

impl Priority {
    /// Every priority, the one that goes first first.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// Its name: `high`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }

    /// The band's place: 0 goes first.
    pub const fn band(self) -> u8 {
        match self {
            Self::High => 0,
            Self::Normal => 1,
            Self::Low => 2,
        }
    }
}

/// What is wrong with a job that was submitted; each says what to change.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSpec {
    /// No output at all.
    #[error(
        "outputs is empty; name at least one, such as {{\"tiles\": {{\"op\": \"pano.tiles\"}}}}, or a preset"
    )]
    NoOutputs,
    /// A preset that there is not.
    #[error("there is no preset `{name}`; there are {known}")]
    NoSuchPreset {
        /// What was asked for.
        name: PresetName,
        /// The names of all.
        known: String,
    },
    /// More than the limit.
    #[error("{what}: {count} given, {max} allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// A text that is too long or empty.
    #[error("{what} has {bytes} bytes; it must have 1 to {max}")]
    Length {
        /// Which text.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        max: usize,
    },
    /// A number or time outside its interval.
    #[error("{what} is {value}; it must be {min} to {max}")]
    Outside {
        /// Which value.
        what: &'static str,
        /// The value.
        value: String,
        /// The smallest allowed.
        min: String,
        /// The largest allowed.
        max: String,
    },
    /// A checksum that is none, or that nothing can have.
    #[error(
        "source_sha256 must be 64 hexadecimal digits in lower case, of a source that is not `none`"
    )]
    Checksum,
    /// Regions that contradict each other.
    #[error("{0}")]
    Regions(&'static str),
    /// A parameter of an output.
    #[error("output `{output}`: {reason}")]
    Output {
        /// Which output.
        output: OutputName,
        /// What is wrong with it.
        reason: String,
    },
    /// An output that needs a source, of a job that has none.
    #[error("output `{output}` ({op}) needs a source; `none` is for `fleet.noop`")]
    NoSource {
        /// Which output.
        output: OutputName,
        /// Its operation.
        op: &'static str,
    },
    /// Nothing, beside something.
    #[error("`fleet.noop` makes nothing: it is its job's only output, and its source is `none`")]
    NoopNotAlone,
}

impl JobSpec {
    /// Checks that it starts within a time that anybody can foresee.
    ///
    /// # Errors
    /// [`BadSpec::Outside`].
    pub fn check_start(&self, now: Timestamp) -> Result<(), BadSpec> {
        let latest = now + Duration::from_secs(limits::START_AHEAD_S_MAX);
        match self.start_at {
            Some(start_at) if start_at > latest => Err(BadSpec::Outside {
                what: "start_at",
                value: start_at.to_string(),
                min: "now".into(),
                max: latest.to_string(),
            }),
            _ => Ok(()),
        }
    }

    /// Checks everything that can be known without the source and the time.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), BadSpec> {
        if !self.outputs.is_empty() || self.preset.is_none() {
            Self::check_count_of(&self.outputs)?;
        }
        check_count("labels", self.labels.len(), limits::LABELS_MAX)?;
        for (key, value) in &self.labels {
            check_length("a label's key", key, limits::LABEL_KEY_BYTES_MAX)?;
            check_length("a label's value", value, limits::LABEL_VALUE_BYTES_MAX)?;
        }
        self.check_regions()?;
        if let Some(key) = &self.idempotency_key {
            check_length("idempotency_key", key, limits::IDEMPOTENCY_KEY_BYTES_MAX)?;
        }
        check_limits(self.timeout, self.deadline, self.max_attempts)?;
        if let Some(sha256) = &self.source_sha256
            && (self.source == Source::Nothing || !is_sha256(sha256))
        {
            return Err(BadSpec::Checksum);
        }
        Self::check_each(&self.outputs)?;
        self.check_source()
    }

    /// Checks outputs that are made of a source.
    pub(crate) fn check_outputs(outputs: &BTreeMap<OutputName, Operation>) -> Result<(), BadSpec> {
        Self::check_count_of(outputs)?;
        Self::check_each(outputs)?;
        if outputs.values().all(reads) { Ok(()) } else { Err(BadSpec::NoopNotAlone) }
    }

    fn check_count_of(outputs: &BTreeMap<OutputName, Operation>) -> Result<(), BadSpec> {
        if outputs.is_empty() {
            return Err(BadSpec::NoOutputs);
        }
        check_count("outputs", outputs.len(), limits::OUTPUTS_MAX)
    }

    fn check_each(outputs: &BTreeMap<OutputName, Operation>) -> Result<(), BadSpec> {
        for (output, operation) in outputs {
            operation
                .check()
                .map_err(|reason| BadSpec::Output { output: output.clone(), reason })?;
        }
        Ok(())
    }

    /// Either it reads a source, or it is a lone `fleet.noop`.
    fn check_source(&self) -> Result<(), BadSpec> {
        let has_source = self.source != Source::Nothing;
        match self.outputs.iter().find(|(_, operation)| reads(operation)) {
            // What a preset makes reads a source.
            _ if self.preset.is_some() => {
                let all_read = has_source && self.outputs.values().all(reads);
                if all_read { Ok(()) } else { Err(BadSpec::NoopNotAlone) }
            }
            Some((output, operation)) if !has_source => {
                Err(BadSpec::NoSource { output: output.clone(), op: operation.name() })
            }
            None if has_source || self.outputs.len() > 1 => Err(BadSpec::NoopNotAlone),
            Some(_) if !self.outputs.values().all(reads) => Err(BadSpec::NoopNotAlone),
            _ => Ok(()),
        }
    }

    /// Whether it leaves neither outputs nor a manifest: a lone `fleet.noop`.
    pub fn makes_nothing(&self) -> bool {
        self.source == Source::Nothing
    }

    fn check_regions(&self) -> Result<(), BadSpec> {
        check_each_once(&self.regions)?;
        check_span("hop_after", self.hop_after, limits::HOP_AFTER_S)?;
        let ways = [self.region.is_some(), !self.regions.is_empty(), self.any_region];
        if ways.into_iter().filter(|way| *way).count() > 1 {
            return Err(BadSpec::Regions("give one of region, regions and any_region"));
        }
        if self.hop_after.is_some() && !self.may_hop() {
            return Err(BadSpec::Regions(
                "hop_after is for jobs that may run in several regions: give regions or any_region",
            ));
        }
        Ok(())
    }

    /// The lane that runs it: the heaviest of its operations decides.
    pub fn lane(&self) -> Lane {
        self.outputs.values().map(Operation::lane).max().unwrap_or(Lane::Image)
    }
}

/// Checks how long, and how often, a job may be tried.
pub(crate) fn check_limits(
    timeout: Option<Span>,
    deadline: Option<Span>,
    max_attempts: Option<u32>,
) -> Result<(), BadSpec> {
    check_span("timeout", timeout, limits::TIMEOUT_S)?;
    check_span("deadline", deadline, limits::DEADLINE_S)?;
    match max_attempts {
        Some(attempts) if !(1..=limits::ATTEMPTS_MAX).contains(&attempts) => {
            Err(BadSpec::Outside {
                what: "max_attempts",
                value: attempts.to_string(),
                min: "1".into(),
                max: limits::ATTEMPTS_MAX.to_string(),
            })
        }
        _ => Ok(()),
    }
}

/// Checks that there are not too many regions, and each is there once.
pub(crate) fn check_each_once(regions: &[Region]) -> Result<(), BadSpec> {
    check_count("regions", regions.len(), limits::REGIONS_MAX)?;
    if (1..regions.len()).any(|at| regions[..at].contains(&regions[at])) {
        return Err(BadSpec::Regions("regions names one twice"));
    }
    Ok(())
}

/// Whether an operation reads the source.
const fn reads(operation: &Operation) -> bool {
    !matches!(operation, Operation::FleetNoop(_))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), BadSpec> {
    if count > max { Err(BadSpec::TooMany { what, count, max }) } else { Ok(()) }
}

fn check_length(what: &'static str, text: &str, max: usize) -> Result<(), BadSpec> {
    let bytes = text.len();
    if (1..=max).contains(&bytes) { Ok(()) } else { Err(BadSpec::Length { what, bytes, max }) }
}

fn check_span(
    what: &'static str,
    span: Option<Span>,
    seconds: std::ops::RangeInclusive<u64>,
) -> Result<(), BadSpec> {
    let (min, max) = (Span::from_secs(*seconds.start()), Span::from_secs(*seconds.end()));
    match span {
        Some(value) if value < min || value > max => Err(BadSpec::Outside {
            what,
            value: value.to_string(),
            min: min.to_string(),
            max: max.to_string(),
        }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(extra: &Value) -> Result<JobSpec, String> {
        let mut job = json!({ "source": "s3://photos/a.jpg", "outputs": { "tiles": { "op": "pano.tiles" } } });
        job.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let spec: JobSpec = serde_json::from_value(job).map_err(|e| e.to_string())?;
        spec.check().map_err(|e| e.to_string())?;
        Ok(spec)
    }

    #[test]
    fn a_source_and_one_output_are_enough() {
        let spec = read(&json!({})).unwrap();
        assert_eq!(spec.priority, Priority::Normal);
        assert_eq!(spec.lane(), Lane::Image);
    }

    #[test]
    fn a_job_that_reads_nothing_is_a_lone_noop() {
        let noop = json!({ "source": "none", "outputs": { "n": { "op": "fleet.noop" } } });
        assert_eq!(read(&noop).unwrap().source, Source::Nothing);
    }

    #[test]
    fn a_start_is_at_most_thirty_days_ahead() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        for (start_at, fits) in [
            ("2020-01-01T00:00:00Z", true),
            ("2026-12-22T00:00:00Z", true),
            ("2026-12-22T00:00:00.001Z", false),
        ] {
            let spec = read(&json!({ "start_at": start_at })).unwrap();
            assert_eq!(spec.check_start(now).is_ok(), fits, "{start_at}");
        }
        assert!(read(&json!({ "start_at": "tomorrow" })).is_err());
    }

    #[test]
    fn everything_that_does_not_fit_is_refused_by_name() {
        let long = "x".repeat(129);
        for (extra, expected) in [
            (json!({ "outputs": {} }), "outputs is empty"),
            (json!({ "outputs": { "Tiles": { "op": "media.probe" } } }), "output name `Tiles`"),
            (
                json!({ "outputs": { "t": { "op": "pano.tiles", "quality": 0 } } }),
                "output `t`: quality is 0",
            ),
            (json!({ "timeout": "25h" }), "timeout is 25h"),
            (json!({ "deadline": "337h" }), "deadline is 337h"),
            (json!({ "max_attempts": 0 }), "max_attempts is 0"),
            (json!({ "idempotency_key": long }), "idempotency_key has 129 bytes"),
            (
                json!({ "region": "a", "regions": ["b", "c"] }),
                "give one of region, regions and any_region",
            ),
            (json!({ "regions": ["b", "c", "b"] }), "regions names one twice"),
            (json!({ "regions": ["b", "c"], "hop_after": "9s" }), "hop_after is 9s"),
            (json!({ "region": "a", "hop_after": "1m" }), "hop_after is for jobs that may run in"),
            (json!({ "color": "red" }), "unknown field `color`"),
            (json!({ "source_sha256": "A".repeat(64) }), "64 hexadecimal digits"),
            (json!({ "source_sha256": "a".repeat(63) }), "64 hexadecimal digits"),
            (json!({ "source": "none" }), "output `tiles` (pano.tiles) needs a source"),
            (json!({ "outputs": { "n": { "op": "fleet.noop" } } }), "`fleet.noop` makes nothing"),
            (
                json!({ "outputs": { "n": { "op": "fleet.noop" }, "p": { "op": "media.probe" } } }),
                "`fleet.noop` makes nothing",
            ),
            (
                json!({ "source": "none", "outputs": { "m": { "op": "fleet.noop" }, "n": { "op": "fleet.noop" } } }),
                "`fleet.noop` makes nothing",
            ),
            (json!({ "labels": { "": "x" } }), "a label's key"),
        ] {
            let said = read(&extra).unwrap_err();
            assert!(said.contains(expected), "{extra}: {said}");
        }
    }
}
