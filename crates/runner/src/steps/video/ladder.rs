//! `video.ladder`: a video in several sizes, for HLS and DASH.

use panofleet_job_schema::operation::LadderPlan;
use panofleet_media::video::{LadderMeans, Laddered, Piece, ladder, passes};

use super::{Footage, decoder_bytes, frame_px};
use crate::error::StepError;
use crate::output::Output;
use crate::steps::Summary;

/// Writes a folder for each size and for the sound, segment by segment, and then `master.m3u8` and `manifest.mpd`.
///
/// # Errors
/// What is wrong with the video; what the file system or the pipe says.
pub(super) fn run(
    plan: &LadderPlan,
    footage: Footage<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    output.advance(0, "ladder")?;
    let frame_px = frame_px(&plan.footage);
    let tell = |piece: Piece<'_>| match piece {
        Piece::Frame => output.advance(frame_px, "ladder"),
        Piece::File { path, bytes, content_type } => {
            if let Some((folder, _)) = path.rsplit_once('/') {
                output.create_folder(folder)?;
            }
            output.write(path, bytes, content_type)
        }
    };
    let made: Laddered = ladder(footage.source, plan, means(plan, footage), tell)?;
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    summary.warnings.extend(made.warnings);
    summary.entry("hls", "master.m3u8");
    summary.entry("dash", "manifest.mpd");
    Ok(summary)
}

/// Pixels that it goes over: those of the source, at the even times of the result, as often as it is decoded.
pub(super) fn work_px(plan: &LadderPlan, footage: Footage<'_>) -> u64 {
    let (frames, seconds) = plan.frame_rate;
    let frames = plan.footage.duration_s * f64::from(frames) / f64::from(seconds);
    let passes = passes(plan, means(plan, footage)) as u64;
    frame_px(&plan.footage) * (frames.ceil() as u64).max(1) * passes.max(1)
}

/// What the encoders may use: what decoding leaves.
fn means(plan: &LadderPlan, footage: Footage<'_>) -> LadderMeans {
    let Footage { threads, memory_bytes, .. } = footage;
    let decoder_bytes = decoder_bytes(&plan.footage, threads);
    LadderMeans { threads, encoder_bytes_max: memory_bytes.saturating_sub(decoder_bytes) }
}
