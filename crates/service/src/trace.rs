//! Traces: new ids for each hop, and the span that every log line about a job is in.

use std::num::{NonZeroU64, NonZeroU128};

use panofleet_job_schema::JobId;
use panofleet_job_schema::trace::TraceContext;
use tracing::Span;
use uuid::Uuid;

/// What the next hop sends on: another id in the same trace, or a new trace if `from` is none that can be read.
pub fn hop(from: Option<&str>) -> TraceContext {
    // One bit is set, so that an id is never 0.
    let own = NonZeroU64::MIN | Uuid::new_v4().as_u64_pair().0;
    match from.and_then(TraceContext::parse) {
        Some(context) => context.child(own),
        None => TraceContext::root(NonZeroU128::MIN | Uuid::new_v4().as_u128(), own),
    }
}

/// The trace's id of a `traceparent`, for a log line.
pub fn trace_id(traceparent: Option<&str>) -> Option<String> {
    traceparent.and_then(TraceContext::parse).map(TraceContext::trace_id)
}

/// The span of everything that is said about a job: its lines carry `job` and `trace_id`, whatever the log's filter
/// lets through.
pub fn job_span(job: JobId, traceparent: Option<&str>) -> Span {
    tracing::error_span!("job", %job, trace_id = trace_id(traceparent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hops_stay_in_their_trace_and_have_ids_of_their_own() {
        let first = hop(None);
        let second = hop(Some(&first.to_string()));
        assert_eq!(first.trace_id(), second.trace_id());
        assert_ne!(first, second);
        assert_ne!(hop(Some("garbage")).trace_id(), hop(None).trace_id());
        assert_eq!(trace_id(Some(&first.to_string())), Some(first.trace_id()));
        assert_eq!((trace_id(Some("garbage")), trace_id(None)), (None, None));
    }
}
