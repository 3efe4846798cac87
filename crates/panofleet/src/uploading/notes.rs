//! Which uploads are under way, so that the same command goes on with one that was interrupted. A note is a small file that
//! holds the upload's id, and nothing secret.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use panofleet_job_schema::Tenant;
use panofleet_service::clock::wall_clock;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// How long a note is kept: longer than services keep uploads that no job named, unless somebody has said otherwise.
const KEPT: Duration = Duration::from_secs(8 * 24 * 3600);
/// Bytes of a note.
const NOTE_BYTES_MAX: u64 = 4096;

/// The folder of the notes.
#[derive(Clone, Debug)]
pub(crate) struct Notes {
    folder: Option<PathBuf>,
    tenant: Option<Tenant>,
}

/// What a note says.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    upload: Uuid,
}

impl Notes {
    /// `$XDG_STATE_HOME/panofleet/uploads`, or `~/.local/state/panofleet/uploads`; nothing is noted where neither is known.
    pub(crate) fn new(environment: &BTreeMap<String, String>, tenant: Option<Tenant>) -> Self {
        // A path that is not absolute is to be ignored, says the XDG Base Directory Specification.
        let absolute =
            |name: &str| environment.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state = absolute("XDG_STATE_HOME")
            .or_else(|| Some(absolute("HOME")?.join(".local").join("state")));
        Self { folder: state.map(|state| state.join("panofleet").join("uploads")), tenant }
    }

    /// Where the upload of this file, as it is now, to this service is noted.
    pub(super) fn of(&self, api: &str, path: &Path, metadata: &Metadata) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        let path = fs::canonicalize(path).ok()?;
        let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        let tenant = self.tenant.as_ref().map_or("", Tenant::as_str);
        let name = format!(
            "{api}\n{tenant}\n{}\n{}\n{}",
            path.display(),
            metadata.len(),
            modified.as_nanos()
        );
        Some(folder.join(format!("{}.json", hex::encode(Sha256::digest(name)))))
    }
}

/// The upload that a note names; one that cannot be read is none.
pub(super) fn read(note: &Path) -> Option<Uuid> {
    let length = fs::metadata(note).ok()?.len();
    let text = (length <= NOTE_BYTES_MAX).then(|| fs::read(note).ok())??;
    Some(serde_json::from_slice::<Note>(&text).ok()?.upload)
}

/// Notes an upload, and sweeps up old notes.
pub(super) fn write(note: &Path, upload: Uuid) -> Result<()> {
    let shown = note.display();
    let folder = note.parent().context("a note lies in a folder")?;
    let written = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let whole = note.with_extension("new");
        fs::write(&whole, serde_json::to_vec(&Note { upload })?)?;
        fs::rename(&whole, note)
    };
    written().with_context(|| format!("cannot write {shown}"))?;
    sweep(folder).with_context(|| format!("cannot look through {}", folder.display()))
}

/// Forgets an upload.
pub(super) fn forget(note: &Path) {
    // One that stays names an upload that is complete, or is gone: the service says so when it is asked.
    drop(fs::remove_file(note));
}

fn sweep(folder: &Path) -> io::Result<()> {
    let now = Duration::from_millis(u64::try_from(wall_clock().as_millis()).unwrap_or(0));
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let modified = match entry.metadata() {
            Ok(metadata) => metadata.modified()?,
            // Somebody else was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        };
        let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        if now.saturating_sub(since) > KEPT {
            forget(&entry.path());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notes(variables: &[(&str, &Path)]) -> Notes {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let environment = variables.iter().map(|(name, path)| ((*name).to_owned(), text(path)));
        Notes::new(&environment.collect(), None)
    }

    #[test]
    fn a_note_is_of_one_file_as_it_is_and_of_one_service() {
        let folder = tempfile::tempdir().unwrap();
        let notes = notes(&[("XDG_STATE_HOME", folder.path())]);
        let file = folder.path().join("film.mp4");
        fs::write(&file, "film").unwrap();
        let of = |api: &str| notes.of(api, &file, &fs::metadata(&file).unwrap()).unwrap();
        let (note, elsewhere) = (of("http://a"), of("http://b"));
        assert!(note.starts_with(folder.path().join("panofleet/uploads")));
        assert_eq!(read(&note), None);
        let id = Uuid::from_u128(7);
        write(&note, id).unwrap();
        assert_eq!((read(&note), read(&elsewhere)), (Some(id), None));
        assert_eq!(of("http://a"), note);
        fs::write(&file, "another film").unwrap();
        assert_ne!(of("http://a"), note);
        fs::write(&note, "no note").unwrap();
        assert_eq!(read(&note), None);
        forget(&note);
        forget(&note);
    }

    #[test]
    fn old_notes_are_swept_up() {
        let folder = tempfile::tempdir().unwrap();
        let notes = notes(&[("XDG_STATE_HOME", Path::new("relative")), ("HOME", folder.path())]);
        let file = folder.path().join("film.mp4");
        fs::write(&file, "film").unwrap();
        let note = notes.of("http://a", &file, &fs::metadata(&file).unwrap()).unwrap();
        let uploads = folder.path().join(".local/state/panofleet/uploads");
        assert!(note.starts_with(&uploads));
        fs::create_dir_all(&uploads).unwrap();
        let old = uploads.join("old.json");
        let long_ago = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        fs::File::create(&old).unwrap().set_modified(long_ago).unwrap();
        write(&note, Uuid::nil()).unwrap();
        assert!(!old.exists() && note.exists());
    }

    #[test]
    fn without_a_folder_nothing_is_noted() {
        let metadata = fs::metadata("/").unwrap();
        assert_eq!(notes(&[]).of("http://a", Path::new("/"), &metadata), None);
    }
}
