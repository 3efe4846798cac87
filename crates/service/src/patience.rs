//! Waiting for what is away.

use std::fmt::Display;
use std::time::Duration;

/// The wait after something did not answer.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Repeats a call for as long as `is_away` says so of its error: a process may be started before its servers. What it
/// waits for is said once.
///
/// # Errors
/// Any other error.
pub async fn persistently<T, E: Display, F>(
    server: &str,
    mut call: impl FnMut() -> F,
    is_away: impl Fn(&E) -> bool,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut said = false;
    loop {
        match call().await {
            Err(error) if is_away(&error) => {
                if !std::mem::replace(&mut said, true) {
                    tracing::warn!(server, %error, "waiting for a server");
                }
                tokio::time::sleep(RETRY_AFTER).await;
            }
            settled => return settled,
        }
    }
}
