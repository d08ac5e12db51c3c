//! A store with two bounds, number and bytes, that forgets its oldest entries first.

use std::collections::VecDeque;

/// All entries together take no more than this many bytes, plus the newest one.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Numbered entries; numbers start at 1 and are never used again.
#[derive(Debug)]
pub(crate) struct Ring<T> {
    entries: VecDeque<(u64, usize, T)>,
    capacity: usize,
    bytes: usize,
    last: u64,
}

impl<T> Ring<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: VecDeque::new(), capacity, bytes: 0, last: 0 }
    }

    /// Adds an entry of so many bytes, made from its number.
    pub(crate) fn push(&mut self, bytes: usize, entry: impl FnOnce(u64) -> T) {
        self.last += 1;
        self.entries.push_back((self.last, bytes, entry(self.last)));
        self.bytes += bytes;
        while self.entries.len() > self.capacity || (self.bytes > MAX_BYTES && self.entries.len() > 1) {
            let Some((_, gone, _)) = self.entries.pop_front() else { break };
            self.bytes -= gone;
        }
    }

    pub(crate) fn get(&self, number: u64) -> Option<&T> {
        let index = self.entries.binary_search_by_key(&number, |(number, ..)| *number).ok()?;
        self.entries.get(index).map(|(.., entry)| entry)
    }

    /// Oldest first.
    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.entries.iter().map(|(.., entry)| entry)
    }

    pub(crate) fn clear(&mut self) {
        self.entries.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entries_go_first_and_numbers_stay() {
        let mut ring = Ring::new(2);
        for _ in 0..3 {
            ring.push(1, |number| number * 10);
        }
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), [20, 30]);
        assert_eq!((ring.get(1), ring.get(3)), (None, Some(&30)));
        ring.clear();
        ring.push(1, |number| number);
        assert_eq!(ring.get(4), Some(&4));
    }

    #[test]
    fn large_entries_push_others_out_but_the_newest_stays() {
        let mut ring = Ring::new(10);
        ring.push(MAX_BYTES, |_| "old");
        ring.push(MAX_BYTES + 1, |_| "new");
        assert_eq!(ring.iter().copied().collect::<Vec<_>>(), ["new"]);
    }
}
