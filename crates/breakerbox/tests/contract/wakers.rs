//! Wakers are somebody else's code too.

use breakerbox::{Breaker, EventKind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// When it is dropped it uses the breaker whose events it was to wait for.
struct Meddler(Breaker);

impl Wake for Meddler {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Meddler {
    fn drop(&mut self) {
        self.0.permit().expect("the breaker is closed").ignore();
    }
}

#[test]
fn a_waker_that_uses_the_breaker_when_it_is_dropped_does_not_hang_the_stream() {
    let breaker = Breaker::new("posts");
    let mut events = breaker.events();
    let meddler = Waker::from(Arc::new(Meddler(breaker.clone())));
    {
        let next = pin!(events.next());
        assert_eq!(next.poll(&mut Context::from_waker(&meddler)), Poll::Pending);
    }
    drop(meddler);
    {
        // The earlier waker goes, and what it does is an event.
        let next = pin!(events.next());
        assert!(next.poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(events.try_next().unwrap().kind, EventKind::Ignored);
}
