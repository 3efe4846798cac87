//! The secrets of a service that runs in one process: made once, kept in its folder, readable by its owner.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use panofleet_job_schema::envelope::KeyRing;
use panofleet_objects::Secret;
use serde::{Deserialize, Serialize};

/// The key that signs messages.
const SIGNING_KEY: &str = "local-1";

/// Secrets as the service uses them.
#[derive(Debug)]
pub(super) struct Secrets {
    pub(super) access_key: String,
    pub(super) secret_key: Secret,
    signing_key: Vec<u8>,
}

/// Secrets as they are kept.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    access_key: String,
    secret_key: String,
    signing_key: String,
}

/// Whole or not at all: a service that is killed here finds no half of a file.
fn write(path: &Path, kept: &Kept) -> Result<()> {
    let next = path.with_extension("new");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&next)?;
    file.write_all(&serde_json::to_vec_pretty(kept)?)?;
    file.sync_all()?;
    std::fs::rename(&next, path)?;
    Ok(())
}

impl Secrets {
    /// The folder's secrets; new ones where there are none.
    pub(super) fn read_or_make(data: &Path) -> Result<Self> {
        let path = data.join("secrets.json");
        let shown = path.display();
        let kept: Kept = match std::fs::read(&path) {
            Ok(text) => {
                serde_json::from_slice(&text).with_context(|| format!("{shown} cannot be read"))?
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let kept = Kept {
                    access_key: format!("panofleet-{}", hex::encode(rand::random::<[u8; 6]>())),
                    secret_key: hex::encode(rand::random::<[u8; 32]>()),
                    signing_key: hex::encode(rand::random::<[u8; 32]>()),
                };
                write(&path, &kept)?;
                kept
            }
            Err(error) => bail!("{shown} cannot be read: {error}"),
        };
        Ok(Self {
            access_key: kept.access_key,
            secret_key: Secret::new(kept.secret_key),
            signing_key: hex::decode(kept.signing_key)
                .with_context(|| format!("{shown}: signing_key"))?,
        })
    }

    /// What messages are signed with and verified by.
    pub(super) fn key_ring(&self) -> Result<KeyRing> {
        let keys = BTreeMap::from([(SIGNING_KEY.to_owned(), self.signing_key.clone())]);
        Ok(KeyRing::new(SIGNING_KEY, keys)?)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn secrets_stay_the_same_and_are_their_owners_only() {
        let folder = tempfile::tempdir().unwrap();
        let first = Secrets::read_or_make(folder.path()).unwrap();
        let again = Secrets::read_or_make(folder.path()).unwrap();
        assert_eq!(first.signing_key, again.signing_key);
        assert_eq!(first.secret_key.expose(), again.secret_key.expose());
        let mode =
            std::fs::metadata(folder.path().join("secrets.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert!(!format!("{first:?}").contains(first.secret_key.expose()));
    }
}
