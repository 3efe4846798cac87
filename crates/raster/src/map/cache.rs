//! Maps that were built before.

use std::sync::{Arc, Mutex, PoisonError};

use panofleet_projection::View;

use super::CoordinateMap;
use crate::source::{Grid, SourcePlane};

/// Most memory that maps may keep.
const BYTES_MAX: usize = 48 << 20;

/// What a map depends on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Key {
    pub(crate) source: SourcePlane,
    pub(crate) view: View,
    pub(crate) grid: Grid,
    pub(crate) size: [usize; 2],
    pub(crate) adapt: bool,
}

/// The last used is the last.
static MAPS: Mutex<Vec<(Key, Arc<CoordinateMap>)>> = Mutex::new(Vec::new());

/// The whole map of `key`: one that was built before, or what `build` gives. The least recently
/// used ones go when the memory they may keep is used up.
pub(crate) fn find_or(key: &Key, build: impl FnOnce() -> CoordinateMap) -> Arc<CoordinateMap> {
    if let Some(found) = take(key) {
        return keep(*key, found);
    }
    // Built without the lock; if somebody else builds the same, one of the two is dropped later.
    keep(*key, Arc::new(build()))
}

fn take(key: &Key) -> Option<Arc<CoordinateMap>> {
    let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
    let index = maps.iter().position(|(other, _)| other == key)?;
    Some(maps.remove(index).1)
}

fn keep(key: Key, map: Arc<CoordinateMap>) -> Arc<CoordinateMap> {
    let mut maps = MAPS.lock().unwrap_or_else(PoisonError::into_inner);
    maps.push((key, Arc::clone(&map)));
    let mut bytes: usize = maps.iter().map(|(_, map)| map.bytes()).sum();
    while bytes > BYTES_MAX && !maps.is_empty() {
        bytes -= maps.remove(0).1.bytes();
    }
    map
}
