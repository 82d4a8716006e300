//! Places for things that come and go.

use super::agenda::Id;

/// A thing that can be used anew.
pub(super) trait Reusable {
    fn generation(&self) -> u32;
    /// It is gone: whoever still has its old generation does not find it.
    fn retire(&mut self);
}

/// Places for things that come and go; a place that is free is used again.
#[derive(Default)]
pub(super) struct Slots<T> {
    all: Vec<T>,
    free: Vec<u32>,
}

impl<T: Default + Reusable> Slots<T> {
    /// A place, with whatever was left there.
    pub(super) fn take(&mut self) -> Id {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.all.push(T::default());
            self.all.len() as u32 - 1
        });
        Id { slot, generation: self.all[slot as usize].generation() }
    }

    pub(super) fn give_back(&mut self, id: Id) {
        let thing = &mut self.all[id.slot as usize];
        if thing.generation() == id.generation {
            thing.retire();
            self.free.push(id.slot);
        }
    }

    /// It, if it is still there.
    #[inline]
    pub(super) fn find(&mut self, id: Id) -> Option<&mut T> {
        self.all.get_mut(id.slot as usize).filter(|thing| thing.generation() == id.generation)
    }

    /// The same, to be looked at.
    #[inline]
    pub(super) fn peek(&self, id: Id) -> Option<&T> {
        self.all.get(id.slot as usize).filter(|thing| thing.generation() == id.generation)
    }

    /// Whatever is in this place.
    #[inline]
    pub(super) fn at(&mut self, slot: u32) -> &mut T {
        &mut self.all[slot as usize]
    }

    /// What is in each place, be it there or gone.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.all.iter()
    }

    pub(super) fn is_there(&self, id: Id) -> bool {
        self.peek(id).is_some()
    }
}
