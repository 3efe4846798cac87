//! Which claims are held: lines that are only ever added to a file, so that a next life of the worker can say which
//! ones its last one left.
//!
//! A claim is written down before anybody hears of it, many at once in one write, and crossed out when its last event
//! is durable. A process that dies loses nothing that it has written; a machine that loses its power may, and then the
//! claims' leases lapse. The end of a write that was cut off was told to nobody, and is passed over.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use panofleet_job_schema::ClaimId;
use serde::{Deserialize, Serialize};

use crate::reporter::ClaimName;

/// A longer file is written anew, with what still stands.
const BYTES_MAX: u64 = 1024 * 1024;

/// One line.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Line {
    Claimed(ClaimName),
    Ended(ClaimId),
}

/// The journal of a worker. Clones are of the same one.
#[derive(Clone, Debug)]
pub(super) struct Journal(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    bytes: u64,
    held: BTreeMap<ClaimId, ClaimName>,
}

impl Journal {
    /// Opens the journal at `path`, or begins one, and gives the claims that were left in it. They stay in it.
    ///
    /// # Errors
    /// What the operating system says.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<ClaimName>)> {
        let found = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            found => found?,
        };
        let mut held = BTreeMap::new();
        // Whatever follows the last line break is the beginning of a write.
        let whole = found.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for line in found[..whole].split(|byte| *byte == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::Claimed(name)) => drop(held.insert(name.claim, name)),
                Ok(Line::Ended(claim)) => drop(held.remove(&claim)),
                Err(error) if !line.is_empty() => {
                    tracing::warn!(%error, "a line of the claims' journal cannot be read");
                }
                Err(_) => {}
            }
        }
        let left = held.values().cloned().collect();
        let file = whole_anew(path, &held)?;
        let bytes = file.metadata()?.len();
        let inner = Inner { path: path.to_owned(), file, bytes, held };
        Ok((Self(Arc::new(Mutex::new(inner))), left))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic leaves at most a line that is read as its beginning.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes down claims, all or none as far as the next life can tell.
    ///
    /// # Errors
    /// What the operating system says: then none is held.
    pub(super) fn claim(&self, names: &[ClaimName]) -> io::Result<()> {
        let mut inner = self.inner();
        let lines = names.iter().map(|name| line(&Line::Claimed(name.clone())));
        inner.append(&lines.collect::<io::Result<Vec<_>>>()?.concat())?;
        inner.held.extend(names.iter().map(|name| (name.claim, name.clone())));
        Ok(())
    }

    /// Crosses a claim out.
    ///
    /// # Errors
    /// What the operating system says: the next life will report it as abandoned, which changes nothing.
    pub(super) fn end(&self, claim: ClaimId) -> io::Result<()> {
        let mut inner = self.inner();
        inner.held.remove(&claim);
        inner.append(&line(&Line::Ended(claim))?)?;
        if inner.bytes > BYTES_MAX {
            inner.file = whole_anew(&inner.path, &inner.held)?;
            inner.bytes = inner.file.metadata()?.len();
        }
        Ok(())
    }
}

impl Inner {
    /// Adds lines. What a write that failed has left is cut off, lest the next line be joined to it.
    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        match self.file.write_all(lines) {
            Ok(()) => {
                self.bytes += lines.len() as u64;
                Ok(())
            }
            Err(error) => {
                self.file.set_len(self.bytes)?;
                Err(error)
            }
        }
    }
}

fn line(line: &Line) -> io::Result<Vec<u8>> {
    let mut json = serde_json::to_vec(line).map_err(io::Error::other)?;
    json.push(b'\n');
    Ok(json)
}

/// A journal of these claims, put in place of what is there.
fn whole_anew(path: &Path, held: &BTreeMap<ClaimId, ClaimName>) -> io::Result<File> {
    let draft = path.with_extension("draft");
    let lines = held.values().map(|name| line(&Line::Claimed(name.clone())));
    fs::write(&draft, lines.collect::<io::Result<Vec<_>>>()?.concat())?;
    fs::rename(&draft, path)?;
    File::options().append(true).open(path)
}

#[cfg(test)]
mod tests {
    use panofleet_job_schema::message::AttemptId;
    use panofleet_job_schema::{Attempt, Generation, JobId};
    use uuid::Uuid;

    use super::*;

    fn name(claim: u128) -> ClaimName {
        let job = JobId(Uuid::from_u128(9));
        ClaimName {
            id: AttemptId { job, generation: Generation(1), attempt: Attempt(2) },
            claim: ClaimId(Uuid::from_u128(claim)),
            events_partition: 3,
            trace: Some("00-a-b-01".into()),
        }
    }

    fn left(path: &Path) -> Vec<ClaimName> {
        Journal::open(path).unwrap().1
    }

    #[test]
    fn what_was_not_crossed_out_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims.journal");
        let (journal, nothing) = Journal::open(&path).unwrap();
        assert_eq!(nothing, []);
        journal.claim(&[name(1), name(2), name(3)]).unwrap();
        journal.end(name(2).claim).unwrap();
        assert_eq!(left(&path), [name(1), name(3)]);
        assert_eq!(left(&path), [name(1), name(3)], "reading crosses nothing out");
    }

    #[test]
    fn a_write_that_was_cut_off_is_passed_over_wherever_that_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims.journal");
        let (journal, _) = Journal::open(&path).unwrap();
        journal.claim(&[name(1)]).unwrap();
        let before = fs::read(&path).unwrap().len();
        journal.claim(&[name(2)]).unwrap();
        let whole = fs::read(&path).unwrap();
        for end in before..whole.len() {
            fs::write(&path, &whole[..end]).unwrap();
            assert_eq!(left(&path), [name(1)], "cut at {end} of {}", whole.len());
            let (journal, _) = Journal::open(&path).unwrap();
            journal.claim(&[name(3)]).unwrap();
            assert_eq!(left(&path), [name(1), name(3)], "and the journal goes on");
        }
    }

    #[test]
    fn it_stays_small_however_many_claims_there_were() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("claims.journal");
        let (journal, _) = Journal::open(&path).unwrap();
        journal.claim(&[name(7)]).unwrap();
        for _ in 0..2 * BYTES_MAX / 300 {
            journal.claim(&[name(1)]).unwrap();
            journal.end(name(1).claim).unwrap();
            assert!(fs::metadata(&path).unwrap().len() < BYTES_MAX + 1000);
        }
        assert_eq!(left(&path), [name(7)]);
    }
}
