//! Samples that a fragment adds.

use crate::boxes::Boxes;
use crate::{BoxError, BoxRef, FourCc};

/// For each `traf` of a `moof`: its track, and how many samples its `trun`s hold.
///
/// # Errors
/// A `moof` that is cut or damaged.
pub fn fragment_samples(moof: &BoxRef<'_>) -> Result<Vec<(u32, u64)>, BoxError> {
    let mut tracks = Vec::new();
    for found in moof.children() {
        let traf = found?;
        if traf.kind == b"traf" {
            tracks.push(track_samples(traf.children())?);
        }
    }
    Ok(tracks)
}

fn track_samples(boxes: Boxes<'_>) -> Result<(u32, u64), BoxError> {
    let (mut track, mut samples) = (None, 0_u64);
    for found in boxes {
        let found = found?;
        let mut cursor = found.cursor();
        match &found.kind.0 {
            b"tfhd" => {
                cursor.full_box(0)?;
                track = Some(cursor.u32()?);
            }
            b"trun" => {
                cursor.full_box(1)?;
                samples += u64::from(cursor.u32()?);
            }
            _ => {}
        }
    }
    Ok((track.ok_or(BoxError::Missing(FourCc(*b"tfhd")))?, samples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{write_box, write_full_box};

    #[test]
    fn runs_of_a_track_add_up() {
        let mut moof = Vec::new();
        write_box(&mut moof, b"moof", |to| {
            write_box(to, b"traf", |to| {
                write_full_box(to, b"tfhd", 0, 0x02_0000, |to| to.extend(7_u32.to_be_bytes()));
                write_full_box(to, b"tfdt", 1, 0, |to| to.extend(0_u64.to_be_bytes()));
                for count in [30_u32, 12] {
                    write_full_box(to, b"trun", 1, 0, |to| to.extend(count.to_be_bytes()));
                }
            });
        });
        let moof = Boxes::new(FourCc(*b"file"), &moof).next().unwrap().unwrap();
        assert_eq!(fragment_samples(&moof), Ok(vec![(7, 42)]));
    }
}
