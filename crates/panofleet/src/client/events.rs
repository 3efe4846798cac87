//! Server-sent events, as `GET /v1/events` sends them.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, Response};
use serde_json::Value;

use super::Client;

/// Longest silence: the service shows that it lives every 15 s.
const SILENCE_MAX: Duration = Duration::from_secs(45);
/// Longest life of a stream: the service ends it after an hour.
const LIFE_MAX: Duration = Duration::from_secs(2 * 3600);
/// Longest message.
const EVENT_BYTES_MAX: usize = 4 << 20;

/// A stream of messages.
#[derive(Debug)]
pub(crate) struct Events {
    response: Response,
    read: Vec<u8>,
}

/// A message.
#[derive(Debug, PartialEq)]
pub(crate) struct Event {
    /// What it is about: `job`.
    pub(crate) kind: String,
    /// What to show to hear of what comes after it.
    pub(crate) id: Option<String>,
    /// What it says.
    pub(crate) data: Value,
}

impl Client {
    /// News of jobs that match, from those on that came after the message with the id `last`.
    pub(crate) async fn events(
        &self,
        query: &[(&str, String)],
        last: Option<&str>,
    ) -> Result<Events> {
        let request = self.request(Method::GET, "/v1/events").query(query);
        let mut request = request.timeout(LIFE_MAX);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Ok(Events { response: self.stream(request).await?, read: Vec::new() })
    }
}

impl Events {
    /// The next message; none at the end of the stream.
    ///
    /// # Errors
    /// If the connection is lost, or silent for too long.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>> {
        loop {
            while let Some(end) = self.read.windows(2).position(|pair| pair == b"\n\n") {
                let rest = self.read.split_off(end + 2);
                let message = std::mem::replace(&mut self.read, rest);
                if let Some(event) = parse(&String::from_utf8_lossy(&message))? {
                    return Ok(Some(event));
                }
            }
            if self.read.len() > EVENT_BYTES_MAX {
                bail!("a message is longer than {EVENT_BYTES_MAX} bytes");
            }
            let chunk = tokio::time::timeout(SILENCE_MAX, self.response.chunk()).await;
            match chunk.context("the service is silent")?? {
                Some(bytes) => self.read.extend_from_slice(&bytes),
                None => return Ok(None),
            }
        }
    }
}

/// A message; none if it is only a sign of life.
fn parse(text: &str) -> Result<Option<Event>> {
    let field = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name));
        value.map(|value| value.strip_prefix(' ').unwrap_or(value))
    };
    let Some(data) = field("data:") else { return Ok(None) };
    Ok(Some(Event {
        kind: field("event:").unwrap_or("message").to_owned(),
        id: field("id:").map(str::to_owned),
        data: serde_json::from_str(data).context("a message that is no JSON")?,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn messages_are_told_from_signs_of_life() {
        let event = parse("event: job\nid: 7\ndata: {\"a\":1}\n\n").unwrap().unwrap();
        let expected =
            Event { kind: "job".to_owned(), id: Some("7".to_owned()), data: json!({ "a": 1 }) };
        assert_eq!(event, expected);
        assert_eq!(parse(":\n\n").unwrap(), None);
        assert!(parse("data: {\n\n").is_err());
    }
}
