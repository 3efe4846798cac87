//! Records that nobody could use.

use panofleet_job_schema::Timestamp;

use super::html::{Button, Page, PageError, Text, age};
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
        "<p>There are none.</p>\n".to_owned()
    } else {
        format!(
            "<table>\n<thead><tr><th>Why</th><th>From</th><th>Kept</th><th>Record</th><th></th></tr></thead>\n\
             <tbody>\n{rows}</tbody>\n</table>\n"
        )
    };
    let main = format!(
        "<h1>Dead letters</h1>\n<p class=\"quiet\">Records that nobody could read. A job that was given up is none: \
         it is <a href=\"/?state=dead\">dead</a>.</p>\n{body}"
    );
    Ok(Page { title: "Dead letters".to_owned(), main, ..Page::of(&api) })
}

fn row(letter: &LetterView, now: Timestamp) -> String {
    let LetterView { id, kept_at, topic, partition, offset, reason, bytes, excerpt, replay } =
        letter;
    let again = match replay {
        None => {
            let path = format!("/v1/dead-letters/{id}/replay");
            Button::new("Put back")
                .posts(&path, "")
                .asks("Put it back where it came from?")
                .to_string()
        }
        Some(replay) => match (&replay.failure, replay.ended_at) {
            (Some(failure), _) => format!("could not go back: {}", Text(failure)),
            (None, Some(at)) => format!("went back {}", age(at, now)),
            (None, None) => "is to go back".to_owned(),
        },
    };
    format!(
        "<tr><td>{}</td><td>{} {partition}:{offset}</td><td>{}</td><td><code>{}</code> <small>{bytes} bytes</small></td>\
         <td>{again}</td></tr>\n",
        Text(reason),
        Text(topic),
        age(*kept_at, now),
        Text(excerpt),
    )
}
