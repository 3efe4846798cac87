//! The crate against files: the project's own fixtures, made by code that shares nothing with the readers.

use std::path::PathBuf;

#[cfg(test)]
mod checksums;
#[cfg(test)]
mod decode;
#[cfg(test)]
mod decode_video;
#[cfg(test)]
mod encode;
#[cfg(test)]
mod mutations;
#[cfg(test)]
mod probe;
#[cfg(test)]
mod probe_video;
#[cfg(test)]
mod refusals;

#[cfg(test)]
#[path = "../../../../fuzz/check.rs"]
mod check;

#[cfg(test)]
#[path = "../../../../fixtures/footage.rs"]
mod footage;

#[path = "../../../../fixtures/scene.rs"]
#[expect(dead_code, reason = "no cube face is looked at here")]
mod scene;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures")).join(name)
}
