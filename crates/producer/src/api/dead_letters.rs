//! `GET /v1/dead-letters…`, `POST /v1/dead-letters/{id}/replay`: records that nobody could use.
//!
//! It is for those who run the fleet. An excerpt may hold whatever its record did, a source's address say; control characters
//! are escaped in it. To replay is a request: the leading dispatcher, who may write to queues and the log, carries it out.

use axum::Json;
use axum::http::StatusCode;
use panofleet_bus::{BusError, KeptLetter, LetterPage};
use panofleet_job_schema::Timestamp;
use panofleet_jobs_db::{LetterKey, Replay};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::auth::granted::Granted;
use super::error::ApiError;
use super::extract::{Params, Segments};
use super::paging::page_size;

/// Letters of a page, unless the request says less or more.
const PAGE_LETTERS: u32 = 20;
/// Bytes of a record that a list shows.
const EXCERPT_BYTES: usize = 200;
/// Bytes of a record that a look at it alone shows.
const EXCERPT_BYTES_MAX: usize = 8 * 1024;

/// A dead letter as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LetterView {
    /// Its place among the dead letters.
    pub id: u64,
    /// When it was kept.
    pub kept_at: Timestamp,
    /// The topic that it came from.
    pub topic: String,
    /// The partition of the topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: u64,
    /// Why nobody could use it.
    pub reason: String,
    /// Length of the record.
    pub bytes: u64,
    /// The record's beginning as text; what is no text is replaced.
    pub excerpt: String,
    /// Whether it was asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replay: Option<ReplayView>,
}

/// How a replay stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReplayView {
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// When the letter went back, or could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// Why it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// A page of letters.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct LetterList {
    /// Newest first.
    pub letters: Vec<LetterView>,
    /// What `before` gets for the next page; none on the last.
    pub next: Option<u64>,
}

/// Which page.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListParams {
    /// The `next` of the page before.
    before: Option<u64>,
    /// Letters of a page.
    #[schemars(range(min = 1, max = 200))]
    limit: Option<u32>,
}

/// A page of dead letters, newest first.
pub(super) async fn list(
    api: Granted,
    Params(ListParams { before, limit }): Params<ListParams>,
) -> Result<Json<LetterList>, ApiError> {
    let limit = page_size(limit, PAGE_LETTERS, LetterPage::LETTERS_MAX)?;
    Ok(Json(api.letters(before, limit).await?))
}

/// One dead letter, and more of its record.
pub(super) async fn show(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<Json<LetterView>, ApiError> {
    let kept = api.letter(&id).await?;
    Ok(Json(api.letter_view(kept).await?))
}

/// Asks for a letter to go back where it came from, once.
pub(super) async fn replay(
    api: Granted,
    Segments(id): Segments<String>,
) -> Result<(StatusCode, Json<LetterView>), ApiError> {
    let kept = api.letter(&id).await?;
    let replay = api.db.request_replay(key_of(&kept), api.db.now().await?).await?;
    if replay.ended_at.is_some() {
        let detail = "it went back already; what came back unusable is a letter of its own";
        return Err(ApiError::conflict("already_replayed", detail));
    }
    tracing::info!(
        letter = kept.id,
        topic = kept.letter.topic,
        "replay of a dead letter requested"
    );
    Ok((StatusCode::ACCEPTED, Json(api.letter_view(kept).await?)))
}

impl Granted {
    /// A page of dead letters, newest first.
    pub(crate) async fn letters(
        &self,
        before: Option<u64>,
        limit: u32,
    ) -> Result<LetterList, ApiError> {
        let page = LetterPage { before, limit, payload_bytes_max: EXCERPT_BYTES };
        let kept = self.bus.letters(page).await.map_err(bus_error)?;
        let next = kept.last().filter(|_| kept.len() == limit as usize).map(|last| last.id);
        Ok(LetterList { letters: self.letter_views(kept, EXCERPT_BYTES).await?, next })
    }

    async fn letter(&self, id: &str) -> Result<KeptLetter, ApiError> {
        let absent = || {
            let detail = format!("there is no dead letter `{id}`; GET /v1/dead-letters lists them");
            ApiError::absent("letter_not_found", detail)
        };
        let number: u64 = id.parse().ok().filter(|id| *id < u64::MAX).ok_or_else(absent)?;
        let page = LetterPage { payload_bytes_max: EXCERPT_BYTES_MAX, ..LetterPage::one(number) };
        let found = self.bus.letters(page).await.map_err(bus_error)?.pop();
        found.filter(|kept| kept.id == number).ok_or_else(absent)
    }

    async fn letter_view(&self, kept: KeptLetter) -> Result<LetterView, ApiError> {
        let views = self.letter_views(vec![kept], EXCERPT_BYTES_MAX).await?;
        views.into_iter().next().ok_or_else(|| ApiError::Internal("a letter has no view".into()))
    }

    async fn letter_views(
        &self,
        kept: Vec<KeptLetter>,
        excerpt_bytes: usize,
    ) -> Result<Vec<LetterView>, ApiError> {
        let keys: Vec<_> = kept.iter().map(key_of).collect();
        let replays = self.db.replays(&keys).await?;
        let view = |kept: KeptLetter| {
            let replay = replays.iter().find(|replay| replay.letter == key_of(&kept));
            LetterView::of(kept, replay.cloned(), excerpt_bytes)
        };
        Ok(kept.into_iter().map(view).collect())
    }
}

impl LetterView {
    fn of(kept: KeptLetter, replay: Option<Replay>, excerpt_bytes: usize) -> Self {
        let KeptLetter { id, kept_at, bytes, letter } = kept;
        Self {
            id,
            kept_at,
            topic: letter.topic,
            partition: letter.placement.partition,
            offset: letter.placement.offset,
            reason: letter.reason,
            bytes,
            excerpt: excerpt(&letter.payload, bytes, excerpt_bytes),
            replay: replay.map(|Replay { requested_at, ended_at, failure, .. }| ReplayView {
                requested_at,
                ended_at,
                failure,
            }),
        }
    }
}

fn key_of(kept: &KeptLetter) -> LetterKey {
    LetterKey { id: kept.id, kept_at: kept.kept_at }
}

/// The beginning of a record of `bytes` bytes, safe to print.
fn excerpt(payload: &[u8], bytes: u64, bytes_max: usize) -> String {
    let shown = payload.get(..bytes_max).unwrap_or(payload);
    let mut text = String::new();
    for letter in String::from_utf8_lossy(shown).chars() {
        if letter == '\n' || !letter.is_control() && !is_invisible(letter) {
            text.push(letter);
        } else {
            text.extend(letter.escape_unicode());
        }
    }
    if (shown.len() as u64) < bytes {
        text.push('…');
    }
    text
}

/// Characters that turn around or hide what stands beside them.
const fn is_invisible(letter: char) -> bool {
    matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn bus_error(error: BusError) -> ApiError {
    match error {
        BusError::Unavailable(reason) => {
            tracing::warn!(reason, "dead letters cannot be read now");
            let detail = "the bus does not answer; try again";
            ApiError::refused(StatusCode::SERVICE_UNAVAILABLE, "bus_unavailable", detail)
        }
        BusError::Refused(reason) => ApiError::Internal(reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_excerpt_is_safe_to_print() {
        for (payload, expected) in [
            (&b"pf1 k 00\n{}"[..], "pf1 k 00\n{}"),
            (b"\x1b[31mred\0", "\\u{1b}[31mred\\u{0}"),
            ("abc\u{202e}def".as_bytes(), "abc\\u{202e}def"),
            (&[0xff, b'a'], "\u{fffd}a"),
        ] {
            assert_eq!(excerpt(payload, payload.len() as u64, 100), expected);
        }
        assert_eq!(excerpt(b"12345678", 8, 4), "1234…");
        assert_eq!(excerpt(b"1234", 8, 4), "1234…");
    }
}
