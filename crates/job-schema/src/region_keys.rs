//! The keys of every region, for those who talk with all of them.
//!
//! A worker has its own region's ring only: what it signs counts for its region's jobs and for no others, and what it
//! is sent could have been signed by nobody who knows only another region's keys.

use std::collections::BTreeMap;

use crate::envelope::{Envelope, KeyRing, Unreadable, key_id};
use crate::ids::Region;

/// The key rings of a fleet. No key belongs to two regions.
#[derive(Clone, Debug, Default)]
pub struct RegionKeys {
    rings: BTreeMap<Region, KeyRing>,
    regions: BTreeMap<String, Region>,
}

/// Rings that cannot stand together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "key `{id}` belongs to {first} and to {second}: each region needs keys of its own, with ids of their own"
)]
pub struct SharedKey {
    /// The key's id.
    pub id: String,
    /// One of the regions.
    pub first: Region,
    /// Another.
    pub second: Region,
}

impl RegionKeys {
    /// The rings of several regions.
    ///
    /// # Errors
    /// [`SharedKey`] if an id stands on two of them.
    pub fn new(rings: BTreeMap<Region, KeyRing>) -> Result<Self, SharedKey> {
        let mut regions = BTreeMap::new();
        for (region, ring) in &rings {
            for id in ring.ids() {
                if let Some(first) = regions.insert(id.to_owned(), region.clone()) {
                    return Err(SharedKey { id: id.to_owned(), first, second: region.clone() });
                }
            }
        }
        Ok(Self { rings, regions })
    }

    /// The ring of a fleet that has one region.
    pub fn of_one(region: Region, ring: KeyRing) -> Self {
        let regions = ring.ids().map(|id| (id.to_owned(), region.clone())).collect();
        Self { rings: BTreeMap::from([(region, ring)]), regions }
    }

    /// What messages for a region are signed with.
    pub fn ring(&self, region: &Region) -> Option<&KeyRing> {
        self.rings.get(region)
    }

    /// Verifies and reads an envelope, and says whose key signed it.
    ///
    /// # Errors
    /// [`Unreadable`] with the reason for the dead letters.
    pub fn open(&self, wire: &[u8]) -> Result<(Envelope, &Region), Unreadable> {
        let region = key_id(wire).and_then(|id| self.regions.get(id));
        match region.and_then(|region| Some((region, self.rings.get(region)?))) {
            Some((region, ring)) => Ok((Envelope::open(wire, ring)?, region)),
            None => Err(Unreadable::of_nobody(wire)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::Body;
    use crate::ids::{Attempt, Generation, JobId};
    use crate::message::ControlRecord;
    use crate::time::Timestamp;

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn ring(id: &str, byte: u8) -> KeyRing {
        KeyRing::new(id, BTreeMap::from([(id.to_owned(), vec![byte; 32])])).unwrap()
    }

    fn envelope() -> Envelope {
        let record = ControlRecord {
            job: JobId(uuid::Uuid::from_u128(1)),
            generation: Generation(1),
            cancelled: false,
            closed: true,
            let_go: None,
            lowest_live: Attempt(1),
        };
        Envelope { sent_at: Timestamp::from_millis(1), trace: None, body: Body::Control(record) }
    }

    #[test]
    fn an_envelope_belongs_to_the_region_whose_key_signed_it() {
        let rings = [("a", ring("a-1", 1)), ("b", ring("b-1", 2))];
        let keys = RegionKeys::new(rings.map(|(name, ring)| (region(name), ring)).into()).unwrap();
        let wire = envelope().seal(keys.ring(&region("b")).unwrap()).unwrap();
        assert_eq!(keys.open(&wire).unwrap(), (envelope(), &region("b")));
        assert!(keys.ring(&region("c")).is_none());

        let forged = envelope().seal(&ring("b-1", 1)).unwrap();
        assert_eq!(keys.open(&forged), Err(Unreadable::BadSignature));
        let unknown = envelope().seal(&ring("c-1", 1)).unwrap();
        assert_eq!(keys.open(&unknown), Err(Unreadable::UnknownKey("c-1".into())));
        assert_eq!(keys.open(b"hello"), Err(Unreadable::NotAnEnvelope));
        assert_eq!(keys.open(b"pf9 a-1 00\n{}"), Err(Unreadable::UnknownVersion(9)));
        assert_eq!(keys.open(b"pf9 z-1 00\n{}"), Err(Unreadable::UnknownVersion(9)));
    }

    #[test]
    fn a_key_of_two_regions_is_refused() {
        let rings = [("a", ring("k", 1)), ("b", ring("k", 1))];
        let shared = RegionKeys::new(rings.map(|(name, ring)| (region(name), ring)).into());
        assert!(shared.unwrap_err().to_string().contains("`k` belongs to a and to b"));
    }
}
