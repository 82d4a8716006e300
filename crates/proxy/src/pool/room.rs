//! Room for streams on one HTTP/2 connection: as many as the endpoint takes at once.
//!
//! hyper queues what is above that too, but loses the first of its queue when the connection ends,
//! without a word on whether it was sent.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What an endpoint is believed to take until it has said so; hyper's own default.
const AT_FIRST: usize = 100;

/// The room of one connection; who waits for a place gets it in the order of asking.
#[derive(Debug)]
pub(super) struct Room {
    places: Arc<Semaphore>,
    size: Cell<usize>,
    /// Places that are taken although there are no such any more.
    surplus: Cell<usize>,
}

/// A place for one stream, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    permit: Option<OwnedSemaphorePermit>,
    room: Rc<Room>,
}

impl Room {
    pub(super) fn new() -> Rc<Self> {
        let places = Arc::new(Semaphore::new(AT_FIRST));
        Rc::new(Self { places, size: Cell::new(AT_FIRST), surplus: Cell::new(0) })
    }

    /// Waits for a place; `None` once the connection takes no more.
    pub(super) async fn place(self: &Rc<Self>) -> Option<Place> {
        let permit = self.places.clone().acquire_owned().await.ok()?;
        Some(Place { permit: Some(permit), room: Rc::clone(self) })
    }

    /// The endpoint takes so many streams at once.
    pub(super) fn resize(&self, size: usize) {
        // An endpoint that takes none for a while is left to hyper.
        let size = size.clamp(1, Semaphore::MAX_PERMITS);
        let old = self.size.replace(size);
        if size > old {
            let more = size - old;
            let kept = more.min(self.surplus.get());
            self.surplus.set(self.surplus.get() - kept);
            self.places.add_permits(more - kept);
        } else if size < old {
            let free = self.places.forget_permits(old - size);
            self.surplus.set(self.surplus.get() + (old - size - free));
        }
    }

    /// The connection takes no more: whoever waits is told.
    pub(super) fn close(&self) {
        self.places.close();
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let surplus = &self.room.surplus;
        if surplus.get() > 0
            && let Some(permit) = self.permit.take()
        {
            surplus.set(surplus.get() - 1);
            permit.forget();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    async fn full(room: &Rc<Room>) -> bool {
        timeout(Duration::ZERO, room.place()).await.is_err()
    }

    #[tokio::test]
    async fn a_smaller_room_fills_up_only_after_enough_have_left() {
        let room = Room::new();
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push(room.place().await.unwrap());
        }
        room.resize(2);
        for _ in 0..4 {
            assert!(full(&room).await);
            taken.pop();
        }
        let _second = room.place().await.unwrap();
        assert!(full(&room).await);
        room.resize(3);
        let _third = room.place().await.unwrap();
        assert!(full(&room).await);
    }

    #[tokio::test]
    async fn a_room_that_grows_again_keeps_those_who_are_in_it() {
        let room = Room::new();
        let mut taken = Vec::new();
        for _ in 0..5 {
            taken.push(room.place().await.unwrap());
        }
        room.resize(2);
        room.resize(6);
        taken.push(room.place().await.unwrap());
        assert!(full(&room).await);
        room.resize(usize::MAX);
        assert!(!full(&room).await);
        room.resize(0);
        drop(taken);
        let _one = room.place().await.unwrap();
        assert!(full(&room).await);
    }

    #[tokio::test]
    async fn who_waits_is_told_of_the_end() {
        let room = Room::new();
        room.resize(1);
        let _taken = room.place().await.unwrap();
        let waiting = room.place();
        tokio::pin!(waiting);
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        room.close();
        assert!(waiting.await.is_none());
    }
}
