//! Sets of byte offsets.

use serde::{Deserialize, Serialize};
use std::ops::Range;

/// A set of byte offsets: disjoint, non-empty, non-adjacent ranges in ascending order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Intervals(Vec<(u64, u64)>);

impl Intervals {
    /// Whether it has no offset.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many offsets it has: bytes.
    pub fn n_bytes(&self) -> u64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    /// Its ranges, ascending.
    pub fn ranges(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.0.iter().map(|&(start, end)| start..end)
    }

    /// Whether every offset below `size` is in it.
    pub fn cover(&self, size: u64) -> bool {
        size == 0 || matches!(self.0.first(), Some(&(0, end)) if end >= size)
    }

    /// Adds a range.
    pub fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let from = self.0.partition_point(|&(_, end)| end < range.start);
        let to = self.0.partition_point(|&(start, _)| start <= range.end);
        let merged = self.0.get(from..to).unwrap_or_default().iter();
        let (start, end) = merged.fold((range.start, range.end), |(a, b), &(start, end)| (a.min(start), b.max(end)));
        self.0.splice(from..to, [(start, end)]);
    }

    /// Removes a range.
    pub fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let kept = self.0.iter().flat_map(|&(start, end)| [(start, end.min(range.start)), (start.max(range.end), end)]);
        self.0 = kept.filter(|(start, end)| start < end).collect();
    }

    /// The offsets in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        other.ranges().fold(self.clone(), |mut set, range| {
            set.insert(range);
            set
        })
    }

    /// The offsets in this set and not in the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        other.ranges().fold(self.clone(), |mut set, range| {
            set.remove(range);
            set
        })
    }

    /// The offsets in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.without(&self.without(other))
    }
}

impl FromIterator<Range<u64>> for Intervals {
    fn from_iter<I: IntoIterator<Item = Range<u64>>>(ranges: I) -> Self {
        ranges.into_iter().fold(Self::default(), |mut set, range| {
            set.insert(range);
            set
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Every pair of subsets of 0..6, against a set of numbers.
    #[test]
    fn agrees_with_a_set_of_numbers() {
        let numbers = |bits: u32| -> BTreeSet<u64> { (0..6).filter(|n| bits >> n & 1 == 1).collect() };
        let intervals = |bits: u32| -> Intervals { numbers(bits).into_iter().map(|n| n..n + 1).collect() };
        let listed = |set: &Intervals| -> BTreeSet<u64> { set.ranges().flatten().collect() };
        for a in 0..64 {
            for b in 0..64 {
                let (x, y) = (intervals(a), intervals(b));
                assert_eq!(x.union(&y), intervals(a | b));
                assert_eq!(x.without(&y), intervals(a & !b));
                assert_eq!(x.intersection(&y), intervals(a & b));
                assert_eq!(listed(&x), numbers(a));
                assert_eq!(x.n_bytes(), u64::from(a.count_ones()));
            }
            assert_eq!(intervals(a).cover(6), a == 63);
        }
    }

    #[test]
    fn an_empty_range_changes_nothing() {
        let set: Intervals = [3..5, 8..9].into_iter().collect();
        let mut same = set.clone();
        same.insert(20..20);
        same.remove(4..4);
        assert_eq!(same, set);
        assert!(Intervals::default().cover(0) && !Intervals::default().cover(1));
    }
}
