//! Real servers, each in a folder and on loopback ports of its own: for tests, and for `./dev fleet`.
//!
//! A server is found, never installed: `./dev` does that. A machine without it fails the test. Each dies with the
//! process that started it, however that ends.

pub mod kafka;
mod keeper;
pub mod postgres;
pub mod s3;

pub use kafka::KafkaServer;
pub use postgres::PostgresServer;
pub use s3::S3Server;

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a server may take to start on a busy machine.
const START: Duration = Duration::from_secs(90);

/// The root of the repository.
fn root() -> PathBuf {
    let tests =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/servers lies in tests/");
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// Ports of loopback that nobody uses now. Nobody else is given them while they are not in use yet, or the server fails loudly.
///
/// # Panics
/// If there are none.
pub fn free_ports<const COUNT: usize>() -> [u16; COUNT] {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port of loopback");
    let listeners = [(); COUNT].map(|()| bind());
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
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
