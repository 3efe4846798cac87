//! Logs: for people on a terminal, JSON for machines.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

/// How logs are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One line of text an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// A filter that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("log filter `{filter}` cannot be read: {reason}")]
pub struct BadFilter {
    filter: String,
    reason: String,
}

/// Sends logs to standard error, filtered by `filter` (such as `info,panofleet_worker=debug`).
///
/// A second call in one process changes nothing.
///
/// # Errors
/// [`BadFilter`].
pub fn start(filter: &str, format: LogFormat) -> Result<(), BadFilter> {
    let env_filter = EnvFilter::try_new(filter)
        .map_err(|error| BadFilter { filter: filter.to_owned(), reason: error.to_string() })?;
    let terminal = std::io::stderr().is_terminal();
    let builder =
        fmt().with_env_filter(env_filter).with_writer(std::io::stderr).with_ansi(terminal);
    let json = format == LogFormat::Json || format == LogFormat::Auto && !terminal;
    let started = if json {
        builder.json().flatten_event(true).with_current_span(true).try_init()
    } else {
        builder.with_target(false).try_init()
    };
    if started.is_err() {
        tracing::debug!("logs were started before");
    }
    Ok(())
}
