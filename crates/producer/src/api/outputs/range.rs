//! `Range` requests for one part of a file (RFC 9110 §14).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::api::error::ApiError;

/// What is to be sent of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Size of the file.
    pub(super) whole_bytes: u64,
    /// First and last byte, if not all of it.
    pub(super) range: Option<(u64, u64)>,
}

impl Part {
    /// Bytes to send.
    pub(super) const fn bytes(self) -> u64 {
        match self.range {
            Some((first, last)) => last - first + 1,
            None => self.whole_bytes,
        }
    }
}

/// The part that a request asks for. A range that cannot be read, several at once, or one of another version
/// of the file (`If-Range`) count as none, as the standard has it.
pub(super) fn asked_part(
    headers: &HeaderMap,
    whole_bytes: u64,
    etag: &str,
) -> Result<Part, ApiError> {
    let whole = Part { whole_bytes, range: None };
    if headers.get(header::IF_RANGE).is_some_and(|version| version.as_bytes() != etag.as_bytes()) {
        return Ok(whole);
    }
    match headers.get(header::RANGE).and_then(parse) {
        Some(asked) => match asked.within(whole_bytes) {
            Some(range) => Ok(Part { whole_bytes, range: Some(range) }),
            None => Err(past_the_end(whole_bytes)),
        },
        None => Ok(whole),
    }
}

fn past_the_end(whole_bytes: u64) -> ApiError {
    let detail = format!("the file has {whole_bytes} bytes; ask for a range inside of it");
    ApiError::refused(StatusCode::RANGE_NOT_SATISFIABLE, "no_such_range", detail)
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    From(u64),
    Between(u64, u64),
    Last(u64),
}

impl Asked {
    /// First and last byte in a file of that size, if it has any of them.
    fn within(self, whole_bytes: u64) -> Option<(u64, u64)> {
        let end = whole_bytes.checked_sub(1)?;
        match self {
            Self::From(first) | Self::Between(first, _) if first > end => None,
            Self::From(first) => Some((first, end)),
            Self::Between(first, last) => Some((first, last.min(end))),
            Self::Last(0) => None,
            Self::Last(bytes) => Some((whole_bytes.saturating_sub(bytes), end)),
        }
    }
}

fn parse(value: &HeaderValue) -> Option<Asked> {
    let (first, last) = value.to_str().ok()?.strip_prefix("bytes=")?.trim().split_once('-')?;
    let number = |digits: &str| {
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
    };
    match (first, last) {
        ("", last) => Some(Asked::Last(number(last)?)),
        (first, "") => Some(Asked::From(number(first)?)),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Asked::Between(first, last))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str, if_range: Option<&str>, bytes: u64) -> Option<(u64, Option<(u64, u64)>)> {
        let mut headers = HeaderMap::new();
        headers.insert(header::RANGE, range.parse().unwrap());
        if let Some(version) = if_range {
            headers.insert(header::IF_RANGE, version.parse().unwrap());
        }
        asked_part(&headers, bytes, "\"v1\"").ok().map(|part| (part.bytes(), part.range))
    }

    #[test]
    fn ranges_as_the_standard_has_them() {
        let whole = Some((10, None));
        for (range, expected) in [
            ("bytes=0-0", Some((1, Some((0, 0))))),
            ("bytes=2-5", Some((4, Some((2, 5))))),
            ("bytes=2-", Some((8, Some((2, 9))))),
            ("bytes=2-99", Some((8, Some((2, 9))))),
            ("bytes=-3", Some((3, Some((7, 9))))),
            ("bytes=-99", Some((10, Some((0, 9))))),
            ("bytes=10-", None),
            ("bytes=10-12", None),
            ("bytes=-0", None),
            ("bytes=5-2", whole),
            ("bytes=0-1,3-4", whole),
            ("bytes=a-b", whole),
            ("bytes=+1-2", whole),
            ("bytes=-", whole),
            ("rows=0-1", whole),
            ("bytes=99999999999999999999-", whole),
        ] {
            assert_eq!(part(range, None, 10), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_gets_the_whole() {
        assert_eq!(part("bytes=0-1", Some("\"v1\""), 10), Some((2, Some((0, 1)))));
        assert_eq!(part("bytes=0-1", Some("\"v0\""), 10), Some((10, None)));
        assert_eq!(part("bytes=0-1", Some("Sun, 22 Nov 2026 19:00:00 GMT"), 10), Some((10, None)));
    }

    #[test]
    fn an_empty_file_has_no_range() {
        assert_eq!(part("bytes=0-", None, 0), None);
    }
}
