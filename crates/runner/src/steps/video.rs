//! What is made of video. Each output reads the source by itself: it wants other frames than the others.

use std::path::Path;

use panofleet_job_schema::operation::{
    FootagePlan, LadderPlan, PosterPlan, ReprojectPlan, SpritesPlan, TranscodePlan,
};
use panofleet_media::video::{FramePictures, VideoFrame, encoder_bytes};
use panofleet_media::{MediaError, pixels};
use panofleet_raster::{Edges, Picture, Rect, Size};

use super::{Summary, thumbnail};
use crate::error::StepError;
use crate::output::Output;

mod ladder;
mod look;
mod poster;
mod reproject;
mod sprites;
mod transcode;

/// Frames that a decoder holds at most, beside one for each of its threads: references, and what is shown later.
const HELD_FRAMES: u64 = 10;

/// Bytes of a pixel of a result that is a picture, in every state.
const RESULT_BYTES: u64 = 6;

/// An output that is made of video.
#[derive(Debug)]
pub(crate) enum VideoStep {
    /// One frame.
    Poster(PosterPlan),
    /// Sheets of small frames.
    Sprites(SpritesPlan),
    /// One MP4.
    Transcode(Box<TranscodePlan>),
    /// One MP4 in another projection.
    Reproject(Box<ReprojectPlan>),
    /// Segments of several sizes.
    Ladder(Box<LadderPlan>),
}

/// What every such output reads, with how many threads, and in how much memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Footage<'a> {
    pub(crate) source: &'a Path,
    pub(crate) threads: usize,
    pub(crate) memory_bytes: u64,
}

impl VideoStep {
    /// The name in the timings.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Poster(_) => "poster",
            Self::Sprites(_) => "sprites",
            Self::Transcode(_) => "transcode",
            Self::Reproject(_) => "reproject",
            Self::Ladder(_) => "ladder",
        }
    }

    /// Makes the output.
    ///
    /// # Errors
    /// What is wrong with the video; what the file system or the pipe says.
    pub(crate) fn run(
        &self,
        footage: Footage<'_>,
        output: &Output<'_>,
    ) -> Result<Summary, StepError> {
        match self {
            Self::Poster(plan) => poster::run(plan, footage, output),
            Self::Sprites(plan) => sprites::run(plan, footage, output),
            Self::Transcode(plan) => transcode::run(plan, footage, output),
            Self::Reproject(plan) => reproject::run(plan, footage, output),
            Self::Ladder(plan) => ladder::run(plan, footage, output),
        }
    }

    /// Pixels that it goes over.
    pub(crate) fn work_px(&self, footage: Footage<'_>) -> u64 {
        match self {
            Self::Poster(plan) => poster::work_px(plan),
            Self::Sprites(plan) => sprites::work_px(plan),
            Self::Transcode(plan) => transcode::work_px(plan),
            Self::Reproject(plan) => transcode::work_px(&plan.film),
            Self::Ladder(plan) => ladder::work_px(plan, footage),
        }
    }

    /// Bytes that it takes at most, or at least if it can do with less: the decoder's frames, one as a picture in every
    /// state, and the result.
    pub(crate) fn memory_bytes(&self, threads: usize) -> u64 {
        let (footage, result_px) = match self {
            Self::Poster(plan) => (&plan.footage, poster::result_px(plan)),
            Self::Sprites(plan) => (&plan.footage, sprites::result_px(plan)),
            // Of one and a half bytes each, of the six that results count for.
            Self::Transcode(plan) => (&plan.footage, transcode::encoder_px(plan) / 4),
            Self::Reproject(plan) => (&plan.film.footage, reproject::result_px(plan)),
            Self::Ladder(plan) => (&plan.footage, encoder_bytes(plan).div_ceil(RESULT_BYTES)),
        };
        decoder_bytes(footage, threads) + RESULT_BYTES * result_px
    }
}

/// The decoder's frames, and one as a picture in every state.
fn decoder_bytes(footage: &FootagePlan, threads: usize) -> u64 {
    let sample_bytes = if footage.bits_per_sample > 8 { 2 } else { 1 };
    // 4:4:4 where it is 4:2:0, then RGB, then 8 bits, then turned.
    let decoded = (HELD_FRAMES + threads as u64) * 3 * sample_bytes / 2;
    frame_px(footage) * (decoded + 3 * sample_bytes * 2 + 6)
}

fn frame_px(footage: &FootagePlan) -> u64 {
    u64::from(footage.width_px) * u64::from(footage.height_px)
}

/// The part of a frame that is used, upright and as large as was planned: a track's frames may change their size.
fn used_part(plan: &FootagePlan, frame: &VideoFrame) -> Result<Picture<u8>, StepError> {
    let picture = FramePictures::new(plan.rotation_deg).picture(frame)?;
    let planned = Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)?;
    let picture = if picture.size() == planned {
        picture
    } else {
        pixels::scale(&picture, planned, Edges::Clamp)?
    };
    let rect = thumbnail::rect(plan.crop)?;
    if rect == Rect::whole(planned) {
        return Ok(picture);
    }
    Ok(pixels::part(&picture, rect)?)
}

/// What was done to colours, and that nothing could be decoded, as words of the output.
fn note(summary: &mut Summary, frame: &VideoFrame) -> Result<(), MediaError> {
    summary.warnings.extend(FramePictures::note(frame)?);
    Ok(())
}
