//! Sizes, ages and names, as people say them.

use std::collections::BTreeMap;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::source::Source;

/// A size with three digits: `12.3 MB`. Powers of ten, as file managers count.
pub(super) fn size(bytes: u64) -> String {
    let units = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut value, mut unit) = (bytes as f64 / 1000.0, 0);
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = if value < 9.995 { 2 } else { usize::from(value < 99.95) };
    format!("{value:.digits$} {}", units[unit])
}

/// How long ago: `5 s ago`, `3 min ago`, `2 h ago`, `4 days ago`.
pub(super) fn ago(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..2 => "now".to_owned(),
        2..120 => format!("{seconds} s ago"),
        120..7200 => format!("{} min ago", seconds / 60),
        7200..172_800 => format!("{} h ago", seconds / 3600),
        _ => format!("{} days ago", seconds / 86_400),
    }
}

/// A length of time: `340 ms`, `2.1 s`, `3 min 20 s`, `22 h 5 min`.
pub(super) fn span(ms: u64) -> String {
    match ms {
        0..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{:.1} s", ms as f64 / 1000.0),
        60_000..7_200_000 => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
        _ => format!("{} h {} min", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

/// How long it is from one time to another.
pub(super) fn between(from: Timestamp, to: Timestamp) -> String {
    span(u64::try_from(to.since(from).as_millis()).unwrap_or(u64::MAX))
}

/// What failures of a kind say, as people would shorten it: `the picture has … pixels, not …`.
pub(super) fn pattern(pattern: &str) -> String {
    ["<quoted>", "<url>", "<path>", "<id>", "<time>", "<n>"]
        .iter()
        .fold(pattern.to_owned(), |text, differs| text.replace(differs, "…"))
}

/// `1 file`, `2 files`.
pub(super) fn count(number: impl Into<u64>, one: &str) -> String {
    match number.into() {
        1 => format!("1 {one}"),
        number => format!("{number} {one}s"),
    }
}

/// What to call what a job was made from: the last part of its path, or the label `file` of an upload, which has
/// no path.
pub(super) fn source(source: &Source, labels: &BTreeMap<String, String>) -> String {
    if let Source::Upload(_) = source {
        return labels.get("file").map_or_else(|| "an upload".to_owned(), String::clone);
    }
    let address = address(source);
    let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    name.to_owned()
}

/// Where a source lies, without a query: that of a presigned URL is a secret.
pub(super) fn address(source: &Source) -> String {
    match source {
        Source::Https(url) => url.split(['?', '#']).next().unwrap_or_default().to_owned(),
        Source::S3 { .. } | Source::Upload(_) | Source::File(_) | Source::Nothing => {
            source.to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_shortened_where_cases_differ() {
        let said = "output <quoted>: <n>×<n> is no <id> of <url>, <path> at <time>";
        assert_eq!(pattern(said), "output …: …×… is no … of …, … at …");
    }

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, expected) in [
            (0, "0 B"),
            (999, "999 B"),
            (1000, "1.00 kB"),
            (9_994, "9.99 kB"),
            (12_345, "12.3 kB"),
            (999_499, "999 kB"),
            (999_500, "1.00 MB"),
            (4_200_000_000, "4.20 GB"),
        ] {
            assert_eq!(size(bytes), expected);
        }
    }

    #[test]
    fn ages_and_spans_are_short() {
        for (seconds, expected) in [
            (0, "now"),
            (119, "119 s ago"),
            (120, "2 min ago"),
            (7200, "2 h ago"),
            (172_800, "2 days ago"),
        ] {
            assert_eq!(ago(Duration::from_secs(seconds)), expected);
        }
        for (ms, expected) in [
            (999, "999 ms"),
            (2_100, "2.1 s"),
            (200_000, "3 min 20 s"),
            (7_199_000, "119 min 59 s"),
            (79_500_000, "22 h 5 min"),
        ] {
            assert_eq!(span(ms), expected);
        }
    }

    #[test]
    fn a_source_is_called_by_its_file() {
        for (text, expected) in [
            ("https://example.com/a/b.jpg?signature=secret", "b.jpg"),
            ("s3://photos/2026/reef.tif", "reef.tif"),
            ("upload:01890a5d-ac96-774b-bcce-b302099a8057", "an upload"),
        ] {
            assert_eq!(source(&text.parse().unwrap(), &BTreeMap::new()), expected);
        }
        let labels = BTreeMap::from([("file".to_owned(), "reef.jpg".to_owned())]);
        let upload = "upload:01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(source(&upload, &labels), "reef.jpg");
    }
}
