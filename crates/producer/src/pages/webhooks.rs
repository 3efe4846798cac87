//! Webhooks, and what they were told.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Delivery, DeliveryState, DisabledBecause, Scope, Webhook};
use serde_json::json;

use super::html::{Button, Page, PageError, Text, age};
use super::words;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::extract::Segments;

/// Webhooks that the page shows.
const SHOWN: u32 = 200;
/// Deliveries that a webhook's page shows.
const DELIVERIES: u32 = 100;

/// Every webhook.
pub(super) async fn webhooks(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let found = api.db.webhooks(api.whose(), SHOWN).await.map_err(ApiError::from)?;
    let mut main = "<h1>Webhooks</h1>\n".to_owned();
    if found.is_empty() {
        main.push_str(
            "<p>Nobody is told when jobs end. <code>panofleet webhooks add https://…</code> changes that.</p>\n",
        );
        return Ok(Page { title: "Webhooks".to_owned(), main, ..Page::of(&api) });
    }
    let of_all = api.whose().is_none();
    let rows: String = found.iter().map(|found| row(&found.webhook, now, of_all)).collect();
    let tenant = if of_all { "<th>Tenant</th>" } else { "" };
    main.push_str(&format!(
        "<table>\n<thead><tr><th>Address</th>{tenant}<th>Hears of</th><th>State</th><th>Made</th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n"
    ));
    Ok(Page { title: "Webhooks".to_owned(), main, ..Page::of(&api) })
}

fn row(webhook: &Webhook, now: Timestamp, of_all: bool) -> String {
    let tenant = if of_all { format!("<td>{}</td>", Text(&webhook.tenant)) } else { String::new() };
    format!(
        "<tr><td><a href=\"/webhooks/{}\">{}</a></td>{tenant}<td>{}</td><td>{}</td><td>{}</td></tr>\n",
        webhook.id,
        Text(&webhook.url),
        Text(events(webhook)),
        state(webhook, now),
        age(webhook.created_at, now),
    )
}

fn events(webhook: &Webhook) -> String {
    let names: Vec<_> = webhook.events.iter().map(|event| event.name()).collect();
    if names.is_empty() { "all that ends".to_owned() } else { names.join(", ") }
}

fn state(webhook: &Webhook, now: Timestamp) -> String {
    let Some(disabled) = &webhook.disabled else { return "enabled".to_owned() };
    let why = match disabled.why {
        DisabledBecause::Requested => "",
        DisabledBecause::Gone => ": its receiver answered 410",
    };
    format!("disabled {}{why}", age(disabled.at, now))
}

/// One webhook, and what it was told.
pub(super) async fn webhook(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Page, PageError> {
    let found = api.webhook(&id).await?;
    let now = api.db.now().await.map_err(ApiError::from)?;
    let webhook = found.webhook;
    let deliveries = api.db.deliveries(webhook.id, None, None, DELIVERIES).await;
    let deliveries = deliveries.map_err(ApiError::from)?;
    let may = api.has(Scope::JobsWrite);
    let rows: String = deliveries.iter().map(|delivery| told(delivery, now, may)).collect();
    let failed = deliveries.iter().any(|delivery| delivery.state == DeliveryState::Failed);
    let mut buttons = String::new();
    if may && webhook.disabled.is_none() {
        let path = format!("/v1/webhooks/{id}/test");
        buttons.push_str(&Button::new("Send a test").posts(&path, "").to_string());
    }
    if may && failed {
        let path = format!("/v1/webhooks/{id}/replay");
        let replay = Button::new("Send all that failed again").posts(&path, "{}");
        buttons.push_str(&format!(" {replay}"));
    }
    let main = format!(
        "<h1>{url}</h1>\n<p class=\"quiet\">hears of {events} · {state} · {tenant} · made {made}</p>\n\
         <p>{buttons}</p>\n<h2>Deliveries</h2>\n\
         <table class=\"deliveries\" data-refresh-s=\"5\">\n<thead><tr><th>Event</th><th>Job</th><th>Happened</th><th>State</th><th>Last try</th><th></th></tr></thead>\n\
         <tbody>\n{rows}</tbody>\n</table>\n",
        url = Text(&webhook.url),
        events = Text(events(&webhook)),
        state = state(&webhook, now),
        tenant = Text(&webhook.tenant),
        made = age(webhook.created_at, now),
    );
    Ok(Page { title: "Webhook".to_owned(), main, ..Page::of(&api) })
}

fn told(delivery: &Delivery, now: Timestamp, may: bool) -> String {
    let Delivery { id, webhook, event, job, happened_at, state, tries, due_at, last } = delivery;
    let job = job.map_or_else(String::new, |job| {
        let short = job.to_string().chars().take(8).collect::<String>();
        format!("<a href=\"/view/{job}\">{short}…</a>")
    });
    let (class, mut stands) = match state {
        DeliveryState::Pending => ("waiting", "pending".to_owned()),
        DeliveryState::Delivered => ("succeeded", "delivered".to_owned()),
        DeliveryState::Failed => ("dead", "failed".to_owned()),
    };
    if let Some(due_at) = due_at.filter(|_| *tries > 0) {
        let wait = u64::try_from(due_at.since(now).as_millis()).unwrap_or(u64::MAX);
        stands.push_str(&format!(", again in {}", words::span(wait)));
    }
    let last = last.as_ref().map_or_else(String::new, |last| {
        let came = match (last.status, &last.error) {
            (Some(status), _) => format!("{status} in {} ms", last.took_ms),
            (None, Some(error)) => Text(error).to_string(),
            (None, None) => String::new(),
        };
        format!("{came} <small>{} · try {tries}</small>", age(last.at, now))
    });
    let again = if may && *state != DeliveryState::Pending {
        let body = json!({ "delivery": id }).to_string();
        let path = format!("/v1/webhooks/{webhook}/replay");
        Button::new("Send again").posts(&path, &body).to_string()
    } else {
        String::new()
    };
    format!(
        "<tr><td>{event}</td><td>{job}</td><td>{}</td><td><span class=\"state {class}\">{}</span></td>\
         <td>{last}</td><td>{again}</td></tr>\n",
        age(*happened_at, now),
        Text(stands),
    )
}
