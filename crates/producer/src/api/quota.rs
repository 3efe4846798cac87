//! How much a tenant may ask for: jobs a second, jobs that have not ended, bytes that are uploaded.
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
/// Shortest time between two counts of a tenant's jobs or bytes.
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

/// What of a tenant's is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum What {
    /// Jobs that have not ended.
    OpenJobs,
    /// Bytes of uploads that have not been retired.
    UploadBytes,
}

/// How much there is of it, as far as is known.
#[derive(Clone, Copy, Debug)]
struct Known {
    amount: u64,
    counted_at: Instant,
    took: Duration,
}

/// What this process knows of what tenants have asked for.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    buckets: Mutex<HashMap<Tenant, Bucket>>,
    known: Mutex<HashMap<(Tenant, What), Known>>,
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
    fn known(&self, tenant: &Tenant, what: What) -> Option<u64> {
        let all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let known = all.get(&(tenant.clone(), what))?;
        let good_for = COUNT_EVERY.max(known.took * COUNT_SHARE);
        (known.counted_at.elapsed() < good_for).then_some(known.amount)
    }

    fn counted(&self, tenant: &Tenant, what: What, counted: Known) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= TENANTS_MAX {
            all.clear();
        }
        all.insert((tenant.clone(), what), counted);
    }

    fn add(&self, tenant: &Tenant, what: What, amount: u64) {
        let mut all = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = all.get_mut(&(tenant.clone(), what)) {
            known.amount = known.amount.saturating_add(amount);
        }
    }
}

impl Granted {
    /// Lets so many jobs of the tenant in, or says when to come again; and how the tenant's rate stands, if it has one.
    pub(super) async fn admit(&self, jobs: u32) -> Result<Option<RateState>, ApiError> {
        let limits = self.config.limits.of(self.tenant());
        if let Some(most) = limits.open_jobs_max {
            let open = self.amount(What::OpenJobs).await?;
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
                self.quotas.add(self.tenant(), What::OpenJobs, jobs.into());
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

    /// Lets an upload of so many bytes of the tenant in, or says what to do.
    pub(super) async fn admit_upload(&self, bytes: u64) -> Result<(), ApiError> {
        let Some(most) = self.config.limits.of(self.tenant()).upload_bytes_max else {
            return Ok(());
        };
        let there = self.amount(What::UploadBytes).await?;
        if there.saturating_add(bytes) > most {
            let tenant = self.tenant();
            let detail = format!(
                "tenant `{tenant}` has uploads of {there} bytes, {bytes} are to come, and may have {most}; remove some that \
                 no job needs (DELETE /v1/uploads/ID), or wait until those go whose jobs have ended"
            );
            return Err(too_many("quota_exceeded", detail, QUOTA_RETRY, None));
        }
        self.quotas.add(self.tenant(), What::UploadBytes, bytes);
        Ok(())
    }

    /// How much there is of the tenant's: counted now and then, see [`COUNT_EVERY`].
    async fn amount(&self, what: What) -> Result<u64, ApiError> {
        let tenant = self.tenant();
        if let Some(known) = self.quotas.known(tenant, what) {
            return Ok(known);
        }
        let counted_at = Instant::now();
        let amount = match what {
            What::OpenJobs => {
                let filter = JobFilter {
                    tenant: Some(tenant.clone()),
                    states: JobState::OPEN_NAMES.map(str::to_owned).to_vec(),
                    ..JobFilter::default()
                };
                self.db.count(&filter).await?
            }
            What::UploadBytes => self.db.upload_bytes(tenant).await?,
        };
        let known = Known { amount, counted_at, took: counted_at.elapsed() };
        self.quotas.counted(tenant, what, known);
        Ok(amount)
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
