//! `panofleet webhooks`: whom a tenant has told when its jobs end.

use std::collections::BTreeSet;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use panofleet_jobs_db::{Delivery, DeliveryState, DisabledBecause, Tried, WebhookEvent};
use panofleet_producer::api::{
    DeliveryList, MadeWebhook, NewWebhook, ReplayRequest, WebhookChange, WebhookView,
};
use serde::Serialize;
use uuid::Uuid;

use super::Shared;
use crate::terminal::{Paint, paint, say, table};

/// Whom to tell when jobs end
#[derive(Debug, Args)]
pub(crate) struct Webhooks {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Have an address told when jobs end, and print the secret that messages are signed with, this once
    #[command(after_help = "Of all that ends, and of failures only:
  panofleet webhooks add https://example.com/hooks/panofleet
  panofleet webhooks add https://example.com/hooks/alarm --event job.dead --event job.expired")]
    Add(Add),
    /// List webhooks, newest first
    List,
    /// Change a webhook
    Change(Change),
    /// Remove a webhook; what was not told yet is never told
    Remove {
        /// The webhook's id
        id: Uuid,
    },
    /// Give a webhook a new secret; messages are signed with the old one too for a day
    Rotate {
        /// The webhook's id
        id: Uuid,
    },
    /// Have a message sent that is about no job
    Test {
        /// The webhook's id
        id: Uuid,
    },
    /// What a webhook was told, newest first, and what it could not be told
    Deliveries {
        /// The webhook's id
        id: Uuid,
        /// Only these: pending, delivered or failed
        #[arg(long, value_name = "STATE", value_parser = delivery_state)]
        state: Option<DeliveryState>,
        /// How many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// From the one behind this delivery on
        #[arg(long, value_name = "ID")]
        before: Option<Uuid>,
    },
    /// Tell a webhook once more: one thing, or all that failed
    Replay {
        /// The webhook's id
        id: Uuid,
        /// A delivery of it
        delivery: Option<Uuid>,
    },
}

#[derive(Debug, Args)]
struct Add {
    /// Where messages go: a public https address
    url: String,
    /// What it hears of: job.succeeded, job.dead, job.cancelled, job.expired; repeatable; all if there is none
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<WebhookEvent>,
}

#[derive(Debug, Args)]
struct Change {
    /// The webhook's id
    id: Uuid,
    /// Where messages go
    #[arg(long)]
    url: Option<String>,
    /// What it hears of; repeatable
    #[arg(long = "event", value_name = "EVENT")]
    events: Vec<WebhookEvent>,
    /// Let it hear of things again; what was kept for it is sent
    #[arg(long, conflicts_with = "disable")]
    enable: bool,
    /// Let it hear of nothing
    #[arg(long)]
    disable: bool,
}

fn delivery_state(text: &str) -> Result<DeliveryState, String> {
    let all = [DeliveryState::Pending, DeliveryState::Delivered, DeliveryState::Failed];
    let found = all.into_iter().find(|state| state.name() == text);
    found.ok_or_else(|| "it is pending, delivered or failed".to_owned())
}

impl Webhooks {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let (client, json) = (shared.client()?, shared.json);
        match &self.command {
            Command::Add(Add { url, events }) => {
                let events = events.iter().copied().collect();
                made(&client.add_webhook(&NewWebhook { url: url.clone(), events }).await?, json)
            }
            Command::List => list(&client.webhooks().await?, json),
            Command::Change(change) => {
                show(&client.change_webhook(change.id, &change.body()).await?, json)
            }
            Command::Remove { id } => show(&client.remove_webhook(*id).await?, json),
            Command::Rotate { id } => made(&client.rotate_webhook(*id).await?, json),
            Command::Test { id } => {
                let test = client.test_webhook(*id).await?;
                answer(&test, json, || {
                    let look = format!("panofleet webhooks deliveries {id}");
                    format!("delivery {} is on its way; look: {look}", test.delivery)
                })
            }
            Command::Deliveries { id, state, limit, before } => {
                let mut query = vec![("limit", limit.to_string())];
                query.extend(before.map(|before| ("before", before.to_string())));
                query.extend(state.map(|state| ("state", state.name().to_owned())));
                deliveries(&client.deliveries(*id, &query).await?, json)
            }
            Command::Replay { id, delivery } => {
                let request = ReplayRequest { delivery: *delivery };
                let replayed = client.replay_deliveries(*id, &request).await?;
                answer(&replayed, json, || {
                    format!("{} deliveries are made once more", replayed.replayed)
                })
            }
        }
    }
}

impl Change {
    fn body(&self) -> WebhookChange {
        let Self { url, events, enable, disable, .. } = self;
        let events: BTreeSet<_> = events.iter().copied().collect();
        WebhookChange {
            url: url.clone(),
            events: (!events.is_empty()).then_some(events),
            enabled: (*enable || *disable).then_some(*enable),
        }
    }
}

fn answer(answer: &impl Serialize, json: bool, text: impl Fn() -> String) -> Result<ExitCode> {
    say(if json { serde_json::to_string_pretty(answer)? } else { text() });
    Ok(ExitCode::SUCCESS)
}

fn made(made: &MadeWebhook, json: bool) -> Result<ExitCode> {
    answer(made, json, || {
        let MadeWebhook { webhook, secret } = made;
        let secret = paint(Paint::Strong, secret);
        let keep = "keep it: it is shown this once. Receivers check signatures with it.";
        format!("{}\n  secret    {secret}\n{keep}", described(webhook))
    })
}

fn show(webhook: &WebhookView, json: bool) -> Result<ExitCode> {
    answer(webhook, json, || described(webhook))
}

fn described(view: &WebhookView) -> String {
    let WebhookView { webhook, old_secret_until } = view;
    let mut text = format!("webhook {} {}", webhook.id, state(view));
    text += &format!("\n  url       {}\n  hears of  {}", webhook.url, events(view));
    if let Some(until) = old_secret_until {
        text += &format!("\n  rotated   the old secret is good until {until}");
    }
    text
}

fn list(webhooks: &[WebhookView], json: bool) -> Result<ExitCode> {
    let row = |view: &WebhookView| {
        let webhook = &view.webhook;
        vec![
            webhook.id.to_string(),
            webhook.tenant.to_string(),
            webhook.url.clone(),
            events(view),
            state(view),
        ]
    };
    answer(&webhooks, json, || {
        let rows: Vec<_> = webhooks.iter().map(row).collect();
        table(&["webhook", "tenant", "url", "hears of", "state"], &rows)
    })
}

fn events(view: &WebhookView) -> String {
    let names: Vec<_> = view.webhook.events.iter().map(|event| event.name()).collect();
    if names.is_empty() { "all".to_owned() } else { names.join(", ") }
}

fn state(view: &WebhookView) -> String {
    match &view.webhook.disabled {
        None => "enabled".to_owned(),
        Some(disabled) => match disabled.why {
            DisabledBecause::Requested => format!("disabled {}", disabled.at),
            DisabledBecause::Gone => format!("disabled {}: it answered 410", disabled.at),
        },
    }
}

fn deliveries(list: &DeliveryList, json: bool) -> Result<ExitCode> {
    let row = |delivery: &Delivery| {
        let Delivery { id, event, job, happened_at, state, tries, due_at, last, .. } = delivery;
        let next = due_at.map(|at| format!(", next {at}")).unwrap_or_default();
        vec![
            id.to_string(),
            happened_at.to_string(),
            event.to_string(),
            job.map(|job| job.to_string()).unwrap_or_default(),
            format!("{}{next}", state.name()),
            tries.to_string(),
            last.as_ref().map(came_of).unwrap_or_default(),
        ]
    };
    answer(list, json, || {
        let rows: Vec<_> = list.deliveries.iter().map(row).collect();
        let names = ["delivery", "happened", "event", "job", "state", "tries", "last try"];
        let more = list.next.map(|next| format!("\nmore: --before {next}")).unwrap_or_default();
        format!("{}{more}", table(&names, &rows))
    })
}

fn came_of(tried: &Tried) -> String {
    match (tried.status, &tried.error) {
        (Some(status), _) => format!("{status} in {} ms", tried.took_ms),
        (None, Some(error)) => error.clone(),
        (None, None) => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(events: &[WebhookEvent], enable: bool, disable: bool) -> WebhookChange {
        Change { id: Uuid::nil(), url: None, events: events.to_vec(), enable, disable }.body()
    }

    #[test]
    fn what_is_not_named_stays() {
        let none = serde_json::to_value(change(&[], false, false)).unwrap();
        assert_eq!(none, serde_json::json!({}));
        assert_eq!(change(&[], true, false).enabled, Some(true));
        assert_eq!(change(&[], false, true).enabled, Some(false));
        let two = [WebhookEvent::JobDead, WebhookEvent::JobDead];
        assert_eq!(change(&two, false, false).events.unwrap().len(), 1);
    }

    #[test]
    fn a_state_is_named() {
        assert_eq!(delivery_state("failed"), Ok(DeliveryState::Failed));
        assert!(delivery_state("lost").is_err());
    }
}
