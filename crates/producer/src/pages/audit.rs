//! Who has changed what.

use axum::extract::RawQuery;
use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{Actor, AuditEntry};

use super::asked::Asked;
use super::html::{Page, PageError, Text, age, table_head};
use super::language::say;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;
use crate::api::routes::table;

/// Entries of the page, unless somebody asks for less or more.
const SHOWN: &str = "100";

/// The newest entries that are looked for.
pub(super) async fn audit(api: Granted, RawQuery(query): RawQuery) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let asked = Asked::of("/audit", query.as_deref());
    let limited =
        if asked.given("limit").is_empty() { asked.with("limit", SHOWN) } else { asked.clone() };
    let found = api.audited(limited.params()?).await?;
    let rows: String = found.entries.iter().map(|entry| row(entry, now)).collect();
    let title = say("Audit log", "审计日志").to_owned();
    let head = table_head([
        say("When", "时间"),
        say("Who", "操作者"),
        say("What", "操作"),
        say("To what", "对象"),
        say("Tenant", "租户"),
        say("Outcome", "结果"),
    ]);
    let table = format!("<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n");
    let none = say("Nothing is like that.", "没有符合条件的记录。");
    let table = if rows.is_empty() { format!("<p>{none}</p>\n") } else { table };
    let older = found.next.map_or_else(String::new, |next| {
        let older = asked.with("before", &next.to_string()).address();
        format!("<p><a href=\"{}\">{}</a></p>\n", Text(older), say("Older", "更早"))
    });
    let main = format!("<h1>{title}</h1>\n{}{table}{older}", search(&asked));
    Ok(Page { title, main, ..Page::of(&api) })
}

/// The form, with what was looked for in it.
fn search(asked: &Asked) -> String {
    let mut actions: Vec<&str> = table().iter().filter_map(|row| row.audit).collect();
    actions.sort_unstable();
    let option = |action: &&str| {
        let selected = if *action == asked.given("action") { " selected" } else { "" };
        format!("<option{selected}>{action}</option>")
    };
    let options: String = actions.iter().map(option).collect();
    let text = |(name, title, example): (&str, &str, &str)| {
        let given = Text(asked.given(name));
        format!(
            "<label>{title} <input name=\"{name}\" value=\"{given}\" placeholder=\"{example}\"></label>\n"
        )
    };
    let fields = [
        ("person", say("Person", "人员"), "ada@example.com"),
        ("key", say("Key", "密钥"), say("its id", "密钥 ID")),
        ("subject", say("To what", "对象"), say("a job, a worker", "任务、工作节点")),
        ("within", say("Within", "时间范围"), "24h"),
    ];
    let fields: String = fields.map(text).concat();
    let open = if asked.is_empty() { "" } else { " open" };
    format!(
        "<details class=\"search\"{open}><summary>{}</summary>\n<form action=\"/audit\">\n\
         <label>{} <select name=\"action\"><option></option>{options}</select></label>\n{fields}\
         <button>{}</button> <a href=\"/audit\">{}</a>\n</form>\n</details>\n",
        say("Look for", "查找"),
        say("What", "操作"),
        say("Look", "查找"),
        say("All", "全部"),
    )
}

fn row(entry: &AuditEntry, now: Timestamp) -> String {
    let AuditEntry { at, actor, tenant, action, subject, outcome, .. } = entry;
    let class = if outcome == "done" { "" } else { " class=\"state dead\"" };
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td><span{class}>{}</span></td></tr>\n",
        age(*at, now),
        by(actor),
        Text(action),
        Text(subject.as_deref().unwrap_or_default()),
        tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
        Text(outcome),
    )
}

/// Who it was, with a link to what else they did.
fn by(actor: &Actor) -> String {
    let field = match actor {
        Actor::Open | Actor::AdminKey => return Text(actor).to_string(),
        Actor::Key { id, .. } => ("key".to_owned(), id.to_string()),
        Actor::Person { name, .. } => ("person".to_owned(), name.clone()),
    };
    let address = Asked::new("/audit", [field]).address();
    format!("<a href=\"{}\">{}</a>", Text(address), Text(actor))
}
