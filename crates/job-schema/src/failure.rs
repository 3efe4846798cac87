//! Why an attempt failed: a class for the machine, a code for grouping, a message for a person.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::limits;

mod pattern;

/// What the lifecycle does about a failure.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
    /// What failures of one kind share, however they are worded in detail: 16 hexadecimal digits, the same in every
    /// version of the program.
    ///
    /// The first 8 bytes of the SHA-256 of the code, a line break, and the message's [`pattern`](Self::pattern).
    /// The class does not count: a code has one.
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.code.as_bytes());
        hash.update(b"\n");
        hash.update(self.pattern().as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
    }

    /// The message without what differs from case to case: `<quoted>` stands for what was in quotes or backticks,
    /// `<url>`, `<path>`, `<id>`, `<time>` and `<n>` for addresses, paths, identities, times and numbers.
    pub fn pattern(&self) -> String {
        pattern::of(&self.message)
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups are kept by whoever asked for them: these values may not change.
    #[test]
    fn fingerprints_are_stable_and_group_by_code_and_pattern() {
        let large = |px: u32| {
            Failure::rejected("picture_too_large", format!("the picture has {px} px, most 300"))
        };
        assert_eq!(large(301).pattern(), "the picture has <n> px, most <n>");
        assert_eq!(large(301).fingerprint(), large(999_999).fingerprint());
        assert_eq!(large(301).fingerprint(), "ae6f076e3ea12915");
        let other_code = Failure { code: "memory_limit".into(), ..large(301) };
        assert_ne!(large(301).fingerprint(), other_code.fingerprint());
        let with_detail = large(301).with_detail("last words");
        assert_eq!(large(301).fingerprint(), with_detail.fingerprint());
        let other_text = Failure { message: "too large".into(), ..large(301) };
        assert_ne!(large(301).fingerprint(), other_text.fingerprint());
    }
}
