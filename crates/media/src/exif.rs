//! EXIF: the orientation is all that is needed of it.

use exif::{In, Reader, Tag};

/// The orientation, 1 to 8, or `None` if the block has none that makes sense.
///
/// `block` is a TIFF structure. A camera's maker notes are often broken; what can be read counts.
pub(crate) fn orientation(block: &[u8]) -> Option<u16> {
    let mut reader = Reader::new();
    reader.continue_on_error(true);
    let exif = match reader.read_raw(block.to_vec()) {
        Ok(exif) => exif,
        Err(error) => error.distill_partial_result(|_| ()).ok()?,
    };
    let value = exif.get_field(Tag::Orientation, In::PRIMARY)?.value.get_uint(0)?;
    u16::try_from(value).ok().filter(|value| (1..=8).contains(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_tag_and_nothing_else() {
        let block = |value: u8| {
            let mut block = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
            block.extend([value, 0, 0, 0, 0, 0, 0, 0]);
            block
        };
        assert_eq!(orientation(&block(6)), Some(6));
        assert_eq!(orientation(&block(9)), None);
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), None);
        assert_eq!(orientation(b""), None);
    }
}
