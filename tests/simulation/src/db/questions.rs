//! Questions of people and attempts that came to nothing: nobody in the simulated world asks.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use panofleet_jobs_db::{
    Due, JobsDbError, QuestionsDb, SetbackFilter, SetbackKey, SetbackReport, SetbacksDb, Stuck,
    Versioned,
};

use super::SimulatedDb;
use super::beside::not_simulated;

#[async_trait]
impl QuestionsDb for SimulatedDb {
    async fn stuck(
        &self,
        _: Option<&Tenant>,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Stuck>, JobsDbError> {
        not_simulated("questions")
    }

    async fn retries_due(
        &self,
        _: Option<&Tenant>,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Due>, JobsDbError> {
        not_simulated("questions")
    }

    async fn retry_forecast(
        &self,
        _: Option<&Tenant>,
        _: Timestamp,
        _: (Duration, u32),
    ) -> Result<Vec<u64>, JobsDbError> {
        not_simulated("questions")
    }

    async fn deadlines(
        &self,
        _: Option<&Tenant>,
        _: Timestamp,
        _: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        not_simulated("questions")
    }

    async fn oldest_queued(
        &self,
        _: Option<&Tenant>,
        _: u32,
    ) -> Result<Vec<Versioned>, JobsDbError> {
        not_simulated("questions")
    }
}

#[async_trait]
impl SetbacksDb for SimulatedDb {
    async fn setbacks(
        &self,
        _: &SetbackFilter,
        _: SetbackKey,
        _: u32,
    ) -> Result<SetbackReport, JobsDbError> {
        not_simulated("questions")
    }

    async fn setback_trend(
        &self,
        _: &SetbackFilter,
        _: &[String],
        _: (Duration, u32),
    ) -> Result<BTreeMap<String, Vec<u64>>, JobsDbError> {
        not_simulated("questions")
    }

    async fn remove_setbacks(&self, _: Timestamp, _: u32) -> Result<u64, JobsDbError> {
        self.read("remove_setbacks", |_| 0).await
    }
}
