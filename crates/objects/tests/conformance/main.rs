//! What every object store must do for Panofleet, asked through the client that we ship.
//!
//! Suites written against [`servers::Store`] run on each server of [`suite!`]; `embedded` holds what
//! only our own server promises.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something fails")]

mod conditional;
mod crash;
mod downloads;
mod embedded;
mod faults;
mod manifests;
mod presigned;
mod refusals;
mod round_trips;
mod servers;
mod wire;

/// Makes a test of each function for each server.
macro_rules! suite {
    ($($name:ident),* $(,)?) => {
        mod on_embedded {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let server = crate::servers::Embedded::start().await;
                    super::$name(&server.store()).await;
                    server.stop().await;
                }
            )*
        }
    };
}
pub(crate) use suite;
