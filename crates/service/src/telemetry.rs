//! Logs: for people on a terminal, JSON for machines.

use std::io::IsTerminal as _;

use tracing::Subscriber;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::util::SubscriberInitExt as _;

mod json_lines;

use json_lines::JsonLines;

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
    let terminal = std::io::stderr().is_terminal();
    let as_json = format == LogFormat::Json || format == LogFormat::Auto && !terminal;
    let started = if as_json {
        json(filter, std::io::stderr)?.try_init()
    } else {
        let text = fmt().with_env_filter(env_filter(filter)?).with_writer(std::io::stderr);
        text.with_ansi(terminal).with_target(false).finish().try_init()
    };
    if started.is_err() {
        tracing::debug!("logs were started before");
    }
    Ok(())
}

/// What writes logs as JSON to `writer`, one flat object a line: the fields of the spans around an event stand beside its
/// own.
///
/// # Errors
/// [`BadFilter`].
pub fn json<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync, BadFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let lines = fmt().fmt_fields(JsonFields::new()).event_format(JsonLines);
    Ok(lines.with_env_filter(env_filter(filter)?).with_writer(writer).finish())
}

/// Sends what this thread logs to `writer`, as [`json`] does, as long as the guard lives: for tests.
///
/// # Errors
/// [`BadFilter`].
pub fn capture<W>(filter: &str, writer: W) -> Result<DefaultGuard, BadFilter>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // With this thread's subscriber alone, a line that another thread is the first to reach would be switched off for
    // both: whether anybody wants it is asked of that thread only. A second subscriber, the first time, changes that.
    if tracing::subscriber::set_global_default(NoSubscriber::default()).is_err() {
        tracing::trace!("there is a subscriber for all threads");
    }
    Ok(tracing::subscriber::set_default(json(filter, writer)?))
}

fn env_filter(filter: &str) -> Result<EnvFilter, BadFilter> {
    EnvFilter::try_new(filter)
        .map_err(|error| BadFilter { filter: filter.to_owned(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_flat_and_the_innermost_has_the_last_word() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = json("warn", move || writer.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            let _task = tracing::error_span!("task", task = "worker", attempt = 1).entered();
            let job = tracing::error_span!("job", job = %"j-1", trace_id = tracing::field::Empty);
            job.record("trace_id", "0af7");
            let _job = job.entered();
            tracing::info!("filtered out");
            tracing::warn!(attempt = 2, share = 0.5, ok = true, said = "\"quoted\"\n", "it failed");
        });
        let said = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let mut line: Value = serde_json::from_str(said.strip_suffix('\n').unwrap()).unwrap();
        assert!(!said.trim_end().contains('\n'), "one line: {said}");
        let timestamp = line.as_object_mut().unwrap().remove("timestamp").unwrap();
        assert!(timestamp.as_str().unwrap().ends_with('Z'), "{timestamp}");
        let expected = json!({
            "level": "WARN", "target": "panofleet_service::telemetry::tests", "message": "it failed",
            "task": "worker", "job": "j-1", "trace_id": "0af7", "attempt": 2, "share": 0.5, "ok": true,
            "said": "\"quoted\"\n",
        });
        assert_eq!(line, expected);
    }
}
