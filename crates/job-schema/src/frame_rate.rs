//! How many frames a second a video gets that must have them at even times.

use crate::media_info::TrackInfo;

/// Rates that equipment has, as fractions.
const USUAL: [(i32, i32); 13] = [
    (10, 1),
    (12, 1),
    (15, 1),
    (24_000, 1001),
    (24, 1),
    (25, 1),
    (30_000, 1001),
    (30, 1),
    (48, 1),
    (50, 1),
    (60_000, 1001),
    (60, 1),
    (120, 1),
];

/// How far a measured rate may be from a usual one that is meant, as a share of it: below half of what lies
/// between 30 and 29.97.
const NEAR: f64 = 0.000_45;

/// The same for a rate that is an average of uneven times.
const NEAR_UNEVEN: f64 = 0.04;

/// What a file without any rate is taken for.
const UNKNOWN: (i32, i32) = (30, 1);

/// Frames a second of even times for the frames of a track, at most `max`, and what was assumed.
///
/// A rate above `max` is divided by a whole number. Of uneven times, the shortest between two frames counts, as
/// long as that is at most twice the average rate.
pub(crate) fn even_rate(track: &TrackInfo, max: u32) -> ((i32, i32), Option<String>) {
    let average = track.frame_rate.filter(|(frames, seconds)| *frames > 0 && *seconds > 0);
    let average = average.unwrap_or(UNKNOWN);
    let uneven = track.timing.filter(|timing| timing.variable && timing.shortest_ms > 0.0);
    let rate = match uneven {
        Some(timing) => {
            let fastest = 1000.0 / timing.shortest_ms;
            let rate = fastest.clamp(value(average), 2.0 * value(average)).max(1.0);
            near(rate, NEAR_UNEVEN).unwrap_or_else(|| thousandths(rate))
        }
        None => near(value(average), NEAR).unwrap_or_else(|| plain(average)),
    };
    let divisor = (value(rate) / f64::from(max) - 1e-9).ceil().max(1.0) as i32;
    let rate = reduced(i64::from(rate.0), i64::from(rate.1) * i64::from(divisor));
    let said = uneven.map(|_| {
        format!(
            "frames come at uneven times; each is shown at the nearest of {:.3} even times a second",
            value(rate)
        )
    });
    (rate, said)
}

/// Frames a second as a number.
pub(crate) fn value((frames, seconds): (i32, i32)) -> f64 {
    f64::from(frames) / f64::from(seconds)
}

/// The usual rate that is nearest, if it is near enough.
fn near(rate: f64, share: f64) -> Option<(i32, i32)> {
    let distance = |usual: &(i32, i32)| (value(*usual) - rate).abs() / rate;
    let nearest = USUAL.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)))?;
    (distance(nearest) <= share).then_some(*nearest)
}

/// The rate as it is, or in thousandths of a frame if its numbers are so large that they are a measurement.
fn plain(rate: (i32, i32)) -> (i32, i32) {
    let exact = reduced(rate.0.into(), rate.1.into());
    if exact.0 <= 60_000 && exact.1 <= 1001 { exact } else { thousandths(value(rate)) }
}

fn thousandths(rate: f64) -> (i32, i32) {
    reduced((rate * 1000.0).round().clamp(1.0, 1e6) as i64, 1000)
}

fn reduced(frames: i64, seconds: i64) -> (i32, i32) {
    let (mut a, mut b) = (frames, seconds);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let a = a.max(1);
    // Both are products of small numbers.
    ((frames / a).clamp(1, 1 << 30) as i32, (seconds / a).clamp(1, 1 << 30) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_info::FrameTiming;

    fn track(frame_rate: (i32, i32), shortest_ms: Option<f64>) -> TrackInfo {
        let timing = shortest_ms.map(|shortest_ms| FrameTiming {
            frames: 100,
            variable: true,
            shortest_ms,
            longest_ms: 200.0,
        });
        TrackInfo { frame_rate: Some(frame_rate), timing, ..TrackInfo::default() }
    }

    #[test]
    fn rates_become_those_that_are_meant() {
        for (given, shortest_ms, max, expected) in [
            ((30, 1), None, 60, (30, 1)),
            ((30_000, 1001), None, 60, (30_000, 1001)),
            ((2_997_003, 100_000), None, 60, (30_000, 1001)),
            ((25, 2), None, 60, (25, 2)),
            ((123_457, 10_000), None, 60, (6173, 500)),
            // Above the limit, whole numbers of frames are left out.
            ((120, 1), None, 60, (60, 1)),
            ((240, 1), None, 60, (60, 1)),
            ((60_000, 1001), None, 30, (30_000, 1001)),
            ((50, 1), None, 30, (25, 1)),
            // Of uneven times the shortest counts, up to twice the average.
            ((24, 1), Some(33.0), 60, (30, 1)),
            ((10, 1), Some(1.0), 60, (20, 1)),
            ((29, 1), Some(33.37), 60, (30_000, 1001)),
        ] {
            assert_eq!(even_rate(&track(given, shortest_ms), max).0, expected, "{given:?}");
        }
        assert_eq!(even_rate(&TrackInfo::default(), 60), ((30, 1), None));
        assert!(even_rate(&track((24, 1), Some(33.0)), 60).1.is_some());
    }
}
