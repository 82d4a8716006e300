//! Something to be measured, and what it is made of: operations, and how a future is driven.

use std::fmt;
use std::hint::black_box;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

/// Candidates that do the same.
pub struct Group {
    pub title: &'static str,
    pub cases: Vec<Case>,
}

/// A candidate: its name, and a round of calls.
pub struct Case {
    pub name: String,
    round: Box<dyn FnMut(u64)>,
}

impl Case {
    /// A case of many equal calls. A call answers whether it came out as it should: a breaker that has
    /// opened on the way would look fast.
    pub fn each(name: impl Into<String>, mut call: impl FnMut() -> bool + 'static) -> Self {
        let name = name.into();
        let title = name.clone();
        let round = move |calls| {
            let mut good = true;
            for _ in 0..calls {
                good &= black_box(call());
            }
            assert!(good, "{title}: a call came out otherwise");
        };
        Self { name, round: Box::new(round) }
    }

    /// Makes so many calls.
    pub fn run(&mut self, calls: u64) {
        (self.round)(calls);
    }
}

/// The error of all operations. Some candidates want a real one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("failed")
    }
}

impl std::error::Error for Failed {}

/// An operation that succeeds. Each candidate is given a closure around it, as in a program: that is a type
/// of its own, so that one caller's code is not shared with another's.
#[inline(always)]
pub fn good(answer: u64) -> Result<u64, Failed> {
    Ok(black_box(answer))
}

/// An operation that fails.
#[inline(always)]
pub fn bad(_: u64) -> Result<u64, Failed> {
    black_box(Err(Failed))
}

/// An operation that fails once in so many calls.
pub fn sometimes_bad(every: u64) -> impl FnMut() -> (Result<u64, Failed>, bool) {
    let mut call = 0_u64;
    move || {
        call += 1;
        if call.is_multiple_of(every) { (bad(1), false) } else { (good(1), true) }
    }
}

/// An operation that is pending the first time it is asked.
#[derive(Default)]
pub struct PendingOnce(bool);

impl Future for PendingOnce {
    type Output = Result<u64, Failed>;

    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(good(1));
        }
        // Some candidates poll again only what has been woken.
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

struct Nobody;

impl Wake for Nobody {
    fn wake(self: Arc<Self>) {}
    fn wake_by_ref(self: &Arc<Self>) {}
}

/// What a task's waker costs to clone, and nothing when it is woken.
pub fn waker() -> &'static Waker {
    Box::leak(Box::new(Waker::from(Arc::new(Nobody))))
}

/// Polls a future to its end, and looks at what comes out where it lies: to move a large answer costs more
/// than some candidates do.
#[inline(always)]
pub fn ends<F: Future>(waker: &Waker, future: F, well: impl FnOnce(&F::Output) -> bool) -> bool {
    let mut context = Context::from_waker(waker);
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = &future.as_mut().poll(&mut context) {
            return well(output);
        }
    }
}

/// Whether a future ends with a success.
#[inline(always)]
pub fn succeeds<T, E>(waker: &Waker, future: impl Future<Output = Result<T, E>>) -> bool {
    ends(waker, future, Result::is_ok)
}

/// Whether a future ends with an error.
#[inline(always)]
pub fn fails<T, E>(waker: &Waker, future: impl Future<Output = Result<T, E>>) -> bool {
    ends(waker, future, Result::is_err)
}
