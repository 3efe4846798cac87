//! Keys and the paths that they lie at.
//!
//! Any key is some path and no two share one, so that `a`, `a/b`, `..` and `//` are all just names. A key is
//! cut at its slashes; a part becomes a folder `+part`, the last one a file `=part`. A part of 80 bytes
//! or more first goes into folders `~` of exactly 80 bytes each, since file names end at 255 bytes and
//! percent-encoding (of all but letters, digits and `-_.`) makes three of one. Within a folder the
//! decoded names sort like the keys below them; `list` relies on it.

use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// Bytes of a name before it is encoded; shorter names are not cut.
const CHUNK_BYTES: usize = 80;
/// What stays readable.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// The path of a key, from its bucket's folder.
pub(super) fn path_of(key: &str) -> PathBuf {
    let mut path = PathBuf::new();
    let mut parts = key.as_bytes().split(|byte| *byte == b'/').peekable();
    while let Some(mut part) = parts.next() {
        while let Some((chunk, rest)) = part.split_at_checked(CHUNK_BYTES) {
            path.push(format!("~{}", percent_encode(chunk, ENCODED)));
            part = rest;
        }
        let kind = if parts.peek().is_some() { '+' } else { '=' };
        path.push(format!("{kind}{}", percent_encode(part, ENCODED)));
    }
    path
}

/// What a directory entry holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The bytes that every key of it has after those of its folder, and for an object the last ones.
    pub(super) text: Vec<u8>,
    /// Whether it is an object, not a folder.
    pub(super) is_object: bool,
}

/// Reads a directory entry's name; `None` if it is none of ours.
pub(super) fn entry_of(name: &str) -> Option<Entry> {
    let kind = name.chars().next()?;
    let mut text: Vec<u8> = percent_decode_str(name.get(1..)?).collect();
    match kind {
        '=' => Some(Entry { text, is_object: true }),
        '~' => Some(Entry { text, is_object: false }),
        '+' => {
            text.push(b'/');
            Some(Entry { text, is_object: false })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key_of(path: &std::path::Path) -> Vec<u8> {
        let names = path.iter().map(|name| entry_of(name.to_str().unwrap()).unwrap());
        names.flat_map(|entry| entry.text).collect()
    }

    /// The decoded names along a path: what a listing sorts by.
    fn walk_order(path: &std::path::Path) -> Vec<Entry> {
        path.iter().map(|name| entry_of(name.to_str().unwrap()).unwrap()).collect()
    }

    #[test]
    fn paths_look_like_their_keys() {
        for (key, path) in [
            ("a", "=a"),
            ("a/b", "+a/=b"),
            ("t/job/g1/manifest.json", "+t/+job/+g1/=manifest.json"),
            ("../../etc/passwd", "+../+../+etc/=passwd"),
            ("/", "+/="),
            ("x y/é\0", "+x%20y/=%C3%A9%00"),
        ] {
            assert_eq!(path_of(key), PathBuf::from(path), "{key:?}");
        }
    }

    #[test]
    fn the_worst_key_fits_into_a_path() {
        for key in ["\u{1}".repeat(1024), "/".repeat(1024), "é/".repeat(341), "é".repeat(512)] {
            let path = path_of(&key);
            assert!(path.as_os_str().len() < 3200, "{}", path.as_os_str().len());
            assert!(path.iter().all(|name| name.len() <= 255));
        }
    }

    /// Keys that collide in prefixes, slashes and cuts as often as possible.
    fn keys() -> impl Strategy<Value = String> {
        proptest::collection::vec(
            prop_oneof![
                Just("a".to_owned()),
                Just("/".to_owned()),
                Just(".".to_owned()),
                Just("-".to_owned()),
                Just("é".to_owned()),
                Just("a".repeat(79)),
                Just("a".repeat(80)),
            ],
            1..6,
        )
        .prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn keys_come_back_from_their_paths(key in "\\PC{1,200}") {
            prop_assert_eq!(key_of(&path_of(&key)), key.as_bytes());
        }

        #[test]
        fn paths_differ_and_sort_as_keys_do(one in keys(), other in keys()) {
            let (path, other_path) = (path_of(&one), path_of(&other));
            prop_assert_eq!(one == other, path == other_path);
            prop_assert_eq!(
                one.as_bytes().cmp(other.as_bytes()),
                walk_order(&path).cmp(&walk_order(&other_path))
            );
        }
    }
}
