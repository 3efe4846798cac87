//! When a schedule ticks: five fields of cron in a time zone.
//!
//! Where clocks are put forward, a tick at a fixed time that does not exist that day comes at the first minute that does;
//! where they are put back, it comes once, the first time. Ticks of an interval (`*/10`, `*`) go on through both, by what the
//! clock on the wall says. So says the Open Cron Pattern Specification, and Vixie's cron before it.

use croner::Cron;
use croner::parser::{CronParser, Seconds};
use jiff::Zoned;
use jiff::tz::TimeZone;
use panofleet_job_schema::{Timestamp, limits};

/// When something ticks.
#[derive(Clone, Debug)]
pub(crate) struct Ticks {
    cron: Cron,
    zone: TimeZone,
}

/// What is no schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadTicks {
    #[error("`{0}` is no cron expression of five fields, such as `0 3 * * *`: {1}")]
    Cron(String, String),
    #[error("there is no time zone `{0}`; a name is such as Europe/Paris or UTC")]
    TimeZone(String),
    #[error("`{0}` never comes")]
    Never(String),
}

impl Ticks {
    /// Reads an expression and a zone, and sees to it that there is a tick after `now`.
    pub(crate) fn new(cron: &str, zone: &str, now: Timestamp) -> Result<Self, BadTicks> {
        let bad = |why: String| BadTicks::Cron(clip(cron), why);
        if cron.len() > limits::CRON_BYTES_MAX || cron.split_whitespace().count() != 5 {
            return Err(bad("it must have five fields: minute, hour, day, month, weekday".into()));
        }
        let parser = CronParser::builder().seconds(Seconds::Disallowed).build();
        let parsed = parser.parse(cron).map_err(|error| bad(error.to_string()))?;
        let known = TimeZone::get(zone).map_err(|_unknown| BadTicks::TimeZone(clip(zone)))?;
        let ticks = Self { cron: parsed, zone: known };
        match ticks.after(now) {
            Some(_) => Ok(ticks),
            None => Err(BadTicks::Never(cron.to_owned())),
        }
    }

    /// The first tick later than a time.
    pub(crate) fn after(&self, time: Timestamp) -> Option<Timestamp> {
        let found = self.cron.find_next_occurrence(&self.zoned(time)?, false).ok()?;
        Some(Timestamp::from_millis(found.timestamp().as_millisecond()))
    }

    /// The latest ticks from `first` up to `now`, at most `ticks_max`, in order. `first` is one.
    pub(crate) fn due(&self, first: Timestamp, now: Timestamp, ticks_max: u32) -> Vec<Timestamp> {
        let mut due = Vec::new();
        let mut inclusive = true;
        let mut place = self.zoned(now);
        while let Some(from) = place
            && due.len() < ticks_max as usize
        {
            let Ok(found) = self.cron.find_previous_occurrence(&from, inclusive) else { break };
            let at = Timestamp::from_millis(found.timestamp().as_millisecond());
            if at < first {
                break;
            }
            due.push(at);
            (place, inclusive) = (Some(found), false);
        }
        due.reverse();
        due
    }

    fn zoned(&self, time: Timestamp) -> Option<Zoned> {
        let time = jiff::Timestamp::from_millisecond(time.as_millis()).ok()?;
        Some(time.to_zoned(self.zone.clone()))
    }
}

fn clip(text: &str) -> String {
    text.chars().take(limits::CRON_BYTES_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// The next ticks after a time.
    fn next(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let mut at = time(after);
        let ticks = Ticks::new(cron, zone, at).unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = ticks.after(at).unwrap();
            found.push(at.to_string().replace(":00.000Z", "Z"));
        }
        found
    }

    #[test]
    fn ticks_are_by_the_clock_on_the_wall() {
        // Paris is an hour ahead of UTC in winter, two in summer.
        assert_eq!(
            next("0 3 * * *", "Europe/Paris", "2026-01-31T12:00:00Z", 2),
            ["2026-02-01T02:00Z", "2026-02-02T02:00Z"]
        );
        assert_eq!(
            next("0 3 * * *", "Europe/Paris", "2026-07-01T12:00:00Z", 1),
            ["2026-07-02T01:00Z"]
        );
        // Half an hour off, and a leap day.
        assert_eq!(
            next("0 9 * * *", "Asia/Kolkata", "2026-01-01T00:00:00Z", 1),
            ["2026-01-01T03:30Z"]
        );
        assert_eq!(next("0 0 29 2 *", "UTC", "2026-01-01T00:00:00Z", 1), ["2028-02-29T00:00Z"]);
        // 2026-01-05 is a Monday.
        assert_eq!(next("30 8 * * 1", "UTC", "2026-01-01T00:00:00Z", 1), ["2026-01-05T08:30Z"]);
    }

    /// On 2026-03-29, Paris goes from 01:59 to 03:00 (01:00 UTC); there is no 02:30.
    #[test]
    fn where_clocks_are_put_forward_a_fixed_tick_comes_late_and_an_interval_goes_on() {
        assert_eq!(
            next("30 2 * * *", "Europe/Paris", "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00Z", "2026-03-30T00:30Z"]
        );
        assert_eq!(
            next("*/30 * * * *", "Europe/Paris", "2026-03-29T00:15:00Z", 3),
            ["2026-03-29T00:30Z", "2026-03-29T01:00Z", "2026-03-29T01:30Z"]
        );
    }

    /// On 2026-10-25, Paris goes from 02:59 back to 02:00 (01:00 UTC); 02:30 comes twice.
    #[test]
    fn where_clocks_are_put_back_a_fixed_tick_comes_once_and_an_interval_goes_on() {
        assert_eq!(
            next("30 2 * * *", "Europe/Paris", "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30Z", "2026-10-26T01:30Z"]
        );
        assert_eq!(
            next("*/30 * * * *", "Europe/Paris", "2026-10-25T00:15:00Z", 4),
            ["2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z", "2026-10-25T02:00Z"]
        );
    }

    #[test]
    fn the_latest_due_ticks_are_found_however_long_nobody_looked() {
        let ticks = Ticks::new("* * * * *", "UTC", time("2025-01-01T00:00:00Z")).unwrap();
        let due = |first: &str, now: &str, most| {
            let due = ticks.due(time(first), time(now), most);
            due.iter().map(|at| at.to_string()).collect::<Vec<_>>()
        };
        let first = "2025-01-01T00:00:00Z";
        assert_eq!(due(first, "2026-01-01T00:00:30Z", 1), ["2026-01-01T00:00:00.000Z"]);
        assert_eq!(
            due(first, "2026-01-01T00:00:00Z", 2),
            ["2025-12-31T23:59:00.000Z", "2026-01-01T00:00:00.000Z"]
        );
        assert_eq!(due(first, "2025-01-01T00:00:00Z", 9), ["2025-01-01T00:00:00.000Z"]);
        assert_eq!(due(first, "2024-12-31T23:59:59Z", 9), [""; 0]);
    }

    #[test]
    fn what_never_ticks_is_refused() {
        let now = time("2026-01-01T00:00:00Z");
        for (cron, zone) in [
            ("* * * *", "UTC"),
            ("* * * * * *", "UTC"),
            ("61 * * * *", "UTC"),
            ("@daily", "UTC"),
            ("0 0 30 2 *", "UTC"),
            ("0 3 * * *", "Mars/Olympus"),
            ("0 3 * * *", ""),
        ] {
            assert!(Ticks::new(cron, zone, now).is_err(), "{cron} {zone}");
        }
    }
}
