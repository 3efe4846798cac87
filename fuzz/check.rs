//! What must hold of any bytes at all, and files around metadata that is made up.

use panofleet_job_schema::ErrorClass;
use panofleet_media::probe_bytes;

/// Probes bytes: the answer is a description or a refusal of the input, with a few short messages.
///
/// # Panics
/// If it is neither.
pub(crate) fn check(bytes: &[u8]) {
    let said = match probe_bytes(bytes) {
        Ok(media) => media.warnings,
        Err(error) => {
            assert_eq!(error.class(), ErrorClass::Rejected, "{error}");
            vec![error.to_string()]
        }
    };
    assert!(said.len() <= 64, "{} messages", said.len());
    for message in said {
        assert!(message.len() <= 2000, "a message of {} bytes", message.len());
    }
}

/// A JPEG that is only a header, with segments before its frame.
pub(crate) fn jpeg(segments: &[(u8, &[u8], &[u8])]) -> Vec<u8> {
    const BODY_BYTES_MAX: usize = 65_533;
    let mut file = vec![0xff, 0xd8];
    for (marker, name, body) in segments {
        let body = &body[..body.len().min(BODY_BYTES_MAX - name.len())];
        file.extend([0xff, *marker]);
        file.extend((2 + (name.len() + body.len()) as u16).to_be_bytes());
        file.extend_from_slice(name);
        file.extend_from_slice(body);
    }
    file.extend(b"\xff\xc0\0\x0b\x08\0\x10\0\x20\x01\0\x11\0\xff\xda\0\x08\x01\0\0\0\x3f\0");
    file
}

/// An XMP packet in a file.
pub(crate) fn with_xmp(packet: &[u8]) -> Vec<u8> {
    jpeg(&[(0xe1, b"http://ns.adobe.com/xap/1.0/\0", packet)])
}

/// An EXIF block in a file.
pub(crate) fn with_exif(block: &[u8]) -> Vec<u8> {
    jpeg(&[(0xe1, b"Exif\0\0", block)])
}

/// An index of pictures in a file, and its bytes once more behind the first picture.
pub(crate) fn with_pictures(index: &[u8]) -> Vec<u8> {
    let mut file = jpeg(&[(0xe2, b"MPF\0", index)]);
    file.extend_from_slice(index);
    file
}
