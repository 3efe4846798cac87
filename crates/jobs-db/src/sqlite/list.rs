//! Listing and counting jobs for people.

use std::collections::BTreeMap;

use panofleet_job_schema::Tenant;
use panofleet_job_schema::job::State;
use sqlx::{QueryBuilder, Sqlite, SqlitePool};

use super::accept::job_key;
use super::row::{JobRow, versioned};
use crate::filter::{first_id_at, operation};
use crate::row::corrupt;
use crate::{JobFilter, JobsDbError, Versioned};

pub(super) async fn list(
    readers: &SqlitePool,
    filter: &JobFilter,
    limit: u32,
) -> Result<Vec<Versioned>, JobsDbError> {
    let Some(mut query) = list_query(filter, limit) else { return Ok(Vec::new()) };
    let rows: Vec<JobRow> = query.build_query_as().fetch_all(readers).await?;
    rows.into_iter().map(versioned).collect()
}

pub(super) async fn count(readers: &SqlitePool, filter: &JobFilter) -> Result<u64, JobsDbError> {
    // Without any state, there is a part that finds nothing.
    let mut query = QueryBuilder::new("SELECT sum(jobs) FROM (SELECT 0 AS jobs");
    for state in states(filter) {
        query.push(" UNION ALL SELECT count(*) FROM jobs WHERE TRUE");
        push_filter(&mut query, filter, state);
    }
    let count: i64 = query.push(")").build_query_scalar().fetch_one(readers).await?;
    u64::try_from(count).map_err(|error| corrupt("a count of jobs", error))
}

/// The query, or `None` if the filter names no state that there is.
///
/// Each state is a query of its own: it walks its index from the newest job and stops at the limit, which
/// `state IN (…)` with an order cannot do.
fn list_query(filter: &JobFilter, limit: u32) -> Option<QueryBuilder<Sqlite>> {
    let states = states(filter);
    if states.is_empty() {
        return None;
    }
    // What failed is found in an index that has all that is asked but the document: that is read of those on the page.
    let (outer, columns) = if of_failed(filter) {
        ("SELECT id, version, doc FROM jobs WHERE id IN (SELECT id FROM (", "id")
    } else {
        ("SELECT id, version, doc FROM (", "id, version, doc")
    };
    let mut query = QueryBuilder::new(outer);
    for (index, state) in states.into_iter().enumerate() {
        query.push(if index == 0 { "SELECT * FROM (" } else { " UNION ALL SELECT * FROM (" });
        query.push("SELECT ").push(columns).push(" FROM jobs WHERE TRUE");
        push_filter(&mut query, filter, state);
        query.push(" ORDER BY id DESC LIMIT ").push_bind(limit).push(")");
    }
    query.push(") ORDER BY id DESC LIMIT ").push_bind(limit);
    if of_failed(filter) {
        query.push(") ORDER BY id DESC");
    }
    Some(query)
}

/// The states that a filter names; `None` stands for all of them at once.
pub(super) fn states(filter: &JobFilter) -> Vec<Option<&'static str>> {
    if filter.states.is_empty() {
        return vec![None];
    }
    let asked = |name: &&str| filter.states.iter().any(|state| state == name);
    State::NAMES.into_iter().filter(asked).map(Some).collect()
}

/// Jobs that match; children only of the parent that is named.
fn push_filter(query: &mut QueryBuilder<Sqlite>, filter: &JobFilter, state: Option<&str>) {
    push_columns(query, filter, state);
    // Children never count as failed, and the index of what failed does not know of parents.
    if filter.parent.is_none() && !of_failed(filter) {
        query.push(" AND parent IS NULL");
    }
}

/// The same with children.
pub(super) fn push_columns(
    query: &mut QueryBuilder<Sqlite>,
    filter: &JobFilter,
    state: Option<&str>,
) {
    // With a plus, a column is not looked up by: a worker's jobs are fewer than a tenant's or those in a state.
    let plus = if filter.worker.is_some() { "+" } else { "" };
    if let Some(state) = state {
        query.push(format_args!(" AND {plus}state = ")).push_bind(state.to_owned());
    }
    if let Some(tenant) = &filter.tenant {
        query.push(format_args!(" AND {plus}tenant = ")).push_bind(tenant.as_str().to_owned());
    }
    if let Some((key, value)) = &filter.label {
        query.push(" AND id IN (SELECT job FROM labels WHERE key = ").push_bind(key.clone());
        query.push(" AND value = ").push_bind(value.clone()).push(")");
    }
    if let Some(region) = &filter.region {
        query.push(" AND region = ").push_bind(region.as_str().to_owned());
    }
    if let Some(name) = &filter.operation {
        query.push(" AND instr(operations, ").push_bind(operation(name)).push(") > 0");
    }
    if let Some(worker) = &filter.worker {
        query.push(" AND worker = ").push_bind(worker.to_string());
    }
    if let Some(attempt) = filter.attempt {
        query.push(" AND attempt = ").push_bind(attempt.0);
    }
    if let Some(failure) = &filter.failure {
        query.push(" AND failure IS NOT NULL AND failure = ").push_bind(failure.clone());
    }
    if let Some(since) = filter.failed_since {
        query.push(" AND failure IS NOT NULL AND failed_at >= ").push_bind(since.as_millis());
    }
    if let Some(parent) = filter.parent {
        query.push(" AND parent = ").push_bind(job_key(parent));
    }
    if let Some(before) = filter.before {
        query.push(" AND id < ").push_bind(job_key(before));
    }
    if let Some(since) = filter.accepted_since {
        query.push(" AND id >= ").push_bind(first_id_at(since).as_bytes().to_vec());
    }
    if let Some(until) = filter.accepted_until {
        query.push(" AND id < ").push_bind(first_id_at(until).as_bytes().to_vec());
    }
}

/// Whether only jobs that count as failed can match.
const fn of_failed(filter: &JobFilter) -> bool {
    filter.failure.is_some() || filter.failed_since.is_some()
}

pub(super) async fn counts(
    readers: &SqlitePool,
    tenant: Option<&Tenant>,
) -> Result<BTreeMap<String, u64>, JobsDbError> {
    // Two queries, not one with an `OR`: each is answered by an index alone.
    let query = match tenant {
        Some(tenant) => {
            sqlx::query_as("SELECT state, count(*) FROM jobs WHERE tenant = ? GROUP BY state")
                .bind(tenant.as_str())
        }
        None => sqlx::query_as("SELECT state, count(*) FROM jobs GROUP BY state"),
    };
    let rows: Vec<(String, i64)> = query.fetch_all(readers).await?;
    rows.into_iter()
        .map(|(state, count)| {
            let count = u64::try_from(count).map_err(|error| corrupt("a count of jobs", error))?;
            Ok((state, count))
        })
        .collect()
}
