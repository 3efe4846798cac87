//! `GET /v1/changes`: a sign whenever anything changes (server-sent events), for pages that then ask anew.
//!
//! It says that something is new and not what: what that is, is the asker's to see or not. A look costs nothing but the
//! database's change counter, however many look.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures_util::{Stream, stream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::auth::granted::Granted;
use super::error::ApiError;
use super::events::{ALIVE_EVERY, LIFE};

/// Between two signs at least.
const EVERY: Duration = Duration::from_secs(1);

/// Where a stream stands.
struct Changes {
    api: Granted,
    /// The counter before the last sign.
    seen: u64,
    /// From when on there may be another one.
    not_before: Instant,
    until: Instant,
    _permit: OwnedSemaphorePermit,
}

/// Signs until the client goes, or for an hour.
pub(super) async fn changes(
    api: Granted,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let permit = api.stream_permit()?;
    let seen = api.db.changed(0, Duration::ZERO).await?;
    let now = Instant::now();
    let changes = Changes { api, seen, not_before: now, until: now + LIFE, _permit: permit };
    let stream = stream::unfold(changes, async |mut changes| {
        let event = changes.next().await?;
        Some((Ok(event), changes))
    });
    Ok(Sse::new(stream).keep_alive(KeepAlive::new().interval(ALIVE_EVERY)))
}

impl Changes {
    /// The next sign; none when the time is up or the process is about to end.
    async fn next(&mut self) -> Option<Event> {
        let shutdown = self.api.shutdown.clone();
        let sign = async {
            tokio::time::sleep_until(self.not_before).await;
            loop {
                let left = self.until.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return None;
                }
                let seen = self.api.db.changed(self.seen, left).await.ok()?;
                if seen != self.seen {
                    self.seen = seen;
                    self.not_before = Instant::now() + EVERY;
                    return Some(Event::default().event("changed").data(""));
                }
            }
        };
        tokio::select! {
            sign = sign => sign,
            () = shutdown.cancelled() => None,
        }
    }
}
