//! Why an attempt failed: a class for the machine, a code for grouping, a message for a person.

use serde::{Deserialize, Serialize};

use crate::limits;

/// What the lifecycle does about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// May pass by itself (a store that did not answer): retried with backoff.
    Transient,
    /// The input or the request is at fault: dead at once, with a message that a person can act on.
    Rejected,
    /// The child died (signal, out of memory, hang): retried, dead after a few.
    Crashed,
    /// Our own fault (a panic, a broken invariant): retried like a crash.
    Bug,
}

/// One failure, as events, the job row and the API show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What to do about it.
    pub class: ErrorClass,
    /// A stable code, `snake_case`: what failures are grouped and alerted by.
    pub code: String,
    /// What went wrong and what to do, for a person.
    pub message: String,
    /// The last words of the child, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Failure {
    /// A failure of `class`; text past its limit is cut at a character.
    pub fn new(class: ErrorClass, code: &str, message: impl Into<String>) -> Self {
        let message = clip(message.into(), limits::FAILURE_MESSAGE_BYTES_MAX);
        Self { class, code: code.to_owned(), message, detail: None }
    }

    /// Adds the child's last words.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(clip(detail.into(), limits::STDERR_TAIL_BYTES_MAX));
        self
    }

    /// The input is at fault.
    pub fn rejected(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Rejected, code, message)
    }

    /// May pass by itself.
    pub fn transient(code: &str, message: impl Into<String>) -> Self {
        Self::new(ErrorClass::Transient, code, message)
    }
}

/// Cuts `text` to at most `bytes_max` bytes, at a character.
fn clip(mut text: String, bytes_max: usize) -> String {
    text.truncate(text.floor_char_boundary(bytes_max));
    text
}
