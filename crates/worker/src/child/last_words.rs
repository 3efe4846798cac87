//! The end of what a child wrote to standard error.

use std::collections::VecDeque;

use panofleet_job_schema::limits::STDERR_TAIL_BYTES_MAX;

/// A ring of the last bytes.
#[derive(Debug, Default)]
pub(super) struct LastWords {
    bytes: VecDeque<u8>,
}

impl LastWords {
    /// Adds bytes, and forgets the oldest past the limit.
    pub(super) fn push(&mut self, said: &[u8]) {
        self.bytes.extend(said);
        let excess = self.bytes.len().saturating_sub(STDERR_TAIL_BYTES_MAX);
        self.bytes.drain(..excess);
    }

    /// The bytes as text, within the limit also after bytes that are no UTF-8 have grown.
    pub(super) fn text(&self) -> String {
        let (front, back) = self.bytes.as_slices();
        let text = String::from_utf8_lossy(&[front, back].concat()).into_owned();
        let start = text.ceil_char_boundary(text.len().saturating_sub(STDERR_TAIL_BYTES_MAX));
        text.get(start..).unwrap_or_default().trim().to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_kept() {
        let mut words = LastWords::default();
        words.push(&b"x".repeat(10_000));
        words.push("the end: é\n".as_bytes());
        let text = words.text();
        assert!(text.ends_with("the end: é"));
        assert!(text.len() <= STDERR_TAIL_BYTES_MAX);
    }

    #[test]
    fn bytes_that_are_no_text_stay_within_the_limit() {
        let mut words = LastWords::default();
        words.push(&[0xff; 2 * STDERR_TAIL_BYTES_MAX]);
        assert!(words.text().len() <= STDERR_TAIL_BYTES_MAX);
    }
}
