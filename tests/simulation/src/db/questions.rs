//! Questions of people and attempts that came to nothing: nobody in the simulated world asks.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use panofleet_job_schema::{Tenant, Timestamp};
use panofleet_jobs_db::{
    Course, Due, JobsDbError, QuestionsDb, QueueAges, SetbackFilter, SetbackKey, SetbackReport,
    SetbacksDb, Stuck, TenantLoad, Traffic, TrafficDb, Versioned, View, ViewsDb,
};

use super::SimulatedDb;
use super::beside::not_simulated;

#[async_trait]
impl TrafficDb for SimulatedDb {
    async fn traffic(&self, _: Option<&Tenant>, _: Timestamp) -> Result<Vec<Traffic>, JobsDbError> {
        not_simulated("traffic")
    }

    async fn course(
        &self,
        _: Option<&Tenant>,
        _: Timestamp,
        _: (Duration, u32),
    ) -> Result<Course, JobsDbError> {
        not_simulated("traffic")
    }

    async fn queue_ages(
        &self,
        _: Option<&Tenant>,
        _: &[f64],
    ) -> Result<Vec<QueueAges>, JobsDbError> {
        not_simulated("traffic")
    }

    async fn busiest_tenants(&self, _: u32) -> Result<Vec<TenantLoad>, JobsDbError> {
        not_simulated("traffic")
    }
}

#[async_trait]
impl ViewsDb for SimulatedDb {
    async fn put_view(&self, _: &View, _: u32) -> Result<bool, JobsDbError> {
        not_simulated("views")
    }

    async fn views(&self, _: Option<&Tenant>) -> Result<Vec<View>, JobsDbError> {
        not_simulated("views")
    }

    async fn remove_view(&self, _: &Tenant, _: &str) -> Result<bool, JobsDbError> {
        not_simulated("views")
    }
}

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
