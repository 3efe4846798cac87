//! Tags to what they say, as far as it makes sense.

use panofleet_job_schema::media_info::{Capture, Location};

use crate::ifd::{Directory, Value};

/// Characters of a name.
const TEXT_CHARS_MAX: usize = 200;

pub(super) fn of(picture: &Directory, camera: &Directory, place: &Directory) -> Capture {
    let taken = date(camera, 0x9003, 0x9291, 0x9011)
        .or_else(|| date(camera, 0x9004, 0x9292, 0x9012))
        .or_else(|| {
            let text = text(picture, 0x0132)?;
            iso_8601(&text)
        });
    Capture {
        taken_at: taken,
        make: text(picture, 0x010f),
        model: text(picture, 0x0110),
        lens: text(camera, 0xa434),
        software: text(picture, 0x0131),
        exposure_s: positive(camera, 0x829a),
        f_number: positive(camera, 0x829d),
        iso: camera.number(0x8827).and_then(|iso| u32::try_from(iso).ok()).filter(|iso| *iso > 0),
        focal_length_mm: positive(camera, 0x920a),
        location: location(place),
    }
}

/// A text without control characters; one of nothing but blanks is none.
fn text(directory: &Directory, tag: u16) -> Option<String> {
    let Value::Ascii(text) = directory.get(tag)? else { return None };
    let text: String = text.chars().filter(|c| !c.is_control()).take(TEXT_CHARS_MAX).collect();
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

fn positive(directory: &Directory, tag: u16) -> Option<f64> {
    rational(directory, tag, 0).filter(|value| *value > 0.0)
}

fn rational(directory: &Directory, tag: u16, index: usize) -> Option<f64> {
    let Value::Rationals(values) = directory.get(tag)? else { return None };
    let (over, under) = *values.get(index)?;
    (under > 0).then(|| f64::from(over) / f64::from(under))
}

/// A date with its fraction of a second and time zone, which have tags of their own.
fn date(directory: &Directory, tag: u16, fraction: u16, zone: u16) -> Option<String> {
    let mut date = iso_8601(&text(directory, tag)?)?;
    let digits = |text: &String| text.len() <= 9 && text.bytes().all(|byte| byte.is_ascii_digit());
    if let Some(fraction) = text(directory, fraction).filter(digits) {
        date = format!("{date}.{fraction}");
    }
    let zone =
        text(directory, zone).filter(|zone| has_shape(zone, "+00:00") || has_shape(zone, "-00:00"));
    Some(match zone {
        Some(zone) => date + &zone,
        None => date,
    })
}

/// EXIF's `2016:05:14 09:30:12`; a month or day of 0 is a camera whose clock was never set.
fn iso_8601(text: &str) -> Option<String> {
    if !has_shape(text, "0000:00:00 00:00:00") {
        return None;
    }
    let number = |from: usize| text.get(from..from + 2)?.parse::<u8>().ok();
    let valid = (1..=12).contains(&number(5)?)
        && (1..=31).contains(&number(8)?)
        && number(11)? < 24
        && number(14)? < 60
        && number(17)? <= 60;
    let (day, time) = text.split_once(' ')?;
    valid.then(|| format!("{}T{time}", day.replace(':', "-")))
}

/// Whether a text has a digit wherever the shape has a 0, and the same elsewhere.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'0' => byte.is_ascii_digit(),
            other => byte == other,
        })
}

fn location(place: &Directory) -> Option<Location> {
    let altitude_m = rational(place, 6, 0).map(|metres| {
        let below_sea = place.number(5) == Some(1);
        if below_sea { -metres } else { metres }
    });
    Some(Location {
        latitude_deg: angle(place, 2, 1, ["N", "S"], 90.0)?,
        longitude_deg: angle(place, 4, 3, ["E", "W"], 180.0)?,
        altitude_m,
        heading_deg: rational(place, 17, 0).map(|heading| heading % 360.0),
    })
}

/// Degrees, minutes and seconds, and the hemisphere.
fn angle(
    place: &Directory,
    tag: u16,
    hemisphere: u16,
    [positive, negative]: [&str; 2],
    max_deg: f64,
) -> Option<f64> {
    let part = |index| rational(place, tag, index);
    let degrees = part(0)? + part(1).unwrap_or(0.0) / 60.0 + part(2).unwrap_or(0.0) / 3600.0;
    let sign = match text(place, hemisphere)? {
        text if text == positive => 1.0,
        text if text == negative => -1.0,
        _ => return None,
    };
    (degrees <= max_deg).then_some(sign * degrees)
}
