//! The connections that calls run on.

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::config::PostgresConfig;
use super::kept::KEPT_MAX;
use crate::JobsDbError;

/// Connects, and refuses a server that may forget what it has confirmed.
pub(super) async fn connect(
    config: &PostgresConfig,
    options: &PgConnectOptions,
) -> Result<PgPool, JobsDbError> {
    // One who looks at lists and counts takes one core: on two, to divide a count of a hundred thousand rows takes longer
    // than to make it, and the other core is what jobs are written by.
    let options = options.clone().options([("max_parallel_workers_per_gather", "0")]);
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.connect_timeout.0)
        .connect_with(options)
        .await?;
    let (fsync, synchronous_commit): (String, String) =
        sqlx::query_as("SELECT current_setting('fsync'), current_setting('synchronous_commit')")
            .fetch_one(&pool)
            .await?;
    for (name, value) in [("fsync", fsync), ("synchronous_commit", synchronous_commit)] {
        if value == "off" {
            return Err(JobsDbError::Refused(format!(
                "the server has {name} = off, so that an accepted job could be lost"
            )));
        }
    }
    Ok(pool)
}

/// The connections that dispatchers and collectors call on all the time. Their statements are few, and meet the same
/// indexes whatever is asked: they are planned once. That may be while the tables are empty, where reading all of one is
/// the least work; it would be read until the server next counts its rows.
pub(super) fn kept(config: &PostgresConfig, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(KEPT_MAX)
        .acquire_timeout(config.connect_timeout.0)
        .connect_lazy_with(
            options.options([("plan_cache_mode", "force_generic_plan"), ("enable_seqscan", "off")]),
        )
}

/// The one connection that hears of writes. It comes back by itself, and is never closed for being idle.
pub(super) fn listener(config: &PostgresConfig, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(config.connect_timeout.0)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(options)
}
