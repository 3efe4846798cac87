//! Jobs that are written already, one a line: sent in pieces, each line with its own verdict.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use crate::client::Client;
use crate::commands::EXIT_TROUBLE;
use crate::terminal::say;

/// Lines of one request.
const LINES_MAX: usize = 2500;
/// Bytes of one request, about.
const BYTES_MAX: usize = 4 << 20;

/// What is read of a verdict.
#[derive(Debug, Deserialize)]
struct Verdict {
    line: u64,
    status: u16,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    problem: Option<Problem>,
}

#[derive(Debug, Deserialize)]
struct Problem {
    detail: String,
}

/// How many lines came to what.
#[derive(Debug, Default)]
struct Tally {
    accepted: u64,
    refused: u64,
}

pub(super) async fn submit(client: &Client, path: &Path, json: bool) -> Result<ExitCode> {
    let path = if path == Path::new("-") { Path::new("/dev/stdin") } else { path };
    let file = tokio::fs::File::open(path).await;
    let file = file.with_context(|| format!("cannot read {}", path.display()))?;
    let mut lines = BufReader::new(file);
    let (mut tally, mut sent) = (Tally::default(), 0);
    loop {
        let (piece, count) = piece(&mut lines).await?;
        if count == 0 {
            break;
        }
        let verdicts = client.submit_lines(piece).await.with_context(|| {
            format!(
                "lines {} to {} have no verdict: they may have been accepted",
                sent + 1,
                sent + count
            )
        })?;
        tell(&verdicts, sent, &mut tally, json)?;
        sent += count;
    }
    if sent == 0 {
        bail!("{} has no lines", path.display());
    }
    if !json {
        say(format!("{} jobs accepted, {} lines refused", tally.accepted, tally.refused));
    }
    Ok(if tally.refused == 0 { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TROUBLE) })
}

/// The next lines, and how many they are. Empty ones count: verdicts name lines by their place.
async fn piece(lines: &mut (dyn AsyncBufRead + Unpin + Send)) -> Result<(String, u64)> {
    let (mut piece, mut count) = (String::new(), 0);
    while (count as usize) < LINES_MAX && piece.len() < BYTES_MAX {
        if lines.read_line(&mut piece).await.context("the lines cannot be read")? == 0 {
            break;
        }
        count += 1;
    }
    Ok((piece, count))
}

/// Prints verdicts, with places in the whole input.
fn tell(verdicts: &str, before: u64, tally: &mut Tally, json: bool) -> Result<()> {
    for text in verdicts.lines() {
        let mut whole: serde_json::Value = serde_json::from_str(text).context("a verdict")?;
        let verdict: Verdict = serde_json::from_value(whole.clone()).context("a verdict")?;
        let (line, is_good) = (before + verdict.line, verdict.status < 300);
        *(if is_good { &mut tally.accepted } else { &mut tally.refused }) += 1;
        if json {
            whole["line"] = line.into();
            say(whole.to_string());
        } else if is_good {
            say(verdict.id.unwrap_or_default());
        } else {
            let why = verdict.problem.map(|problem| problem.detail).unwrap_or_default();
            say(format!("line {line}: {why}"));
        }
    }
    Ok(())
}
