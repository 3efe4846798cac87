//! What the end-to-end tests share: a fleet under test, spoken to as its users do.
//!
//! The tests run the real programs, `target/<profile>/panofleet` and `panofleet-runner`, which `./dev test`
//! builds first.
#![expect(
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on fails, and says why"
)]

pub mod api;
pub mod bench;
pub mod exposition;
pub mod fleet;
pub mod processes;

use std::path::PathBuf;
use std::time::{Duration, Instant};

/// The root of the repository.
///
/// # Panics
/// If this crate does not lie in one.
pub fn root() -> PathBuf {
    let tests = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests/ lies in the repository").to_owned()
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// If it has not within `deadline`.
pub async fn eventually<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(begun.elapsed() < deadline, "not within {deadline:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
