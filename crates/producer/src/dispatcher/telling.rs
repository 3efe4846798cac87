//! What webhooks are told: the leading dispatcher sends what is due, and notes what came of it.
//!
//! A message may come twice, with the same `webhook-id`: when a leader dies between the receiver's answer and its note. A
//! receiver that is slow or away holds up only its own messages.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;
use std::time::Duration;

use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{
    Disabled, DisabledBecause, DueDelivery, JobsDbError, Then, Tried, Webhook,
};
use panofleet_service::clock::wall_clock;
use panofleet_service::egress::{Guard, plain};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use url::Url;
use uuid::Uuid;

use super::Dispatcher;
use crate::metrics;
use crate::webhooks::{message, signature, wait};

/// Time between two looks while nothing is under way.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Messages to one webhook that are under way at once; one if the last did not arrive.
const EACH_MAX: u32 = 8;
/// Messages that are under way at once.
const TOTAL_MAX: usize = 128;

/// Who sends messages.
#[derive(Debug)]
struct Teller<'a> {
    dispatcher: &'a Dispatcher,
    /// Made when there is something to tell for the first time.
    client: OnceLock<Client>,
    guard: Guard,
}

/// Which messages are under way.
#[derive(Debug, Default)]
struct UnderWay {
    /// By webhook.
    of: BTreeMap<Uuid, BTreeSet<Uuid>>,
    /// Webhooks whose last message did not arrive: many receivers that hang may not take all there is.
    failing: BTreeSet<Uuid>,
}

impl UnderWay {
    /// Whether a delivery may begin now; then it has.
    fn begin(&mut self, webhook: Uuid, delivery: Uuid) -> bool {
        let total: usize = self.of.values().map(BTreeSet::len).sum();
        let each = if self.failing.contains(&webhook) { 1 } else { EACH_MAX as usize };
        let ours = self.of.entry(webhook).or_default();
        total < TOTAL_MAX && ours.len() < each && ours.insert(delivery)
    }

    fn end(&mut self, Ended { webhook, delivery, arrived }: Ended) {
        if arrived {
            self.failing.remove(&webhook);
        } else {
            self.failing.insert(webhook);
        }
        if let Some(ours) = self.of.get_mut(&webhook) {
            ours.remove(&delivery);
        }
        self.of.retain(|_, ours| !ours.is_empty());
    }
}

/// A delivery that is not under way any more.
#[derive(Clone, Copy, Debug)]
struct Ended {
    webhook: Uuid,
    delivery: Uuid,
    arrived: bool,
}

/// What came of a try.
#[derive(Debug)]
struct Answer {
    status: Option<StatusCode>,
    error: Option<String>,
}

impl Dispatcher {
    /// Tells webhooks what there is to tell, until `shutdown`. What fails for now is tried at the next look.
    pub(super) async fn tell(&self, shutdown: &CancellationToken) {
        let guard = Guard::new(self.api.webhooks.networks.clone());
        let teller = Teller { dispatcher: self, client: OnceLock::new(), guard };
        tokio::select! {
            () = teller.go_on() => {}
            () = shutdown.cancelled() => {}
        }
    }
}

impl Teller<'_> {
    async fn go_on(&self) {
        let mut deliveries = FuturesUnordered::new();
        let mut under_way = UnderWay::default();
        loop {
            let due = self.due().await.unwrap_or_else(|error| {
                tracing::debug!(%error, "webhooks are told later");
                Vec::new()
            });
            for due in due {
                if under_way.begin(due.delivery.webhook, due.delivery.id) {
                    deliveries.push(self.deliver(due));
                }
            }
            tokio::select! {
                Some(ended) = deliveries.next() => {
                    under_way.end(ended);
                    // Those that have ended too need no look of their own.
                    while let Some(Some(ended)) = deliveries.next().now_or_never() {
                        under_way.end(ended);
                    }
                }
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }

    async fn due(&self) -> Result<Vec<DueDelivery>, JobsDbError> {
        let db = self.dispatcher.db.as_ref();
        db.deliveries_due(db.now().await?, EACH_MAX).await
    }

    /// Sends a message, and notes what came of it.
    async fn deliver(&self, due: DueDelivery) -> Ended {
        let (webhook, delivery) = (due.delivery.webhook, due.delivery.id);
        let begun = Instant::now();
        let answer = self.send(&due).await;
        let took = begun.elapsed();
        let arrived = answer.arrived();
        if let Err(error) = self.note(due, answer, took).await {
            // It is due still: it comes again.
            tracing::warn!(%delivery, %error, "what came of a webhook's message is not noted");
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ended { webhook, delivery, arrived }
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let timeout = self.dispatcher.api.webhooks.timeout.0;
        let made = self.guard.client().timeout(timeout).build()?;
        Ok(self.client.get_or_init(|| made))
    }

    async fn send(&self, due: &DueDelivery) -> Answer {
        let failed = |error: String| Answer { status: None, error: Some(error) };
        let url = match Url::parse(&due.to.webhook.url) {
            Ok(url) => url,
            Err(error) => return failed(error.to_string()),
        };
        if let Err(why) = self.guard.check(&url) {
            return failed(format!("the address {why}"));
        }
        let base = self.dispatcher.api.public_url.as_deref().unwrap_or_default();
        let body = message(due, base);
        let (id, now) = (due.delivery.id, wall_clock());
        let timestamp_s = now.as_millis().div_euclid(1000);
        let signatures = signature::signatures(&due.to.secrets, now, (id, timestamp_s), &body);
        let client = match self.client() {
            Ok(client) => client,
            Err(error) => return failed(plain(error)),
        };
        let request = (client.post(url))
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id.to_string())
            .header("webhook-timestamp", timestamp_s.to_string())
            .header("webhook-signature", signatures)
            .body(body);
        match request.send().await {
            Ok(response) => Answer { status: Some(response.status()), error: None },
            Err(error) => failed(plain(error)),
        }
    }

    async fn note(
        &self,
        due: DueDelivery,
        answer: Answer,
        took: Duration,
    ) -> Result<(), JobsDbError> {
        let DueDelivery { delivery, to, .. } = due;
        let db = self.dispatcher.db.as_ref();
        let now = db.now().await?;
        let (webhook, tries) = (to.webhook.id, delivery.tries + 1);
        let then = then(&answer, tries, (delivery.id, now));
        let status = answer.status.map(|status| status.as_u16());
        match then {
            Then::Delivered => tracing::debug!(%webhook, delivery = %delivery.id, "webhook told"),
            Then::Again(_) => {
                let error = answer.error.as_deref();
                tracing::debug!(%webhook, delivery = %delivery.id, status, error, tries, "webhook not told; trying again");
            }
            Then::GivenUp => {
                let error = answer.error.as_deref();
                tracing::warn!(%webhook, delivery = %delivery.id, status, error, tries, "webhook not told; given up");
            }
        }
        metrics::told(then, took);
        let error = answer.error;
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        let tried = Tried { at: now, took_ms, status, error };
        db.end_try(delivery.id, delivery.tries, &tried, then).await?;
        if answer.status == Some(StatusCode::GONE) && to.webhook.disabled.is_none() {
            let disabled = Some(Disabled { at: now, why: DisabledBecause::Gone });
            let gone = Webhook { disabled, ..to.webhook };
            // Whoever has changed it meanwhile knows better.
            if db.write_webhook(&gone, &to.secrets, to.version).await? {
                tracing::warn!(%webhook, "webhook disabled: its receiver answers 410");
            }
        }
        Ok(())
    }
}

impl Answer {
    fn arrived(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }
}

fn then(answer: &Answer, tries: u32, (id, now): (Uuid, Timestamp)) -> Then {
    match answer.status {
        _ if answer.arrived() => Then::Delivered,
        Some(StatusCode::GONE) => Then::GivenUp,
        _ => wait(tries, id).map_or(Then::GivenUp, |wait| Then::Again(now + wait)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receivers_that_hang_leave_room_for_the_others() {
        let mut under_way = UnderWay::default();
        let id = Uuid::from_u128;
        let begun = |under_way: &mut UnderWay, webhook, from: u128| {
            (from..from + 100)
                .filter(|delivery| under_way.begin(id(webhook), id(*delivery)))
                .count()
        };
        assert_eq!(begun(&mut under_way, 1, 0), EACH_MAX as usize);
        assert_eq!(begun(&mut under_way, 1, 0), 0, "they are under way");
        for delivery in 0..EACH_MAX.into() {
            under_way.end(Ended { webhook: id(1), delivery: id(delivery), arrived: false });
        }
        assert_eq!(begun(&mut under_way, 1, 0), 1, "one, to see whether it is back");
        for webhook in 2..=TOTAL_MAX as u128 {
            under_way.failing.insert(id(webhook));
            assert_eq!(begun(&mut under_way, webhook, 0), 1);
        }
        assert_eq!(begun(&mut under_way, 1000, 0), 0, "there is no room at all");
        under_way.end(Ended { webhook: id(1), delivery: id(0), arrived: true });
        assert_eq!(begun(&mut under_way, 1000, 0), 1);
        for webhook in 2..=TOTAL_MAX as u128 {
            under_way.end(Ended { webhook: id(webhook), delivery: id(0), arrived: true });
        }
        assert_eq!(begun(&mut under_way, 1, 0), EACH_MAX as usize, "it is back");
    }
}
