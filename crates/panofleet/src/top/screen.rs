//! The terminal, and what is under way: reading, keys, actions. One of each at a time.

use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use panofleet_job_schema::Rerun;
use panofleet_jobs_db::BulkAction;
use panofleet_producer::api::{BulkFilter, BulkRequest};
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::app::{Action, App, Key, Then};
use super::snapshot::Snapshot;
use super::view::draw;
use crate::client::Client;

/// How often the screen is drawn though nothing happens: ages grow.
const DRAW_EVERY: Duration = Duration::from_secs(1);
/// How long one look for a key takes, so that the thread that looks ends soon.
const KEY_LOOK: Duration = Duration::from_millis(200);
/// Keys that wait to be read.
const KEYS_MAX: usize = 64;

type Reading<'a> = Pin<Box<dyn Future<Output = Result<Snapshot>> + Send + 'a>>;
type Doing<'a> = Pin<Box<dyn Future<Output = Result<String>> + Send + 'a>>;

/// Shows the fleet until somebody leaves. The terminal is as it was afterwards, whatever happens.
pub(crate) async fn run(client: &Client, every: Duration) -> Result<()> {
    // It also gives the terminal back before a panic is told.
    let mut terminal = ratatui::try_init().context("the terminal cannot be taken over")?;
    let shown = show(&mut terminal, client, every).await;
    ratatui::try_restore().context("the terminal cannot be given back")?;
    shown
}

async fn show(terminal: &mut DefaultTerminal, client: &Client, every: Duration) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("signals cannot be heard")?;
    let mut keys = keys();
    let mut app = App::new(client.url());
    let mut read_at = Instant::now();
    let mut reading: Reading<'_> = Box::pin(Snapshot::read(client));
    let mut doing: Option<Doing<'_>> = None;
    let mut ticks = tokio::time::interval(DRAW_EVERY);
    loop {
        app.age = read_at.elapsed();
        terminal.draw(|frame| draw(frame, &app)).context("the terminal cannot be written to")?;
        tokio::select! {
            read = &mut reading => {
                if read.is_ok() {
                    read_at = Instant::now();
                }
                app.news(read.map_err(|error| format!("{error:#}")));
                reading = Box::pin(async move {
                    tokio::time::sleep(every).await;
                    Snapshot::read(client).await
                });
            }
            key = keys.recv() => match key.map(|key| app.press(key)) {
                None | Some(Then::Quit) => return Ok(()),
                Some(Then::Draw) => {}
                Some(Then::Do(_)) if doing.is_some() => {
                    app.said = Some("wait: the last action is under way".to_owned());
                }
                Some(Then::Do(action)) => doing = Some(Box::pin(act(client, action))),
            },
            done = async {
                match &mut doing {
                    Some(doing) => doing.await,
                    None => std::future::pending().await,
                }
            } => {
                app.said = Some(done.unwrap_or_else(|error| format!("{error:#}")));
                doing = None;
                reading = Box::pin(Snapshot::read(client));
            }
            _ = ticks.tick() => {}
            // Without this the terminal would stay taken.
            _ = terminate.recv() => return Ok(()),
        }
    }
}

async fn act(client: &Client, action: Action) -> Result<String> {
    Ok(match action {
        Action::Cancel(job) => {
            let job = client.cancel(job).await?;
            format!("job {} is {}", job.id, job.state.name())
        }
        Action::RunNow(job) => {
            let job = client.retry(job, &Rerun::default()).await?;
            format!("job {} is {}", job.id, job.state.name())
        }
        Action::Release(job) => {
            let job = client.release(job).await?;
            format!("the worker of job {} was asked to let it go", job.id)
        }
        Action::RetryGroup { failure, .. } => {
            let filter = BulkFilter { failure: Some(failure), ..BulkFilter::default() };
            let (action, rerun) = (BulkAction::Retry, Rerun::default());
            let request = BulkRequest { action, priority: None, rerun, filter, dry_run: false };
            let bulk = client.begin_bulk(&request).await?;
            format!("{} jobs are started anew (bulk action {})", bulk.matched, bulk.id)
        }
        Action::Drain(worker) => {
            let view = client.drain(worker.as_str(), "by hand", None).await?;
            format!("{} finishes what it has", view.worker)
        }
        Action::Undrain(worker) => {
            let view = client.undrain(worker.as_str()).await?;
            format!("{} takes jobs again", view.worker)
        }
        Action::Pause(queue) => {
            let pause = client.pause(&queue, "by hand").await?;
            format!("{} is paused; what was sent runs on", pause.target.name())
        }
        Action::Resume(queue) => {
            let pause = client.resume(&queue).await?;
            format!("{} gets jobs again", pause.target.name())
        }
    })
}

/// Keys as they are pressed. The thread that reads them ends with whoever listens.
fn keys() -> mpsc::Receiver<Key> {
    let (told, keys) = mpsc::channel(KEYS_MAX);
    tokio::task::spawn_blocking(move || {
        while !told.is_closed() {
            let pressed =
                match event::poll(KEY_LOOK).and_then(|any| any.then(event::read).transpose()) {
                    Ok(None) => continue,
                    Ok(Some(Event::Key(pressed))) if pressed.kind != KeyEventKind::Release => {
                        key(pressed)
                    }
                    // Another size is seen at the next drawing.
                    Ok(Some(_)) => continue,
                    Err(_) => return,
                };
            if told.blocking_send(pressed).is_err() {
                return;
            }
        }
    });
    keys
}

fn key(KeyEvent { code, modifiers, .. }: KeyEvent) -> Key {
    match code {
        KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Key::Quit,
        KeyCode::Char('q') => Key::Quit,
        KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => Key::NextTab,
        KeyCode::BackTab | KeyCode::Left | KeyCode::Char('h') => Key::TabBefore,
        KeyCode::Down | KeyCode::Char('j') => Key::Down,
        KeyCode::Up | KeyCode::Char('k') => Key::Up,
        KeyCode::Home | KeyCode::Char('g') => Key::First,
        KeyCode::End | KeyCode::Char('G') => Key::Last,
        KeyCode::Char('r') => Key::Retry,
        KeyCode::Char('c') => Key::Cancel,
        KeyCode::Char('e') => Key::Release,
        KeyCode::Char('d') => Key::Drain,
        KeyCode::Char('p') => Key::Pause,
        KeyCode::Char('y') => Key::Yes,
        KeyCode::Char(digit @ '1'..='5') => Key::TabAt(digit as usize - '1' as usize),
        _ => Key::Other,
    }
}
