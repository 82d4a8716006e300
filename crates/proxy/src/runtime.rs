//! Tasks that stay on their core's thread.

use std::future::Future;

use hyper::rt::Executor;
use tokio::task::{JoinHandle, spawn_local};

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
