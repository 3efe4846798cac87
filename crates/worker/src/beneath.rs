//! Files that an untrusted child wrote, reached without leaving its folder.
//!
//! A child that was taken over may plant symbolic links, also while we look. So each part of a path is
//! opened from the folder before it and never followed, and files are removed and moved by the open folder
//! that holds them.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, renameat, unlinkat};

/// An open regular file beneath a folder, and the folder that holds it.
#[derive(Debug)]
pub(crate) struct BeneathFile {
    /// The file, open for reading.
    pub(crate) file: File,
    folder: OwnedFd,
    name: String,
}

impl BeneathFile {
    /// Opens `path`, parts separated by `/`, beneath `root`. Blocks.
    ///
    /// # Errors
    /// `InvalidData` for what is no regular file; what the operating system says otherwise, `ELOOP` or
    /// `ENOTDIR` for a link.
    pub(crate) fn open(root: &Path, path: &str) -> io::Result<Self> {
        let step = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // Not blocking, or a pipe planted in place of the file would hold us for ever.
        let last =
            OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut folder = openat(CWD, root, step, Mode::empty())?;
        let (parents, name) =
            path.rsplit_once('/').map_or((None, path), |(p, name)| (Some(p), name));
        for part in parents.into_iter().flat_map(|parents| parents.split('/')) {
            folder = openat(&folder, part, step, Mode::empty())?;
        }
        let file = File::from(openat(&folder, name, last, Mode::empty())?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
        }
        Ok(Self { file, folder, name: name.to_owned() })
    }

    /// Removes the file from its folder. Blocks.
    pub(crate) fn remove(&self) -> io::Result<()> {
        Ok(unlinkat(&self.folder, &*self.name, AtFlags::empty())?)
    }

    /// Moves the file to a path of ours on the same file system. Blocks.
    pub(crate) fn move_to(&self, path: &Path) -> io::Result<()> {
        Ok(renameat(&self.folder, &*self.name, CWD, path)?)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_and_pipes_are_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        fs::create_dir_all(root.path().join("a/b")).unwrap();
        fs::write(root.path().join("a/b/file"), "12345").unwrap();
        symlink(outside.path().join("secret"), root.path().join("a/link")).unwrap();
        symlink(outside.path(), root.path().join("linked")).unwrap();
        let fifo = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(CWD, root.path().join("a/fifo"), fifo, Mode::RUSR, 0).unwrap();

        let open = |path: &str| BeneathFile::open(root.path(), path);
        assert_eq!(open("a/b/file").unwrap().file.metadata().unwrap().len(), 5);
        for refused in ["a/link", "linked/secret", "a/fifo", "a/b", "a/missing"] {
            assert!(open(refused).is_err(), "{refused}");
        }

        let file = open("a/b/file").unwrap();
        file.move_to(&outside.path().join("moved")).unwrap();
        assert!(outside.path().join("moved").exists() && !root.path().join("a/b/file").exists());
        assert_eq!(file.remove().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
