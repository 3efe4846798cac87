//! What would not fit is refused before it is begun, instead of being killed half-way.
//!
//! Outputs are made one after the other, so the hungriest counts, beside what is decoded.

use std::path::Path;

use panofleet_job_schema::media_info::MediaInfo;
use panofleet_job_schema::runner_protocol::Task;
use panofleet_job_schema::{Failure, OutputName};

use super::deep::Deep;
use super::{Job, PixelPlan, decode_px, keeps_profile, takes_stored};
use crate::steps::render;
use crate::steps::video::VideoStep;

/// Address space for the program itself: its libraries and tables.
const OWN_BYTES: u64 = 256 * 1024 * 1024;

/// Address space for each thread: its stack, a tile and the encoder's buffers.
const THREAD_BYTES: u64 = 12 * 1024 * 1024;

/// The larger of decoding and of the hungriest step beside the decoded picture: in the planes that a JPEG stores if
/// everything is made of those, else in RGB.
///
/// # Errors
/// `memory_limit`; what is wrong with the header.
pub(super) fn check_jobs(
    task: &Task,
    threads: usize,
    media: &MediaInfo,
    jobs: &[Job<'_>],
) -> Result<(), Failure> {
    if jobs.is_empty() {
        return Ok(());
    }
    let path = Path::new(&task.source);
    let stored = if takes_stored(jobs) {
        panofleet_media::stored_bytes(path, keeps_profile(jobs))?
    } else {
        None
    };
    let needed_bytes = if let Some((decode_bytes, frame_bytes)) = stored {
        let step_bytes = jobs.iter().map(|job| stored_step_bytes(&job.plan)).max().unwrap_or(0);
        decode_bytes.max(frame_bytes + step_bytes)
    } else {
        let step_px = jobs.iter().map(|job| job.plan.memory_px()).max().unwrap_or(0);
        panofleet_media::decode_bytes_max(path)?.max(channels(media) * (decode_px(media) + step_px))
    };
    fits("picture", task, needed_bytes + THREAD_BYTES * threads as u64)
}

/// Tiles keep one and a half samples for a pixel; thumbnails are RGB when they are small.
fn stored_step_bytes(plan: &PixelPlan) -> u64 {
    match plan {
        PixelPlan::Tiles(_) => 3 * plan.memory_px() / 2,
        _ => 3 * plan.memory_px(),
    }
}

/// The same for outputs of 16 bits.
///
/// # Errors
/// `memory_limit`; what is wrong with the header.
pub(super) fn check_deep(
    task: &Task,
    threads: usize,
    media: &MediaInfo,
    deep: &Deep<'_>,
) -> Result<(), Failure> {
    let Some(step_px) = deep.iter().map(|(_, plan)| render::memory_px(plan)).max() else {
        return Ok(());
    };
    let decode_bytes = panofleet_media::decode_deep_bytes_max(Path::new(&task.source))?;
    let needed_bytes = decode_bytes.max(2 * channels(media) * (decode_px(media) + step_px));
    fits("picture", task, needed_bytes + THREAD_BYTES * threads as u64)
}

/// The same for outputs of a video.
///
/// # Errors
/// `memory_limit`.
pub(super) fn check_videos(
    task: &Task,
    threads: usize,
    videos: &[(&OutputName, VideoStep)],
) -> Result<(), Failure> {
    let Some(needed_bytes) = videos.iter().map(|(_, step)| step.memory_bytes(threads)).max() else {
        return Ok(());
    };
    fits("video", task, needed_bytes + THREAD_BYTES * 2 * threads as u64)
}

/// What videos may take of a task's memory.
pub(super) fn for_videos(task: &Task, threads: usize) -> u64 {
    task.limits.memory_bytes.saturating_sub(OWN_BYTES + THREAD_BYTES * 2 * threads as u64)
}

fn channels(media: &MediaInfo) -> u64 {
    3 + u64::from(media.picture.as_ref().is_some_and(|picture| picture.alpha))
}

fn fits(what: &str, task: &Task, needed_bytes: u64) -> Result<(), Failure> {
    let (needed_bytes, allowed_bytes) = (OWN_BYTES + needed_bytes, task.limits.memory_bytes);
    if needed_bytes <= allowed_bytes {
        return Ok(());
    }
    let mib = |bytes: u64| bytes.div_ceil(1024 * 1024);
    let said = format!(
        "the {what} needs about {} MiB of memory and a job may use {} MiB here; make the {what} smaller, or \
         let the worker's jobs use more",
        mib(needed_bytes),
        mib(allowed_bytes)
    );
    Err(Failure::rejected("memory_limit", said))
}
