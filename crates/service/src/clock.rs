//! The wall clock of this machine.

use std::time::{SystemTime, UNIX_EPOCH};

use panofleet_job_schema::Timestamp;

/// The time by this machine's clock. Timers never use it: they live by the database's clock.
pub fn wall_clock() -> Timestamp {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the clock")]
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
