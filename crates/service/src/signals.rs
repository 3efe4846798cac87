//! The signals that end a process.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Cancels `shutdown` at the first SIGTERM or SIGINT, and `now` at the second.
///
/// # Errors
/// What the operating system says when it does not let signals be caught.
pub async fn watch(shutdown: CancellationToken, now: CancellationToken) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    for token in [&shutdown, &now] {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = now.cancelled() => return Ok(()),
        };
        tracing::info!(signal = name, "ending");
        token.cancel();
    }
    Ok(())
}
