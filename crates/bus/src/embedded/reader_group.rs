//! Which reader has which partition of the event log. Pure: the lock around it is the caller's.

use std::collections::BTreeSet;

/// The readers of one process. A partition passes to another reader only after the one that has it has been
/// told: so no two read it at once.
#[derive(Debug)]
pub(super) struct ReaderGroup {
    members: BTreeSet<u64>,
    /// By partition.
    owners: Vec<Option<u64>>,
    next_member: u64,
}

impl ReaderGroup {
    pub(super) fn new(partitions: u32) -> Self {
        let owners = (0..partitions).map(|_| None).collect();
        Self { members: BTreeSet::new(), owners, next_member: 0 }
    }

    /// Adds a reader; it has nothing yet.
    pub(super) fn join(&mut self) -> u64 {
        let member = self.next_member;
        self.next_member += 1;
        self.members.insert(member);
        member
    }

    /// Takes a reader and everything that it has out of the group.
    pub(super) fn leave(&mut self, member: u64) {
        self.members.remove(&member);
        for owner in &mut self.owners {
            owner.take_if(|owner| *owner == member);
        }
    }

    /// Moves one reader to its share: gives up what is another's, takes what is its own and free. Returns what
    /// it has now if that is another than before; then the others have to look too.
    pub(super) fn settle(&mut self, member: u64) -> Option<Vec<u32>> {
        let members: Vec<u64> = self.members.iter().copied().collect();
        let mut changed = false;
        for (owner, wanted) in self.owners.iter_mut().zip(members.iter().copied().cycle()) {
            let next = match *owner {
                Some(current) if current == member && wanted != member => None,
                None if wanted == member => Some(member),
                unchanged => unchanged,
            };
            changed |= *owner != next;
            *owner = next;
        }
        changed.then(|| self.owned(member))
    }

    fn owned(&self, member: u64) -> Vec<u32> {
        (0..)
            .zip(&self.owners)
            .filter(|(_, owner)| **owner == Some(member))
            .map(|(at, _)| at)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_passes_on_only_when_its_reader_has_let_go() {
        let mut group = ReaderGroup::new(4);
        let first = group.join();
        assert_eq!(group.settle(first), Some(vec![0, 1, 2, 3]));
        let second = group.join();
        assert_eq!(group.settle(second), None, "the first still has all of them");
        assert_eq!(group.settle(first), Some(vec![0, 2]));
        assert_eq!(group.settle(second), Some(vec![1, 3]));
        assert_eq!(group.settle(first), None);
        group.leave(first);
        assert_eq!(group.settle(second), Some(vec![0, 1, 2, 3]));
    }

    #[test]
    fn a_reader_too_many_has_nothing_until_another_leaves() {
        let mut group = ReaderGroup::new(1);
        let first = group.join();
        let second = group.join();
        assert_eq!(group.settle(second), None);
        assert_eq!(group.settle(first), Some(vec![0]));
        group.leave(first);
        assert_eq!(group.settle(second), Some(vec![0]));
    }
}
