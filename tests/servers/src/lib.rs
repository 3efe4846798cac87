//! Real servers, each in a folder and on loopback ports of its own: for tests, and for `./dev fleet`.
//!
//! A server is found, never installed: `./dev` does that. A machine without it fails the test. Each dies with the
//! process that started it, however that ends.

#![expect(clippy::panic, reason = "a test without its servers fails")]

pub mod kafka;
mod keeper;
pub mod postgres;
pub mod proxy;
pub mod s3;

pub use kafka::{Door, KafkaServer};
pub use postgres::PostgresServer;
pub use proxy::{Faults, Proxy, Way};
pub use s3::S3Server;

use std::hash::{BuildHasher as _, RandomState};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(90);

/// The root of the repository.
fn root() -> PathBuf {
    let tests =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/servers lies in tests/");
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// Where servers of tests listen: below the ports that systems give to clients (Linux: from 32768), so that no
/// connection takes the port of a server that is down for a moment.
const PORTS: RangeInclusive<u16> = 12_000..=31_999;

/// Ports of loopback that nobody uses now, and that this process has not given out before.
///
/// # Panics
/// If there are none.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    [(); COUNT].map(|()| free_port())
}

fn free_port() -> u16 {
    static NEXT: Mutex<Option<u16>> = Mutex::new(None);
    let mut next = NEXT.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in PORTS {
        // Each process begins elsewhere.
        let port = next.unwrap_or_else(|| {
            let random = RandomState::new().hash_one(std::process::id());
            PORTS.start() + u16::try_from(random % PORTS.len() as u64).unwrap_or(0)
        });
        *next = Some(if port == *PORTS.end() { *PORTS.start() } else { port + 1 });
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of loopback is free");
}

/// Waits until something listens on a port of loopback.
///
/// # Panics
/// If nothing does in time; `log` says why.
fn await_port(port: u16, log: impl Fn() -> String) {
    let begun_at = Instant::now();
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        assert!(begun_at.elapsed() < START, "the server did not start:\n{}", log());
        #[expect(clippy::disallowed_methods, reason = "there is nothing that tells of it")]
        std::thread::sleep(Duration::from_millis(20));
    }
}
