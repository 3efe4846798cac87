//! One entry of `stsd`: how the samples of a track are coded, and what they show.

use crate::boxes::Boxes;
use crate::v2::{self, StereoMode};
use crate::{BoxError, BoxRef, FourCc, SpatialAudio, apple};

/// Bytes of a video sample entry before its boxes (ISO/IEC 14496-12, 12.1.3).
pub(crate) const VIDEO_BYTES: usize = 78;

/// Bytes of an audio sample entry before its boxes (ISO/IEC 14496-12, 12.2.3).
const AUDIO_BYTES: usize = 28;

/// What an entry of `stsd` says besides the codec.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleEntry {
    /// How the samples are coded: `avc1`, `hvc1`, `av01`, `mp4a`.
    pub format: FourCc,
    /// How the eyes lie in the frame (`st3d`).
    pub stereo: Option<StereoMode>,
    /// What the frame shows (`sv3d`).
    pub spherical: Option<v2::Spherical>,
    /// What the frame shows in Apple's words (`vexu`).
    pub extended: Option<apple::Extended>,
    /// Horizontal field of view (`hfov`), in thousandths of a degree.
    pub hfov_millideg: Option<u32>,
    /// What the channels are (`SA3D`).
    pub spatial_audio: Option<SpatialAudio>,
    /// Whether there is a second layer of HEVC (`lhvC`): the other eye of MV-HEVC.
    pub has_layers: bool,
    /// Whether there is a Dolby Vision configuration (`dvcC`, `dvvC`, `dvwC`).
    pub has_dolby_vision: bool,
    /// What is wrong with boxes that were left out for it.
    pub faults: Vec<BoxError>,
}

impl SampleEntry {
    /// Reads an entry of a track whose handler is `handler`. A box that is damaged is a fault, not an error.
    pub(crate) fn parse(entry: &BoxRef<'_>, handler: FourCc) -> Self {
        let mut found = Self {
            format: entry.kind,
            stereo: None,
            spherical: None,
            extended: None,
            hfov_millideg: None,
            spatial_audio: None,
            has_layers: false,
            has_dolby_vision: false,
            faults: Vec::new(),
        };
        let before = match &handler.0 {
            b"vide" => VIDEO_BYTES,
            b"soun" => audio_bytes(entry.body),
            _ => return found,
        };
        let boxes = entry.body.get(before..).unwrap_or_default();
        for child in Boxes::new(entry.kind, boxes) {
            if let Err(fault) = child.and_then(|child| found.read(&child)) {
                found.faults.push(fault);
            }
        }
        found
    }

    fn read(&mut self, child: &BoxRef<'_>) -> Result<(), BoxError> {
        match &child.kind.0 {
            b"st3d" => self.stereo = Some(StereoMode::parse(child)?),
            b"sv3d" => self.spherical = Some(v2::Spherical::parse(child)?),
            b"vexu" => self.extended = Some(apple::Extended::parse(child)?),
            b"hfov" => self.hfov_millideg = Some(apple::parse_hfov(child)?),
            b"SA3D" => self.spatial_audio = Some(SpatialAudio::parse(child)?),
            b"lhvC" => self.has_layers = true,
            b"dvcC" | b"dvvC" | b"dvwC" => self.has_dolby_vision = true,
            _ => {}
        }
        Ok(())
    }
}

/// QuickTime's versions 1 and 2 have more fields (QuickTime File Format, "Sound Sample Descriptions").
fn audio_bytes(body: &[u8]) -> usize {
    match body.get(8..10) {
        Some([0, 1]) => AUDIO_BYTES + 16,
        Some([0, 2]) => AUDIO_BYTES + 36,
        _ => AUDIO_BYTES,
    }
}
