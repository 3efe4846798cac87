//! How an attempt got on: how far it came, drawn over the time that it had.

use std::fmt::Write as _;
use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_job_schema::curve::Curve;
use panofleet_job_schema::message::Progress;

use crate::api::JobView;
use crate::attempts::Attempt;
use crate::pages::html::Text;
use crate::pages::language::say;

/// Width and height of the drawing, in its own units.
const WIDTH: f64 = 100.0;
const HEIGHT: f64 = 24.0;

/// What a table says of it: nothing if nothing was heard.
pub(super) fn cell(attempt: &Attempt<'_>, job: &JobView, now: Timestamp) -> String {
    let Some(progress) = said(attempt, job) else { return String::new() };
    format!("{} {}", drawing(progress, attempt.held(now)), Text(told(progress)))
}

/// What was last heard of it.
fn said<'a>(attempt: &Attempt<'a>, job: &'a JobView) -> Option<&'a Progress> {
    let is_at_work = attempt.is_open()
        && attempt.claimed_at.is_some()
        && job.attempt.is_some_and(|last| last.0 == attempt.number);
    attempt.progress.or_else(|| job.progress.as_ref().filter(|_| is_at_work))
}

/// `62 %, encode`.
pub(super) fn told(Progress { fraction, step, .. }: &Progress) -> String {
    let percent = (100.0 * fraction.clamp(0.0, 1.0)).floor();
    say!("{percent} %, {step}", "{percent} %，{step}")
}

/// The share of the work that was done, over the time that a worker had it; nothing while it has no course yet.
fn drawing(progress: &Progress, held: Duration) -> String {
    let Some(last) = progress.curve.passed().last() else { return String::new() };
    let whole = held.max(last).as_secs_f64().max(0.001);
    let y = |fraction: f64| HEIGHT * (1.0 - fraction.clamp(0.0, 1.0));
    let mut points = format!("0,{HEIGHT}");
    for (part, passed) in (1..).zip(progress.curve.passed()) {
        let done = f64::from(part) / Curve::PARTS as f64;
        let x = WIDTH * passed.as_secs_f64() / whole;
        let written = write!(points, " {x:.1},{:.1}", y(done));
        debug_assert!(written.is_ok(), "a string takes everything");
    }
    let label = say("progress over time", "进度随时间变化");
    // Behind the last part that was done, it came no further than to what was last heard.
    let end = y(progress.fraction);
    format!(
        "<svg class=\"curve\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" preserveAspectRatio=\"none\" role=\"img\" \
         aria-label=\"{label}\"><polyline points=\"{points} {WIDTH},{end:.1}\"/></svg>"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(fraction: f64, passed: &[u64]) -> Progress {
        let curve = Curve::try_from(passed.to_vec()).unwrap();
        Progress { fraction, step: "encode".to_owned(), uploaded_bytes: 0, curve }
    }

    #[test]
    fn a_course_is_drawn_over_the_time_that_it_had() {
        let drawn = drawing(&progress(0.25, &[0, 1000, 1000, 2500, 5000]), Duration::from_secs(10));
        let points = drawn.split('"').find(|part| part.starts_with("0,24")).unwrap();
        assert_eq!(points, "0,24 0.0,22.8 10.0,21.6 10.0,20.4 25.0,19.2 50.0,18.0 100,18.0");
    }

    #[test]
    fn a_course_that_is_longer_than_what_the_history_says_fits_all_the_same() {
        let drawn = drawing(&progress(0.12, &[1000, 4000]), Duration::ZERO);
        assert!(drawn.contains("0,24 25.0,22.8 100.0,21.6 100,21.1"), "{drawn}");
    }

    #[test]
    fn an_attempt_that_came_nowhere_has_no_drawing() {
        assert_eq!(drawing(&progress(0.04, &[]), Duration::from_secs(1)), "");
        assert_eq!(told(&progress(0.6299, &[])), "62 %, encode");
    }
}
