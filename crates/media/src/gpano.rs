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
mod tests {
    use proptest::option::of;
    use proptest::prelude::*;

    use super::*;
    use crate::xmp;

    const ATTRIBUTES: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
        <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description rdf:about="" xmlns:P="http://ns.google.com/photos/1.0/panorama/"
            P:ProjectionType="equirectangular" P:FullPanoWidthPixels="6000" P:FullPanoHeightPixels="3000.0"
            P:PoseHeadingDegrees="350.5" P:UsePanoramaViewer="True"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#;

    const ELEMENTS: &str = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/">
            <GPano:ProjectionType>equirectangular</GPano:ProjectionType>
            <GPano:FullPanoWidthPixels> 6000 </GPano:FullPanoWidthPixels>
            <GPano:FullPanoHeightPixels>3000</GPano:FullPanoHeightPixels>
            <GPano:PoseHeadingDegrees>-9.5</GPano:PoseHeadingDegrees>
            <GPano:UsePanoramaViewer>true</GPano:UsePanoramaViewer>
        </rdf:Description></rdf:RDF>"#;

    fn read_back(packet: &str) -> (Option<GPano>, Vec<String>) {
        let mut warnings = Vec::new();
        let gpano = read(&xmp::properties(packet.as_bytes()).unwrap(), &mut warnings);
        (gpano, warnings)
    }

    #[test]
    fn both_forms_say_the_same() {
        let expected = GPano {
            projection: Some("equirectangular".into()),
            use_panorama_viewer: Some(true),
            full_width_px: Some(6000),
            full_height_px: Some(3000),
            pose_heading_deg: Some(350.5),
            ..GPano::default()
        };
        for packet in [ATTRIBUTES, ELEMENTS] {
            assert_eq!(read_back(packet), (Some(expected.clone()), vec![]));
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |field: &str| {
            read_back(&format!("<a xmlns:g='http://ns.google.com/photos/1.0/panorama/' {field}/>"))
        };
        for (field, words) in [
            (
                "g:CroppedAreaLeftPixels='-1'",
                "CroppedAreaLeftPixels is `-1`, which is not a whole number from 0",
            ),
            ("g:FullPanoWidthPixels='wide'", "FullPanoWidthPixels is `wide`"),
            (
                "g:PosePitchDegrees='91'",
                "PosePitchDegrees is `91`, which is not an angle from -90° to 90°",
            ),
            ("g:PoseRollDegrees='NaN'", "PoseRollDegrees is `NaN`"),
            ("g:UsePanoramaViewer='yes'", "`True` or `False`"),
        ] {
            let (gpano, warnings) = with(field);
            assert_eq!((gpano, warnings.len()), (None, 1), "{field}");
            assert!(warnings[0].contains(words), "{field}: {warnings:?}");
        }
        assert_eq!(with("g:SomethingNew='1'"), (None, vec![]));
    }

    #[test]
    fn what_contradicts_itself_is_said() {
        let whole = GPano::whole_sphere(4000, 2000);
        assert_eq!(contradictions(&whole, 4000, 2000), Vec::<String>::new());
        assert_eq!(contradictions(&GPano::default(), 4000, 2000), Vec::<String>::new());
        for (gpano, words) in [
            (
                GPano { cropped_left_px: Some(1), ..whole.clone() },
                "1 + CroppedAreaImageWidthPixels 4000 > FullPanoWidthPixels 4000",
            ),
            (GPano { cropped_top_px: Some(7), ..whole.clone() }, "CroppedAreaTopPixels 7"),
            (
                GPano { full_height_px: Some(2001), ..whole.clone() },
                "4000×2001 pixels, which is not 2:1",
            ),
            (
                GPano { cropped_width_px: Some(3999), ..whole },
                "3999×2000 pixels and this one has 4000×2000",
            ),
        ] {
            let said = contradictions(&gpano, 4000, 2000);
            assert_eq!(said.len(), 1, "{said:?}");
            assert!(said[0].contains(words), "{said:?}");
        }
    }

    /// What other programs are known to need: no fractions, capital letters, the usual prefix.
    #[test]
    fn a_packet_is_written_as_others_read_it() {
        let gpano = GPano {
            pose_heading_deg: Some(12.25),
            pose_roll_deg: Some(-0.0),
            stitching_software: Some("A & \"B\" <c>".into()),
            ..GPano::whole_sphere(4000, 2000)
        };
        let packet = write(&gpano).unwrap();
        for part in [
            r#"GPano:ProjectionType="equirectangular""#,
            r#"GPano:UsePanoramaViewer="True""#,
            r#"GPano:FullPanoWidthPixels="4000""#,
            r#"GPano:PoseHeadingDegrees="12.25""#,
            r#"GPano:PoseRollDegrees="0""#,
            r#"GPano:StitchingSoftware="A &amp; &quot;B&quot; &lt;c&gt;""#,
        ] {
            assert!(packet.contains(part), "{part} in {packet}");
        }
        assert_eq!(write(&GPano::default()), None);
    }

    fn texts() -> impl Strategy<Value = Option<String>> {
        of("[a-z<>&\"' é🌍0-9]{0,20}[a-z]").prop_map(|text| text.map(|text| text.trim().to_owned()))
    }

    fn angles() -> impl Strategy<Value = [Option<f64>; 7]> {
        let of_limit = |min: f64, max: f64| of(min..max);
        (
            of_limit(0.0, 360.0),
            of_limit(-90.0, 90.0),
            of_limit(-180.0, 180.0),
            of_limit(-360.0, 360.0),
            of_limit(-90.0, 90.0),
            of_limit(-180.0, 180.0),
            of_limit(0.0, 360.0),
        )
            .prop_map(|(a, b, c, d, e, f, g)| [a, b, c, d, e, f, g])
    }

    proptest! {
        #[test]
        fn reading_undoes_writing(
            whole in prop::array::uniform7(of(any::<u32>())),
            area in of(any::<[u32; 4]>()),
            angles in angles(),
            flags in any::<[Option<bool>; 2]>(),
            texts in prop::array::uniform5(texts()),
        ) {
            let [projection, capture_software, stitching_software, first_photo_date, last_photo_date] = texts;
            let gpano = GPano {
                projection,
                use_panorama_viewer: flags[0],
                full_width_px: whole[0],
                full_height_px: whole[1],
                cropped_width_px: whole[2],
                cropped_height_px: whole[3],
                cropped_left_px: whole[4],
                cropped_top_px: whole[5],
                valid_area: area.map(|[left_px, top_px, width_px, height_px]| {
                    ValidArea { left_px, top_px, width_px, height_px }
                }),
                pose_heading_deg: angles[0],
                pose_pitch_deg: angles[1],
                pose_roll_deg: angles[2],
                initial_heading_deg: angles[3],
                initial_pitch_deg: angles[4],
                initial_roll_deg: angles[5],
                initial_hfov_deg: angles[6],
                capture_software,
                stitching_software,
                source_photos: whole[6],
                first_photo_date,
                last_photo_date,
                exposure_locked: flags[1],
            };
            match write(&gpano) {
                Some(packet) => prop_assert_eq!(read_back(&packet), (Some(gpano), vec![])),
                None => prop_assert_eq!(gpano, GPano::default()),
            }
        }
    }
}
