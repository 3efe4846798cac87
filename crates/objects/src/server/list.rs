//! Listing a bucket, page by page, in the order of the keys' bytes.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::folder::is_absent;
use super::keys::{Entry, entry_of};
use super::object_file;

/// What to list.
#[derive(Clone, Debug)]
pub(super) struct Query {
    pub(super) prefix: String,
    /// Keys that share the text up to this, after the prefix, are listed as one.
    pub(super) delimiter: Option<String>,
    /// Where to go on.
    pub(super) cursor: Cursor,
    /// Items of a page.
    pub(super) items_max: usize,
}

/// How far a listing has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Cursor {
    /// Nowhere yet.
    #[default]
    Start,
    /// Past this key.
    Key(String),
    /// Past all keys that begin so.
    Prefix(String),
}

/// One line of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Object { key: String, bytes: u64, etag: String, modified: SystemTime },
    CommonPrefix(String),
}

/// A page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) items: Vec<Item>,
    /// Where the next page begins; `None` on the last.
    pub(super) next: Option<Cursor>,
}

impl Cursor {
    /// As clients carry it.
    pub(super) fn token(&self) -> Option<String> {
        match self {
            Self::Start => None,
            Self::Key(key) => Some(hex::encode(format!("k{key}"))),
            Self::Prefix(prefix) => Some(hex::encode(format!("p{prefix}"))),
        }
    }

    /// Reads a token; `None` if it is none of ours.
    pub(super) fn of_token(token: &str) -> Option<Self> {
        let text = String::from_utf8(hex::decode(token).ok()?).ok()?;
        let key = text.strip_prefix('k').map(|key| Self::Key(key.to_owned()));
        key.or_else(|| text.strip_prefix('p').map(|prefix| Self::Prefix(prefix.to_owned())))
    }

    fn is_past(&self, key: &[u8]) -> bool {
        match self {
            Self::Start => false,
            Self::Key(last) => key <= last.as_bytes(),
            Self::Prefix(last) => key <= last.as_bytes() || key.starts_with(last.as_bytes()),
        }
    }

    /// Whether it is past every key that begins with `above`.
    fn is_past_all(&self, above: &[u8]) -> bool {
        match self {
            Self::Start => false,
            Self::Key(last) => above < last.as_bytes() && !last.as_bytes().starts_with(above),
            Self::Prefix(last) => {
                let last = last.as_bytes();
                above.starts_with(last) || (above < last && !last.starts_with(above))
            }
        }
    }
}

/// Lists one page of a bucket's folder.
pub(super) fn list(bucket_dir: &Path, query: Query) -> io::Result<Page> {
    let mut walk = Walk { query, page: Page::default() };
    if walk.query.items_max > 0 {
        walk.visit(bucket_dir, &[])?;
    }
    Ok(walk.page)
}

struct Walk {
    query: Query,
    page: Page,
}

impl Walk {
    /// Visits the objects below a folder whose keys begin with `above`.
    fn visit(&mut self, dir: &Path, above: &[u8]) -> io::Result<()> {
        for (entry, path) in entries(dir)? {
            if self.page.next.is_some() {
                return Ok(());
            }
            let text = [above, &entry.text].concat();
            if entry.is_object {
                self.take(text, &path)?;
            } else if self.may_hold(&text) {
                self.visit(&path, &text)?;
            }
        }
        Ok(())
    }

    /// Whether a folder whose keys begin with `above` may hold what is asked for.
    fn may_hold(&self, above: &[u8]) -> bool {
        let prefix = self.query.prefix.as_bytes();
        (above.starts_with(prefix) || prefix.starts_with(above))
            && !self.query.cursor.is_past_all(above)
    }

    fn take(&mut self, key: Vec<u8>, path: &Path) -> io::Result<()> {
        let prefix = &self.query.prefix;
        if !key.starts_with(prefix.as_bytes()) || self.query.cursor.is_past(&key) {
            return Ok(());
        }
        // Every key that we stored is UTF-8.
        let Ok(key) = String::from_utf8(key) else { return Ok(()) };
        let item = match common_prefix(&key, prefix, self.query.delimiter.as_deref()) {
            Some(common) => Item::CommonPrefix(common),
            None => match object_file::open(path) {
                Ok(found) => Item::Object {
                    key,
                    bytes: found.meta.bytes,
                    etag: found.meta.etag,
                    modified: found.modified,
                },
                // Deleted since the folder was read.
                Err(error) if is_absent(&error) => return Ok(()),
                Err(error) => return Err(error),
            },
        };
        if self.page.items.len() == self.query.items_max {
            self.page.next = Some(self.query.cursor.clone());
            return Ok(());
        }
        self.query.cursor = match &item {
            Item::Object { key, .. } => Cursor::Key(key.clone()),
            Item::CommonPrefix(common) => Cursor::Prefix(common.clone()),
        };
        self.page.items.push(item);
        Ok(())
    }
}

fn common_prefix(key: &str, prefix: &str, delimiter: Option<&str>) -> Option<String> {
    let (head, _) = key.strip_prefix(prefix)?.split_once(delimiter?)?;
    Some([prefix, head, delimiter?].concat())
}

fn entries(dir: &Path) -> io::Result<Vec<(Entry, PathBuf)>> {
    let found = match std::fs::read_dir(dir) {
        // Removed since the folder above was read.
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        found => found?,
    };
    let mut entries = Vec::new();
    for entry in found {
        let entry = entry?;
        if let Some(ours) = entry.file_name().to_str().and_then(entry_of) {
            entries.push((ours, entry.path()));
        }
    }
    entries.sort();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::super::keys::path_of;
    use super::super::object_file::ObjectMeta;
    use super::*;

    fn bucket_of(keys: &BTreeSet<String>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for key in keys {
            let path = dir.path().join(path_of(key));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, ObjectMeta::default().trailer().unwrap()).unwrap();
        }
        dir
    }

    fn all_pages(
        dir: &Path,
        prefix: &str,
        delimiter: Option<&str>,
        items_max: usize,
    ) -> Vec<String> {
        let mut cursor = Cursor::Start;
        let mut shown = Vec::new();
        loop {
            let (prefix, delimiter) = (prefix.to_owned(), delimiter.map(str::to_owned));
            let page = list(dir, Query { prefix, delimiter, cursor, items_max }).unwrap();
            assert!(page.items.len() <= items_max);
            shown.extend(page.items.into_iter().map(|item| match item {
                Item::Object { key, .. } => key,
                Item::CommonPrefix(common) => format!("{common}*"),
            }));
            let Some(next) = page.next else { return shown };
            cursor = Cursor::of_token(&next.token().unwrap()).unwrap();
        }
    }

    /// The definition of S3, by brute force.
    fn expected(keys: &BTreeSet<String>, prefix: &str, delimiter: Option<&str>) -> Vec<String> {
        let mut shown = Vec::new();
        for key in keys {
            let Some(rest) = key.strip_prefix(prefix) else { continue };
            let line = match delimiter.and_then(|delimiter| rest.split_once(delimiter)) {
                Some((head, _)) => format!("{prefix}{head}{}*", delimiter.unwrap()),
                None => key.clone(),
            };
            if shown.last() != Some(&line) {
                shown.push(line);
            }
        }
        shown
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn pages_add_up_to_the_listing(
            keys in proptest::collection::btree_set("[ab/é-]{1,5}", 0..12),
            prefix in "[ab/]{0,2}",
            delimiter in proptest::option::of("[/b]"),
            items_max in 1_usize..4,
        ) {
            let dir = bucket_of(&keys);
            let delimiter = delimiter.as_deref();
            prop_assert_eq!(
                all_pages(dir.path(), &prefix, delimiter, items_max),
                expected(&keys, &prefix, delimiter)
            );
        }
    }
}
