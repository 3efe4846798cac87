//! Pictures made of a panorama: what is to be rendered, and how it is written.

use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::limits;
use crate::media_info::MediaInfo;
use crate::metadata_policy::MetadataPolicy;
use crate::operation_doc::{ParameterDoc, ParameterKind};
use crate::operations::shared::{self, IccPolicy, Rgb};
use crate::panorama::{PictureProjection, SourcePlan};
use crate::picture_format::PictureFormat;

/// A camera that leans less than this is level to whoever looks.
const TILT_SEEN_DEG: f64 = 0.05;

/// How pictures are written; parameters of every operation that makes some.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PictureOutput {
    /// File format.
    pub format: PictureFormat,
    /// Encoder quality, 1 to 100, of formats that lose something.
    pub quality: u8,
    /// What happens to the colour profile.
    pub icc: IccPolicy,
    /// What of the source's EXIF data is written.
    pub metadata: MetadataPolicy,
    /// What is shown where the source shows nothing, and behind what is transparent.
    pub background: Rgb,
    /// How both eyes are written.
    pub join: Join,
}

impl Default for PictureOutput {
    fn default() -> Self {
        Self {
            format: PictureFormat::Jpeg,
            quality: 85,
            icc: IccPolicy::Srgb,
            metadata: MetadataPolicy::Strip,
            background: Rgb::default(),
            join: Join::Separate,
        }
    }
}

/// How the pictures of both eyes are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Join {
    /// Each in a folder of its own.
    #[default]
    Separate,
    /// In one picture, the left eye above the right.
    TopBottom,
    /// In one picture, the left eye left of the right.
    LeftRight,
}

impl Join {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["separate", "top-bottom", "left-right"];
}

/// A turn: roll first, then pitch, then yaw, each about the world's axes. A camera that is turned by it looks `yaw`
/// to the right, `pitch` up, and leans clockwise by `roll`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Angles {
    /// To the right.
    pub yaw_deg: f64,
    /// Up.
    pub pitch_deg: f64,
    /// Clockwise as the viewer sees it; the horizon turns counter-clockwise in the picture.
    pub roll_deg: f64,
}

impl Angles {
    /// To the right and up, without roll.
    pub const fn looking(yaw_deg: f64, pitch_deg: f64) -> Self {
        Self { yaw_deg, pitch_deg, roll_deg: 0.0 }
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_angle("yaw_deg", Some(self.yaw_deg), -360.0, 360.0)?;
        shared::check_angle("pitch_deg", Some(self.pitch_deg), -180.0, 180.0)?;
        shared::check_angle("roll_deg", Some(self.roll_deg), -180.0, 180.0)
    }
}

/// What happens to the tilt of the camera that GPano tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PosePolicy {
    /// Directions are those of the picture as it is stored.
    #[default]
    Keep,
    /// Directions are those of a picture whose horizon is level.
    Level,
}

impl PosePolicy {
    /// The words of the parameter.
    pub const WORDS: &'static [&'static str] = &["keep", "level"];
}

/// Pictures of a panorama, with every question answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RenderPlan {
    /// What is looked at.
    pub source: SourcePlan,
    /// Pitch and roll of the camera, if they are taken out first.
    pub tilt: Option<Angles>,
    /// How what is made is turned in the source.
    pub turn: Angles,
    /// What is made of each eye.
    pub pictures: Vec<PicturePlan>,
    /// Bits of a channel, 8 or 16.
    pub depth_bits: u8,
    /// How it is written.
    pub output: PictureOutput,
}

/// One picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PicturePlan {
    /// The name of its file, without the ending.
    pub name: String,
    /// What it shows.
    pub projection: PictureProjection,
    /// Its width.
    pub width_px: u32,
    /// Its height.
    pub height_px: u32,
    /// Where it looks, inside of the plan's turn.
    pub aim: Aim,
    /// Whether an equirectangular picture is cut to the part of the sphere that the source shows.
    pub cut: bool,
}

/// Where a picture looks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "aim", rename_all = "snake_case")]
pub enum Aim {
    /// There.
    Fixed(Angles),
    /// At this pitch, to where there is most to see.
    MostDetail {
        /// Up.
        pitch_deg: f64,
    },
}

impl Default for Aim {
    fn default() -> Self {
        Self::Fixed(Angles::default())
    }
}

/// The tilt that GPano tells of, if it is to be taken out; if not, and there is one, a source's plan says so.
pub(crate) fn tilt(
    policy: PosePolicy,
    media: &MediaInfo,
    source: &mut SourcePlan,
) -> Option<Angles> {
    let said = media.gpano.as_ref().map(|gpano| (gpano.pose_pitch_deg, gpano.pose_roll_deg));
    let said = said.filter(|(pitch, roll)| pitch.or(*roll).is_some())?;
    let (pitch_deg, roll_deg) = (said.0.unwrap_or(0.0), said.1.unwrap_or(0.0));
    if policy == PosePolicy::Level {
        return Some(Angles { yaw_deg: 0.0, pitch_deg, roll_deg });
    }
    if pitch_deg.abs() > TILT_SEEN_DEG || roll_deg.abs() > TILT_SEEN_DEG {
        source.assumptions.push(format!(
            "GPano says that the camera was tilted (pitch {pitch_deg}°, roll {roll_deg}°); the picture was not \
             levelled: `pose` = `level` does that"
        ));
    }
    None
}

impl RenderPlan {
    /// Pixels of everything that is made.
    pub fn pixels(&self) -> u64 {
        let each: u64 = self.pictures.iter().map(PicturePlan::pixels).sum();
        each * self.source.eyes.len() as u64
    }

    /// The plan, if what it makes can be written.
    ///
    /// # Errors
    /// `Rejected` for a picture beyond the limits, or beyond the format's.
    pub(crate) fn within_limits(self) -> Result<Self, Failure> {
        if self.depth_bits > self.output.format.bits_max() {
            let said = "this format has 8 bits a channel, and `depth_bits` is 16; set `format` to png or tiff";
            return Err(Failure::rejected("depth_unsupported", said));
        }
        let eyes = self.source.eyes.len() as u32;
        for picture in &self.pictures {
            check_joined(&self.output, eyes, (picture.width_px, picture.height_px))?;
        }
        Ok(self)
    }
}

/// Refuses a size of each eye that is beyond the limits, or beyond the format's, when so many are written.
pub(crate) fn check_joined(
    output: &PictureOutput,
    eyes: u32,
    (width_px, height_px): (u32, u32),
) -> Result<(), Failure> {
    let (across, down) = match output.join {
        Join::LeftRight => (eyes, 1),
        Join::TopBottom => (1, eyes),
        Join::Separate => (1, 1),
    };
    check_size(output.format, width_px * across, height_px * down)
}

/// Refuses a size beyond the limits, or beyond the format's.
pub(crate) fn check_size(
    format: PictureFormat,
    width_px: u32,
    height_px: u32,
) -> Result<(), Failure> {
    let too_large = |limit: String| {
        let said = format!(
            "a picture of {width_px}×{height_px} pixels would be made, and {limit}; ask for a smaller one"
        );
        Err(Failure::rejected("output_too_large", said))
    };
    let side_px_max = match format {
        PictureFormat::Webp => 16_383,
        PictureFormat::Jpeg => 65_500,
        PictureFormat::Png | PictureFormat::Tiff => limits::PICTURE_SIDE_PX_MAX,
    };
    if width_px.max(height_px) > side_px_max {
        return too_large(format!("a side may have {side_px_max} in this format"));
    }
    if u64::from(width_px) * u64::from(height_px) > limits::PICTURE_PIXELS_MAX {
        return too_large(format!("it may have {} in all", limits::PICTURE_PIXELS_MAX));
    }
    Ok(())
}

impl PicturePlan {
    fn pixels(&self) -> u64 {
        u64::from(self.width_px) * u64::from(self.height_px)
    }
}

impl PictureOutput {
    pub(crate) fn check(&self) -> Result<(), String> {
        shared::check_integer("quality", self.quality.into(), 1, 100)
    }
}

/// The parameters of a [`PictureOutput`].
pub(crate) const OUTPUT: [ParameterDoc; 6] = [
    ParameterDoc {
        name: "format",
        kind: ParameterKind::Choice { of: PictureFormat::WORDS },
        default: "\"jpeg\"",
        summary: "file format",
    },
    ParameterDoc {
        name: "quality",
        kind: ParameterKind::Integer { min: 1, max: 100 },
        default: "85",
        summary: "encoder quality of a format that loses something",
    },
    shared::ICC,
    MetadataPolicy::DOC,
    ParameterDoc {
        name: "background",
        kind: ParameterKind::Color,
        default: "\"#000000\"",
        summary: "what is shown where the source shows nothing, and behind what is transparent",
    },
    ParameterDoc {
        name: "join",
        kind: ParameterKind::Choice { of: Join::WORDS },
        default: "\"separate\"",
        summary: "how both eyes are written: under left/ and right/, or in one picture",
    },
];

/// Refuses a depth that no picture has.
pub(crate) fn check_depth(depth_bits: u8) -> Result<(), String> {
    if matches!(depth_bits, 8 | 16) {
        return Ok(());
    }
    Err(format!("depth_bits is {depth_bits}; it must be 8 or 16"))
}

/// Bits of a channel, where pictures may have 16.
pub(crate) const DEPTH: ParameterDoc = ParameterDoc {
    name: "depth_bits",
    kind: ParameterKind::Integer { min: 8, max: 16 },
    default: "8",
    summary: "bits of a channel: 8, or 16 of a PNG or a TIFF",
};

/// The parameters of [`Angles`].
pub(crate) const ANGLES: [ParameterDoc; 3] = [
    ParameterDoc {
        name: "yaw_deg",
        kind: ParameterKind::Number { min: -360.0, max: 360.0 },
        default: "0.0",
        summary: "where the picture looks: to the right of the source's middle, in degrees",
    },
    ParameterDoc {
        name: "pitch_deg",
        kind: ParameterKind::Number { min: -180.0, max: 180.0 },
        default: "0.0",
        summary: "where the picture looks: up, in degrees; turned after roll and before yaw",
    },
    ParameterDoc {
        name: "roll_deg",
        kind: ParameterKind::Number { min: -180.0, max: 180.0 },
        default: "0.0",
        summary: "how the camera leans: clockwise, in degrees, so that the horizon turns counter-clockwise; turned first",
    },
];

/// The parameter of a [`PosePolicy`].
pub(crate) const POSE: ParameterDoc = ParameterDoc {
    name: "pose",
    kind: ParameterKind::Choice { of: PosePolicy::WORDS },
    default: "\"keep\"",
    summary: "`level` takes out the camera's pitch and roll that GPano tells of; `keep` counts directions in the picture \
              as it is stored",
};
