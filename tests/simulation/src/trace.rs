//! The record of a run: its last lines for people, and a digest of all of them.

use std::collections::VecDeque;
use std::fmt::{Arguments, Write as _};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

/// Lines that are kept.
const LINES_MAX: usize = 400;

/// What happened, in order.
#[derive(Debug, Default)]
pub(crate) struct Trace {
    lines: VecDeque<String>,
    digest: Sha256,
    /// Every line goes to standard error at once.
    pub(crate) is_loud: bool,
}

impl Trace {
    /// Adds a line.
    pub(crate) fn add(&mut self, now: Duration, line: Arguments<'_>) {
        let mut text = format!("{:10.3} ", now.as_secs_f64());
        text.write_fmt(line).expect("writing to a string cannot fail");
        self.digest.update(&text);
        if self.is_loud {
            let mut text = text.clone();
            text.push('\n');
            drop(std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()));
        }
        self.lines.push_back(text);
        if self.lines.len() > LINES_MAX {
            self.lines.pop_front();
        }
    }

    /// The last `count` lines.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).cloned().collect()
    }

    /// A digest of every line, in hexadecimal.
    pub(crate) fn digest(&self) -> String {
        self.digest.clone().finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }
}
