//! Pictures, one after the other, to an MP4.

use std::fs::File;

use ffmpeg_next::Rational;
use panofleet_isobmff::{MovieEdit, TrackEdit};
use panofleet_job_schema::operation::{EncoderPreset, VideoCodec};
use panofleet_raster::{Picture, Size};

use super::convert::Converter;
use super::encode::{EncoderSettings, VideoEncoder};
use super::mp4::Mp4Writer;
use crate::error::MediaError;

/// How a film is encoded.
#[derive(Clone, Copy, Debug)]
pub struct FilmSettings {
    /// Width and height, both even.
    pub size: Size,
    /// Frames a second.
    pub frame_rate: u32,
    /// Rate factor, 1 to 51: less is better and larger.
    pub crf: u8,
    /// Threads of the encoder.
    pub threads: usize,
}

/// A silent film in work: H.264 in an MP4 whose index comes first.
pub struct Film {
    settings: FilmSettings,
    file: Option<File>,
    work: Option<(VideoEncoder, Mp4Writer)>,
    frames: i64,
}

impl std::fmt::Debug for Film {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Film").field("settings", &self.settings).finish_non_exhaustive()
    }
}

impl Film {
    /// A film in an empty file that is open for reading too.
    pub const fn new(file: File, settings: FilmSettings) -> Self {
        Self { settings, file: Some(file), work: None, frames: 0 }
    }

    /// Adds an opaque picture, which must be as large as the film.
    ///
    /// # Errors
    /// `Encode`; `Write`.
    pub fn add(&mut self, picture: &Picture<u8>) -> Result<(), MediaError> {
        let mut frame = Converter::new(self.settings.size).of_picture(picture)?;
        frame.set_pts(Some(self.frames));
        self.frames += 1;
        if let Some(file) = self.file.take() {
            let encoder = VideoEncoder::new(&self.encoder_settings(), &frame)?;
            let mut writer = Mp4Writer::new(file)?;
            writer.add_encoder(encoder.context(), self.tick())?;
            writer.begin()?;
            self.work = Some((encoder, writer));
        }
        let Some((encoder, writer)) = &mut self.work else { return Err(MediaError::NoFrames) };
        encoder.send(Some(&mut frame))?;
        write_ready(encoder, writer)
    }

    /// Ends the file.
    ///
    /// # Errors
    /// `NoFrames` of a film without any; `Encode`; `Write`.
    pub fn finish(self) -> Result<(), MediaError> {
        let (mut encoder, mut writer) = self.work.ok_or(MediaError::NoFrames)?;
        encoder.send(None)?;
        write_ready(&mut encoder, &mut writer)?;
        // The muxer numbers its tracks from 1.
        let track = TrackEdit {
            track_id: 1,
            entry_boxes: Vec::new(),
            track_boxes: Vec::new(),
            rotation_deg: 0,
        };
        writer.finish(&MovieEdit { tracks: vec![track] }).map(drop)
    }

    fn tick(&self) -> Rational {
        Rational::new(1, self.settings.frame_rate as i32)
    }

    fn encoder_settings(&self) -> EncoderSettings {
        EncoderSettings {
            codec: VideoCodec::H264,
            crf: self.settings.crf,
            preset: EncoderPreset::Medium,
            keyframe_frames: 250,
            frame_rate: Rational::new(self.settings.frame_rate as i32, 1),
            tick: self.tick(),
            threads: self.settings.threads,
            segments: None,
        }
    }
}

/// Writes the packets that the encoder has; a frame lasts a tick.
fn write_ready(encoder: &mut VideoEncoder, writer: &mut Mp4Writer) -> Result<(), MediaError> {
    while let Some(packet) = encoder.receive()? {
        writer.write(0, packet, 1)?;
    }
    Ok(())
}
