//! What a job's row says of it for lists, beside its state; what both databases ask alike.

use std::collections::BTreeSet;

use panofleet_job_schema::job::State;
use panofleet_job_schema::source::Source;
use panofleet_job_schema::{Job, Operation, Tenant, Timestamp};
use sqlx::{Database, Encode, QueryBuilder, Type};
use uuid::Uuid;

use crate::JobWrite;

/// The operations of a job's outputs, with commas on all sides.
pub(crate) fn operations(job: &Job) -> String {
    let names: BTreeSet<&str> = job.spec.outputs.values().map(Operation::name).collect();
    names.iter().fold(",".to_owned(), |column, name| format!("{column}{name},"))
}

/// The upload that a job names.
pub(crate) fn upload(job: &Job) -> Option<Uuid> {
    match job.spec.source {
        Source::Upload(id) => Some(id),
        _ => None,
    }
}

/// Goes on with a condition: of one tenant, if one is named.
pub(crate) fn push_tenant<DB>(query: &mut QueryBuilder<DB>, tenant: Option<&Tenant>)
where
    DB: Database,
    String: for<'q> Encode<'q, DB> + Type<DB>,
{
    if let Some(tenant) = tenant {
        query.push(" AND tenant = ").push_bind(tenant.as_str().to_owned());
    }
}

/// What no id is below that was made at a moment or later (RFC 9562, 5.7: the first 48 bits are the milliseconds of the clock,
/// the next four the version).
pub(crate) fn first_id_at(at: Timestamp) -> Uuid {
    const LATEST_MS: i64 = (1 << 48) - 1;
    let ms = at.as_millis().clamp(0, LATEST_MS);
    Uuid::from_u64_pair(ms.unsigned_abs() << 16, 0)
}

/// An operation as it stands in such a column.
pub(crate) fn operation(name: &str) -> String {
    format!(",{name},")
}

/// Who holds the job after a write, or did until then, as far as the write says; otherwise the row knows.
pub(crate) fn worker(write: &JobWrite) -> Option<String> {
    let holder = match &write.job.state {
        State::Running { claims, .. } => claims.last().map(|claim| &claim.worker),
        _ => None,
    };
    let last = || write.history.iter().rev().find_map(|line| line.worker.as_ref());
    holder.or_else(last).map(ToString::to_string)
}

/// The last attempt of a job's generation, if there was one.
pub(crate) fn attempt(job: &Job) -> Option<i64> {
    let counters = job.counters;
    (counters.last_attempt > counters.before_generation).then_some(counters.last_attempt.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_found_whole() {
        let column = ",pano.tiles,video.poster,";
        assert!(column.contains(&operation("pano.tiles")));
        assert!(!column.contains(&operation("pano")) && !column.contains(&operation("poster")));
    }

    #[test]
    fn an_id_lies_in_its_millisecond() {
        let now = Uuid::now_v7();
        let (s, ns) = now.get_timestamp().unwrap().to_unix();
        let at = |more: i64| {
            let ms = i64::try_from(s).unwrap() * 1000 + i64::from(ns / 1_000_000) + more;
            first_id_at(Timestamp::from_millis(ms))
        };
        assert!(at(0) < now && now < at(1));
        assert_eq!(first_id_at(Timestamp::from_millis(-5)), Uuid::nil());
        assert!(first_id_at(Timestamp::from_millis(i64::MAX)) > now);
    }
}
