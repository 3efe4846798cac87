//! XMP: the Photo Sphere fields, as attributes or as elements.
//!
//! Sources: ISO 16684-1 (XMP), Google's Photo Sphere XMP metadata.

use panofleet_job_schema::media_info::GPano;
use quick_xml::NsReader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};

const GPANO: Namespace<'static> = Namespace(b"http://ns.google.com/photos/1.0/panorama/");

/// Nesting of elements; XMP needs about five.
const DEPTH_MAX: u32 = 64;

/// The Photo Sphere fields of a packet; `None` if it has none.
///
/// Entities are not expanded: the fields are numbers and single words.
///
/// # Errors
/// What is wrong with the XML, for a warning.
pub(crate) fn gpano(packet: &[u8]) -> Result<Option<GPano>, String> {
    let text = std::str::from_utf8(packet).map_err(|error| error.to_string())?;
    let text = text.trim_start_matches('\u{feff}').trim_end_matches('\0');
    let mut reader = NsReader::from_str(text);
    let mut fields = Fields::default();
    // The local name of the GPano element whose text comes next.
    let mut element: Option<Vec<u8>> = None;
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("it is nested more than {DEPTH_MAX} deep"));
                }
                fields.take_attributes(&start, reader.resolver())?;
                let (namespace, name) = reader.resolver().resolve_element(start.name());
                element =
                    (namespace == ResolveResult::Bound(GPANO)).then(|| name.as_ref().to_vec());
            }
            Event::Empty(start) => {
                fields.take_attributes(&start, reader.resolver())?;
                element = None;
            }
            Event::Text(value) => {
                if let Some(name) = element.take() {
                    fields.set(&name, value.as_ref());
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                element = None;
            }
            Event::DocType(_) => return Err("it declares a document type".into()),
            Event::Eof => return Ok(fields.found.then_some(fields.gpano)),
            Event::CData(_)
            | Event::Comment(_)
            | Event::Decl(_)
            | Event::PI(_)
            | Event::GeneralRef(_) => {}
        }
    }
}

#[derive(Default)]
struct Fields {
    gpano: GPano,
    found: bool,
}

impl Fields {
    fn take_attributes(
        &mut self,
        start: &BytesStart<'_>,
        resolver: &NamespaceResolver,
    ) -> Result<(), String> {
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let (namespace, name) = resolver.resolve_attribute(attribute.key);
            if namespace == ResolveResult::Bound(GPANO) {
                self.set(name.as_ref(), &attribute.value);
            }
        }
        Ok(())
    }

    /// Sets one field; a value that is no number where one must be is as good as none.
    fn set(&mut self, name: &[u8], value: &[u8]) {
        let Ok(text) = std::str::from_utf8(value) else { return };
        let text = text.trim();
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        // Some writers put a fraction behind whole pixels.
        let pixels = number
            .map(f64::round)
            .filter(|px| (0.0..=f64::from(u32::MAX)).contains(px))
            .map(|px| px as u32);
        let gpano = &mut self.gpano;
        match name {
            b"ProjectionType" => gpano.projection = Some(text.chars().take(64).collect()),
            b"FullPanoWidthPixels" => gpano.full_width_px = pixels,
            b"FullPanoHeightPixels" => gpano.full_height_px = pixels,
            b"CroppedAreaImageWidthPixels" => gpano.cropped_width_px = pixels,
            b"CroppedAreaImageHeightPixels" => gpano.cropped_height_px = pixels,
            b"CroppedAreaLeftPixels" => gpano.cropped_left_px = pixels,
            b"CroppedAreaTopPixels" => gpano.cropped_top_px = pixels,
            b"PoseHeadingDegrees" => gpano.pose_heading_deg = number,
            b"PosePitchDegrees" => gpano.pose_pitch_deg = number,
            b"PoseRollDegrees" => gpano.pose_roll_deg = number,
            b"InitialViewHeadingDegrees" => gpano.initial_heading_deg = number,
            b"InitialViewPitchDegrees" => gpano.initial_pitch_deg = number,
            b"InitialHorizontalFOVDegrees" => gpano.initial_hfov_deg = number,
            _ => return,
        }
        self.found = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTRIBUTES: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
        <x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description rdf:about="" xmlns:P="http://ns.google.com/photos/1.0/panorama/"
            P:ProjectionType="equirectangular" P:FullPanoWidthPixels="6000" P:FullPanoHeightPixels="3000.0"
            P:CroppedAreaLeftPixels="-1" P:PoseHeadingDegrees="350.5"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>"#;

    const ELEMENTS: &str = r#"<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:GPano="http://ns.google.com/photos/1.0/panorama/">
            <GPano:ProjectionType>equirectangular</GPano:ProjectionType>
            <GPano:FullPanoWidthPixels> 6000 </GPano:FullPanoWidthPixels>
            <GPano:FullPanoHeightPixels>3000</GPano:FullPanoHeightPixels>
            <GPano:PoseHeadingDegrees>350.5</GPano:PoseHeadingDegrees>
        </rdf:Description></rdf:RDF>"#;

    #[test]
    fn both_forms_say_the_same() {
        let expected = GPano {
            projection: Some("equirectangular".into()),
            full_width_px: Some(6000),
            full_height_px: Some(3000),
            pose_heading_deg: Some(350.5),
            ..GPano::default()
        };
        assert_eq!(gpano(ATTRIBUTES.as_bytes()), Ok(Some(expected.clone())));
        assert_eq!(gpano(ELEMENTS.as_bytes()), Ok(Some(expected)));
    }

    /// The prefix is a name that anyone may choose; the namespace is what counts.
    #[test]
    fn other_namespaces_are_not_gpano() {
        let other = ATTRIBUTES.replace("photos/1.0/panorama", "photos/1.0/image");
        assert_eq!(gpano(other.as_bytes()), Ok(None));
        assert_eq!(gpano(b""), Ok(None));
    }

    #[test]
    fn malformed_and_hostile_packets_are_refused() {
        let deep = "<a>".repeat(100_000);
        let laughs = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>"#;
        for packet in ["<a><b></a>", "<a b=c/>", "<a", &deep, laughs] {
            assert!(
                gpano(packet.as_bytes()).is_err(),
                "{}",
                packet.chars().take(20).collect::<String>()
            );
        }
        assert!(gpano(b"\xff\xfe<\0a\0").is_err());
    }
}
