//! What every object store must do for Panofleet, asked through the client that we ship.
//!
//! Suites written against [`servers::Store`] run on each server of [`suite!`]; `embedded` holds what
//! only our own server promises, `versitygw` what only one in a process of its own can show.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something fails")]

mod conditional;
mod crash;
mod downloads;
mod embedded;
mod faults;
mod manifests;
mod parts;
mod presigned;
mod refusals;
mod round_trips;
mod servers;
mod versitygw;
mod wire;

/// Makes a test of each function on each server, or on one of them only.
macro_rules! suite {
    (only on_embedded: $($name:ident),* $(,)?) => {
        crate::suite!(@on only_on_embedded, Embedded, $($name),*);
    };
    (@on $module:ident, $server:ident, $($name:ident),*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    let server = crate::servers::$server::start().await;
                    super::$name(&server.store()).await;
                    server.stop().await;
                }
            )*
        }
    };
    ($($name:ident),* $(,)?) => {
        crate::suite!(@on on_embedded, Embedded, $($name),*);
        crate::suite!(@on on_versitygw, Versitygw, $($name),*);
    };
}
pub(crate) use suite;
