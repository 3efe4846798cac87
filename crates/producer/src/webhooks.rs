//! What a webhook gets to read, as Standard Webhooks says it (standard-webhooks, specification 1.0): a JSON message with
//! `type`, `timestamp` and `data`, signed with the secrets of the webhook.
//!
//! | you look for | file |
//! |---|---|
//! | secrets and signatures | `webhooks/signature.rs` |
//! | settings | `webhooks/config.rs` |
//! | who sends | `dispatcher/telling.rs` |
//! | who asks for webhooks | `api/webhooks.rs` |

use std::time::Duration;

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{DueDelivery, WebhookEvent};
use serde::Serialize;
use uuid::Uuid;

use crate::api::{Beside, JobView};

pub(crate) mod config;
pub(crate) mod signature;

/// The waits between tries: a receiver may be away for a day.
const WAITS_S: [u64; 10] =
    [5, 30, 2 * 60, 10 * 60, 30 * 60, 3600, 2 * 3600, 4 * 3600, 8 * 3600, 8 * 3600];
/// A wait is longer or shorter by so much of itself: what failed at once is not tried at once.
const JITTER: f64 = 0.2;

/// A message.
#[derive(Debug, Serialize)]
struct Message<'a> {
    #[serde(rename = "type")]
    event: WebhookEvent,
    /// When it happened.
    timestamp: Timestamp,
    data: Data<'a>,
}

/// What it happened to.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Data<'a> {
    /// The job, as the API showed it then.
    Job(Box<JobView>),
    /// The webhook that is tried out.
    Test { webhook: &'a Uuid },
}

/// The message of a delivery, the same for every try. `base` is the API's public URL, or nothing.
pub(crate) fn message(due: &DueDelivery, base: &str) -> Vec<u8> {
    let data = match &due.job {
        Some(found) => Data::Job(Box::new(JobView::new(found, Beside::default(), base))),
        None => Data::Test { webhook: &due.delivery.webhook },
    };
    let message = Message { event: due.delivery.event, timestamp: due.delivery.happened_at, data };
    serde_json::to_vec(&message).expect("a message has string keys only")
}

/// The wait before the next try, after so many that failed; `None` after the last. What is tried at one time is spread by
/// the id.
pub(crate) fn wait(tries: u32, delivery: Uuid) -> Option<Duration> {
    let place = usize::try_from(tries.checked_sub(1)?).ok()?;
    let wait = Duration::from_secs(*WAITS_S.get(place)?);
    let spread = f64::from(delivery.as_fields().0) / f64::from(u32::MAX);
    Some(wait.mul_f64(1.0 + JITTER * (2.0 * spread - 1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_is_tried_for_a_day() {
        let tries = |id| (1..).map_while(move |tries| wait(tries, id));
        for id in [Uuid::nil(), Uuid::max(), Uuid::from_u128(7 << 123)] {
            let waits: Vec<_> = tries(id).collect();
            assert!(waits.is_sorted(), "{waits:?}");
            let whole: Duration = waits.iter().sum();
            assert!((18..30).contains(&(whole.as_secs() / 3600)), "{whole:?}");
        }
        assert_eq!(wait(1, Uuid::nil()), Some(Duration::from_secs(4)));
        assert_eq!(wait(1, Uuid::max()), Some(Duration::from_secs(6)));
        assert_eq!(wait(0, Uuid::nil()), None);
    }
}
