//! One leader among several processes, by an advisory lock that lives as long as its connection.
//!
//! The lock alone does not make a leader safe: the server may give it to another before this process notices that
//! its connection is gone. What a leader writes is compare-and-set, so the old one's writes conflict.

use std::time::Duration;

use async_trait::async_trait;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, PgConnection};

use crate::{JobsDbError, Lead};

/// The first half of the lock's key; the second is the name's hash. A lock of two halves never meets one of a
/// single number, such as the migrations'.
const LEADER_LOCKS: i32 = i32::from_be_bytes(*b"lead");
/// The time between two looks at the connection.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The lead stands as long as its connection.
#[derive(Debug)]
pub(super) struct PostgresLead {
    connection: PgConnection,
    patience: Duration,
}

#[async_trait]
impl Lead for PostgresLead {
    async fn lost(&mut self) {
        loop {
            let answer = tokio::time::timeout(self.patience, self.connection.ping()).await;
            if !matches!(answer, Ok(Ok(()))) {
                return;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    async fn resign(mut self: Box<Self>) -> Result<(), JobsDbError> {
        // The server notices the end of a connection a moment later; this, it answers.
        sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut self.connection).await?;
        Ok(self.connection.close().await?)
    }
}

/// Takes the lead, if nobody has it.
pub(super) async fn try_lead(
    options: &PgConnectOptions,
    patience: Duration,
    name: &str,
) -> Result<Option<PostgresLead>, JobsDbError> {
    let connect = PgConnection::connect_with(options);
    let mut connection = tokio::time::timeout(patience, connect)
        .await
        .map_err(|_elapsed| JobsDbError::Unavailable("it did not answer in time".to_owned()))??;
    let leads: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1, hashtext($2))")
        .bind(LEADER_LOCKS)
        .bind(name)
        .fetch_one(&mut connection)
        .await?;
    if leads {
        return Ok(Some(PostgresLead { connection, patience }));
    }
    connection.close().await?;
    Ok(None)
}
