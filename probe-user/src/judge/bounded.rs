//! A map that never holds more than so many: the entry put in first goes first.

use std::{
    borrow::Borrow,
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// A map with a capacity.
#[derive(Debug)]
pub(super) struct Bounded<K, V> {
    entries: HashMap<K, V>,
    /// Keys in the order they came in; those removed meanwhile stay until their turn.
    order: VecDeque<K>,
    capacity: usize,
    evicted: u64,
}

impl<K: Hash + Eq + Clone, V> Bounded<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { entries: HashMap::new(), order: VecDeque::new(), capacity, evicted: 0 }
    }

    pub(super) fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key)
    }

    pub(super) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.entries.get_mut(key)
    }

    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        self.entries.remove(key)
    }

    /// The entry of `key`, made if there is none. Returns what had to make way for it as well.
    pub(super) fn entry(&mut self, key: K, make: impl FnOnce() -> V) -> (&mut V, Option<(K, V)>) {
        let mut out = None;
        if !self.entries.contains_key(&key) {
            out = self.make_room();
            self.order.push_back(key.clone());
        }
        (self.entries.entry(key).or_insert_with(make), out)
    }

    fn make_room(&mut self) -> Option<(K, V)> {
        // Keys that were removed and put in again stand in the queue twice; dropping the first is
        // early by one round, and keeps the queue from growing.
        while self.order.len() >= self.capacity {
            let key = self.order.pop_front()?;
            if let Some(value) = self.entries.remove(&key) {
                self.evicted += 1;
                return Some((key, value));
            }
        }
        None
    }

    /// How many entries were given up.
    pub(super) const fn evicted(&self) -> u64 {
        self.evicted
    }
}

#[cfg(test)]
mod tests {
    use super::Bounded;

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
    }
}
