//! A whole fleet on this machine, for a person to play with: `./dev fleet` runs it. `./dev bench idle` asks it how much
//! memory each role has when there is nothing to do.
#![expect(clippy::print_stdout, reason = "it tells a person where everything is")]

use std::io::IsTerminal as _;
use std::time::Duration;

use panofleet_test_servers::{KafkaServer, PostgresServer, S3Server};
use panofleet_tests::bench::cost::{private_mib, resident_mib};
use panofleet_tests::fleet::{Fleet, Roles};
use panofleet_tests::processes;
use tokio::signal::unix::{SignalKind, signal};

/// Timers of one machine: a lost worker is noticed within seconds.
const SETTINGS: [&str; 4] =
    ["policy.heartbeat=2s", "policy.lease=15s", "policy.backoff_base=2s", "policy.backoff_cap=5m"];

/// How long a fleet has nothing to do before it is weighed.
const IDLE: Duration = Duration::from_secs(20);

#[tokio::main]
async fn main() {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be caught");
    println!("starting Kafka, PostgreSQL and an S3 server …");
    KafkaServer::shared();
    PostgresServer::shared();
    S3Server::shared();
    println!("starting two producers, a dispatcher, two collectors and three workers …");
    let roles = Roles {
        producers: 2,
        dispatchers: 1,
        collectors: 2,
        workers: 3,
        first_port: std::env::args().nth(1).and_then(|port| port.parse().ok()),
        ..Roles::default()
    };
    let mut fleet = Fleet::of_roles(&roles, &SETTINGS).await;
    if std::env::args().nth(1).as_deref() == Some("--idle") {
        println!("idle for {} s …", IDLE.as_secs());
        tokio::time::sleep(IDLE).await;
        weigh(&fleet);
    } else {
        describe(&fleet);
        tokio::select! {
            _ = terminate.recv() => {}
            ended = tokio::signal::ctrl_c() => ended.expect("signals can be caught"),
        }
    }
    println!("ending …");
    fleet.stop().await;
}

/// Prints the resident memory of each role, and how much of it is its own.
fn weigh(fleet: &Fleet) {
    println!("{:<14}{:>12}{:>16}", "role", "resident", "of it private");
    for name in fleet.names() {
        let pid = fleet.pid(&name);
        let (resident, private) = (resident_mib(pid), private_mib(pid));
        println!("{name:<14}{resident:>8.1} MiB{private:>12.1} MiB");
    }
}

fn describe(fleet: &Fleet) {
    let s3 = S3Server::shared();
    let folder = fleet.folder().display();
    let program = processes::program("panofleet");
    let strong = |text: &str| {
        if std::io::stdout().is_terminal() {
            format!("\x1b[1m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    };
    println!("\n{}", strong("the fleet is up"));
    for api in &fleet.apis {
        println!("  API           {}", api.url);
    }
    println!("  Kafka         {}", KafkaServer::shared().address());
    println!("  S3            {} bucket {}", s3.endpoint(), fleet.bucket);
    println!("  settings      {folder}/fleet.toml (PostgreSQL's URL and all keys are in it)");
    for (name, admin) in fleet.admins() {
        let pid = fleet.pid(&name);
        println!("  {name:<14}process {pid}, {admin}/metrics, log {folder}/{name}.log");
    }
    println!("\n{}", strong("try"));
    let url = &fleet.apis[0].url;
    let program = program.display();
    println!("  {program} --api {url} submit PANORAMA.jpg --output tiles=pano.tiles --wait");
    println!("  {program} --config {folder}/fleet.toml topics apply");
    println!("  kill -9 {}   # a worker: its jobs go to the others", fleet.pid("worker-1"));
    println!("\nCtrl-C ends everything and takes its folder away.");
}
