//! Landlock: the source may be read, scratch may be written, nothing else can be opened.

use std::io;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, PathBeneath, PathFd, Ruleset,
    RulesetAttr, RulesetCreatedAttr, RulesetStatus, Scope,
};

/// Restricts the process; false if the kernel has no Landlock.
///
/// Older kernels hold a part of it: reading and writing from 5.13, truncation from 6.2, TCP from 6.7,
/// devices from 6.10, abstract sockets and signals from 6.12. Seccomp refuses sockets on all of them.
///
/// # Errors
/// A path that cannot be opened.
pub(super) fn restrict(source: &Path, scratch: &Path) -> io::Result<bool> {
    let abi = ABI::V6;
    let may_read = PathBeneath::new(open(source)?, AccessFs::ReadFile);
    let in_scratch = AccessFs::ReadFile
        | AccessFs::ReadDir
        | AccessFs::WriteFile
        | AccessFs::Truncate
        | AccessFs::MakeReg
        | AccessFs::MakeDir;
    let may_write = PathBeneath::new(open(scratch)?, in_scratch);
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(abi))
        .and_then(|ruleset| ruleset.handle_access(AccessNet::from_all(abi)))
        .and_then(|ruleset| ruleset.scope(Scope::from_all(abi)))
        .and_then(Ruleset::create)
        .and_then(|ruleset| ruleset.add_rule(may_read))
        .and_then(|ruleset| ruleset.add_rule(may_write))
        .and_then(landlock::RulesetCreated::restrict_self)
        .map_err(io::Error::other)?;
    Ok(restricted.ruleset != RulesetStatus::NotEnforced)
}

fn open(path: &Path) -> io::Result<PathFd> {
    PathFd::new(path).map_err(io::Error::other)
}
