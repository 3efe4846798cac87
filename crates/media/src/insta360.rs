//! What Insta360's cameras append to a file: their model, and the calibration of their lenses.
//!
//! Source: the layout that github.com/AdrianEddy/telemetry-parser reads (`src/insta360`). At the very end stand 72
//! bytes: 32 of nothing, the length of all that was appended, a version, and a name of 32 letters. Records
//! end before them, each with its kind and length behind its body; the description is a protocol buffer.

use std::io::{self, Read, Seek, SeekFrom};

use panofleet_job_schema::media_info::Unstitched;

use crate::header::{block, bytes};

const NAME: &[u8; 32] = b"8db42d694ccc418790edff439fe026bf";
const TAIL_BYTES: u64 = 72;

/// Format, kind and length.
const RECORD_TAIL_BYTES: u64 = 6;

const INDEX: u8 = 0;
const DESCRIPTION: u8 = 1;

/// Records that are passed on the way to the description, which is the last or nearly.
const RECORDS_MAX: usize = 64;

/// Bytes of a description or an index.
const RECORD_BYTES_MAX: u32 = 1024 * 1024;

/// Characters of a model or a calibration.
const TEXT_CHARS_MAX: usize = 2000;

/// Reads what was appended to a file; `None` for a file that ends otherwise.
pub(crate) fn read(reader: &mut (impl Read + Seek)) -> Option<Unstitched> {
    let end = reader.seek(SeekFrom::End(0)).ok()?.checked_sub(TAIL_BYTES)?;
    reader.seek(SeekFrom::Start(end)).ok()?;
    let [head @ .., _, _, _, _] = bytes::<40>(reader).ok()?;
    let [.., b0, b1, b2, b3] = head;
    if bytes::<32>(reader).ok()? != *NAME {
        return None;
    }
    let appended_bytes = u32::from_le_bytes([b0, b1, b2, b3]);
    // Where the records begin, as the index counts.
    let start = (end + TAIL_BYTES).checked_sub(appended_bytes.into());
    let description = description(reader, start, end).ok().flatten().unwrap_or_default();
    Some(Unstitched {
        maker: "Insta360".into(),
        model: text(&description, 2),
        // The newest of the forms that it is written in; what a program changed goes before the original.
        calibration: [54, 53, 5, 17].into_iter().find_map(|field| text(&description, field)),
    })
}

/// The description's bytes, found through the index if the last record is one, else from the end forwards.
fn description(
    reader: &mut (impl Read + Seek),
    start: Option<u64>,
    mut end: u64,
) -> io::Result<Option<Vec<u8>>> {
    const ENTRY_BYTES: usize = 10;

    for _ in 0..RECORDS_MAX {
        let Some(tail) = end.checked_sub(RECORD_TAIL_BYTES) else { return Ok(None) };
        reader.seek(SeekFrom::Start(tail))?;
        let [_, kind, l0, l1, l2, l3] = bytes(reader)?;
        let length = u32::from_le_bytes([l0, l1, l2, l3]);
        let Some(place) = tail.checked_sub(length.into()) else { return Ok(None) };
        let mut body = |at: u64, length: u32| {
            if length > RECORD_BYTES_MAX {
                return Ok(None);
            }
            reader.seek(SeekFrom::Start(at))?;
            block(reader, length as usize).map(Some)
        };
        match kind {
            DESCRIPTION => return body(place, length),
            INDEX => {
                let index = body(place, length)?.unwrap_or_default();
                let entries = index.as_chunks::<ENTRY_BYTES>().0;
                let entry = entries.iter().find(|[kind, ..]| *kind == DESCRIPTION);
                if let (Some([_, _, l0, l1, l2, l3, o0, o1, o2, o3]), Some(start)) = (entry, start)
                {
                    let offset = u32::from_le_bytes([*o0, *o1, *o2, *o3]);
                    return body(
                        start + u64::from(offset),
                        u32::from_le_bytes([*l0, *l1, *l2, *l3]),
                    );
                }
            }
            _ => {}
        }
        end = place;
    }
    Ok(None)
}

/// A text of a protocol buffer; `None` if the field is not there, empty, or behind something unreadable.
fn text(message: &[u8], field: u64) -> Option<String> {
    let mut rest = message;
    while !rest.is_empty() {
        let key = varint(&mut rest)?;
        let length = match key & 7 {
            0 => {
                varint(&mut rest)?;
                0
            }
            1 => 8,
            2 => usize::try_from(varint(&mut rest)?).ok()?,
            5 => 4,
            _ => return None,
        };
        let (value, after) = rest.split_at_checked(length)?;
        rest = after;
        if key >> 3 == field && key & 7 == 2 {
            let text = std::str::from_utf8(value).ok()?;
            let text: String =
                text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
            return (!text.is_empty()).then_some(text);
        }
    }
    None
}

/// A number of seven bits a byte, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn message() -> Vec<u8> {
        // Field 2, a number in field 7, field 5, field 25 of eight bytes, field 54.
        [
            &b"\x12\x0fInsta360 ONE X2"[..],
            b"\x38\xac\x02",
            b"\x2a\x05a_b_c",
            b"\xc9\x01\0\0\0\0\0\0\0\0",
            b"\xb2\x03\x08v3_1_2_3",
        ]
        .concat()
    }

    fn record(kind: u8, body: &[u8]) -> Vec<u8> {
        [body, &[1, kind], &(body.len() as u32).to_le_bytes()].concat()
    }

    fn file(records: &[Vec<u8>]) -> Vec<u8> {
        let records = records.concat();
        let length = (records.len() as u32 + 72).to_le_bytes();
        let tail = [&[0; 32][..], &length, &3_u32.to_le_bytes(), NAME].concat();
        [b"\xff\xd8picture", &records[..], &tail].concat()
    }

    #[test]
    fn model_and_calibration_are_found() {
        let expected = Unstitched {
            maker: "Insta360".into(),
            model: Some("Insta360 ONE X2".into()),
            calibration: Some("v3_1_2_3".into()),
        };
        let (gyro, thumbnail) = (record(3, &[7; 40]), record(2, b"\xff\xd8"));
        let description = record(1, &message());
        let entry = [
            &[1, 1][..],
            &(message().len() as u32).to_le_bytes(),
            &(gyro.len() as u32).to_le_bytes(),
        ];
        let index = record(0, &entry.concat());
        for records in [
            vec![gyro.clone(), description.clone()],
            vec![description.clone(), gyro.clone(), thumbnail.clone()],
            vec![gyro, description, thumbnail, index],
        ] {
            assert_eq!(read(&mut Cursor::new(file(&records))), Some(expected.clone()));
        }
    }

    #[test]
    fn what_is_broken_is_as_good_as_not_there() {
        let bare = Unstitched { maker: "Insta360".into(), ..Unstitched::default() };
        let lying = [&[1, 1][..], &u32::MAX.to_le_bytes()].concat();
        for records in [
            vec![],
            vec![record(9, b"")],
            vec![lying],
            vec![record(1, b"\x12\xff\xff\xff\xff\x0f")],
        ] {
            assert_eq!(read(&mut Cursor::new(file(&records))), Some(bare.clone()));
        }
        assert_eq!(read(&mut Cursor::new(b"\xff\xd8")), None);
        assert_eq!(read(&mut Cursor::new([0; 100])), None);
    }
}
