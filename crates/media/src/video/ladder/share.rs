//! Which sizes are made at once: their encoders share a job's memory.

use panofleet_job_schema::operation::{LadderPlan, Rung};

use super::rung;

/// What a ladder may use.
#[derive(Clone, Copy, Debug)]
pub struct LadderMeans {
    /// Threads.
    pub threads: usize,
    /// Bytes that all encoders that work at once may take; see [`encoder_bytes`] for the least.
    pub encoder_bytes_max: u64,
}

/// How many times the source is gone over.
pub fn passes(plan: &LadderPlan, means: LadderMeans) -> usize {
    shares(plan, means).len()
}

/// Bytes that the encoders take at least: one of the hungriest size by itself.
pub fn encoder_bytes(plan: &LadderPlan) -> u64 {
    let alone = |rung| share_bytes(plan, std::slice::from_ref(rung), 1);
    plan.rungs.iter().map(alone).max().unwrap_or(0)
}

/// Sizes that are made from one decoding of the source, and threads of all their encoders.
#[derive(Clone, Copy)]
pub(super) struct Share<'a> {
    pub(super) rungs: &'a [Rung],
    pub(super) threads: usize,
}

/// Codec by codec, as many sizes at once as the memory allows. To decode once more takes little beside encoding; sizes that
/// did not fit would be refused.
pub(super) fn shares(plan: &LadderPlan, means: LadderMeans) -> Vec<Share<'_>> {
    let mut shares = Vec::new();
    for mut rungs in plan.rungs.chunk_by(|a, b| a.codec == b.codec) {
        while !rungs.is_empty() {
            let most = |threads: usize| {
                let fits = |many: &usize| {
                    share_bytes(plan, &rungs[..*many], threads) <= means.encoder_bytes_max
                };
                Some((1..=rungs.len()).rev().find(fits)?).map(|many| (many, threads))
            };
            let (many, threads) = most(means.threads).or_else(|| most(1)).unwrap_or((1, 1));
            let (now, later) = rungs.split_at(many);
            shares.push(Share { rungs: now, threads });
            rungs = later;
        }
    }
    shares
}

fn share_bytes(plan: &LadderPlan, rungs: &[Rung], threads: usize) -> u64 {
    let threads = |rung| rung::encoder_threads(rungs, rung, threads);
    rungs.iter().map(|rung| rung::encoder_bytes(plan.preset, rung, threads(rung))).sum()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// A ladder of 4096 × 2048 down to 1024 × 512, in 3 GiB and in less.
    #[test]
    fn as_many_sizes_are_made_at_once_as_there_is_memory_for() {
        let plan = |codecs: &str| -> LadderPlan {
            let sizes = [1024, 1440, 2048, 2880, 4096];
            let rung = |codec: &str, width: u32| json!({ "codec": codec, "width_px": width, "height_px": width / 2, "kbps_max": 9000, "sphere": null });
            let rungs: Vec<_> =
                codecs.split(' ').flat_map(|codec| sizes.map(|width| rung(codec, width))).collect();
            let crop = json!({ "left_px": 0, "top_px": 0, "width_px": 4096, "height_px": 2048 });
            let footage = json!({
                "track": 0, "rotation_deg": 0, "width_px": 4096, "height_px": 2048, "pixel_aspect": 1.0, "crop": crop,
                "duration_s": 1.0, "bits_per_sample": 8,
            });
            serde_json::from_value(json!({
                "footage": footage, "rungs": rungs, "frame_rate": [30, 1], "segment_frames": 120,
                "segment_groups": 2, "frames_max": 900, "crf": 23, "preset": "fast", "audio": null,
                "damage": "reject", "declared_frames": null, "video_layout": null, "assumptions": [],
            }))
            .unwrap()
        };
        let sizes = |codecs, gib: f64| -> Vec<usize> {
            let means = LadderMeans {
                threads: 2,
                encoder_bytes_max: (gib * 1024.0 * 1024.0 * 1024.0) as u64,
            };
            let plan = plan(codecs);
            shares(&plan, means).iter().map(|share| share.rungs.len()).collect()
        };
        assert_eq!(sizes("h264", 2.5), [5]);
        assert_eq!(sizes("h264 hevc", 8.0), [5, 5], "each codec by itself");
        assert_eq!(sizes("hevc", 2.0), [4, 1]);
        // What does not fit at all is tried alone: who calls has looked at the least.
        assert_eq!(sizes("av1", 0.1), [1; 5]);
        let least = encoder_bytes(&plan("h264 hevc av1"));
        assert!((1_000_000_000..1_700_000_000).contains(&least), "{least}");
    }
}
