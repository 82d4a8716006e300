//! Cores that all requests share equally.

use super::agenda::Id;
use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Processor sharing: with `n` requests on `c` cores each gets on at the speed `min(1, c / n)`. It keeps
/// the work that one request would have got done since the beginning; a request is done when that has
/// grown by its own work, so nothing needs to be done to the others when one comes or goes.
#[derive(Default)]
pub(super) struct Sharing {
    done: f64,
    /// The time, in seconds, up to which `done` has been reckoned, and the speed since.
    at: f64,
    speed: f64,
    running: u32,
    heap: BinaryHeap<Share>,
    epoch: u32,
}

/// A request that runs: it is to be found again by its number, and by how often it was begun.
#[derive(Clone, Copy)]
struct Share {
    ends: f64,
    order: u32,
    id: Id,
    run: u32,
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Share {
    /// What ends first is the greatest, for that is what a heap gives.
    fn cmp(&self, other: &Self) -> Ordering {
        other.ends.total_cmp(&self.ends).then(other.order.cmp(&self.order))
    }
}

impl Sharing {
    pub(super) fn running(&self) -> u32 {
        self.running
    }

    /// How often the next end has changed: an end of an earlier number is none.
    pub(super) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// Time has passed at the speed that was said last.
    pub(super) fn advance(&mut self, now: f64) {
        self.done += (now - self.at).max(0.0) * self.speed;
        self.at = now;
    }

    /// One more, with so much work, of which [`left`](Self::left) can be asked with the number that this
    /// gives.
    pub(super) fn begin(&mut self, id: Id, run: u32, work: f64) -> f64 {
        if self.running == 0 {
            // From zero again, so that sums stay exact however long it runs.
            self.heap.clear();
            self.done = 0.0;
        }
        let ends = self.done + work;
        self.epoch = self.epoch.wrapping_add(1);
        self.heap.push(Share { ends, order: self.epoch, id, run });
        self.running += 1;
        ends
    }

    /// How much work is left of it.
    pub(super) fn left(&self, ends: f64) -> f64 {
        (ends - self.done).max(0.0)
    }

    /// One that was not done has gone away. It is passed over when it would be done.
    pub(super) fn gone(&mut self) {
        self.running -= 1;
    }

    /// Takes the one that is done now.
    pub(super) fn take_done(&mut self, runs: impl Fn(Id, u32) -> bool) -> Option<Id> {
        self.pass_over(runs);
        let share = self.heap.pop()?;
        // Rounding to nanoseconds may have been a little early.
        self.done = self.done.max(share.ends);
        self.running -= 1;
        Some(share.id)
    }

    /// From now on they get on at this speed: how long the first of them takes.
    pub(super) fn next_end(&mut self, speed: f64, runs: impl Fn(Id, u32) -> bool) -> Option<f64> {
        self.epoch = self.epoch.wrapping_add(1);
        self.speed = speed;
        self.pass_over(runs);
        let next = self.heap.peek()?;
        (speed > 0.0).then(|| self.left(next.ends) / speed)
    }

    fn pass_over(&mut self, runs: impl Fn(Id, u32) -> bool) {
        while self.heap.peek().is_some_and(|share| !runs(share.id, share.run)) {
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(slot: u32) -> Id {
        Id { slot, generation: 0 }
    }

    #[test]
    fn two_on_one_core_take_twice_as_long() {
        let all = |_: Id, _: u32| true;
        let mut sharing = Sharing::default();
        sharing.begin(id(1), 1, 1.0);
        assert_eq!(sharing.next_end(1.0, all), Some(1.0));
        // At 0.5 s another one of 0.2 s comes: it is done after 0.4 s, the first one 0.3 s later.
        sharing.advance(0.5);
        let ends = sharing.begin(id(2), 1, 0.25);
        assert_eq!(sharing.left(ends), 0.25);
        assert_eq!(sharing.next_end(0.5, all), Some(0.5));
        sharing.advance(1.0);
        assert_eq!(sharing.take_done(all), Some(id(2)));
        assert_eq!((sharing.running(), sharing.next_end(1.0, all)), (1, Some(0.25)));
    }

    #[test]
    fn one_that_has_gone_is_passed_over() {
        let mut sharing = Sharing::default();
        sharing.begin(id(1), 1, 1.0);
        sharing.begin(id(2), 1, 2.0);
        sharing.gone();
        let second = |it: Id, _: u32| it == id(2);
        assert_eq!(sharing.next_end(1.0, second), Some(2.0));
        sharing.advance(2.0);
        assert_eq!(sharing.take_done(second), Some(id(2)));
        assert_eq!((sharing.running(), sharing.take_done(second)), (0, None));
    }
}
