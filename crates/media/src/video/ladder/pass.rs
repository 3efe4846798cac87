//! One going over the source: frames at even times to the encoders of some sizes, and to the sound.

use std::path::Path;

use ffmpeg_next::util::frame::Video as RawFrame;
use panofleet_job_schema::operation::{DamagePolicy, LadderAudio, LadderPlan};
use rayon::prelude::*;

use super::even::EvenFrames;
use super::rung::{self, FinishedRung, RungWork};
use super::share::Share;
use super::sound::LadderSound;
use super::{Grid, Laddered, Piece, Tell, pass_on};
use crate::error::MediaError;
use crate::video::convert::UprightFrame;
use crate::video::frame::VideoFrame;
use crate::video::reader::VideoReader;

/// A size is made of the smallest one that is so many times as wide: what two filters leave of it is then what one
/// would, and the source is not gone over again for each.
const FINE: f64 = 1.9;

/// Some sizes of one codec, from one decoding of the source.
pub(super) struct Pass<'a> {
    pub(super) plan: &'a LadderPlan,
    pub(super) share: Share<'a>,
    pub(super) grid: Grid,
    pub(super) decoder_threads: usize,
    /// The encoders, once there is a frame.
    pub(super) work: Vec<RungWork>,
}

impl Pass<'_> {
    /// Makes the segments, of the sound too if there is one to be made.
    ///
    /// # Errors
    /// As [`super::ladder`].
    pub(super) fn run<E: From<MediaError>>(
        &mut self,
        source: &Path,
        (audio, sound): (Option<LadderAudio>, &mut Option<LadderSound>),
        tell: Tell<'_, E>,
    ) -> Result<(Vec<FinishedRung>, Laddered), E> {
        let Self { plan, grid, .. } = *self;
        let reader = VideoReader::open(source, plan.footage.track, self.decoder_threads)?;
        let mut frames = EvenFrames::new(reader, grid, plan.frames_max);
        let Some(mut shown) = frames.next()? else { return Err(MediaError::NoFrames.into()) };
        let mut heard = match audio {
            Some(audio) => {
                let opened =
                    LadderSound::open(source, audio, frames.start_s(), grid, plan.segment_frames)?;
                Some(sound.insert(opened))
            }
            None => None,
        };
        let mut frame = 0;
        loop {
            let mut pictures = self.upright(shown.frame)?;
            while frame < shown.until {
                let work = self.work.par_iter_mut().zip(&mut pictures);
                work.try_for_each(|(rung, picture)| rung.encode(frame, picture))?;
                for rung in &mut self.work {
                    pass_on(rung.files(), tell)?;
                }
                frame += 1;
                if let Some(sound) = &mut heard {
                    sound.write_until(grid.seconds(frame))?;
                    pass_on(sound.files(), tell)?;
                }
                tell(Piece::Frame)?;
            }
            let Some(next) = frames.next()? else { break };
            shown = next;
        }
        let mut made = Laddered { frames: frame, warnings: Vec::new() };
        judge(plan, &frames, &mut made.warnings)?;
        let work = std::mem::take(&mut self.work);
        let finished = work.into_par_iter().map(RungWork::finish).collect::<Result<Vec<_>, _>>()?;
        let (finished, files): (Vec<_>, Vec<_>) = finished.into_iter().unzip();
        files.into_iter().try_for_each(|files| pass_on(files, tell))?;
        if let Some(sound) = &mut heard {
            sound.finish(grid.seconds(frame))?;
            pass_on(sound.files(), tell)?;
            made.warnings.extend(sound.warning(grid.seconds(frame)));
        }
        Ok((finished, made))
    }

    /// A frame in every size; the first one opens the encoders.
    fn upright(&mut self, frame: VideoFrame) -> Result<Vec<RawFrame>, MediaError> {
        let rotation_deg = self.plan.footage.rotation_deg;
        let Share { rungs, threads } = self.share;
        let converters: Vec<_> = rungs.iter().map(rung::converter).collect::<Result<_, _>>()?;
        let as_it_is = match converters.last() {
            Some(last) => rotation_deg == 0 && last.fits(&frame)?,
            None => false,
        };
        let made = if as_it_is { converters.len() - 1 } else { converters.len() };
        let mut pictures = Vec::with_capacity(converters.len());
        if made > 0 {
            // The source, then what was made of it, each smaller than the one before.
            let mut larger = vec![UprightFrame::of(&frame, rotation_deg)?];
            for converter in converters[..made].iter().rev() {
                let least_px = f64::from(converter.size().width_px()) * FINE;
                let enough = larger.iter().rposition(|one| f64::from(one.width_px()) >= least_px);
                let (picture, made) = converter.make(&larger[enough.unwrap_or(0)], &frame)?;
                pictures.push(picture);
                larger.push(made);
            }
            pictures.reverse();
        }
        if let (true, Some(last)) = (as_it_is, converters.last()) {
            pictures.push(last.convert(frame)?);
        }
        if self.work.is_empty() {
            for (rung, picture) in rungs.iter().zip(&pictures) {
                let threads = rung::encoder_threads(rungs, rung, threads);
                self.work.push(RungWork::new(self.plan, rung, picture, (self.grid, threads))?);
            }
        }
        Ok(pictures)
    }
}

/// Says what was wrong with the video, or refuses it for that.
fn judge(
    plan: &LadderPlan,
    frames: &EvenFrames,
    warnings: &mut Vec<String>,
) -> Result<(), MediaError> {
    warnings.extend(frames.warnings());
    match frames.verdict(plan.declared_frames) {
        Some(said) if plan.damage == DamagePolicy::Reject => Err(MediaError::VideoDamaged(said)),
        said => {
            warnings.extend(said);
            Ok(())
        }
    }
}
