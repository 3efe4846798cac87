//! `panofleet dead-letters`: records that nobody could use, and putting them back.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Subcommand};
use panofleet_producer::api::LetterView;
use panofleet_service::clock::wall_clock;

use super::{EXIT_TROUBLE, Shared};
use crate::client::Client;
use crate::terminal::{bytes, duration, say, table};

/// Longest wait for the dispatcher to carry a replay out.
const REPLAY_WAIT: Duration = Duration::from_secs(30);
/// Time between two looks at it.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Records that nobody could use
#[derive(Debug, Args)]
pub(crate) struct DeadLetters {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List them, newest first
    List {
        /// How many
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=200))]
        limit: u32,
        /// Those before this letter: what the page before ended with
        #[arg(long, value_name = "ID")]
        before: Option<u64>,
    },
    /// Show one: where it came from, why nobody could use it, what it begins with
    Show {
        /// The letter
        id: u64,
    },
    /// Put letters back where they came from, each once; what is still unusable becomes a letter again
    Replay {
        /// The letters
        #[arg(required = true)]
        ids: Vec<u64>,
    },
}

impl DeadLetters {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let client = shared.client()?;
        match &self.command {
            Command::List { limit, before } => list(&client, (*limit, *before), shared.json).await,
            Command::Show { id } => show(&client.dead_letter(*id).await?, shared.json),
            Command::Replay { ids } => replay(&client, ids, shared.json).await,
        }
    }
}

async fn list(client: &Client, page: (u32, Option<u64>), json: bool) -> Result<ExitCode> {
    let list = client.dead_letters(page).await?;
    if json {
        say(serde_json::to_string_pretty(&list)?);
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<_> = list.letters.iter().map(row).collect();
    say(table(&["letter", "age", "from", "size", "replayed", "reason"], &rows));
    if let Some(next) = list.next {
        say(format!("more: panofleet dead-letters list --before {next}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn row(letter: &LetterView) -> Vec<String> {
    vec![
        letter.id.to_string(),
        duration(wall_clock().since(letter.kept_at)),
        format!("{}/{}@{}", letter.topic, letter.partition, letter.offset),
        bytes(letter.bytes),
        replayed(letter).to_owned(),
        letter.reason.clone(),
    ]
}

fn replayed(letter: &LetterView) -> &'static str {
    match &letter.replay {
        None => "",
        Some(replay) if replay.failure.is_some() => "failed",
        Some(replay) if replay.ended_at.is_some() => "yes",
        Some(_) => "asked for",
    }
}

fn show(letter: &LetterView, json: bool) -> Result<ExitCode> {
    if json {
        say(serde_json::to_string_pretty(letter)?);
        return Ok(ExitCode::SUCCESS);
    }
    say(format!("dead letter {}", letter.id));
    say(format!("  reason    {}", letter.reason));
    let LetterView { topic, partition, offset, .. } = letter;
    say(format!("  from      {topic}, partition {partition}, offset {offset}"));
    say(format!("  kept      {}", letter.kept_at));
    say(format!("  size      {}", bytes(letter.bytes)));
    if let Some(replay) = &letter.replay {
        let failure = replay.failure.as_deref().unwrap_or_default();
        say(format!("  replayed  {} {failure}", replayed(letter)));
    }
    say("");
    say(&letter.excerpt);
    Ok(ExitCode::SUCCESS)
}

/// Asks for all of them, then waits until the dispatcher has carried out each.
async fn replay(client: &Client, ids: &[u64], json: bool) -> Result<ExitCode> {
    for id in ids {
        client.replay_dead_letter(*id).await?;
    }
    let mut letters = Vec::new();
    let deadline = Instant::now() + REPLAY_WAIT;
    for id in ids {
        let letter = loop {
            let letter = client.dead_letter(*id).await?;
            if letter.replay.as_ref().is_some_and(|replay| replay.ended_at.is_some()) {
                break letter;
            }
            if Instant::now() >= deadline {
                bail!(
                    "letter {id} has not gone back yet; is a dispatcher leading? It goes as soon as one does"
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        };
        letters.push(letter);
    }
    let failure = |letter: &LetterView| letter.replay.as_ref()?.failure.clone();
    if json {
        say(serde_json::to_string_pretty(&letters)?);
    } else {
        for letter in &letters {
            match failure(letter) {
                None => say(format!("letter {} is back in {}", letter.id, letter.topic)),
                Some(failure) => say(format!("letter {} cannot go back: {failure}", letter.id)),
            }
        }
    }
    let all_back = letters.iter().all(|letter| failure(letter).is_none());
    Ok(if all_back { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TROUBLE) })
}
