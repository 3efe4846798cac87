//! `/v1/webhooks…`: whom a tenant has told when its jobs end.
//!
//! The secret that messages are signed with is in the answer that makes it, and nowhere else.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use panofleet_job_schema::{Timestamp, limits};
use panofleet_jobs_db::{
    Delivery, DeliveryState, Disabled, DisabledBecause, JobsDbError, StoredWebhook, Webhook,
    WebhookEvent, WebhookSecret,
};
use panofleet_service::egress::Guard;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;
use uuid::Uuid;

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{JsonBody, Params, Segments};
use super::paging::{cut, page_size};
use super::shape::Created;
use crate::webhooks::signature::{random_secret, text};

/// Webhooks that a list shows.
const SHOWN: u32 = 1000;
/// Deliveries of a page, unless the request says less or more.
const PAGE_DELIVERIES: u32 = 50;
/// Most deliveries of a page.
const PAGE_DELIVERIES_MAX: u32 = 200;
/// How long messages are signed with the old secret too.
const OVERLAP: Duration = Duration::from_secs(24 * 3600);

/// A webhook that is asked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewWebhook {
    /// Where messages go: a public https address.
    pub url: String,
    /// What it hears of; everything about jobs if there is none.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub events: BTreeSet<WebhookEvent>,
}

/// What is to be different of a webhook; what is not named stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChange {
    /// Where messages go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// What it hears of; everything about jobs if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<BTreeSet<WebhookEvent>>,
    /// Whether it hears of anything. What was kept for it while it was disabled is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// A webhook as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WebhookView {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: Webhook,
    /// Until when messages are signed with the secret from before too, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_secret_until: Option<Timestamp>,
}

/// A webhook whose secret was just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct MadeWebhook {
    /// The webhook.
    #[serde(flatten)]
    pub webhook: WebhookView,
    /// What messages are signed with. It is shown this once.
    pub secret: String,
}

/// Webhooks.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WebhookList {
    /// Newest first.
    pub webhooks: Vec<WebhookView>,
}

/// Which deliveries.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeliveryParams {
    /// In this state.
    state: Option<DeliveryState>,
    /// The `next` of the page before.
    before: Option<Uuid>,
    /// Deliveries of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of deliveries.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryList {
    /// Newest first.
    pub deliveries: Vec<Delivery>,
    /// What `before` gets for the next page; none on the last.
    pub next: Option<Uuid>,
}

/// Which deliveries are to be made once more.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// This one, delivered or failed; without it, all that failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Uuid>,
}

/// What is made once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// How many deliveries.
    pub replayed: u64,
}

/// A delivery that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TestDelivery {
    /// Which.
    pub delivery: Uuid,
}

/// Webhooks, newest first.
pub(super) async fn list(api: Granted) -> Result<Json<WebhookList>, ApiError> {
    let now = api.db.now().await?;
    let found = api.db.webhooks(api.whose(), SHOWN).await?;
    let webhooks = found.into_iter().map(|stored| WebhookView::of(stored, now)).collect();
    Ok(Json(WebhookList { webhooks }))
}

/// One webhook.
pub(super) async fn show(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<WebhookView>, ApiError> {
    let found = api.webhook(&id).await?;
    Ok(Json(WebhookView::of(found, api.db.now().await?)))
}

/// Makes a webhook: 201, and its secret this once.
pub(super) async fn create(
    api: Granted,
    JsonBody(NewWebhook { url, events }): JsonBody<NewWebhook>,
) -> Result<Created<MadeWebhook>, ApiError> {
    let tenant = api.tenant().clone();
    api.note_tenant(&tenant);
    let most = u32::try_from(limits::WEBHOOKS_MAX).unwrap_or(SHOWN);
    if api.db.webhooks(Some(&tenant), most).await?.len() >= limits::WEBHOOKS_MAX {
        let detail = format!("there are {} webhooks already; remove some", limits::WEBHOOKS_MAX);
        return Err(ApiError::conflict("too_many_webhooks", detail));
    }
    let (id, created_at, secret) = (Uuid::now_v7(), api.db.now().await?, random_secret());
    api.note_subject(id);
    let webhook = Webhook { id, tenant, url, events, created_at, disabled: None };
    api.check_webhook(&webhook)?;
    api.db.put_webhook(&webhook, std::slice::from_ref(&secret)).await?;
    tracing::info!(webhook = %id, "webhook made by request");
    let made = MadeWebhook {
        secret: text(&secret),
        webhook: WebhookView { webhook, old_secret_until: None },
    };
    Ok(Created { location: format!("/v1/webhooks/{id}"), made })
}

/// Changes a webhook.
pub(super) async fn change(
    api: Granted,
    Segments(id): Segments<String>,
    JsonBody(WebhookChange { url, events, enabled }): JsonBody<WebhookChange>,
) -> Result<Json<WebhookView>, ApiError> {
    let StoredWebhook { webhook, secrets, version } = api.webhook(&id).await?;
    let now = api.db.now().await?;
    let disabled = match enabled {
        Some(true) => None,
        Some(false) => {
            webhook.disabled.or(Some(Disabled { at: now, why: DisabledBecause::Requested }))
        }
        None => webhook.disabled,
    };
    let webhook = Webhook {
        url: url.unwrap_or(webhook.url),
        events: events.unwrap_or(webhook.events),
        disabled,
        ..webhook
    };
    api.check_webhook(&webhook)?;
    let stored = api.put_back(webhook, secrets, version).await?;
    Ok(Json(WebhookView::of(stored, now)))
}

/// Removes a webhook; what was not told yet is never told.
pub(super) async fn remove(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<WebhookView>, ApiError> {
    let found = api.webhook(&id).await?;
    api.db.remove_webhook(found.webhook.id).await?;
    tracing::info!(webhook = %found.webhook.id, "webhook removed by request");
    Ok(Json(WebhookView::of(found, api.db.now().await?)))
}

/// Gives a webhook a new secret, which is in the answer. Messages are signed with the old one too for a day.
pub(super) async fn rotate(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<MadeWebhook>, ApiError> {
    let StoredWebhook { webhook, secrets, version } = api.webhook(&id).await?;
    let now = api.db.now().await?;
    let new = random_secret();
    // Of several rotations within the time, the last two secrets are good.
    let old = secrets.into_iter().next();
    let old = old.map(|old| WebhookSecret { until: Some(now + OVERLAP), ..old });
    let secrets: Vec<_> = std::iter::once(new.clone()).chain(old).collect();
    let stored = api.put_back(webhook, secrets, version).await?;
    Ok(Json(MadeWebhook { webhook: WebhookView::of(stored, now), secret: text(&new) }))
}

/// Has a message sent that is about no job: 202.
pub(super) async fn test(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<TestDelivery>), ApiError> {
    let found = api.webhook(&id).await?;
    if found.webhook.disabled.is_some() {
        let detail = format!("webhook {id} is disabled; enable it first");
        return Err(ApiError::conflict("webhook_disabled", detail));
    }
    let delivery = api.db.put_test_delivery(found.webhook.id, api.db.now().await?).await?;
    Ok((StatusCode::ACCEPTED, Json(TestDelivery { delivery })))
}

/// A page of deliveries.
pub(super) async fn deliveries(
    api: Granted,
    Segments(id): Segments<String>,
    Params(DeliveryParams { state, before, limit }): Params<DeliveryParams>,
) -> Result<Json<DeliveryList>, ApiError> {
    let found = api.webhook(&id).await?;
    let limit = page_size(limit, PAGE_DELIVERIES, PAGE_DELIVERIES_MAX)?;
    let mut deliveries = api.db.deliveries(found.webhook.id, state, before, limit + 1).await?;
    let next = cut(&mut deliveries, limit).map(|delivery| delivery.id);
    Ok(Json(DeliveryList { deliveries, next }))
}

/// Has deliveries that are over made once more: 202.
pub(super) async fn replay(
    api: Granted,
    Segments(id): Segments<String>,
    JsonBody(ReplayRequest { delivery }): JsonBody<ReplayRequest>,
) -> Result<(StatusCode, Json<Replayed>), ApiError> {
    let found = api.webhook(&id).await?;
    let now = api.db.now().await?;
    let replayed = api.db.replay_deliveries(found.webhook.id, delivery, now).await?;
    if let (Some(delivery), 0) = (delivery, replayed) {
        let detail = format!("webhook {id} has no delivery {delivery} that is over");
        return Err(ApiError::absent("delivery_not_found", detail));
    }
    Ok((StatusCode::ACCEPTED, Json(Replayed { replayed })))
}

impl Granted {
    /// A webhook, if it may be shown.
    pub(crate) async fn webhook(&self, id: &str) -> Result<StoredWebhook, ApiError> {
        let absent = || {
            let detail = format!("there is no webhook `{id}`; GET /v1/webhooks lists them");
            ApiError::absent("webhook_not_found", detail)
        };
        let known: Uuid = id.parse().map_err(|_unreadable| absent())?;
        let found = self.db.webhook(known).await?;
        let found = found.filter(|found| self.sees(&found.webhook.tenant)).ok_or_else(absent)?;
        self.note_tenant(&found.webhook.tenant);
        Ok(found)
    }

    async fn put_back(
        &self,
        webhook: Webhook,
        secrets: Vec<WebhookSecret>,
        version: u64,
    ) -> Result<StoredWebhook, ApiError> {
        if !self.db.write_webhook(&webhook, &secrets, version).await? {
            return Err(JobsDbError::Conflict(format!("webhook {}", webhook.id)).into());
        }
        tracing::info!(webhook = %webhook.id, "webhook changed by request");
        Ok(StoredWebhook { webhook, secrets, version: version + 1 })
    }

    fn check_webhook(&self, webhook: &Webhook) -> Result<(), ApiError> {
        let unfit = |detail: String| Err(ApiError::unfit("bad_webhook", detail));
        let most = limits::WEBHOOK_URL_BYTES_MAX;
        if webhook.url.len() > most {
            return unfit(format!("url is longer than {most} bytes"));
        }
        let url = match Url::parse(&webhook.url) {
            Ok(url) => url,
            Err(error) => return unfit(format!("url cannot be read: {error}")),
        };
        if !url.username().is_empty() || url.password().is_some() {
            let advice = "receivers check the signature instead";
            return unfit(format!("url must not hold a user or a password: {advice}"));
        }
        if let Err(why) = Guard::new(self.config.webhooks.networks.clone()).check(&url) {
            return unfit(format!("url {why}; give a public https address"));
        }
        if webhook.events.contains(&WebhookEvent::Test) {
            return unfit("events may name what happens to jobs only".to_owned());
        }
        Ok(())
    }
}

impl WebhookView {
    pub(crate) fn of(stored: StoredWebhook, now: Timestamp) -> Self {
        let StoredWebhook { webhook, secrets, .. } = stored;
        let ends = secrets.iter().filter_map(|secret| secret.until);
        Self { webhook, old_secret_until: ends.filter(|until| now < *until).max() }
    }
}
