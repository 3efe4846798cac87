//! Names and identities. Each is a type of its own, so that none can stand where another is meant.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use uuid::Uuid;

use crate::limits;

/// A job, for ever: a UUID version 7, made by the API from its clock and randomness.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct JobId(pub Uuid);

/// One holder of an attempt: a fresh UUID for each worker that takes a copy of the message.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ClaimId(pub Uuid);

impl ClaimId {
    /// The first eight hexadecimal digits: enough to tell the folders of one attempt apart.
    pub fn short(self) -> String {
        let mut text = self.0.simple().to_string();
        text.truncate(8);
        text
    }
}

/// How often an operator has started the job anew; the first is 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Generation(pub u32);

/// The number of a send, counted over the whole life of the job and never used twice; the first is 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct Attempt(pub u32);

macro_rules! shown_as_inner {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}
shown_as_inner!(JobId, ClaimId, Generation, Attempt);

impl FromStr for JobId {
    type Err = uuid::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Uuid::parse_str(text).map(Self)
    }
}

/// A name that does not fit its rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{kind} `{name}` must be 1 to {bytes_max} lower-case letters, digits, `-` or `_`, and begin with a letter or digit"
)]
pub struct BadName {
    kind: &'static str,
    name: String,
    bytes_max: usize,
}

fn check_name(kind: &'static str, name: &str, bytes_max: usize) -> Result<(), BadName> {
    let fits = (1..=bytes_max).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
    let shown = || name.chars().take(bytes_max + 8).collect();
    if fits { Ok(()) } else { Err(BadName { kind, name: shown(), bytes_max }) }
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident, $kind:literal, $bytes_max:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks and keeps a name.
            ///
            /// # Errors
            /// [`BadName`] if it has other than lower-case letters, digits, `-` and `_`, or is too long.
            pub fn new(name: impl Into<String>) -> Result<Self, BadName> {
                let name = name.into();
                check_name($kind, &name, $bytes_max)?;
                Ok(Self(name))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )*};
}

names! {
    /// Where workers and their object store stand: `hangzhou`, `us-west`.
    Region, "region", limits::NAME_BYTES_MAX;
    /// Whose job it is.
    Tenant, "tenant", limits::NAME_BYTES_MAX;
    /// One worker process, by the same name over its restarts.
    WorkerId, "worker", limits::NAME_BYTES_MAX;
    /// The client's name for one output of a job, and the folder that it lands in.
    OutputName, "output name", limits::OUTPUT_NAME_BYTES_MAX;
    /// A named set of outputs: `pano-share`.
    PresetName, "preset", limits::NAME_BYTES_MAX;
}

/// The kind of work, which decides the topic and the workers that take it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Lane {
    /// Still pictures and probes: seconds.
    Image,
    /// Video: minutes and hours.
    Video,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 2] = [Self::Image, Self::Video];

    /// The lane's name in topics and queries.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Image => "image",
            Self::Video => "video",
        }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_their_folder_are_refused() {
        for bad in ["", "..", "a/b", "A", "-a", "é", "a b", &"x".repeat(41)] {
            assert!(OutputName::new(bad).is_err(), "{bad:?}");
        }
        for good in ["tiles", "left-eye_2", "0"] {
            assert_eq!(OutputName::new(good).unwrap().as_str(), good);
        }
    }
}
