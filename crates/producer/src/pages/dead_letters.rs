//! Records that nobody could use.

use panofleet_job_schema::Timestamp;

use super::html::{Button, Page, PageError, Text, age, table_head};
use super::language::say;
use crate::api::LetterView;
use crate::api::auth::granted::Granted;
use crate::api::error::ApiError;

/// Letters of the page.
const SHOWN: u32 = 50;

/// The newest dead letters.
pub(super) async fn dead_letters(api: Granted) -> Result<Page, PageError> {
    let now = api.db.now().await.map_err(ApiError::from)?;
    let list = api.letters(None, SHOWN).await?;
    let rows: String = list.letters.iter().map(|letter| row(letter, now)).collect();
    let body = if list.letters.is_empty() {
        format!("<p>{}</p>\n", say("There are none.", "没有死信。"))
    } else {
        let head = table_head([
            say("Why", "原因"),
            say("From", "来源"),
            say("Kept", "保存于"),
            say("Record", "记录"),
            "",
        ]);
        format!("<table>\n{head}<tbody>\n{rows}</tbody>\n</table>\n")
    };
    let title = say("Dead letters", "死信").to_owned();
    let what = say(
        "Records that nobody could read. A job that was given up is none: it is <a href=\"/?state=dead\">dead</a>.",
        "无法解析的消息。被放弃的任务不是死信，请看<a href=\"/?state=dead\">已放弃的任务</a>。",
    );
    let main = format!("<h1>{title}</h1>\n<p class=\"quiet\">{what}</p>\n{body}");
    Ok(Page { title, main, ..Page::of(&api) })
}

fn row(letter: &LetterView, now: Timestamp) -> String {
    let LetterView { id, kept_at, topic, partition, offset, reason, bytes, excerpt, replay } =
        letter;
    let again = match replay {
        None => {
            let path = format!("/v1/dead-letters/{id}/replay");
            Button::new(say("Put back", "放回"))
                .posts(&path, "")
                .asks(say("Put it back where it came from?", "放回原来的主题？"))
                .to_string()
        }
        Some(replay) => match (&replay.failure, replay.ended_at) {
            (Some(failure), _) => say!("could not go back: {}", "放回失败：{}", Text(failure)),
            (None, Some(at)) => say!("went back {}", "{}已放回", age(at, now)),
            (None, None) => say("is to go back", "即将放回").to_owned(),
        },
    };
    format!(
        "<tr><td>{}</td><td>{} {partition}:{offset}</td><td>{}</td><td><code>{}</code> <small>{}</small></td>\
         <td>{again}</td></tr>\n",
        Text(reason),
        Text(topic),
        age(*kept_at, now),
        Text(excerpt),
        say!("{bytes} bytes", "{bytes} 字节"),
    )
}
