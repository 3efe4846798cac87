//! How pictures of one or two eyes are written.

use panofleet_job_schema::media_info::GPano;
use panofleet_job_schema::operation::{Eye, EyePlan, Join, PictureOutput};
use panofleet_media::pixels::PixelDepth;
use panofleet_media::{Embedded, Encoder, Exif};
use panofleet_raster::{Picture, Rect, StereoLayout};

use super::{Summary, thumbnail};
use crate::error::StepError;
use crate::output::Output;

/// Where the files of an eye lie, and what they are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EyeFiles {
    /// Empty, or `left/` or `right/` where there are both.
    pub(crate) prefix: &'static str,
    /// What is added to a purpose: whoever knows nothing of stereo shows the left eye.
    pub(crate) suffix: &'static str,
}

impl EyeFiles {
    /// Of a picture that is not an eye's, or that of the only one.
    pub(crate) const ALONE: Self = Self { prefix: "", suffix: "" };

    /// Of an eye, which may be one of both.
    pub(crate) const fn of(eye: Eye, both: bool) -> Self {
        match (both, eye) {
            (false, _) => Self::ALONE,
            (true, Eye::Left) => Self { prefix: "left/", suffix: "" },
            (true, Eye::Right) => Self { prefix: "right/", suffix: "_right" },
        }
    }
}

/// What is known of a source besides its pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    /// The profile to embed in every picture.
    pub(crate) icc: Option<&'a [u8]>,
    /// What it says of the sphere.
    pub(crate) gpano: Option<&'a GPano>,
    /// What may be written into what is made of it.
    pub(crate) exif: Option<&'a Exif>,
}

/// A picture that was made, and what its file says of the sphere.
pub(crate) struct Made<S = u8> {
    /// The name of its file, without the ending.
    pub(crate) name: String,
    /// Opaque.
    pub(crate) picture: Picture<S>,
    /// Photo Sphere fields that are true of it.
    pub(crate) gpano: Option<GPano>,
}

/// Writes the pictures of eyes as they come, the left eye first.
pub(crate) struct Pictures<'a, S = u8> {
    plan: &'a PictureOutput,
    origin: Origin<'a>,
    both: bool,
    output: &'a Output<'a>,
    /// What the left eye waits with for the right one.
    held: Vec<Made<S>>,
    written: Vec<(String, String)>,
}

impl<'a, S: PixelDepth> Pictures<'a, S> {
    pub(crate) const fn new(
        plan: &'a PictureOutput,
        eyes: &[EyePlan],
        origin: Origin<'a>,
        output: &'a Output<'a>,
    ) -> Self {
        let both = eyes.len() > 1;
        Self { plan, origin, both, output, held: Vec::new(), written: Vec::new() }
    }

    /// Writes a picture of an eye, the `index`th of its own; the left eye's may have to wait.
    ///
    /// # Errors
    /// A size that the format cannot hold; what the file system or the pipe says.
    pub(crate) fn take(&mut self, eye: Eye, index: usize, made: Made<S>) -> Result<(), StepError> {
        let layout = match self.plan.join {
            Join::TopBottom => Some(StereoLayout::TopBottom),
            Join::LeftRight => Some(StereoLayout::LeftRight),
            Join::Separate => None,
        };
        match layout.filter(|_| self.both) {
            None => self.write(&made, EyeFiles::of(eye, self.both)),
            Some(_) if eye == Eye::Left => {
                self.held.push(made);
                Ok(())
            }
            Some(layout) => {
                let left = self.held.get(index).ok_or(StepError::EmptySize)?;
                let picture = S::join([&left.picture, &made.picture], layout)?;
                // GPano has no words for two eyes.
                self.write(&Made { picture, gpano: None, ..made }, EyeFiles::ALONE)
            }
        }
    }

    /// Adds what was written to a summary.
    pub(crate) fn add_to(self, summary: &mut Summary) {
        for (purpose, path) in self.written {
            summary.entry(&purpose, path);
        }
    }

    fn write(&mut self, made: &Made<S>, files: EyeFiles) -> Result<(), StepError> {
        let size = made.picture.size();
        let Origin { icc, exif, .. } = self.origin;
        let embedded = Embedded::derivative(self.plan.metadata, icc, made.gpano.as_ref(), exif);
        let mut encoder = Encoder::new(self.plan.format, self.plan.quality, embedded)?;
        let body = S::encode(&made.picture, &mut encoder)?;
        let EyeFiles { prefix, suffix } = files;
        let path = format!("{prefix}{}.{}", made.name, self.plan.format.extension());
        self.output.create_folder(prefix)?;
        self.output.write(&path, &body, self.plan.format.content_type())?;
        self.output.advance(size.area_px(), "write")?;
        self.written.push((format!("{}{suffix}", made.name), path));
        Ok(())
    }
}

/// One eye's picture: the source itself if that is all of it.
///
/// # Errors
/// A part that is not in the source.
pub(crate) fn eye_part<S: PixelDepth>(
    source: std::borrow::Cow<'_, Picture<S>>,
    eye: &EyePlan,
) -> Result<Picture<S>, StepError> {
    let rect = thumbnail::rect(eye.crop)?;
    if rect == Rect::whole(source.size()) {
        return Ok(source.into_owned());
    }
    Ok(S::part(&source, rect)?)
}

/// Pixels of an eye.
pub(crate) fn eye_px(eye: &EyePlan) -> u64 {
    u64::from(eye.crop.width_px) * u64::from(eye.crop.height_px)
}
