//! Photo Sphere metadata: read from the properties of an XMP packet, and written as one.
//!
//! Source: Google's "Photo Sphere XMP Metadata".

use std::collections::BTreeSet;
use std::fmt::Write as _;

use panofleet_job_schema::media_info::{GPano, ValidArea};
use quick_xml::escape::escape;

use crate::xmp::{Property, Schema};

/// Characters of a text, such as a program's name.
const TEXT_CHARS_MAX: usize = 200;

/// A packet that holds these fields and nothing else, as attributes; `None` if none is set.
///
/// Sizes are written as integers and flags as `True` and `False`, because there are readers that take
/// nothing else.
pub fn write(gpano: &GPano) -> Option<String> {
    let mut fields = Fields::from(gpano.clone());
    let mut attributes = String::new();
    for (name, field) in fields.all() {
        if let Some(value) = field.written() {
            // Nothing can be wrong with writing to a string.
            write!(attributes, "\n    GPano:{name}=\"{}\"", escape(&value)).ok()?;
        }
    }
    (!attributes.is_empty()).then(|| {
        format!(
            "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
             <x:xmpmeta xmlns:x=\"adobe:ns:meta/\">\n \
             <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n  \
             <rdf:Description rdf:about=\"\" xmlns:GPano=\"http://ns.google.com/photos/1.0/panorama/\"\
             {attributes}/>\n \
             </rdf:RDF>\n\
             </x:xmpmeta>\n\
             <?xpacket end=\"r\"?>"
        )
    })
}

/// The fields among the properties of a file; `None` if there are none. The first of a name counts. A value that is none of its
/// field's is left out with a warning.
pub(crate) fn read(properties: &[Property], warnings: &mut Vec<String>) -> Option<GPano> {
    let mut fields = Fields::default();
    let (mut found, mut seen) = (false, BTreeSet::new());
    let ours = properties.iter().filter(|property| property.schema == Schema::GPano);
    for Property { name, value, .. } in ours {
        if !seen.insert(name) {
            continue;
        }
        let Some((_, mut field)) = fields.all().into_iter().find(|(known, _)| known == name) else {
            continue;
        };
        match field.take(value) {
            Ok(()) => found = true,
            Err(wanted) => {
                let shown: String = value.chars().take(40).collect();
                warnings.push(format!(
                    "GPano says {name} is `{shown}`, which is not {wanted}; it was ignored"
                ));
            }
        }
    }
    found.then(|| fields.into_gpano())
}

/// What about the fields contradicts itself, or the picture of `width_px × height_px` as it is stored.
pub(crate) fn contradictions(gpano: &GPano, width_px: u32, height_px: u32) -> Vec<String> {
    let mut said = Vec::new();
    for (side, full, cropped, start, start_name) in [
        ("Width", gpano.full_width_px, gpano.cropped_width_px, gpano.cropped_left_px, "Left"),
        ("Height", gpano.full_height_px, gpano.cropped_height_px, gpano.cropped_top_px, "Top"),
    ] {
        let (Some(full), Some(cropped)) = (full, cropped) else { continue };
        let start = start.unwrap_or(0);
        if u64::from(start) + u64::from(cropped) > u64::from(full) {
            said.push(format!(
                "GPano's cropped area reaches beyond the full panorama: CroppedArea{start_name}Pixels {start} + \
                 CroppedAreaImage{side}Pixels {cropped} > FullPano{side}Pixels {full}"
            ));
        }
    }
    if let (Some(width), Some(height)) = (gpano.full_width_px, gpano.full_height_px)
        && u64::from(width) != 2 * u64::from(height)
    {
        said.push(format!("GPano's full panorama is {width}×{height} pixels, which is not 2:1"));
    }
    if let Some((width, height)) = gpano.picture_px()
        && (width, height) != (width_px, height_px)
    {
        said.push(format!(
            "GPano describes a picture of {width}×{height} pixels and this one has {width_px}×{height_px}; it was \
             probably resized without correcting its metadata"
        ));
    }
    said
}

/// The fields with each side of the valid area on its own, as they stand in a file.
#[derive(Default)]
struct Fields {
    gpano: GPano,
    left_px: Option<u32>,
    top_px: Option<u32>,
    width_px: Option<u32>,
    height_px: Option<u32>,
}

/// One field and what its values are.
enum Field<'a> {
    Text(&'a mut Option<String>),
    Flag(&'a mut Option<bool>),
    /// A whole number; some writers put a fraction behind it.
    Whole(&'a mut Option<u32>),
    /// An angle between two bounds, which belong to it.
    Degrees(&'a mut Option<f64>, f64, f64),
}

impl From<GPano> for Fields {
    fn from(gpano: GPano) -> Self {
        let side = |of: fn(ValidArea) -> u32| gpano.valid_area.map(of);
        Self {
            left_px: side(|area| area.left_px),
            top_px: side(|area| area.top_px),
            width_px: side(|area| area.width_px),
            height_px: side(|area| area.height_px),
            gpano,
        }
    }
}

impl Fields {
    /// Every field that we know, by its name.
    fn all(&mut self) -> [(&'static str, Field<'_>); 25] {
        let Self { gpano, left_px, top_px, width_px, height_px } = self;
        [
            ("ProjectionType", Field::Text(&mut gpano.projection)),
            ("UsePanoramaViewer", Field::Flag(&mut gpano.use_panorama_viewer)),
            ("FullPanoWidthPixels", Field::Whole(&mut gpano.full_width_px)),
            ("FullPanoHeightPixels", Field::Whole(&mut gpano.full_height_px)),
            ("CroppedAreaImageWidthPixels", Field::Whole(&mut gpano.cropped_width_px)),
            ("CroppedAreaImageHeightPixels", Field::Whole(&mut gpano.cropped_height_px)),
            ("CroppedAreaLeftPixels", Field::Whole(&mut gpano.cropped_left_px)),
            ("CroppedAreaTopPixels", Field::Whole(&mut gpano.cropped_top_px)),
            ("LargestValidInteriorRectLeft", Field::Whole(left_px)),
            ("LargestValidInteriorRectTop", Field::Whole(top_px)),
            ("LargestValidInteriorRectWidth", Field::Whole(width_px)),
            ("LargestValidInteriorRectHeight", Field::Whole(height_px)),
            ("PoseHeadingDegrees", Field::Degrees(&mut gpano.pose_heading_deg, -360.0, 360.0)),
            ("PosePitchDegrees", Field::Degrees(&mut gpano.pose_pitch_deg, -90.0, 90.0)),
            ("PoseRollDegrees", Field::Degrees(&mut gpano.pose_roll_deg, -180.0, 180.0)),
            (
                "InitialViewHeadingDegrees",
                Field::Degrees(&mut gpano.initial_heading_deg, -360.0, 360.0),
            ),
            ("InitialViewPitchDegrees", Field::Degrees(&mut gpano.initial_pitch_deg, -90.0, 90.0)),
            ("InitialViewRollDegrees", Field::Degrees(&mut gpano.initial_roll_deg, -180.0, 180.0)),
            (
                "InitialHorizontalFOVDegrees",
                Field::Degrees(&mut gpano.initial_hfov_deg, 0.0, 360.0),
            ),
            ("CaptureSoftware", Field::Text(&mut gpano.capture_software)),
            ("StitchingSoftware", Field::Text(&mut gpano.stitching_software)),
            ("SourcePhotosCount", Field::Whole(&mut gpano.source_photos)),
            ("FirstPhotoDate", Field::Text(&mut gpano.first_photo_date)),
            ("LastPhotoDate", Field::Text(&mut gpano.last_photo_date)),
            ("ExposureLockUsed", Field::Flag(&mut gpano.exposure_locked)),
        ]
    }

    fn into_gpano(self) -> GPano {
        let Self { mut gpano, left_px, top_px, width_px, height_px } = self;
        if let (Some(left_px), Some(top_px), Some(width_px), Some(height_px)) =
            (left_px, top_px, width_px, height_px)
        {
            gpano.valid_area = Some(ValidArea { left_px, top_px, width_px, height_px });
        }
        // Files have 360 and −10; the interval is [0, 360).
        gpano.pose_heading_deg = gpano.pose_heading_deg.map(|deg| deg.rem_euclid(360.0) % 360.0);
        gpano
    }
}

impl Field<'_> {
    fn written(&self) -> Option<String> {
        match self {
            Self::Text(text) => text.as_ref().map(|text| plain(text)),
            Self::Flag(flag) => flag.map(|flag| if flag { "True" } else { "False" }.into()),
            Self::Whole(whole) => whole.map(|whole| whole.to_string()),
            // Adding 0 makes −0 a 0.
            Self::Degrees(degrees, ..) => degrees
                .filter(|degrees| degrees.is_finite())
                .map(|degrees| (degrees + 0.0).to_string()),
        }
    }

    /// Takes a value as it is written.
    ///
    /// # Errors
    /// What it would have to be.
    fn take(&mut self, value: &str) -> Result<(), String> {
        let number = value.parse::<f64>().ok().filter(|number| number.is_finite());
        match self {
            Self::Text(text) => **text = Some(plain(value)),
            Self::Flag(flag) => {
                let is = |word: &str| value.eq_ignore_ascii_case(word);
                if !is("true") && !is("false") {
                    return Err("`True` or `False`".into());
                }
                **flag = Some(is("true"));
            }
            Self::Whole(whole) => {
                let nearest = number.map(f64::round);
                let nearest = nearest.filter(|number| (0.0..=f64::from(u32::MAX)).contains(number));
                **whole = Some(nearest.ok_or("a whole number from 0")? as u32);
            }
            Self::Degrees(degrees, min, max) => {
                let inside = number.filter(|number| (*min..=*max).contains(number));
                **degrees = Some(inside.ok_or_else(|| format!("an angle from {min}° to {max}°"))?);
            }
        }
        Ok(())
    }
}

/// A text of one line: control characters have no place in XML.
fn plain(text: &str) -> String {
    let line: String = text.trim().chars().filter(|c| is_xml(*c)).take(TEXT_CHARS_MAX).collect();
    line.trim().to_owned()
}

/// A character that XML 1.0 allows (production 2), without line breaks and tabs.
const fn is_xml(c: char) -> bool {
    !matches!(c, '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests;
