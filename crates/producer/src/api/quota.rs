//! How much a tenant may ask for: jobs a second, and jobs that have not ended.
//!
//! Each process keeps its own buckets: behind a load balancer a tenant may have the rate once for each producer. How many
//! jobs have not ended is counted at most once a second, so the quota may be exceeded by what comes within that second.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use panofleet_job_schema::Tenant;
use panofleet_job_schema::job::State as JobState;
use panofleet_jobs_db::JobFilter;

use super::auth::granted::Granted;
use super::error::ApiError;

pub(crate) mod config;

use config::Rate;

/// Tenants whose buckets and counts are remembered. Of more, those are forgotten that have asked for nothing lately.
const TENANTS_MAX: usize = 10_000;
/// Shortest time between two counts of a tenant's jobs.
const COUNT_EVERY: Duration = Duration::from_secs(1);
/// And so many times as long as the last count took.
const COUNT_SHARE: u32 = 10;
/// When to come again once jobs have ended: nobody knows.
const QUOTA_RETRY: Duration = Duration::from_secs(10);

/// What a bucket says after a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RateState {
    rate: Rate,
    /// Jobs that may be submitted now.
    left: u32,
    /// Time until all of them are there again.
    full_in: Duration,
}

impl RateState {
    /// `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers).
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Self { rate: Rate { burst, per_s }, left, full_in } = self;
        let window_s = burst.div_ceil(*per_s);
        let fields = [
            ("ratelimit-policy", format!("\"jobs\";q={burst};w={window_s}")),
            ("ratelimit", format!("\"jobs\";r={left};t={}", seconds(*full_in))),
        ];
        for (name, value) in fields {
            let value = HeaderValue::try_from(value).expect("digits and words of ours");
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}

/// Whole seconds, rounded up.
pub(super) fn seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Tokens that come in time, up to a burst. It may owe some: a request that is larger than the burst waits until the bucket is
/// full, and whoever comes after it waits longer.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self { tokens: rate.burst.into(), at: now }
    }

    /// Takes `jobs` tokens, or says how long to wait for them.
    fn take(
        &mut self,
        rate: Rate,
        jobs: u32,
        now: Instant,
    ) -> Result<RateState, (Duration, RateState)> {
        let (burst, per_s) = (f64::from(rate.burst), f64::from(rate.per_s));
        let came = now.saturating_duration_since(self.at).as_secs_f64() * per_s;
        (self.tokens, self.at) = ((self.tokens + came).min(burst), now);
        let needed = f64::from(jobs.min(rate.burst));
        let state = |tokens: f64| RateState {
            rate,
            left: tokens.max(0.0) as u32,
            full_in: Duration::from_secs_f64((burst - tokens) / per_s),
        };
        if self.tokens < needed {
            let wait = Duration::from_secs_f64((needed - self.tokens) / per_s);
            return Err((wait, state(self.tokens)));
        }
        self.tokens -= f64::from(jobs);
        Ok(state(self.tokens))
    }
}

/// How many jobs of a tenant have not ended, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Open {
    jobs: u64,
    counted_at: Instant,
    took: Duration,
}

/// What this process knows of what tenants have asked for.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: Mutex<HashMap<Tenant, Bucket>>,
    open: Mutex<HashMap<Tenant, Open>>,
}

impl Quotas {
    fn take(
        &self,
        tenant: &Tenant,
        (rate, jobs): (Rate, u32),
    ) -> Result<RateState, (Duration, RateState)> {
        let now = Instant::now();
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        if buckets.len() >= TENANTS_MAX && !buckets.contains_key(tenant) {
            // A bucket that nobody has touched for a minute is as good as a new one, or nearly.
            buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at).as_secs() < 60);
        }
        let bucket = buckets.entry(tenant.clone()).or_insert_with(|| Bucket::full(rate, now));
        bucket.take(rate, jobs, now)
    }

    /// The count, if it is fresh.
    fn open(&self, tenant: &Tenant) -> Option<u64> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let known = open.get(tenant)?;
        let good_for = COUNT_EVERY.max(known.took * COUNT_SHARE);
        (known.counted_at.elapsed() < good_for).then_some(known.jobs)
    }

    fn counted(&self, tenant: &Tenant, counted: Open) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= TENANTS_MAX {
            open.clear();
        }
        open.insert(tenant.clone(), counted);
    }

    fn add(&self, tenant: &Tenant, jobs: u32) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = open.get_mut(tenant) {
            known.jobs += u64::from(jobs);
        }
    }
}

impl Granted {
    /// Lets so many jobs of the tenant in, or says when to come again; and how the tenant's rate stands, if it has one.
    pub(super) async fn admit(&self, jobs: u32) -> Result<Option<RateState>, ApiError> {
        let limits = self.config.limits.of(self.tenant());
        if let Some(most) = limits.open_jobs_max {
            let open = self.open_jobs().await?;
            if open + u64::from(jobs) > most {
                let tenant = self.tenant();
                let detail = format!(
                    "tenant `{tenant}` has {open} jobs that have not ended, and may have {most}; wait until some have"
                );
                return Err(too_many("quota_exceeded", detail, QUOTA_RETRY, None));
            }
        }
        let taken = limits.rate.map(|rate| self.quotas.take(self.tenant(), (rate, jobs)));
        match taken.transpose() {
            Ok(state) => {
                self.quotas.add(self.tenant(), jobs);
                Ok(state)
            }
            Err((wait, state)) => {
                let (tenant, Rate { per_s, burst }) = (self.tenant(), state.rate);
                let detail = format!(
                    "tenant `{tenant}` may submit {per_s} jobs a second, {burst} at once; come again in {} s",
                    seconds(wait).max(1)
                );
                Err(too_many("rate_limited", detail, wait, Some(state)))
            }
        }
    }

    async fn open_jobs(&self) -> Result<u64, ApiError> {
        let tenant = self.tenant();
        if let Some(open) = self.quotas.open(tenant) {
            return Ok(open);
        }
        let counted_at = Instant::now();
        let filter = JobFilter {
            tenant: Some(tenant.clone()),
            states: JobState::OPEN_NAMES.map(str::to_owned).to_vec(),
            ..JobFilter::default()
        };
        let jobs = self.db.count(&filter).await?;
        self.quotas.counted(tenant, Open { jobs, counted_at, took: counted_at.elapsed() });
        Ok(jobs)
    }
}

fn too_many(
    code: &'static str,
    detail: String,
    retry_after: Duration,
    rate: Option<RateState>,
) -> ApiError {
    ApiError::TooMany { code, detail, retry_after, rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_s: 10, burst: 20 };

    #[test]
    fn a_bucket_fills_in_time_and_lets_through_what_is_in_it() {
        let begun = Instant::now();
        let mut bucket = Bucket::full(RATE, begun);
        let mut take = |jobs, ms| {
            let at = begun + Duration::from_millis(ms);
            bucket
                .take(RATE, jobs, at)
                .map(|state| state.left)
                .map_err(|(wait, _)| wait.as_millis())
        };
        assert_eq!(take(15, 0), Ok(5));
        assert_eq!(take(6, 0), Err(100), "one more token is 100 ms away");
        assert_eq!(take(6, 100), Ok(0));
        assert_eq!(take(1, 100), Err(100));
        assert_eq!(take(20, 99_000), Ok(0), "never more than the burst");
        assert_eq!(take(1, 99_100), Ok(0));
    }

    #[test]
    fn what_is_larger_than_the_burst_is_owed() {
        let begun = Instant::now();
        let mut bucket = Bucket::full(RATE, begun);
        let at = |ms| begun + Duration::from_millis(ms);
        assert!(bucket.take(RATE, 50, at(0)).is_ok());
        let (wait, state) = bucket.take(RATE, 1, at(0)).unwrap_err();
        assert_eq!((wait.as_millis(), state.left), (3100, 0));
        let (wait, _) = bucket.take(RATE, 50, at(0)).unwrap_err();
        assert_eq!(wait.as_millis(), 5000, "until it is full");
        assert!(bucket.take(RATE, 1, at(3100)).is_ok());
    }

    #[test]
    fn headers_say_how_the_rate_stands() {
        let mut headers = HeaderMap::new();
        let full_in = Duration::from_millis(1500);
        RateState { rate: RATE, left: 5, full_in }.write(&mut headers);
        assert_eq!(headers["ratelimit-policy"], "\"jobs\";q=20;w=2");
        assert_eq!(headers["ratelimit"], "\"jobs\";r=5;t=2");
    }
}
