//! Jobs that are written already, one a line: sent in pieces, each line with its own verdict.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, BufReader};

use crate::client::Client;
use crate::client::lines::Verdict;
use crate::commands::EXIT_TROUBLE;
use crate::terminal::say;

/// Lines of one request.
const LINES_MAX: usize = 2500;
/// Bytes of one request, about.
const BYTES_MAX: usize = 4 << 20;

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
        for mut verdict in verdicts {
            verdict.line += sent;
            tell(&verdict, &mut tally, json)?;
        }
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

/// Prints a verdict, whose line is its place in the whole input.
fn tell(verdict: &Verdict, tally: &mut Tally, json: bool) -> Result<()> {
    let is_good = verdict.status < 300;
    *(if is_good { &mut tally.accepted } else { &mut tally.refused }) += 1;
    if json {
        say(serde_json::to_string(verdict)?);
    } else if let Some(id) = verdict.id.filter(|_| is_good) {
        say(id.to_string());
    } else {
        say(format!("line {}: {}", verdict.line, verdict.why()));
    }
    Ok(())
}
