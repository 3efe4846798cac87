//! Manifests that were read lately. A manifest never changes, so one that was read once is good until its job is deleted.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use panofleet_job_schema::manifest::{FileRecord, Manifest, ManifestAddress, OutputRecord};
use panofleet_job_schema::{Generation, Job, JobId, OutputName};
use panofleet_objects::manifest;

use super::Api;
use super::deletions::is_deleted;
use super::error::ApiError;

/// How long a manifest is given out without a look whether its job is being deleted.
const CHECK_EVERY: Duration = Duration::from_secs(5);
/// Manifests that are kept.
const KEPT_MAX: usize = 64;
/// Files in all manifests that are kept, at about 400 bytes each.
const KEPT_FILES_MAX: usize = 400_000;

/// A manifest whose files are found by their paths.
#[derive(Debug)]
pub(crate) struct Resolved {
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// Places in the list of an output's files.
    by_path: HashMap<OutputName, HashMap<String, usize>>,
}

impl Resolved {
    /// `None` if it has an output outside the generation's own folder.
    fn new(manifest: Manifest, address: &ManifestAddress) -> Option<Self> {
        let folder = format!("{}/", address.prefix);
        if !manifest.outputs.values().all(|output| output.prefix.starts_with(&folder)) {
            return None;
        }
        let places = |output: &OutputRecord| {
            output
                .files
                .iter()
                .enumerate()
                .map(|(place, file)| (file.path.clone(), place))
                .collect()
        };
        let outputs = manifest.outputs.iter();
        let by_path = outputs.map(|(name, output)| (name.clone(), places(output))).collect();
        Some(Self { manifest, by_path })
    }

    /// An output and one of its files.
    pub(crate) fn file(&self, output: &str, path: &str) -> Option<(&OutputRecord, &FileRecord)> {
        let name = OutputName::new(output).ok()?;
        let place = *self.by_path.get(&name)?.get(path)?;
        let record = self.manifest.outputs.get(&name)?;
        Some((record, record.files.get(place)?))
    }

    fn files(&self) -> usize {
        self.manifest.outputs.values().map(|output| output.files.len()).sum()
    }
}

/// Which manifest.
type Key = (JobId, Generation);

/// The manifests that were used last.
#[derive(Debug, Default)]
pub(crate) struct Manifests {
    /// The last used is in front. With so few, a walk is as good as a map.
    kept: Mutex<VecDeque<Kept>>,
}

/// A manifest, and when its job was last known not to be deleted.
#[derive(Clone, Debug)]
struct Kept {
    key: Key,
    manifest: Arc<Resolved>,
    checked_at: Instant,
}

impl Manifests {
    fn get(&self, key: Key) -> Option<Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let place = kept.iter().position(|other| other.key == key)?;
        let entry = kept.remove(place)?;
        let found = entry.clone();
        kept.push_front(entry);
        Some(found)
    }

    fn keep(&self, key: Key, manifest: &Arc<Resolved>, checked_at: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.key != key);
        kept.push_front(Kept { key, manifest: Arc::clone(manifest), checked_at });
        let mut files: usize = kept.iter().map(|kept| kept.manifest.files()).sum();
        while kept.len() > KEPT_MAX || (files > KEPT_FILES_MAX && kept.len() > 1) {
            let Some(dropped) = kept.pop_back() else { break };
            files -= dropped.manifest.files();
        }
    }

    /// Forgets all generations of a job.
    pub(super) fn forget(&self, job: JobId) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.key.0 != job);
    }
}

impl Api {
    /// The manifest of a generation of a job; `None` if there is none yet, or never will be.
    pub(crate) async fn manifest(
        &self,
        job: &Job,
        generation: Generation,
    ) -> Result<Option<Arc<Resolved>>, ApiError> {
        if job.spec.makes_nothing() {
            return Ok(None);
        }
        let key = (job.id, generation);
        let now = Instant::now();
        let found = self.manifests.get(key);
        if let Some(found) = &found
            && now.duration_since(found.checked_at) < CHECK_EVERY
        {
            return Ok(Some(Arc::clone(&found.manifest)));
        }
        if let Some(deletion) = self.db.deletion(job.id).await? {
            self.manifests.forget(job.id);
            return Err(is_deleted(&deletion));
        }
        if let Some(found) = found {
            self.manifests.keep(key, &found.manifest, now);
            return Ok(Some(found.manifest));
        }
        let address = ManifestAddress::new(&job.bucket, &job.tenant, job.id, generation);
        let Some(found) = manifest::read(&self.objects, &address).await? else { return Ok(None) };
        let Some(resolved) = Resolved::new(found, &address) else {
            let manifest = address.manifest_key();
            return Err(ApiError::Internal(format!("{manifest} points outside its own folder")));
        };
        let resolved = Arc::new(resolved);
        self.manifests.keep(key, &resolved, now);
        Ok(Some(resolved))
    }
}
