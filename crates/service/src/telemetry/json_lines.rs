//! One JSON object a line, flat: what the spans around an event know stands beside what the event says, so that
//! `jq 'select(.job == "…")'` finds everything about a job.

use std::fmt::{self, Debug};

use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, JsonFields, Writer};
use tracing_subscriber::fmt::time::{FormatTime as _, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormattedFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `timestamp`, `level`, `target`, `message`, then the fields of every span, then the event's own. A name that
/// several have says what the innermost does.
#[derive(Clone, Copy, Debug)]
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields(Map::new());
        for span in context.event_scope().into_iter().flat_map(|scope| scope.from_root()) {
            let extensions = span.extensions();
            let known = extensions.get::<FormattedFields<JsonFields>>();
            if let Some(Ok(Value::Object(known))) =
                known.map(|known| serde_json::from_str(&known.fields))
            {
                fields.0.extend(known);
            }
        }
        event.record(&mut fields);
        let Fields(mut fields) = fields;
        let message = fields.remove("message").unwrap_or_default();
        // What comes from the `log` crate says its target in a field.
        let target = fields.remove("log.target");
        fields.retain(|name, _| !name.starts_with("log."));

        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let metadata = event.metadata();
        let mut line = Vec::new();
        let written = (|| {
            let mut json = serde_json::Serializer::new(&mut line);
            let mut map = json.serialize_map(None)?;
            map.serialize_entry("timestamp", &timestamp)?;
            map.serialize_entry("level", metadata.level().as_str())?;
            let target = target.as_ref().and_then(Value::as_str).unwrap_or(metadata.target());
            map.serialize_entry("target", target)?;
            map.serialize_entry("message", &message)?;
            for (name, value) in &fields {
                map.serialize_entry(name, value)?;
            }
            map.end()
        })();
        written.map_err(|_unwritable: serde_json::Error| fmt::Error)?;
        writeln!(writer, "{}", String::from_utf8(line).map_err(|_not_text| fmt::Error)?)
    }
}

/// An event's fields as JSON.
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, field: &Field, value: impl Into<Value>) {
        self.0.insert(field.name().to_owned(), value.into());
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.set(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.set(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field, value);
    }
}
