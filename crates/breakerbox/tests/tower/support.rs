//! A service that does what it is told, and tasks that count their polls.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tower::Service;

/// What all clones of a service share. Neither it nor its futures are `Send`, and nothing is `'static`
/// that need not be.
#[derive(Default)]
pub(crate) struct Told {
    /// Its clones are ready.
    pub(crate) ready: Cell<bool>,
    pub(crate) broken: Cell<bool>,
    /// How often a clone was asked whether it is ready.
    pub(crate) asked: Cell<u32>,
    pub(crate) calls: Cell<u32>,
    pub(crate) dropped: Cell<u32>,
    /// What calls come to, one after the other; the last repeats. `None`: they hang until told.
    pub(crate) answers: RefCell<Vec<Option<Result<u32, u32>>>>,
    /// Calls that hang end so.
    pub(crate) ended: Cell<Option<Result<u32, u32>>>,
    pub(crate) waker: RefCell<Option<Waker>>,
}

pub(crate) struct Scripted {
    pub(crate) told: Rc<Told>,
    /// This clone has been found ready, and has not been called since.
    was_ready: bool,
}

impl Scripted {
    pub(crate) fn new(answers: &[Option<Result<u32, u32>>]) -> (Self, Rc<Told>) {
        let told = Rc::new(Told::default());
        told.ready.set(true);
        *told.answers.borrow_mut() = answers.to_vec();
        (Self { told: Rc::clone(&told), was_ready: false }, told)
    }
}

impl Clone for Scripted {
    /// A clone is not ready because the other one is.
    fn clone(&self) -> Self {
        Self { told: Rc::clone(&self.told), was_ready: false }
    }
}

impl Service<u32> for Scripted {
    type Response = u32;
    type Error = u32;
    type Future = Pin<Box<dyn Future<Output = Result<u32, u32>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), u32>> {
        self.told.asked.set(self.told.asked.get() + 1);
        if self.told.broken.get() {
            return Poll::Ready(Err(13));
        }
        self.was_ready = self.told.ready.get();
        if self.was_ready { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn call(&mut self, request: u32) -> Self::Future {
        assert!(std::mem::replace(&mut self.was_ready, false), "called before it was ready");
        let told = Rc::clone(&self.told);
        let number = told.calls.replace(told.calls.get() + 1) as usize;
        let answers = told.answers.borrow();
        let answer = answers.get(number).or(answers.last()).copied().expect("it was told");
        drop(answers);
        let drops = Drops(Rc::clone(&told));
        Box::pin(async move {
            let _drops = drops;
            assert!(request != 666, "the service panics");
            match answer {
                Some(answer) => answer,
                None => {
                    poll_fn(|cx| match told.ended.get() {
                        Some(answer) => Poll::Ready(answer),
                        None => {
                            *told.waker.borrow_mut() = Some(cx.waker().clone());
                            Poll::Pending
                        }
                    })
                    .await
                }
            }
        })
    }
}

struct Drops(Rc<Told>);

impl Drop for Drops {
    fn drop(&mut self) {
        self.0.dropped.set(self.0.dropped.get() + 1);
    }
}

/// A future that is polled when it has been woken, and only then.
pub(crate) struct Task<F: Future> {
    future: Pin<Box<F>>,
    woken: Arc<Woken>,
    pub(crate) output: Option<F::Output>,
    pub(crate) polls: u32,
}

struct Woken(AtomicBool, AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
        self.1.fetch_add(1, Ordering::Relaxed);
    }
}

impl<F: Future> Task<F> {
    pub(crate) fn new(future: F) -> Self {
        let woken = Arc::new(Woken(AtomicBool::new(true), AtomicU32::new(0)));
        let mut task = Self { future: Box::pin(future), woken, output: None, polls: 0 };
        task.run();
        task
    }

    pub(crate) fn run(&mut self) {
        let waker = Waker::from(Arc::clone(&self.woken));
        while self.output.is_none() && self.woken.0.swap(false, Ordering::Relaxed) {
            self.polls += 1;
            assert!(self.polls < 1000, "it spins");
            if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&waker))
            {
                self.output = Some(output);
            }
        }
    }

    /// As if it had been woken.
    pub(crate) fn wake(&self) {
        self.woken.0.store(true, Ordering::Relaxed);
    }

    #[track_caller]
    pub(crate) fn output(&mut self) -> F::Output {
        self.run();
        self.output.take().expect("it is pending")
    }
}

/// Asks a service once whether it is ready.
pub(crate) fn poll_ready<S: Service<u32>>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(Waker::noop()))
}
