//! Webhooks, and what they were told.

use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Delivery, DeliveryState, DisabledBecause, Scope, Webhook};
use serde_json::json;

use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
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
        main.push_str(say(
            "<p>Nobody is told when jobs end. <code>panofleet webhooks add https://…</code> changes that.</p>\n",
            "<p>任务结束时不会通知任何人。可用 <code>panofleet webhooks add https://…</code> 添加。</p>\n",
        ));
        return Ok(Page { title: "Webhooks".to_owned(), main, ..Page::of(&api) });
    }
    let of_all = api.whose().is_none();
    let rows: String = found.iter().map(|found| row(&found.webhook, now, of_all)).collect();
    let (address, hears) = (say("Address", "地址"), say("Hears of", "订阅事件"));
    let (state, made) = (say("State", "状态"), say("Made", "创建"));
    let head = if of_all {
        table_head([address, say("Tenant", "租户"), hears, state, made])
    } else {
        table_head([address, hears, state, made])
    };
    main.push_str(&format!("<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n"));
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
    if names.is_empty() {
        say("all that ends", "所有结束事件").to_owned()
    } else {
        names.join(", ")
    }
}

fn state(webhook: &Webhook, now: Timestamp) -> String {
    let Some(disabled) = &webhook.disabled else { return say("enabled", "已启用").to_owned() };
    let why = match disabled.why {
        DisabledBecause::Requested => "",
        DisabledBecause::Gone => say(": its receiver answered 410", "：接收方返回 410"),
    };
    say!("disabled {}{why}", "{}停用{why}", age(disabled.at, now))
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
        buttons.push_str(&Button::new(say("Send a test", "发送测试")).posts(&path, "").to_string());
    }
    if may && failed {
        let path = format!("/v1/webhooks/{id}/replay");
        let text = say("Send all that failed again", "重新发送所有失败的通知");
        let replay = Button::new(text).posts(&path, "{}");
        buttons.push_str(&format!(" {replay}"));
    }
    let main = format!(
        "<h1>{url}</h1>\n<p class=\"quiet\">{hears} · {state} · {tenant} · {made}</p>\n\
         <p>{buttons}</p>\n<h2>{title}</h2>\n\
         <table class=\"deliveries\" data-refresh-s=\"5\">\n{head}<tbody>\n{rows}</tbody>\n</table>\n",
        url = Text(&webhook.url),
        hears = say!("hears of {}", "订阅：{}", Text(events(&webhook))),
        state = state(&webhook, now),
        tenant = Text(&webhook.tenant),
        made = say!("made {}", "{}创建", age(webhook.created_at, now)),
        title = say("Deliveries", "通知记录"),
        head = table_head([
            say("Event", "事件"),
            say("Job", "任务"),
            say("Happened", "发生"),
            say("State", "状态"),
            say("Last try", "最近一次"),
            "",
        ]),
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
        DeliveryState::Pending => ("waiting", say("pending", "待发送").to_owned()),
        DeliveryState::Delivered => ("succeeded", say("delivered", "已送达").to_owned()),
        DeliveryState::Failed => ("dead", say("failed", "失败").to_owned()),
    };
    if let Some(due_at) = due_at.filter(|_| *tries > 0) {
        let wait = u64::try_from(due_at.since(now).as_millis()).unwrap_or(u64::MAX);
        stands.push_str(&say!(", again in {}", "，{}后重试", words::span(wait)));
    }
    let last = last.as_ref().map_or_else(String::new, |last| {
        let came = match (last.status, &last.error) {
            (Some(status), _) => {
                say!("{status} in {} ms", "{status}，用时 {} 毫秒", last.took_ms)
            }
            (None, Some(error)) => Text(error).to_string(),
            (None, None) => String::new(),
        };
        let tries = say!("try {tries}", "第 {tries} 次");
        format!("{came} <small>{} · {tries}</small>", age(last.at, now))
    });
    let again = if may && *state != DeliveryState::Pending {
        let body = json!({ "delivery": id }).to_string();
        let path = format!("/v1/webhooks/{webhook}/replay");
        Button::new(say("Send again", "重新发送")).posts(&path, &body).to_string()
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
