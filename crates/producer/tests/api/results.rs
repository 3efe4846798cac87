//! Results without a worker: files in the store, a manifest that lists them, and the event that says so.

use std::collections::BTreeMap;

use bytes::Bytes;
use panofleet_job_schema::manifest::{
    FileRecord, Manifest, ManifestSummary, OutputRecord, SourceRecord, StepTiming,
};
use panofleet_job_schema::media_info::{ColorModel, MediaInfo, PictureInfo};
use panofleet_job_schema::message::Report;
use panofleet_job_schema::{Attempt, ClaimId, Job, JobId, OutputName, WorkerId};
use panofleet_objects::client::PutOptions;
use panofleet_objects::manifest::{self, Published};
use sha2::{Digest as _, Sha256};

use crate::harness::Fleet;

/// One output: its operation, its entry points, its files.
pub(crate) struct Output {
    pub(crate) name: &'static str,
    pub(crate) op: &'static str,
    pub(crate) entry_points: &'static [(&'static str, &'static str)],
    pub(crate) files: Vec<(String, &'static str, Bytes)>,
}

/// A pyramid without pixels: what the pages and the addresses need.
pub(crate) fn tiles() -> Output {
    let file =
        |path: &str, kind, body: &'static [u8]| (path.to_owned(), kind, Bytes::from_static(body));
    Output {
        name: "tiles",
        op: "pano.tiles",
        entry_points: &[("psv", "psv.json"), ("pannellum", "config.json")],
        files: vec![
            file("psv.json", "application/json", b"{}"),
            file("config.json", "application/json", b"{}"),
            file("2/f0_0.jpg", "image/jpeg", b"0123456789"),
        ],
    }
}

impl Fleet {
    /// Runs a job to its end with this result.
    pub(crate) async fn succeed(&self, id: JobId, outputs: &[Output]) -> ManifestSummary {
        let claim = self.run(id).await;
        let summary = self.publish(id, claim, outputs).await;
        self.report(id, claim, &Report::Succeeded { manifest: summary.clone() }).await;
        summary
    }

    /// Puts files and manifest, without telling anybody.
    pub(crate) async fn publish(
        &self,
        id: JobId,
        claim: ClaimId,
        outputs: &[Output],
    ) -> ManifestSummary {
        let job = self.job(id).await;
        let attempt = Attempt(job.counters.last_attempt);
        let folder = job.manifest_address().attempt_prefix(attempt, claim);
        let mut records = BTreeMap::new();
        for output in outputs {
            let prefix = format!("{folder}/{}", output.name);
            for (path, kind, body) in &output.files {
                let key = format!("{prefix}/{path}");
                let options = PutOptions::of_type(kind);
                self.objects.put_bytes(&job.bucket, &key, body.clone(), &options).await.unwrap();
            }
            records.insert(OutputName::new(output.name).unwrap(), record(output, prefix));
        }
        let manifest = self.manifest_of(&job, attempt, claim, records).await;
        let (address, now) = (job.manifest_address(), manifest.finished_at);
        let put = manifest::publish(&self.objects, &address, &manifest, job.deadline_at, || now);
        match put.await.unwrap() {
            Published::Won(summary) => summary,
            other => panic!("another result was first: {other:?}"),
        }
    }

    pub(crate) async fn manifest_of(
        &self,
        job: &Job,
        attempt: Attempt,
        claim: ClaimId,
        outputs: BTreeMap<OutputName, OutputRecord>,
    ) -> Manifest {
        Manifest {
            schema: 1,
            job: job.id,
            generation: job.generation,
            attempt,
            claim,
            worker: WorkerId::new("w1").unwrap(),
            region: job.region.clone(),
            finished_at: self.db.now().await.unwrap(),
            source: SourceRecord { bytes: 1_234_567, sha256: "0".repeat(64), media: media() },
            outputs,
            steps: vec![StepTiming { step: "decode".to_owned(), wall_ms: 120 }],
            warnings: vec!["taken for stereo <top-bottom> by its shape".to_owned()],
        }
    }
}

fn record(output: &Output, prefix: String) -> OutputRecord {
    let file = |(path, kind, body): &(String, &'static str, Bytes)| FileRecord {
        path: path.clone(),
        bytes: body.len() as u64,
        sha256: Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect(),
        content_type: (*kind).to_owned(),
    };
    let entry = |(purpose, path): &(&str, &str)| ((*purpose).to_owned(), (*path).to_owned());
    OutputRecord {
        op: output.op.to_owned(),
        prefix,
        entry_points: output.entry_points.iter().map(entry).collect(),
        quality: Vec::new(),
        files: output.files.iter().map(file).collect(),
        total_bytes: output.files.iter().map(|(_, _, body)| body.len() as u64).sum(),
    }
}

fn media() -> MediaInfo {
    MediaInfo {
        container: "jpeg".to_owned(),
        bytes: 1_234_567,
        picture: Some(PictureInfo {
            width_px: 4096,
            height_px: 2048,
            color: ColorModel::Ycbcr,
            bits_per_sample: 8,
            orientation: 1,
            frames: 1,
            ..PictureInfo::default()
        }),
        ..MediaInfo::default()
    }
}
