//! XMP packets: the properties that somebody here asks for, as attributes or as elements.
//!
//! Source: ISO 16684-1 (XMP), which allows both forms of a simple property.

use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{Namespace, NamespaceResolver, ResolveResult};
use quick_xml::{NsReader, XmlVersion, escape};

pub(crate) mod extended;

/// Nesting of elements; XMP needs about five.
const DEPTH_MAX: u32 = 64;

/// Bytes of one value; none that is asked for needs more than a line.
const VALUE_BYTES_MAX: usize = 1024;

/// Properties of one packet.
const PROPERTIES_MAX: usize = 1000;

/// A schema whose properties are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Google's Photo Sphere.
    GPano,
    /// Adobe's gain map, which Ultra HDR pictures have.
    GainMap,
    /// Apple's gain map.
    AppleGainMap,
    /// Notes about the packet itself: where the rest of it is.
    Note,
}

impl Schema {
    /// The name that counts. The prefix before a property is one that its writer chose.
    const fn namespace(self) -> Namespace<'static> {
        Namespace(match self {
            Self::GPano => b"http://ns.google.com/photos/1.0/panorama/",
            Self::GainMap => b"http://ns.adobe.com/hdr-gain-map/1.0/",
            Self::AppleGainMap => b"http://ns.apple.com/HDRGainMap/1.0/",
            Self::Note => b"http://ns.adobe.com/xmp/note/",
        })
    }

    fn of(found: &ResolveResult<'_>) -> Option<Self> {
        let all = [Self::GPano, Self::GainMap, Self::AppleGainMap, Self::Note];
        all.into_iter().find(|schema| *found == ResolveResult::Bound(schema.namespace()))
    }
}

/// A simple property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Property {
    pub(crate) schema: Schema,
    /// The name without a prefix.
    pub(crate) name: String,
    /// The value without white space around it; entities and references are resolved.
    pub(crate) value: String,
}

/// The properties of a packet, in its order.
///
/// # Errors
/// What is wrong with the XML, for a warning.
pub(crate) fn properties(packet: &[u8]) -> Result<Vec<Property>, String> {
    let text = std::str::from_utf8(packet).map_err(|error| error.to_string())?;
    let text = text.trim_start_matches('\u{feff}').trim_end_matches('\0');
    let mut reader = NsReader::from_str(text);
    let mut found = Found::default();
    let mut depth = 0_u32;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(start) => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(format!("it is nested more than {DEPTH_MAX} deep"));
                }
                found.take_attributes(&start, reader.resolver())?;
                let (namespace, name) = reader.resolver().resolve_element(start.name());
                found.begin(Schema::of(&namespace), name.as_ref());
            }
            Event::Empty(start) => {
                found.take_attributes(&start, reader.resolver())?;
                found.element = None;
            }
            Event::Text(part) => found.append(&part, |text| text.into()),
            Event::CData(part) => found.append(&part, |text| escape::escape(text).into_owned()),
            Event::GeneralRef(part) => found.append(&part, |name| format!("&{name};")),
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                found.end()?;
            }
            Event::DocType(_) => return Err("it declares a document type".into()),
            Event::Eof if depth > 0 => return Err("it ends inside of an element".into()),
            Event::Eof => return Ok(found.properties),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

#[derive(Default)]
struct Found {
    properties: Vec<Property>,
    /// The element that is open, if it is one that is asked for: its text is still escaped.
    element: Option<Property>,
}

impl Found {
    fn take_attributes(
        &mut self,
        start: &BytesStart<'_>,
        resolver: &NamespaceResolver,
    ) -> Result<(), String> {
        for attribute in start.attributes() {
            let attribute = attribute.map_err(|error| error.to_string())?;
            let (namespace, name) = resolver.resolve_attribute(attribute.key);
            if let Some(schema) = Schema::of(&namespace) {
                let value = attribute.normalized_value(XmlVersion::Implicit1_0);
                let value = value.map_err(|error| error.to_string())?;
                self.push(schema, name.as_ref(), &value)?;
            }
        }
        Ok(())
    }

    fn begin(&mut self, schema: Option<Schema>, name: &[u8]) {
        self.element = schema.map(|schema| Property {
            schema,
            name: String::from_utf8_lossy(name).into_owned(),
            value: String::new(),
        });
    }

    fn append(&mut self, part: &[u8], escaped: impl Fn(&str) -> String) {
        // The packet is UTF-8 as a whole, and the reader cuts at ASCII.
        if let (Some(element), Ok(part)) = (&mut self.element, std::str::from_utf8(part))
            && element.value.len() + part.len() <= VALUE_BYTES_MAX
        {
            element.value.push_str(&escaped(part));
        }
    }

    fn end(&mut self) -> Result<(), String> {
        let Some(Property { schema, name, value }) = self.element.take() else { return Ok(()) };
        let value = escape::unescape(&value).map_err(|error| error.to_string())?;
        self.push(schema, name.as_bytes(), &value)
    }

    fn push(&mut self, schema: Schema, name: &[u8], value: &str) -> Result<(), String> {
        if self.properties.len() == PROPERTIES_MAX {
            return Err(format!("it has more than {PROPERTIES_MAX} properties"));
        }
        let value = value.trim();
        if value.len() <= VALUE_BYTES_MAX {
            let name = String::from_utf8_lossy(name).into_owned();
            self.properties.push(Property { schema, name, value: value.to_owned() });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(packet: &str, expected: &[(Schema, &str, &str)]) {
        let found = properties(packet.as_bytes()).unwrap();
        let found: Vec<_> =
            found.iter().map(|p| (p.schema, p.name.as_str(), p.value.as_str())).collect();
        assert_eq!(found, expected);
    }

    /// The prefix is a name that anyone may choose; the namespace is what counts.
    #[test]
    fn namespaces_are_resolved() {
        check(
            r#"<a xmlns:GPano="http://example.com/" GPano:PoseHeadingDegrees="1" xmlns:h="http://ns.adobe.com/hdr-gain-map/1.0/">
               <b h:Version="1.0"/><h:GainMapMax> <![CDATA[2<3]]>&amp;&#x34; </h:GainMapMax></a>"#,
            &[(Schema::GainMap, "Version", "1.0"), (Schema::GainMap, "GainMapMax", "2<3&4")],
        );
        check("<a GPano='1'><b>2</b></a>", &[]);
    }

    #[test]
    fn broken_and_hostile_packets_are_errors() {
        let deep = "<a>".repeat(1000);
        let laughs = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><x>&b;</x>"#;
        let gpano = "xmlns:g='http://ns.google.com/photos/1.0/panorama/'";
        let entity = format!("<a {gpano}><g:X>&b;</g:X></a>");
        let many = format!("<a {gpano}>{}</a>", "<b g:X='1'/>".repeat(PROPERTIES_MAX + 1));
        for packet in ["<a><b></a>", "<a b=c/>", "<a", "<a>", &deep, laughs, &entity, &many] {
            let said = properties(packet.as_bytes());
            assert!(said.is_err(), "{}", packet.chars().take(20).collect::<String>());
        }
        assert!(properties(b"\xff\xfe<\0a\0").is_err());
        // Longer than any value that is asked for: left out.
        check(
            &format!("<a {gpano} g:X='{}' g:Y='2'/>", "1".repeat(2000)),
            &[(Schema::GPano, "Y", "2")],
        );
    }
}
