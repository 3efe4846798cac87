//! What a finished job leaves behind: the manifest that names its outputs, or a seal that says there is none.
//!
//! Both stand at the same key, put there once with `If-None-Match: *`; whoever is first decides. Readers
//! take a seal for absence.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::{Attempt, ClaimId, Generation, JobId, OutputName, Region, Tenant, WorkerId};
use crate::media_info::MediaInfo;
use crate::quality::PanoQuality;
use crate::time::Timestamp;

/// Where the outputs and the manifest of one generation of a job lie. Fixed when the job is accepted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ManifestAddress {
    /// The bucket, in the store of the job's first region.
    pub bucket: String,
    /// `<tenant>/<job>/g<generation>`, without a slash at the end.
    pub prefix: String,
}

impl ManifestAddress {
    /// The address for a generation of a job.
    pub fn new(bucket: &str, tenant: &Tenant, job: JobId, generation: Generation) -> Self {
        Self { bucket: bucket.to_owned(), prefix: format!("{tenant}/{job}/g{generation}") }
    }

    /// The key of the manifest or seal.
    pub fn manifest_key(&self) -> String {
        format!("{}/manifest.json", self.prefix)
    }

    /// The folder that one claim of an attempt writes to: `<prefix>/a<attempt>-<claim8>`.
    pub fn attempt_prefix(&self, attempt: Attempt, claim: ClaimId) -> String {
        format!("{}/a{attempt}-{}", self.prefix, claim.short())
    }
}

/// What stands at the manifest key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ManifestObject {
    /// The job's result.
    Manifest(Box<Manifest>),
    /// Nothing will come of this generation.
    Seal(Seal),
}

/// The result of a job: which claim made it, from what, and every file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Manifest {
    /// Version of this format; 1.
    pub schema: u32,
    /// The job.
    pub job: JobId,
    /// Its generation.
    pub generation: Generation,
    /// The attempt that finished first.
    pub attempt: Attempt,
    /// The claim of that attempt.
    pub claim: ClaimId,
    /// Who ran it.
    pub worker: WorkerId,
    /// Where it ran.
    pub region: Region,
    /// When it was put, by the worker's clock.
    pub finished_at: Timestamp,
    /// What it was made from.
    pub source: SourceRecord,
    /// The outputs, by the client's names.
    pub outputs: BTreeMap<OutputName, OutputRecord>,
    /// How long each step took.
    pub steps: Vec<StepTiming>,
    /// What was odd, and what was assumed because nobody said it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// The source of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SourceRecord {
    /// Size of the file.
    pub bytes: u64,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// What the probe found.
    #[schemars(with = "serde_json::Map<String, serde_json::Value>")]
    pub media: MediaInfo,
}

/// One output of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutputRecord {
    /// The operation's name.
    pub op: String,
    /// The folder of its files, from the bucket's root, without a slash at the end.
    pub prefix: String,
    /// Files by purpose, such as `pannellum` → `config.json`; paths from the folder.
    pub entry_points: BTreeMap<String, String>,
    /// Its files, by path from the folder.
    pub files: Vec<FileRecord>,
    /// All files together.
    pub total_bytes: u64,
    /// How good a panorama's output is, for each eye.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    pub quality: Vec<PanoQuality>,
}

/// One file of an output.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRecord {
    /// Path from the output's folder, with `/` between parts.
    pub path: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// Media type.
    pub content_type: String,
}

/// How long one step of an attempt took.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepTiming {
    /// The step: `download`, `decode`, `tiles: remap`, `upload`.
    pub step: String,
    /// Wall-clock time.
    pub wall_ms: u64,
}

/// Says that a generation of a job ended without a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Version of this format; 1.
    pub schema: u32,
    /// The job.
    pub job: JobId,
    /// Its generation.
    pub generation: Generation,
    /// What the job becomes.
    pub target: crate::job::CloseTarget,
    /// When it was put, by the database's clock.
    pub sealed_at: Timestamp,
}

/// The part of a manifest that events and job rows carry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestSummary {
    /// The bucket.
    pub bucket: String,
    /// The key of the manifest.
    pub key: String,
    /// The attempt that finished first.
    pub attempt: Attempt,
    /// The claim of that attempt.
    pub claim: ClaimId,
    /// Number of outputs.
    pub outputs: u32,
    /// Number of files.
    pub files: u32,
    /// All files together.
    pub total_bytes: u64,
    /// Size of the source; none in what programs from before it was written have said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_bytes: Option<u64>,
}

impl Manifest {
    /// What of it travels in `Succeeded` events.
    pub fn summary(&self, address: &ManifestAddress) -> ManifestSummary {
        let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        ManifestSummary {
            bucket: address.bucket.clone(),
            key: address.manifest_key(),
            attempt: self.attempt,
            claim: self.claim,
            outputs: count(self.outputs.len()),
            files: count(self.outputs.values().map(|output| output.files.len()).sum()),
            total_bytes: self.outputs.values().map(|output| output.total_bytes).sum(),
            source_bytes: Some(self.source.bytes),
        }
    }
}
