//! `panofleet doctor`: what this machine and the service need, and what to do where something is missing.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use panofleet_jobs_db::JobsDb as _;
use panofleet_jobs_db::sqlite::{SqliteFile, SqliteJobsDb};
use panofleet_producer::api::{ApiConfig, Auth, WhoView};
use panofleet_worker::check::check_runner;
use panofleet_worker::config::find_runner;
use serde::Serialize;
use tokio::net::TcpListener;

use super::{EXIT_TROUBLE, Shared, keys, up};
use crate::client::{Client, Credentials};
use crate::config::Config;
use crate::terminal::{Paint, paint, say};

mod fleet;

/// Check what this machine and the service need; with --api, whether that API is ready and takes the key
#[derive(Debug, Args)]
pub(crate) struct Doctor {}

/// What one check found.
#[derive(Debug, Serialize)]
struct Finding {
    part: &'static str,
    ok: bool,
    found: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn good(part: &'static str, found: impl Into<String>) -> Self {
        Self { part, ok: true, found: found.into(), advice: None }
    }

    /// It works, and somebody should know about it.
    fn doubtful(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, ok: true, found: found.into(), advice: Some(advice.into()) }
    }

    fn bad(part: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { part, ok: false, found: found.into(), advice: Some(advice.into()) }
    }
}

impl Doctor {
    pub(crate) async fn run(&self, shared: &Shared) -> Result<ExitCode> {
        let config = shared.load()?.config;
        let mut findings = vec![check_folder(&config.data_dir), check_auth(&config.api)];
        findings.extend(check_sandbox(&config).await);
        if shared.api.is_some() {
            findings.extend(check_api(&shared.client()?).await);
        }
        match (&config.fleet, up::Address::read(&config.data_dir)) {
            (Some(servers), _) => findings.extend(Box::pin(fleet::check(&config, servers)).await),
            // It was asked about an API elsewhere.
            (None, _) if shared.api.is_some() => {}
            (None, Some(address)) => findings.extend(check_service(&address, &config).await),
            (None, None) => findings.extend(check_start(&config).await),
        }
        let ok = findings.iter().all(|finding| finding.ok);
        if shared.json {
            say(serde_json::to_string_pretty(&findings)?);
        } else {
            findings.iter().for_each(show);
        }
        Ok(if ok { ExitCode::SUCCESS } else { ExitCode::from(EXIT_TROUBLE) })
    }
}

fn show(finding: &Finding) {
    let mark = match (finding.ok, &finding.advice) {
        (true, None) => paint(Paint::Good, "✓"),
        (true, Some(_)) => paint(Paint::Strong, "!"),
        (false, _) => paint(Paint::Bad, "✗"),
    };
    say(format!("{mark} {:<18} {}", finding.part, finding.found));
    if let Some(advice) = &finding.advice {
        say(format!("  {:<18} {} {advice}", "", paint(Paint::Strong, "→")));
    }
}

/// The folder can be made and written to.
fn check_folder(data: &Path) -> Finding {
    let shown = data.display();
    let existed = data.exists();
    let probe = data.join(".panofleet-doctor");
    let written = std::fs::create_dir_all(data).and_then(|()| std::fs::write(&probe, b"x"));
    let removed = std::fs::remove_file(&probe)
        .and_then(|()| if existed { Ok(()) } else { std::fs::remove_dir(data) });
    match written.and(removed) {
        Ok(()) => Finding::good("folder", format!("{shown} can be written")),
        Err(error) => Finding::bad(
            "folder",
            format!("{shown} cannot be written: {error}"),
            "choose another with --data DIR, or give this user the right to write there",
        ),
    }
}

/// Whoever reaches the API is asked for a key, or can be nobody from elsewhere.
fn check_auth(api: &ApiConfig) -> Finding {
    match api.auth {
        Auth::Keys => Finding::good("api keys", "every request must carry one"),
        // In a container it is who publishes the port that decides who reaches it.
        Auth::Open if api.is_open_to_the_network() => Finding::doubtful(
            "api keys",
            format!("{} is open: whoever reaches it may do everything", api.listen),
            "set api.auth = \"keys\" (docs/keys.md), or api.listen to an address of this machine alone",
        ),
        Auth::Open => Finding::good("api keys", "none: only this machine reaches the API"),
    }
}

async fn check_sandbox(config: &Config) -> Vec<Finding> {
    let runner = match find_runner(&config.worker.runner) {
        Ok(runner) => runner,
        Err(error) => {
            let advice = "build it (`./dev build`) or set worker.runner to where it is";
            return vec![Finding::bad("runner", error.to_string(), advice)];
        }
    };
    let shown = runner.display();
    let check = match check_runner(&runner).await {
        Ok(check) => check,
        Err(error) => {
            let advice = "install FFmpeg's libraries (Debian: libavcodec59 libavformat59 libavutil57), and use the \
                          runner that was built with this program";
            return vec![Finding::bad("runner", format!("{shown}: {error}"), advice)];
        }
    };
    let mut findings = vec![Finding::good("runner", format!("{shown} starts, FFmpeg is there"))];
    let leaks: Vec<_> = check.attempts.iter().filter(|attempt| !attempt.refused).collect();
    if check.holds {
        let count = check.attempts.len();
        findings.push(Finding::good(
            "sandbox",
            format!("all of {count} attempts to break out were refused"),
        ));
        return findings;
    }
    let names: Vec<_> = leaks.iter().map(|leak| leak.attempt.as_str()).collect();
    let found = format!(
        "landlock {}, seccomp {}; not refused: {}",
        on(check.sandbox.landlock),
        on(check.sandbox.seccomp),
        names.join(", ")
    );
    let advice = "use a kernel with Landlock (5.13 or later, `landlock` in /sys/kernel/security/lsm) and seccomp; \
                  or, for sources that you trust, set worker.child.require_sandbox=false";
    findings.push(Finding::bad("sandbox", found, advice));
    findings
}

fn on(is_on: bool) -> &'static str {
    if is_on { "on" } else { "off" }
}

/// The API that was named is ready, and takes the key at hand.
async fn check_api(client: &Client) -> Vec<Finding> {
    if let Err(error) = client.ready().await {
        let advice = "look at its log, and at whether --api is its address";
        let found = format!("{} is not ready: {error:#}", client.url());
        return vec![Finding::bad("api", found, advice)];
    }
    let is_ready = Finding::good("api", format!("{} is ready", client.url()));
    let key = match client.whoami().await {
        Ok(WhoView { auth: Auth::Open, .. }) => Finding::good("your key", "nobody asks for one"),
        Ok(WhoView { actor, scopes, .. }) => {
            Finding::good("your key", format!("{actor}: {}", keys::scopes(&scopes)))
        }
        Err(error) => {
            Finding::bad("your key", format!("{error:#}"), "docs/keys.md says how to get one")
        }
    };
    vec![is_ready, key]
}

/// A service is running: it answers, and its store keeps its promise.
async fn check_service(address: &up::Address, config: &Config) -> Vec<Finding> {
    let answered = match Client::new(&address.api, Credentials::default()) {
        Ok(client) => client.ready().await,
        Err(error) => Err(error),
    };
    if let Err(error) = answered {
        let found = format!("{} (process {}) does not answer: {error:#}", address.api, address.pid);
        let advice = "look at its log; if the process is gone, start it again: `panofleet up` goes on where it was";
        return vec![Finding::bad("service", found, advice)];
    }
    let service =
        Finding::good("service", format!("{} is ready: database, bus, objects", address.api));
    let store = match up::store_of(&config.data_dir, address) {
        Ok(objects) => {
            objects.probe_conditional_writes(&config.store.bucket).await.map_err(Into::into)
        }
        Err(error) => Err(error),
    };
    let conditions = match store {
        Ok(()) => {
            let found = format!("{}/{}: If-None-Match holds", address.store, config.store.bucket);
            Finding::good("conditional writes", found)
        }
        Err(error) => Finding::bad(
            "conditional writes",
            format!("{error:#}"),
            "use a store that honours `If-None-Match: *`; without it two results of one job could be published",
        ),
    };
    vec![service, conditions]
}

/// No service is running: it could start.
async fn check_start(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Finding::good("service", "is not running; `panofleet up` starts it")];
    for (part, setting, address) in [
        ("api port", "api.listen", config.api.listen),
        ("store port", "store.listen", config.store.listen),
    ] {
        findings.push(match TcpListener::bind(address).await {
            Ok(_) => Finding::good(part, format!("{address} is free")),
            Err(error) => Finding::bad(
                part,
                format!("{address}: {error}"),
                format!("stop what listens there, or set {setting}; port 0 takes a free one"),
            ),
        });
    }
    let file = config.data_dir.join("panofleet.sqlite");
    if file.exists() {
        findings.push(match open(&file).await {
            Ok(jobs) => Finding::good("database", format!("{} holds {jobs} jobs", file.display())),
            Err(error) => Finding::bad(
                "database",
                format!("{}: {error:#}", file.display()),
                "if a newer panofleet wrote it, use that one; if it is damaged, restore it from a backup",
            ),
        });
    }
    findings
}

async fn open(path: &Path) -> Result<u64> {
    let file = SqliteFile::open(path).await?;
    let counts = SqliteJobsDb::open(file.clone()).await?.counts(None).await;
    file.close().await;
    Ok(counts?.values().sum())
}
