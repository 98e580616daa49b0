//! A map that never holds more than so many: the entry put in first goes first.

use std::{
    borrow::Borrow,
    collections::VecDeque,
    hash::{BuildHasher, Hash},
};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// Below this many places nothing is given back to the system.
const SMALL: usize = 64;

/// What part of the capacity may be gaps before entries are moved together.
const GAPS: usize = 4;

/// A map with a capacity.
///
/// Entries lie in the order in which they came, and a table of their places finds them. So each takes
/// little more than its own size, and none is moved when the table grows; the hash is that of
/// `hashbrown`, with a key drawn for each map.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    /// Of one that was removed the place stays for a while, except at the front: see [`GAPS`].
    entries: VecDeque<Option<(K, V)>>,
    /// Places of entries, counted from the first that there ever was.
    places: HashTable<u32>,
    /// The place of the entry at the front.
    front: u32,
    hasher: RandomState,
    capacity: usize,
    evicted: u64,
}

impl<K: Hash + Eq, V> Bounded<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            entries: VecDeque::new(),
            places: HashTable::new(),
            front: 0,
            hasher: RandomState::default(),
            capacity,
            evicted: 0,
        }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if self.places.is_empty() {
            return None;
        }
        let at = self.find(self.hasher.hash_one(key), key)?;
        self.entries.get(at)?.as_ref().map(|(_, value)| value)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        let at = self.find(self.hasher.hash_one(key), key)?;
        self.entries.get_mut(at)?.as_mut().map(|(_, value)| value)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        if self.places.is_empty() {
            return None;
        }
        let hash = self.hasher.hash_one(key);
        let at = self.find(hash, key)?;
        self.forget(hash, at);
        let (_, value) = self.entries.get_mut(at)?.take()?;
        self.close_up();
        Some(value)
    }

    /// The entry of `key`, made if there is none. Returns what had to make way for it as well.
    pub(super) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let hash = self.hasher.hash_one(&key);
        let (at, out) = match self.find(hash, &key) {
            Some(at) => (at, None),
            None => {
                let out = self.make_room();
                (self.push(hash, key, make()), out)
            }
        };
        match &mut self.entries[at] {
            Some((_, value)) => (value, out),
            None => unreachable!("only entries are found"),
        }
    }

    /// Where the entry of `key` lies in the ring.
    fn find<Q>(&self, hash: u64, key: &Q) -> Option<usize>
    where
        K: Borrow<Q>,
        Q: Eq + ?Sized,
    {
        let at = |place: u32| place.wrapping_sub(self.front) as usize;
        let is = |&place: &u32| {
            let entry = self.entries.get(at(place)).and_then(Option::as_ref);
            entry.is_some_and(|(other, _)| other.borrow() == key)
        };
        self.places.find(hash, is).map(|&place| at(place))
    }

    fn push(&mut self, hash: u64, key: K, value: V) -> usize {
        // The table would take marks of what was removed for entries, and grow though it is half empty.
        let room = self.places.num_buckets() / 8 * 7;
        if self.places.len() == self.places.capacity() && self.places.len() < room {
            self.close_gaps();
        }
        let Self { entries, places, front, hasher, .. } = self;
        let at = entries.len();
        entries.push_back(Some((key, value)));
        let again = |place: &u32| match &entries[place.wrapping_sub(*front) as usize] {
            Some((key, _)) => hasher.hash_one(key),
            None => 0,
        };
        places.insert_unique(hash, front.wrapping_add(at as u32), again);
        at
    }

    /// Takes a place out of the table.
    fn forget(&mut self, hash: u64, at: usize) {
        let place = self.front.wrapping_add(at as u32);
        if let Ok(found) = self.places.find_entry(hash, |&other| other == place) {
            found.remove();
        }
    }

    fn make_room(&mut self) -> Option<(K, V)> {
        if self.entries.len() < self.capacity {
            return None;
        }
        // One that lives long would otherwise go because many came and went after it.
        if self.entries.len() - self.places.len() > self.capacity / GAPS {
            self.close_gaps();
            return None;
        }
        self.evict()
    }

    /// Gives up the entry that was put in first.
    pub(super) fn evict(&mut self) -> Option<(K, V)> {
        let hash = self.entries.front()?.as_ref().map(|(key, _)| self.hasher.hash_one(key))?;
        self.forget(hash, 0);
        self.evicted += 1;
        let out = self.entries.front_mut()?.take();
        self.close_up();
        out
    }

    /// Gives up the empty places at the front, and what memory is not needed any more.
    fn close_up(&mut self) {
        while self.entries.pop_front_if(|entry| entry.is_none()).is_some() {
            self.front = self.front.wrapping_add(1);
        }
        let len = self.entries.len();
        if self.entries.capacity() > SMALL && len < self.entries.capacity() / 4 {
            self.entries.shrink_to(len * 2);
        }
    }

    /// Moves the entries together. That takes as long as there are entries, so it is done for many gaps
    /// at once.
    fn close_gaps(&mut self) {
        let Self { entries, places, front, hasher, .. } = self;
        entries.retain(Option::is_some);
        places.clear();
        *front = 0;
        let hash = |at: u32| match &entries[at as usize] {
            Some((key, _)) => hasher.hash_one(key),
            None => 0,
        };
        for at in 0..entries.len() as u32 {
            places.insert_unique(hash(at), at, |&place| hash(place));
        }
    }

    /// How many entries were given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::{Bounded, SMALL};

    #[test]
    fn the_first_in_goes_first() {
        let mut map = Bounded::new(3);
        for key in 0..3 {
            assert!(map.entry(key, || key * 10).1.is_none());
        }
        assert!(map.remove(&0).is_some());
        // The room of the removed one is used before anything is evicted.
        assert!(map.entry(3, || 30).1.is_none());
        assert_eq!(map.entry(4, || 40).1, Some((1, 10)));
        assert_eq!(map.evicted(), 1);
        assert_eq!(map.get(&2), Some(&20));
        // Also before there is no room.
        assert_eq!([map.evict(), map.evict()], [Some((2, 20)), Some((3, 30))]);
        assert_eq!([map.evict(), map.evict()], [Some((4, 40)), None]);
        assert_eq!(map.evicted(), 4);
    }

    #[test]
    fn what_is_put_in_again_stands_last() {
        let mut map = Bounded::new(3);
        for key in [0, 1, 2] {
            map.entry(key, || 0);
        }
        map.remove(&0);
        map.entry(0, || 1);
        assert_eq!(map.entry(3, || 2).1, Some((1, 0)));
        assert_eq!((map.get(&0), map.get(&1)), (Some(&1), None));
    }

    #[test]
    fn its_table_does_not_grow_once_it_is_full() {
        let mut map = Bounded::new(1_024);
        let mut buckets = 0;
        for key in 0..100_000 {
            map.entry(key, || 0);
            if key == 2_000 {
                buckets = map.places.num_buckets();
            }
        }
        assert_eq!((map.places.len(), map.places.num_buckets()), (1_024, buckets));
        assert!((0..1_024).all(|back| map.get(&(99_999 - back)).is_some()));
    }

    #[test]
    fn one_that_lives_long_stays_while_others_come_and_go() {
        let mut map = Bounded::new(8);
        map.entry(u32::MAX, || 0);
        for key in 0..1_000 {
            assert!(map.entry(key, || 1).1.is_none(), "evicted by {key}");
            map.remove(&key);
        }
        assert_eq!((map.get(&u32::MAX), map.evicted()), (Some(&0), 0));
        assert!(map.entries.len() <= 8);
    }

    /// Each entry is found by its key, whatever came and went before.
    #[test]
    fn agrees_with_a_plain_map() {
        let mut map = Bounded::new(100);
        let mut model = std::collections::HashMap::new();
        for step in 0..10_000_u32 {
            let key = step.wrapping_mul(0x9e37_79b9) >> 25;
            if step % 3 == 0 {
                assert_eq!(map.remove(&key), model.remove(&key));
            } else {
                let (value, out) = map.entry(key, || step);
                assert_eq!(*value, *model.entry(key).or_insert(step));
                if let Some((key, value)) = out {
                    assert_eq!(model.remove(&key), Some(value));
                }
            }
            assert_eq!(map.get(&key), model.get(&key));
        }
        assert!(map.evicted() > 0 && model.iter().all(|(key, value)| map.get(key) == Some(value)));
    }

    #[test]
    fn memory_of_a_flood_is_given_back() {
        let mut map = Bounded::new(10_000);
        for key in 0..10_000 {
            map.entry(key, || 0);
        }
        for key in 0..10_000 {
            map.remove(&key);
        }
        assert!(map.entries.is_empty() && map.entries.capacity() <= SMALL);
    }
}
