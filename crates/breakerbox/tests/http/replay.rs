//! The body of a request, for one attempt after the other.

use crate::support::{Part, Parts};
use breakerbox::http::{Replay, ReplayBody, ReplayError};
use http_body::Body;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one look at a body comes to.
#[derive(Debug, PartialEq)]
enum Look {
    Data(String),
    Trailers,
    Failed,
    Superseded,
    End,
    Waits,
}

fn look(body: &mut ReplayBody<Parts>, woken: &Arc<Woken>) -> Look {
    let waker = Waker::from(Arc::clone(woken));
    match Pin::new(body).poll_frame(&mut Context::from_waker(&waker)) {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(bytes) => Look::Data(String::from_utf8(bytes.to_vec()).unwrap()),
            Err(_) => Look::Trailers,
        },
        Poll::Ready(Some(Err(ReplayError::Body(_)))) => Look::Failed,
        Poll::Ready(Some(Err(ReplayError::Superseded))) => Look::Superseded,
        Poll::Ready(None) => Look::End,
        Poll::Pending => Look::Waits,
    }
}

#[test]
fn who_waits_for_the_rest_of_a_body_is_woken_by_the_next_attempt() {
    let replay = Replay::new(Parts::of(&[Part::Data("a"), Part::Hangs]), 1024);
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut old = replay.body();
    assert_eq!(look(&mut old, &first), Look::Data("a".to_owned()));
    assert_eq!(look(&mut old, &first), Look::Waits);

    let mut new = replay.body();
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
    assert_eq!(look(&mut new, &second), Look::Data("a".to_owned()));
    assert_eq!(look(&mut new, &second), Look::Waits);
    assert_eq!(look(&mut old, &first), Look::Superseded);
    // The last one is left alone: it reads on.
    drop(replay);
    assert_eq!(look(&mut new, &second), Look::Waits);
    assert_eq!([&first, &second].map(|it| it.0.load(Ordering::Relaxed)), [1, 0]);
}

#[test]
fn who_does_not_wait_is_not_woken() {
    let replay = Replay::new(Parts::of(&[Part::Data("a"), Part::Data("b")]), 1024);
    let woken = Arc::new(Woken::default());
    let mut old = replay.body();
    assert_eq!(look(&mut old, &woken), Look::Data("a".to_owned()));
    replay.body();
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    assert_eq!(look(&mut old, &woken), Look::Superseded);
    assert_eq!(look(&mut old, &woken), Look::End);
}
