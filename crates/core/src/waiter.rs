//! One who waits for a decision of another, and how those are woken.

use crate::sync::{Mutex, lock};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// One who waits: the place where the decision about it is left, once.
#[derive(Debug)]
pub(crate) struct Waiter<T>(Mutex<State<T>>);

#[derive(Debug)]
enum State<T> {
    Waits(Option<Waker>),
    Decided(T),
    Told,
}

impl<T> Waiter<T> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State::Waits(None)))
    }

    /// Wakes this one, and no earlier one, when there is a decision. True if there is one already:
    /// nobody will be woken then.
    pub(crate) fn listen(&self, waker: &Waker) -> bool {
        // What wakers do when they are cloned or dropped is their own affair: not under the lock.
        let waker = waker.clone();
        let mut state = lock(&self.0);
        let State::Waits(listening) = &mut *state else { return true };
        let earlier = listening.replace(waker);
        drop(state);
        drop(earlier);
        false
    }

    /// Leaves the decision and hands out who is to be woken. Only the first one counts.
    pub(crate) fn decide(&self, decision: T) -> Option<Waker> {
        let mut state = lock(&self.0);
        match &mut *state {
            State::Waits(listening) => {
                let waker = listening.take();
                *state = State::Decided(decision);
                waker
            }
            State::Decided(_) | State::Told => None,
        }
    }

    /// Takes the decision, if there is one.
    pub(crate) fn take(&self) -> Option<T> {
        let mut state = lock(&self.0);
        match mem::replace(&mut *state, State::Told) {
            State::Decided(decision) => Some(decision),
            other => {
                *state = other;
                None
            }
        }
    }
}

/// Who is to be woken once a lock has been released.
///
/// Mostly it is one: the first needs no memory of its own.
#[derive(Debug, Default)]
#[must_use = "whoever is in it is woken by `wake`"]
pub(crate) struct Wakers {
    first: Option<Waker>,
    more: Vec<Waker>,
}

impl Wakers {
    pub(crate) fn add(&mut self, waker: Option<Waker>) {
        if self.first.is_none() {
            self.first = waker;
        } else {
            self.more.extend(waker);
        }
    }

    /// Wakes them, in the order in which they were added.
    pub(crate) fn wake(self) {
        self.first.into_iter().chain(self.more).for_each(wake);
    }
}

/// Wakes one. A waker is another's code: if it panics that is its own affair, and neither ours nor that
/// of those who are still to be woken.
pub(crate) fn wake(waker: Waker) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| waker.wake())) {
        // What it panicked with may panic as it is dropped.
        std::mem::forget(payload);
    }
}

/// A waker that counts how often it was used.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct Bell(std::sync::atomic::AtomicUsize);

#[cfg(test)]
impl Bell {
    pub(crate) fn new() -> std::sync::Arc<Self> {
        Self::default().into()
    }

    pub(crate) fn rung(&self) -> usize {
        self.0.load(std::sync::atomic::Ordering::SeqCst)
    }
}

#[cfg(test)]
impl std::task::Wake for Bell {
    fn wake(self: std::sync::Arc<Self>) {
        self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_last_waker_is_used_once_and_the_first_decision_counts() {
        let waiter = Waiter::new();
        let (early, late) = (Bell::new(), Bell::new());
        assert!(!waiter.listen(&early.clone().into()));
        assert!(!waiter.listen(&late.clone().into()));
        assert_eq!(waiter.take(), None);

        let mut wakers = Wakers::default();
        wakers.add(waiter.decide('a'));
        wakers.add(waiter.decide('b'));
        assert_eq!(late.rung(), 0, "only once the lock is released");
        wakers.wake();
        assert_eq!((early.rung(), late.rung()), (0, 1));

        assert!(waiter.listen(&early.clone().into()), "it has been decided already");
        assert_eq!(waiter.take(), Some('a'));
        assert_eq!(waiter.take(), None);
        assert_eq!((early.rung(), late.rung()), (0, 1));
    }

    #[test]
    fn wakers_are_woken_in_their_order() {
        struct Note(u8, std::sync::mpsc::Sender<u8>);
        impl std::task::Wake for Note {
            fn wake(self: std::sync::Arc<Self>) {
                self.1.send(self.0).unwrap();
            }
        }
        let (sender, woken) = std::sync::mpsc::channel();
        let mut wakers = Wakers::default();
        wakers.add(None);
        for number in 0..3 {
            wakers.add(Some(std::sync::Arc::new(Note(number, sender.clone())).into()));
            wakers.add(None);
        }
        wakers.wake();
        assert_eq!(woken.try_iter().collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn one_that_panics_keeps_nobody_from_being_woken() {
        struct Panics;
        impl std::task::Wake for Panics {
            fn wake(self: std::sync::Arc<Self>) {
                std::panic::panic_any(());
            }
        }
        let (mut wakers, last) = (Wakers::default(), Bell::new());
        wakers.add(Some(std::sync::Arc::new(Panics).into()));
        wakers.add(Some(last.clone().into()));
        wakers.wake();
        assert_eq!(last.rung(), 1);
    }
}
