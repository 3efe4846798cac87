//! Spherical Video V1: XML in a `uuid` box of a track.
//!
//! Source: Google's Spherical Video RFC (V1).

use std::fmt::Write as _;

use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{Namespace, ResolveResult};

use crate::v2::StereoMode;
use crate::{BoxError, BoxRef, write_box};

/// The `uuid` whose body is the XML.
pub const UUID: [u8; 16] = [
    0xff, 0xcc, 0x82, 0x63, 0xf8, 0x55, 0x4a, 0x93, 0x88, 0x14, 0x58, 0x7a, 0x02, 0x52, 0x1f, 0xdd,
];

const NAMESPACE: Namespace<'static> = Namespace(b"http://ns.google.com/videos/1.0/spherical/");

/// Bytes of XML that are read; real ones have some 500.
const XML_BYTES_MAX: usize = 64 * 1024;

/// Nesting of elements; there are two levels.
const DEPTH_MAX: u32 = 16;

/// Bytes of a text that are kept.
const TEXT_BYTES_MAX: usize = 256;

/// What the XML says; what it leaves out is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spherical {
    /// Whether the video is spherical at all.
    pub spherical: bool,
    /// Whether it is stitched.
    pub stitched: bool,
    /// The program that stitched it.
    pub software: Option<String>,
    /// `equirectangular`, as written.
    pub projection: Option<String>,
    /// How the eyes lie in the frame.
    pub stereo: Option<StereoMode>,
    /// Heading that a player should start at, in degrees.
    pub initial_heading_deg: Option<f64>,
    /// Pitch that a player should start at, in degrees.
    pub initial_pitch_deg: Option<f64>,
    /// Roll that a player should start at, in degrees.
    pub initial_roll_deg: Option<f64>,
    /// The part of the sphere that the frame shows.
    pub crop: Option<Crop>,
}

/// The part of the sphere that a frame shows, in pixels of the full picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crop {
    /// Width of the full picture.
    pub full_width_px: u32,
    /// Height of the full picture.
    pub full_height_px: u32,
    /// Width of the part.
    pub width_px: u32,
    /// Height of the part.
    pub height_px: u32,
    /// Left edge of the part.
    pub left_px: u32,
    /// Top edge of the part.
    pub top_px: u32,
}

impl Spherical {
    /// Reads the `uuid`; `None` if it is another one.
    ///
    /// # Errors
    /// [`BoxError::Xml`].
    pub fn parse(found: &BoxRef<'_>) -> Result<Option<Self>, BoxError> {
        let Some(xml) = found.body.strip_prefix(&UUID) else { return Ok(None) };
        if xml.len() > XML_BYTES_MAX {
            return Err(BoxError::Xml(format!("it has more than {XML_BYTES_MAX} bytes")));
        }
        read(xml).map(Some).map_err(BoxError::Xml)
    }

    /// Appends the `uuid`.
    pub fn write(&self, to: &mut Vec<u8>) {
        write_box(to, b"uuid", |to| {
            to.extend(UUID);
            to.extend(self.xml().bytes());
        });
    }

    fn xml(&self) -> String {
        let mut xml = String::from(
            "<?xml version=\"1.0\"?><rdf:SphericalVideo xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\" \
             xmlns:GSpherical=\"http://ns.google.com/videos/1.0/spherical/\">",
        );
        let mut element = |name: &str, value: &dyn std::fmt::Display| {
            write!(xml, "<GSpherical:{name}>{value}</GSpherical:{name}>")
                .expect("a string takes all");
        };
        element("Spherical", &self.spherical);
        element("Stitched", &self.stitched);
        if let Some(software) = &self.software {
            element("StitchingSoftware", &quick_xml::escape::escape(software));
        }
        if let Some(projection) = &self.projection {
            element("ProjectionType", &quick_xml::escape::escape(projection));
        }
        if let Some(word) = self.stereo.and_then(stereo_word) {
            element("StereoMode", &word);
        }
        for (name, angle) in [
            ("InitialViewHeadingDegrees", self.initial_heading_deg),
            ("InitialViewPitchDegrees", self.initial_pitch_deg),
            ("InitialViewRollDegrees", self.initial_roll_deg),
        ] {
            if let Some(angle) = angle {
                // The RFC asks for whole degrees.
                element(name, &(angle.round() as i32));
            }
        }
        if let Some(crop) = self.crop {
            element("FullPanoWidthPixels", &crop.full_width_px);
            element("FullPanoHeightPixels", &crop.full_height_px);
            element("CroppedAreaImageWidthPixels", &crop.width_px);
            element("CroppedAreaImageHeightPixels", &crop.height_px);
            element("CroppedAreaLeftPixels", &crop.left_px);
            element("CroppedAreaTopPixels", &crop.top_px);
        }
        xml.push_str("</rdf:SphericalVideo>");
        xml
    }
}

/// V1 knows no eyes that are swapped, and no meshes.
const fn stereo_word(mode: StereoMode) -> Option<&'static str> {
    match mode {
        StereoMode::Mono => Some("mono"),
        StereoMode::TopBottom => Some("top-bottom"),
        StereoMode::LeftRight => Some("left-right"),
        StereoMode::Custom | StereoMode::RightLeft => None,
    }
}

/// Elements with text, in the namespace. No entities are expanded but the five of XML: values are numbers
/// and words.
fn read(xml: &[u8]) -> Result<Spherical, String> {
    let text = std::str::from_utf8(xml).map_err(|error| error.to_string())?;
    let mut reader = NsReader::from_str(text.trim_end_matches('\0'));
    let mut fields = Fields::default();
    let mut element: Option<Vec<u8>> = None;
    let mut value = String::new();
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("it is nested more than {DEPTH_MAX} deep"));
                }
                let (namespace, name) = reader.resolver().resolve_element(start.name());
                let ours = namespace == ResolveResult::Bound(NAMESPACE);
                element = ours.then(|| name.as_ref().to_vec());
                value.clear();
            }
            Event::Text(text) => value.push_str(&String::from_utf8_lossy(text.as_ref())),
            Event::GeneralRef(name) => value.push_str(named_character(name.as_ref())),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if let Some(name) = element.take() {
                    fields.set(&name, &value);
                }
            }
            Event::DocType(_) => return Err("it declares a document type".into()),
            Event::Eof => return Ok(fields.finish()),
            Event::Empty(_)
            | Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_) => {}
        }
    }
}

/// The five characters that XML names; others are left out.
fn named_character(name: &[u8]) -> &'static str {
    match name {
        b"amp" => "&",
        b"lt" => "<",
        b"gt" => ">",
        b"quot" => "\"",
        b"apos" => "'",
        _ => "",
    }
}

#[derive(Default)]
struct Fields {
    spherical: Spherical,
    crop: [Option<u32>; 6],
}

impl Fields {
    /// Sets one field; a value of the wrong kind is as good as none.
    fn set(&mut self, name: &[u8], value: &str) {
        let text = value.trim();
        let is_true = text.eq_ignore_ascii_case("true");
        let word = || text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).map(str::to_owned);
        let number = || text.parse::<f64>().ok().filter(|number| number.is_finite());
        let spherical = &mut self.spherical;
        match name {
            b"Spherical" => spherical.spherical = is_true,
            b"Stitched" => spherical.stitched = is_true,
            b"StitchingSoftware" => spherical.software = word(),
            b"ProjectionType" => spherical.projection = word(),
            b"StereoMode" => {
                spherical.stereo = match text {
                    "mono" => Some(StereoMode::Mono),
                    "top-bottom" => Some(StereoMode::TopBottom),
                    "left-right" => Some(StereoMode::LeftRight),
                    _ => None,
                }
            }
            b"InitialViewHeadingDegrees" => spherical.initial_heading_deg = number(),
            b"InitialViewPitchDegrees" => spherical.initial_pitch_deg = number(),
            b"InitialViewRollDegrees" => spherical.initial_roll_deg = number(),
            b"FullPanoWidthPixels" => self.crop[0] = text.parse().ok(),
            b"FullPanoHeightPixels" => self.crop[1] = text.parse().ok(),
            b"CroppedAreaImageWidthPixels" => self.crop[2] = text.parse().ok(),
            b"CroppedAreaImageHeightPixels" => self.crop[3] = text.parse().ok(),
            b"CroppedAreaLeftPixels" => self.crop[4] = text.parse().ok(),
            b"CroppedAreaTopPixels" => self.crop[5] = text.parse().ok(),
            _ => {}
        }
    }

    /// A crop counts if all of it is there and it lies in the full picture.
    fn finish(self) -> Spherical {
        let crop = match self.crop {
            [
                Some(full_width_px),
                Some(full_height_px),
                Some(width_px),
                Some(height_px),
                Some(left_px),
                Some(top_px),
            ] => Some(Crop { full_width_px, full_height_px, width_px, height_px, left_px, top_px }),
            _ => None,
        };
        let inside = |start: u32, length: u32, full: u32| {
            length > 0 && u64::from(start) + u64::from(length) <= u64::from(full)
        };
        let crop = crop.filter(|crop| {
            inside(crop.left_px, crop.width_px, crop.full_width_px)
                && inside(crop.top_px, crop.height_px, crop.full_height_px)
        });
        Spherical { crop, ..self.spherical }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Boxes, FourCc};

    fn uuid(xml: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_box(&mut bytes, b"uuid", |to| {
            to.extend(UUID);
            to.extend(xml.bytes());
        });
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Option<Spherical>, BoxError> {
        Spherical::parse(&Boxes::new(FourCc(*b"trak"), bytes).next().unwrap().unwrap())
    }

    /// The fields by the RFC's names.
    #[test]
    fn fields_are_read() {
        let bytes = uuid(
            r#"<?xml version="1.0"?><rdf:SphericalVideo
xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
xmlns:GSpherical="http://ns.google.com/videos/1.0/spherical/">
<GSpherical:Spherical>true</GSpherical:Spherical>
<GSpherical:Stitched>true</GSpherical:Stitched>
<GSpherical:ProjectionType>equirectangular</GSpherical:ProjectionType>
<GSpherical:StitchingSoftware>Stitcher &amp; more</GSpherical:StitchingSoftware>
<GSpherical:StereoMode>top-bottom</GSpherical:StereoMode>
<GSpherical:InitialViewHeadingDegrees>90</GSpherical:InitialViewHeadingDegrees>
<GSpherical:CroppedAreaImageWidthPixels>1920</GSpherical:CroppedAreaImageWidthPixels>
<GSpherical:CroppedAreaImageHeightPixels>1080</GSpherical:CroppedAreaImageHeightPixels>
<GSpherical:FullPanoWidthPixels>1900</GSpherical:FullPanoWidthPixels>
<GSpherical:FullPanoHeightPixels>960</GSpherical:FullPanoHeightPixels>
<GSpherical:CroppedAreaLeftPixels>15</GSpherical:CroppedAreaLeftPixels>
<GSpherical:CroppedAreaTopPixels>60</GSpherical:CroppedAreaTopPixels>
</rdf:SphericalVideo>"#,
        );
        let found = parse(&bytes).unwrap().unwrap();
        assert!(found.spherical && found.stitched);
        assert_eq!(found.projection.as_deref(), Some("equirectangular"));
        assert_eq!(found.stereo, Some(StereoMode::TopBottom));
        assert_eq!(found.initial_heading_deg, Some(90.0));
        assert_eq!(found.software.as_deref(), Some("Stitcher & more"));
        // A crop that is wider than its sphere says nothing.
        assert_eq!(found.crop, None);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let spherical = Spherical {
            spherical: true,
            stitched: true,
            software: Some("Panofleet".into()),
            projection: Some("equirectangular".into()),
            stereo: Some(StereoMode::LeftRight),
            initial_heading_deg: Some(-45.0),
            initial_pitch_deg: Some(10.0),
            initial_roll_deg: None,
            crop: Some(Crop {
                full_width_px: 4096,
                full_height_px: 2048,
                width_px: 2048,
                height_px: 2048,
                left_px: 1024,
                top_px: 0,
            }),
        };
        let mut bytes = Vec::new();
        spherical.write(&mut bytes);
        assert_eq!(parse(&bytes).unwrap(), Some(spherical));
    }

    #[test]
    fn other_boxes_and_bombs() {
        let mut other = uuid("");
        other[8] = 0;
        assert_eq!(parse(&other), Ok(None));
        let deep = uuid(&"<a>".repeat(17));
        assert!(matches!(parse(&deep), Err(BoxError::Xml(said)) if said.contains("nested")));
        let declared = uuid("<!DOCTYPE a [<!ENTITY b \"c\">]><a/>");
        assert!(
            matches!(parse(&declared), Err(BoxError::Xml(said)) if said.contains("document type"))
        );
        assert_eq!(parse(&uuid("")).unwrap(), Some(Spherical::default()));
    }
}
