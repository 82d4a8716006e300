//! Tasks that stay on their core's thread.

use std::cell::OnceCell;
use std::future::Future;
use std::rc::Rc;

use hyper::rt::Executor;
use tokio::task::{AbortHandle, JoinHandle, spawn_local};

/// Runs the tasks of hyper's HTTP/2 on the current thread.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LocalExecutor;

impl<F> Executor<F> for LocalExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        spawn_local(async move {
            future.await;
        });
    }
}

tokio::task_local! {
    static OWN_STREAM: Rc<OnceCell<AbortHandle>>;
}

/// Runs the tasks of hyper's HTTP/2 server on the current thread, one for each stream, which can be
/// cut off by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StreamExecutor;

impl<F> Executor<F> for StreamExecutor
where
    F: Future + 'static,
{
    fn execute(&self, future: F) {
        let own = Rc::new(OnceCell::new());
        let task = spawn_local(OWN_STREAM.scope(Rc::clone(&own), async move {
            future.await;
        }));
        // It does not run before the next turn.
        let _ = own.set(task.abort_handle());
    }
}

/// What cuts off the HTTP/2 stream in whose task this is called, if it is one's: aborted, its stream
/// is reset.
pub(crate) fn own_stream() -> Option<AbortHandle> {
    OWN_STREAM.try_with(|own| own.get().cloned()).ok().flatten()
}

/// A task that lives no longer than its owner.
#[derive(Debug)]
pub(crate) struct AbortOnDrop(JoinHandle<()>);

impl AbortOnDrop {
    pub(crate) fn new(task: JoinHandle<()>) -> Self {
        Self(task)
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}
