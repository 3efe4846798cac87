//! `video.sprites`: sheets of small frames, and a WebVTT file that says which is where.

use std::fmt::Write as _;

use panofleet_job_schema::operation::{SpritesPlan, TileFormat};
use panofleet_media::video::{VideoFrame, VideoReader};
use panofleet_media::{Embedded, Encoder, MediaError, pixels};
use panofleet_raster::{Edges, Rect, Size};

use super::{Footage, frame_px, note, used_part};
use crate::error::StepError;
use crate::output::Output;
use crate::steps::Summary;

/// Writes `sheet-000.jpg` and so on, each as it is full, and `sprites.vtt`.
///
/// A small frame shows a moment of the time that it stands for: a keyframe if there is one between its
/// beginning and its middle, else the frame at its middle.
///
/// # Errors
/// A video without a frame that can be decoded; what the file system or the pipe says.
pub(super) fn run(
    plan: &SpritesPlan,
    footage: Footage<'_>,
    output: &Output<'_>,
) -> Result<Summary, StepError> {
    let reader = VideoReader::open(footage.source, plan.footage.track, footage.threads)?;
    let mut moments = Moments { reader, current: None, in_order: false };
    let mut sheets = Sheets::new(plan, output)?;
    let size = Size::new(plan.width_px, plan.height_px).ok_or(StepError::EmptySize)?;
    let mut summary = Summary { warnings: plan.assumptions.clone(), ..Summary::default() };
    let mut stale = 0_u32;
    for index in 0..plan.count {
        let from_s = f64::from(index) * plan.every_s;
        let frame = moments.frame(from_s, from_s + plan.every_s / 2.0)?;
        // Nothing that came before the last one's time stands for this one's.
        stale += u32::from(frame.at_s().is_some_and(|at_s| at_s < from_s - plan.every_s));
        if index == 0 {
            note(&mut summary, frame)?;
        }
        let small = pixels::scale(&used_part(&plan.footage, frame)?, size, Edges::Clamp)?;
        sheets.put(index, &pixels::interleaved(&small, Rect::whole(size))?)?;
        output.advance(frame_px(&plan.footage), "sprites")?;
    }
    if stale > 0 {
        summary.warnings.push(format!(
            "{stale} of {} small frames show an earlier moment, because none can be decoded at theirs",
            plan.count
        ));
    }
    output.write("sprites.vtt", cues(plan).as_bytes(), "text/vtt")?;
    summary.entry("vtt", "sprites.vtt");
    Ok(summary)
}

/// The frames of one moment after the other.
struct Moments {
    reader: VideoReader,
    current: Option<VideoFrame>,
    /// Keyframes are further apart than moments: seeking would go over the same frames again and again.
    in_order: bool,
}

impl Moments {
    /// A frame of the time from `from_s` to its middle; if there is none, the last one before.
    fn frame(&mut self, from_s: f64, middle_s: f64) -> Result<&VideoFrame, StepError> {
        let before_s = self.current.as_ref().and_then(VideoFrame::at_s);
        if !self.in_order {
            self.reader.seek(middle_s)?;
            match self.reader.next_frame()? {
                Some(key) if key.at_s().is_none_or(|key_s| key_s <= middle_s) => {
                    let key_s = key.at_s().unwrap_or(from_s);
                    self.in_order = before_s.is_some_and(|before_s| key_s <= before_s);
                    self.current = Some(key);
                }
                // It came out too late, or behind the last frame.
                _ => self.current = self.reader.frame_at(middle_s)?.or(self.current.take()),
            }
        }
        if let Some(frame) = self.current.take() {
            let arrived = !self.in_order && frame.at_s().is_some_and(|at_s| at_s >= from_s);
            let frame = if arrived { frame } else { self.reader.last_before(frame, middle_s)? };
            return Ok(self.current.insert(frame));
        }
        Err(MediaError::NoFrames.into())
    }
}

/// The sheet that is being filled.
struct Sheets<'a> {
    plan: &'a SpritesPlan,
    output: &'a Output<'a>,
    encoder: Encoder,
    /// `height × width × 3` samples of the whole sheet.
    rgb: Vec<u8>,
}

impl<'a> Sheets<'a> {
    fn new(plan: &'a SpritesPlan, output: &'a Output<'a>) -> Result<Self, StepError> {
        let encoder = Encoder::new(TileFormat::Jpeg, plan.quality, Embedded::default())?;
        Ok(Self { plan, output, encoder, rgb: vec![0; 3 * sheet_px(plan) as usize] })
    }

    /// Puts a small frame into its place; a sheet that is full with it is written.
    fn put(&mut self, index: u32, rgb: &[u8]) -> Result<(), StepError> {
        let SpritesPlan { columns, width_px, height_px, count, .. } = *self.plan;
        let place = Place::of(self.plan, index);
        let row_bytes = 3 * width_px as usize;
        let stride = row_bytes * columns as usize;
        let start = place.top_px as usize * stride + 3 * place.left_px as usize;
        for (y, row) in rgb.chunks_exact(row_bytes).enumerate() {
            self.rgb[start + y * stride..][..row_bytes].copy_from_slice(row);
        }
        let number = place.number + 1;
        if number < columns * self.plan.rows && index + 1 < count {
            return Ok(());
        }
        // The last sheet is as high as it is full.
        let height = number.div_ceil(columns) * height_px;
        let size = Size::new(columns * width_px, height).ok_or(StepError::EmptySize)?;
        let body = self.encoder.encode(&self.rgb[..height as usize * stride], size)?;
        self.rgb.fill(0);
        self.output.write(&sheet_name(place.sheet), &body, TileFormat::Jpeg.content_type())
    }
}

/// Where a small frame lies.
struct Place {
    sheet: u32,
    /// Its number on the sheet.
    number: u32,
    left_px: u32,
    top_px: u32,
}

impl Place {
    const fn of(plan: &SpritesPlan, index: u32) -> Self {
        let a_sheet = plan.columns * plan.rows;
        let number = index % a_sheet;
        Self {
            sheet: index / a_sheet,
            number,
            left_px: number % plan.columns * plan.width_px,
            top_px: number / plan.columns * plan.height_px,
        }
    }
}

fn sheet_name(sheet: u32) -> String {
    format!("sheet-{sheet:03}.jpg")
}

/// The WebVTT file: a cue for each small frame, with the part of the sheet that it is as a media fragment.
fn cues(plan: &SpritesPlan) -> String {
    let mut text = String::from("WEBVTT\n");
    for index in 0..plan.count {
        let from_s = f64::from(index) * plan.every_s;
        let to_s = (from_s + plan.every_s).min(plan.footage.duration_s);
        let Place { sheet, left_px, top_px, .. } = Place::of(plan, index);
        let (from, to, name) = (time(from_s), time(to_s), sheet_name(sheet));
        let SpritesPlan { width_px, height_px, .. } = *plan;
        write!(text, "\n{from} --> {to}\n{name}#xywh={left_px},{top_px},{width_px},{height_px}\n")
            .expect("a string takes all");
    }
    text
}

fn time(seconds: f64) -> String {
    let milliseconds = (seconds * 1000.0).round() as u64;
    let (hours, minutes) = (milliseconds / 3_600_000, milliseconds / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}.{:03}", milliseconds / 1000 % 60, milliseconds % 1000)
}

/// Pixels that it goes over.
pub(super) fn work_px(plan: &SpritesPlan) -> u64 {
    u64::from(plan.count) * frame_px(&plan.footage)
}

pub(super) fn result_px(plan: &SpritesPlan) -> u64 {
    sheet_px(plan)
}

fn sheet_px(plan: &SpritesPlan) -> u64 {
    let [across, down] = [plan.columns * plan.width_px, plan.rows * plan.height_px];
    u64::from(across) * u64::from(down)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_webvtt() {
        assert_eq!(time(0.0), "00:00:00.000");
        assert_eq!(time(3725.0415), "01:02:05.042");
    }
}
