//! Tasks that stay on their core's thread.

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::rc::Rc;

use hyper::rt::Executor;
use tokio::task::{AbortHandle, JoinHandle, spawn_local};

thread_local! {
    static ON_CORE: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is a core's, and its tasks run: then more can be spawned on it.
pub(crate) fn on_core() -> bool {
    ON_CORE.get()
}

/// While it lives this thread is a core's, and its tasks run.
#[derive(Debug)]
pub(crate) struct CoreRuns(());

impl CoreRuns {
    pub(crate) fn begin() -> Self {
        ON_CORE.set(true);
        Self(())
    }
}

impl Drop for CoreRuns {
    fn drop(&mut self) {
        ON_CORE.set(false);
    }
}

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
