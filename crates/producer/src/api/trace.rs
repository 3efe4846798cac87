//! W3C trace context (Trace Context, level 1, §3.2): what joins a job's events to the request that made it.

use axum::http::HeaderMap;
use uuid::Uuid;

/// The request's `traceparent`, or a new one if it has none that can be read.
pub(crate) fn traceparent(headers: &HeaderMap) -> String {
    let given = headers.get("traceparent").and_then(|value| value.to_str().ok());
    match given {
        Some(text) if is_traceparent(text) => text.to_owned(),
        _ => fresh(),
    }
}

/// A sampled root: both ids are random.
fn fresh() -> String {
    let (trace, span) = (Uuid::new_v4().simple(), Uuid::new_v4().as_u64_pair().0);
    format!("00-{trace}-{span:016x}-01")
}

/// Version 00 only: what a later version means, its readers must say.
fn is_traceparent(text: &str) -> bool {
    let fields: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags] = fields[..] else { return false };
    let id = |text: &str, digits| is_hex(text, digits) && text.bytes().any(|byte| byte != b'0');
    version == "00" && id(trace, 32) && id(span, 16) && is_hex(flags, 2)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_version_00_contexts_are_kept() {
        const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        for (given, kept) in [
            (Some(GOOD), true),
            (None, false),
            (Some("00-00000000000000000000000000000000-b7ad6b7169203331-01"), false),
            (Some("00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01"), false),
            (Some("00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01"), false),
            (Some("ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), false),
            (Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert("traceparent", given.parse().unwrap());
            }
            let found = traceparent(&headers);
            assert!(is_traceparent(&found), "{found}");
            assert_eq!(Some(found.as_str()) == given, kept, "{given:?}");
        }
    }
}
