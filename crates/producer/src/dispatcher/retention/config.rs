//! How long what is kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use panofleet_job_schema::{Span, limits};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How long what is kept after its end, or its last use.
///
/// ```toml
/// succeeded = "never"       # kept for ever
/// dead = "30d"
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionConfig {
    /// Jobs that succeeded, and their outputs.
    pub succeeded: Keep,
    /// Jobs that were given up.
    pub dead: Keep,
    /// Jobs that somebody cancelled.
    pub cancelled: Keep,
    /// Jobs whose deadline passed.
    pub expired: Keep,
    /// Uploads that no job named.
    pub uploads: Keep,
    /// Idempotency keys, from the time that their job was removed.
    pub idempotency_keys: Keep,
    /// Entries of the audit log, and what was deleted by request.
    pub audit: Keep,
    /// What webhooks were told, and what they could not be told.
    pub webhook_deliveries: Keep,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It is never removed.
    Forever,
    /// This long.
    For(Span),
}

/// Settings that would remove what is still needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRetention {
    /// Too short.
    #[error("retention.{name} must be at least {least}")]
    Short {
        /// Which.
        name: &'static str,
        /// The least.
        least: Span,
    },
}

const DAY_S: u64 = 24 * 3600;

const fn days(days: u64) -> Keep {
    Keep::For(Span::from_secs(days * DAY_S))
}

impl Default for RetentionConfig {
    fn default() -> Self {
        Self {
            succeeded: Keep::Forever,
            dead: days(30),
            cancelled: days(7),
            expired: days(30),
            uploads: days(2),
            idempotency_keys: days(30),
            audit: days(365),
            webhook_deliveries: days(14),
        }
    }
}

impl RetentionConfig {
    /// Checks that nothing goes before its time: `upload_expires` is how long an upload's address works.
    ///
    /// # Errors
    /// [`BadRetention`], naming the setting.
    pub fn check(&self, upload_expires: Span) -> Result<(), BadRetention> {
        let uploads = Span(upload_expires.0 + Duration::from_secs(3600));
        // A message is tried for a day, and may be replayed on the next.
        let deliveries = Span::from_secs(2 * DAY_S);
        for (name, keep, least) in [
            ("uploads", self.uploads, uploads),
            ("webhook_deliveries", self.webhook_deliveries, deliveries),
        ] {
            if matches!(keep, Keep::For(span) if span < least) {
                return Err(BadRetention::Short { name, least });
            }
        }
        Ok(())
    }

    /// How long jobs of a state that is an end are kept.
    pub(super) fn of_state(&self, state: &str) -> Keep {
        match state {
            "succeeded" => self.succeeded,
            "dead" => self.dead,
            "cancelled" => self.cancelled,
            "expired" => self.expired,
            _ => Keep::Forever,
        }
    }

    /// The longest that any ended job is kept.
    pub fn longest(&self) -> Keep {
        [self.succeeded, self.dead, self.cancelled, self.expired]
            .into_iter()
            .reduce(Keep::max)
            .unwrap_or(Keep::Forever)
    }

    /// How long an upload that a job named is kept after it was named last: the job may be due late, and started anew as
    /// long as it is kept.
    pub(super) fn used_uploads(&self) -> Keep {
        let life = Duration::from_secs(limits::START_AHEAD_S_MAX + limits::DEADLINE_S.end());
        match self.longest() {
            Keep::Forever => Keep::Forever,
            Keep::For(span) => Keep::For(Span(span.0 + life)),
        }
    }
}

impl Keep {
    /// The longer of two.
    fn max(self, other: Self) -> Self {
        match (self, other) {
            (Self::For(a), Self::For(b)) => Self::For(a.max(b)),
            _ => Self::Forever,
        }
    }
}

impl fmt::Display for Keep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forever => formatter.write_str("never"),
            Self::For(span) => {
                let seconds = span.0.as_secs();
                if seconds > 0 && seconds.is_multiple_of(DAY_S) && span.0.subsec_nanos() == 0 {
                    write!(formatter, "{}d", seconds / DAY_S)
                } else {
                    span.fmt(formatter)
                }
            }
        }
    }
}

impl FromStr for Keep {
    type Err = <Span as FromStr>::Err;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "never" {
            return Ok(Self::Forever);
        }
        let whole_days = text.strip_suffix('d').and_then(|number| number.parse::<u32>().ok());
        match whole_days {
            Some(number) => Ok(days(number.into())),
            None => text.parse().map(Self::For),
        }
    }
}

impl Serialize for Keep {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Keep {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_for_people_and_never_is_one() {
        for text in ["never", "30d", "90m"] {
            let keep: Keep = text.parse().unwrap();
            assert_eq!(keep.to_string().parse::<Keep>().unwrap(), keep, "{text}");
        }
        assert_eq!(days(30).to_string(), "30d");
        assert_eq!("never".parse(), Ok::<_, <Span as FromStr>::Err>(Keep::Forever));
        assert!("for ever".parse::<Keep>().is_err());
    }

    #[test]
    fn what_is_needed_is_kept() {
        let config = RetentionConfig::default();
        assert_eq!(config.check(Span::from_secs(3600)), Ok(()));
        assert!(config.check(Span::from_secs(3 * 24 * 3600)).is_err());
        let hasty = RetentionConfig { webhook_deliveries: days(1), ..config };
        assert!(hasty.check(Span::from_secs(3600)).is_err());
        assert_eq!(config.longest(), Keep::Forever);
        assert_eq!(config.used_uploads(), Keep::Forever);
        let finite = RetentionConfig { succeeded: days(90), ..config };
        assert_eq!(finite.longest(), days(90));
        assert_eq!(finite.used_uploads(), days(90 + 30 + 14));
    }
}
