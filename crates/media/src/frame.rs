//! JPEG pictures in the planes in which they are stored: luma and subsampled chroma, never RGB.
//!
//! What is remapped and written as JPEG again needs no RGB between: half as many samples, no conversions, and
//! chroma that is filtered once instead of twice.

use std::fs::File;
use std::num::NonZeroU32;
use std::path::Path;

use panofleet_job_schema::media_info::ColorModel;
use panofleet_projection::{Face, View};
use panofleet_raster::{
    Channels, Description, Edges, Frame, FrameRemap, Geometry, Kernel, Picture, Plane, PlaneView,
    RasterError, Rect, Size, Subsampling, crop_view, reduce_by_two, resize, rgb_to_ycbcr,
    ycbcr_to_rgb,
};

use crate::decode;
use crate::error::MediaError;
use crate::header;
use crate::icc::Profile;
use crate::probe;
use crate::sniff::Container;

/// A decoded JPEG as it is stored.
#[derive(Debug)]
pub struct StoredFrame {
    /// The planes one after the other, each plane's rows without gaps.
    pub(crate) samples: Vec<u8>,
    pub(crate) size: Size,
    pub(crate) description: Description,
    /// The RGB profile whose colours the picture has; without one they are sRGB.
    pub profile: Option<Profile>,
    /// What is odd about the pixels or the profile.
    pub warnings: Vec<String>,
}

/// Decodes a picture to its planes, if that is all that there is to do: an upright JPEG of YCbCr, 4:4:4, 4:2:2
/// or 4:2:0 with even sides, and sRGB or, with `keep_profile`, any profile. `None` for any other, which
/// [`decode`](crate::decode()) is for.
///
/// # Errors
/// As [`decode`](crate::decode()).
pub fn decode_stored(path: &Path, keep_profile: bool) -> Result<Option<StoredFrame>, MediaError> {
    let Some(Plain { file, profile, mut warnings, .. }) = plain(path, keep_profile)? else {
        return Ok(None);
    };
    let Some((samples, size, subsampling)) = decode::jpeg::stored(&file, &mut warnings)? else {
        return Ok(None);
    };
    let description = Description { subsampling, ..Description::JPEG };
    Ok(Some(StoredFrame { samples, size, description, profile, warnings }))
}

/// Bytes that [`decode_stored`] takes at most, and those of the frame that it makes; `None` where it makes none.
///
/// # Errors
/// As [`decode_stored`], for what the header says.
pub fn stored_bytes(path: &Path, keep_profile: bool) -> Result<Option<(u64, u64)>, MediaError> {
    let Some(Plain { file, codec_bytes, .. }) = plain(path, keep_profile)? else {
        return Ok(None);
    };
    let found = decode::jpeg::stored_bytes(&file)?;
    Ok(found.map(|(file_bytes, frame_bytes)| (file_bytes + frame_bytes + codec_bytes, frame_bytes)))
}

/// A JPEG whose planes need nothing but decoding.
struct Plain {
    file: File,
    profile: Option<Profile>,
    warnings: Vec<String>,
    codec_bytes: u64,
}

fn plain(path: &Path, keep_profile: bool) -> Result<Option<Plain>, MediaError> {
    let file = File::open(path).map_err(MediaError::Io)?;
    let (container, _) = probe::sniff_file(&file)?;
    if container != Container::Jpeg {
        return Ok(None);
    }
    let header = header::read(container, &file)?;
    header::check_size(container, header.width_px.into(), header.height_px.into())?;
    let is_plain = header.color == ColorModel::Ycbcr
        && header.bits_per_sample == 8
        && probe::orientation(&header.metadata) == 1
        && header.width_px % 2 == 0
        && header.height_px % 2 == 0;
    let (profile, warnings) = decode::usable_profile::<u8>(&header);
    let profile = profile.filter(|profile| !profile.is_srgb());
    if !is_plain || (profile.is_some() && !keep_profile) {
        return Ok(None);
    }
    Ok(Some(Plain { file, profile, warnings, codec_bytes: header.codec_bytes }))
}

impl StoredFrame {
    /// Size of the picture.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// A part of the picture, in place.
    ///
    /// # Errors
    /// A part that is not inside, or whose sides or place are odd.
    pub fn part(&self, rect: Rect) -> Result<Frame<'_, u8>, RasterError> {
        let outside = RasterError::OutsidePicture { rect, size: self.size };
        let chroma = self.description.chroma_size(self.size);
        let (luma, colour) = self.samples.split_at(self.size.area_px() as usize);
        let (blue, red) = colour.split_at(chroma.area_px() as usize);
        let planes = [(luma, self.size), (blue, chroma), (red, chroma)].map(|(samples, size)| {
            let view = PlaneView::new(size, size.width_px() as usize, samples)?;
            // Chroma has a half or all of the luma's samples in each direction.
            let across = self.size.width_px() / size.width_px();
            let down = self.size.height_px() / size.height_px();
            let is_whole = |px: u32, share: u32| px.is_multiple_of(share);
            let fits = is_whole(rect.left_px, across)
                && is_whole(rect.size.width_px(), across)
                && is_whole(rect.top_px, down)
                && is_whole(rect.size.height_px(), down);
            let size = Size::new(rect.size.width_px() / across, rect.size.height_px() / down);
            let size = size.filter(|_| fits).ok_or(outside)?;
            crop_view(
                view,
                Rect { left_px: rect.left_px / across, top_px: rect.top_px / down, size },
            )
        });
        let [luma, blue, red] = planes;
        let planes = vec![luma?, blue?, red?];
        Ok(Frame { size: rect.size, description: self.description, planes })
    }

    /// A part of the picture at another size, in the planes of a 4:2:0 JPEG.
    ///
    /// # Errors
    /// As [`part`](Self::part); a size that is too large for memory.
    pub fn resized(
        &self,
        rect: Rect,
        size: Size,
        edges: Edges,
    ) -> Result<[Plane<u8>; 3], RasterError> {
        let frame = self.part(rect)?;
        let sizes = [size, size.halved(), size.halved()];
        let planes = frame.planes.iter().zip(sizes).map(|(plane, size)| {
            let picture = Picture::from_planes(vec![plane.to_plane()?])?;
            shrink(picture, size, edges)?.into_planes().pop().ok_or(RasterError::UnequalPlanes)
        });
        let planes = planes.collect::<Result<Vec<_>, _>>()?;
        planes.try_into().map_err(|_planes| RasterError::UnequalPlanes)
    }

    /// A part of the picture as RGB of another size.
    ///
    /// # Errors
    /// As [`part`](Self::part); a size too large for memory.
    pub fn scaled(&self, rect: Rect, size: Size) -> Result<Picture<u8>, RasterError> {
        let frame = self.part(rect)?;
        let planes = frame.planes.iter().map(|plane| {
            let picture = Picture::from_planes(vec![plane.to_plane()?])?;
            let plane = resize(&picture, size, Edges::Clamp)?.into_planes().pop();
            plane.ok_or(RasterError::UnequalPlanes)
        });
        let planes = planes.collect::<Result<Vec<_>, _>>()?;
        let [luma, blue, red] = &planes[..] else { return Err(RasterError::UnequalPlanes) };
        ycbcr_to_rgb([luma, blue, red], &self.description)
    }
}

/// One face of the cube around the viewer in the planes of a 4:2:0 JPEG, each a gray picture: luma, and blue and
/// red difference of half the size. `background` is where the frame shows nothing.
///
/// # Errors
/// A face too large for memory, or of an odd side.
pub fn stored_face(
    frame: &Frame<'_, u8>,
    geometry: Geometry,
    (face, face_px): (Face, NonZeroU32),
    background: [u8; 3],
) -> Result<[Picture<u8>; 3], RasterError> {
    let view = View::cube_face(face, face_px);
    let target = (Size::square(face_px), Description::JPEG);
    let remap =
        FrameRemap::new((geometry, frame.description), target, Kernel::default(), |pixel| {
            view.ray(pixel)
        })?;
    let [y, b, r] = ycbcr(background)?.map(f32::from);
    let remap = remap.with_background([y, b, r, 0.0]);
    let mut planes = remap.blank(3)?;
    remap.run(frame, &mut planes)?;
    let [luma, blue, red] =
        <[_; 3]>::try_from(planes).map_err(|_planes| RasterError::UnequalPlanes)?;
    let gray = |plane| Picture::from_planes(vec![plane]);
    Ok([gray(luma)?, gray(blue)?, gray(red)?])
}

/// A picture made smaller: halved by means of 2 × 2 while it is twice as large or more, then by a Lanczos filter.
/// A quarter of the time that the filter alone takes, and no worse to look at.
///
/// # Errors
/// A size that is too large for memory.
pub fn shrink(
    mut picture: Picture<u8>,
    size: Size,
    edges: Edges,
) -> Result<Picture<u8>, RasterError> {
    let is_twice =
        |of: Size| of.width_px() >= 2 * size.width_px() && of.height_px() >= 2 * size.height_px();
    while is_twice(picture.size()) && picture.size().width_px().is_multiple_of(2) {
        picture = reduce_by_two(&picture);
    }
    if picture.size() == size { Ok(picture) } else { resize(&picture, size, edges) }
}

/// A colour as a JPEG stores it.
fn ycbcr(rgb: [u8; 3]) -> Result<[u8; 3], RasterError> {
    let size = Size::square(NonZeroU32::MIN);
    let picture = Picture::from_interleaved(Channels::Rgb, size, &rgb)?;
    Ok(rgb_to_ycbcr(&picture, &Description::JPEG)?.map(|plane| plane.samples()[0]))
}

/// How a codec names subsampling.
pub(crate) const fn subsampling(of: turbojpeg::Subsamp) -> Option<Subsampling> {
    match of {
        turbojpeg::Subsamp::None => Some(Subsampling::None),
        turbojpeg::Subsamp::Sub2x1 => Some(Subsampling::Half),
        turbojpeg::Subsamp::Sub2x2 => Some(Subsampling::Quarter),
        _ => None,
    }
}
