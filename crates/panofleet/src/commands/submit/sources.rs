//! What a source on the command line stands for: a folder for the files below it, a pattern for those that it fits.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use panofleet_job_schema::source::Source;

/// Files that one command submits, at most.
const FILES_MAX: usize = 100_000;
/// Folders in folders.
const DEPTH_MAX: u32 = 64;

/// The sources of jobs, in the order of the command line; files of a folder or a pattern by name. What is neither there nor a
/// pattern stays as it is: to read it says what is wrong with it.
pub(super) fn expand(named: &[String]) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for name in named {
        let is_path =
            name.parse::<Source>().map_or(true, |source| matches!(source, Source::File(_)));
        let path = Path::new(name.strip_prefix("file:").unwrap_or(name));
        if !is_path || path.is_file() {
            sources.push(name.clone());
        } else if path.is_dir() {
            let before = sources.len();
            below(path, 0, &mut sources)?;
            if sources.len() == before {
                bail!("{} has no files", path.display());
            }
        } else if name.contains(['*', '?', '[']) {
            let before = sources.len();
            for found in glob::glob(name).with_context(|| format!("{name} is not a pattern"))? {
                let found = found?;
                if found.is_file() {
                    sources.push(text(found)?);
                }
            }
            if sources.len() == before {
                bail!("no file fits {name}");
            }
        } else {
            sources.push(name.clone());
        }
        if sources.len() > FILES_MAX {
            bail!("more than {FILES_MAX} files; submit them in parts");
        }
    }
    Ok(sources)
}

/// The files below a folder, by name; hidden ones are left out, and links are not followed.
fn below(folder: &Path, depth: u32, sources: &mut Vec<String>) -> Result<()> {
    let shown = folder.display();
    if depth > DEPTH_MAX {
        bail!("{shown} is more than {DEPTH_MAX} folders deep");
    }
    let entries = std::fs::read_dir(folder).with_context(|| format!("cannot read {shown}"))?;
    let mut entries = entries.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        if kind.is_dir() {
            below(&entry.path(), depth + 1, sources)?;
        } else if kind.is_file() {
            sources.push(text(entry.path())?);
        }
        if sources.len() > FILES_MAX {
            bail!("more than {FILES_MAX} files; submit them in parts");
        }
    }
    Ok(())
}

fn text(path: PathBuf) -> Result<String> {
    match path.into_os_string().into_string() {
        Ok(text) => Ok(text),
        Err(name) => bail!("{} is not written in UTF-8; rename it", name.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_patterns_stand_for_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().to_str().unwrap().to_owned();
        std::fs::create_dir(folder.path().join("sub")).unwrap();
        for name in ["b.jpg", "a.jpg", "c.mp4", ".hidden", "sub/d.jpg"] {
            std::fs::write(folder.path().join(name), "x").unwrap();
        }
        let names = |named: &[&str]| -> Vec<String> {
            let named: Vec<String> = named.iter().map(|name| name.replace('~', &root)).collect();
            let found = expand(&named).unwrap();
            found.iter().map(|name| name.replace(&format!("{root}/"), "")).collect()
        };
        assert_eq!(names(&["~"]), ["a.jpg", "b.jpg", "c.mp4", "sub/d.jpg"]);
        assert_eq!(names(&["~/*.jpg", "~/c.mp4"]), ["a.jpg", "b.jpg", "c.mp4"]);
        assert_eq!(names(&["~/**/*.jpg"]), ["a.jpg", "b.jpg", "sub/d.jpg"]);
        let remote = ["s3://b/*", "https://example.com/?a=[1]", "none"];
        assert_eq!(names(&remote), remote);
        assert_eq!(
            names(&["~/absent.jpg"]),
            ["absent.jpg"],
            "to read it says that it is not there"
        );
        for (name, why) in [("~/*.png", "no file fits"), ("~/[", "not a pattern")] {
            let error = expand(&[name.replace('~', &root)]).unwrap_err();
            assert!(error.to_string().contains(why), "{error:#}");
        }
    }
}
