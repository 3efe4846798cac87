//! Extended XMP: what of a packet does not fit into one segment of a JPEG.
//!
//! Source: Adobe XMP specification part 3, 1.1.3.1. The rest is a packet of its own, in portions that may
//! come in any order, and its name is its MD5 digest; the main packet says which one belongs to it.

use std::collections::BTreeMap;

use md5::{Digest as _, Md5};

/// The digest of a packet in hexadecimal digits.
pub(crate) type Guid = [u8; 32];

/// The portions that were found, by the packet that they are of. The reader bounds their bytes.
#[derive(Debug, Default)]
pub(crate) struct Extended(BTreeMap<Guid, Packet>);

#[derive(Debug, Default)]
struct Packet {
    bytes: u32,
    /// By offset.
    portions: BTreeMap<u32, Vec<u8>>,
}

impl Extended {
    /// Takes a portion as it stands behind its segment's name: GUID, length of the whole, offset, text. One
    /// that is too short for that is nothing.
    pub(crate) fn take(&mut self, portion: &[u8]) {
        let Some((guid, [b3, b2, b1, b0, o3, o2, o1, o0, text @ ..])) = portion.split_first_chunk()
        else {
            return;
        };
        let packet = self.0.entry(upper(*guid)).or_default();
        packet.bytes = u32::from_be_bytes([*b3, *b2, *b1, *b0]);
        packet.portions.insert(u32::from_be_bytes([*o3, *o2, *o1, *o0]), text.to_vec());
    }

    /// The packet with this name, put together.
    ///
    /// # Errors
    /// What is wrong with it, for a warning.
    pub(crate) fn packet(&self, guid: Guid) -> Result<Vec<u8>, String> {
        let Packet { bytes, portions } =
            self.0.get(&upper(guid)).ok_or("no part of it is in the file")?;
        let mut whole = Vec::new();
        for (offset, portion) in portions {
            if *offset as usize != whole.len() {
                return Err(format!("bytes {} to {offset} of it are missing", whole.len()));
            }
            whole.extend_from_slice(portion);
        }
        if whole.len() != *bytes as usize {
            return Err(format!("{} of its {bytes} bytes are in the file", whole.len()));
        }
        let digest: String = Md5::digest(&whole).iter().map(|byte| format!("{byte:02X}")).collect();
        if digest.as_bytes() != upper(guid) {
            return Err("it is not what the main packet was written with: its MD5 differs".into());
        }
        Ok(whole)
    }
}

/// Some writers use small digits.
fn upper(guid: Guid) -> Guid {
    guid.map(|digit| digit.to_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// MD5 of `abcdefghijklmnopqrstuvwxyz` (RFC 1321, A.5).
    const GUID: &Guid = b"C3FCD3D76192E4007DFB496CCA67E13B";

    fn packet(guid: &Guid, bytes: u32, portions: &[(u32, &[u8])]) -> Result<Vec<u8>, String> {
        let mut extended = Extended::default();
        for (offset, text) in portions {
            extended.take(&[guid, &bytes.to_be_bytes()[..], &offset.to_be_bytes(), text].concat());
        }
        extended.packet(*GUID)
    }

    #[test]
    fn portions_are_put_in_order() {
        let (first, second, third) =
            ((0, &b"abcd"[..]), (4, &b"efghijkl"[..]), (12, &b"mnopqrstuvwxyz"[..]));
        let lower = &GUID.map(|digit| digit.to_ascii_lowercase());
        for (guid, portions) in [
            (GUID, [first, second, third]),
            (GUID, [third, first, second]),
            (lower, [second, third, first]),
        ] {
            assert_eq!(packet(guid, 26, &portions).unwrap(), b"abcdefghijklmnopqrstuvwxyz");
        }
        for (guid, bytes, portions, words) in [
            (GUID, 26, &[first, third][..], "bytes 4 to 12 of it are missing"),
            (GUID, 26, &[first, second], "12 of its 26 bytes"),
            (GUID, u32::MAX, &[first, second, third], "of its 4294967295 bytes"),
            (GUID, 26, &[first, second, (12, b"mnopqrstuvwxyZ")], "its MD5 differs"),
            (&[b'0'; 32], 26, &[first, second, third], "no part of it"),
            (GUID, 26, &[first, (3, b"xefghijkl"), third], "bytes 4 to 3"),
        ] {
            let said = packet(guid, bytes, portions).unwrap_err();
            assert!(said.contains(words), "{said}");
        }
        let mut extended = Extended::default();
        extended.take(b"short");
        assert!(extended.packet(*GUID).is_err());
    }
}
