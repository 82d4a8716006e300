//! What can be observed: breakers and pipelines.

use crate::clock::Clock;
use crate::events::Callback;
use crate::inner::Inner;
use crate::pipeline::PipelineStats;
use crate::{BlockingBreaker, BlockingPipeline, Breaker, Interest, ListenerId, Name, Pipeline};
use breakerbox_core::Timestamp;
use std::sync::Arc;

/// What can be observed: breakers and pipelines, for async and for blocking calls.
///
/// Of [`SharedCalls`](crate::SharedCalls) it is the pipeline. Nobody else can implement it.
///
/// ```
/// # #[cfg(feature = "metrics")] fn main() {
/// use breakerbox::metrics::Exporter;
/// use breakerbox::{BlockingBreaker, Breaker, Observable, Pipeline};
///
/// fn exporter_of(one: &impl Observable, other: &impl Observable) -> Exporter {
///     Exporter::new().with(one).with(other)
/// }
/// let posts = Pipeline::builder("posts").build().unwrap();
/// let disk = BlockingBreaker::new("disk");
/// assert_eq!(exporter_of(&posts, &disk).len(), 2);
/// # }
/// # #[cfg(not(feature = "metrics"))] fn main() {}
/// ```
pub trait Observable: sealed::Sealed {}

pub(crate) mod sealed {
    use super::{Arc, Source};

    pub trait Sealed {
        /// What its clones share.
        fn source(&self) -> Arc<dyn Source>;
    }
}

/// What is read of a breaker or a pipeline, whatever its clock is.
pub trait Source: Send + Sync {
    fn name(&self) -> &Name;
    fn listen(&self, interest: Interest, callback: Callback) -> ListenerId;
    fn stop_listening(&self, listener: ListenerId);
    /// What its policies have seen; what time has changed is told before.
    fn stats(&self) -> PipelineStats;
    fn pipeline(&self) -> &breakerbox_core::pipeline::Pipeline;
    fn now(&self) -> Timestamp;
}

impl<C: Clock + Send + Sync> Source for Inner<C> {
    fn name(&self) -> &Name {
        &self.name
    }

    fn listen(&self, interest: Interest, callback: Callback) -> ListenerId {
        self.listeners.add(interest, callback)
    }

    fn stop_listening(&self, listener: ListenerId) {
        self.listeners.remove(listener);
    }

    fn stats(&self) -> PipelineStats {
        PipelineStats::of(self)
    }

    fn pipeline(&self) -> &breakerbox_core::pipeline::Pipeline {
        &self.pipeline
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl<C: Clock + Send + Sync + 'static> sealed::Sealed for Pipeline<C> {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(self.inner()) as _
    }
}

impl<C: Clock + Send + Sync + 'static> sealed::Sealed for BlockingPipeline<C> {
    fn source(&self) -> Arc<dyn Source> {
        self.to_async().source()
    }
}

impl<C: Clock + Send + Sync + 'static> sealed::Sealed for Breaker<C> {
    fn source(&self) -> Arc<dyn Source> {
        Arc::clone(self.inner()) as _
    }
}

impl<C: Clock + Send + Sync + 'static> sealed::Sealed for BlockingBreaker<C> {
    fn source(&self) -> Arc<dyn Source> {
        self.to_async().source()
    }
}

impl<C: Clock + Send + Sync + 'static> Observable for Pipeline<C> {}
impl<C: Clock + Send + Sync + 'static> Observable for BlockingPipeline<C> {}
impl<C: Clock + Send + Sync + 'static> Observable for Breaker<C> {}
impl<C: Clock + Send + Sync + 'static> Observable for BlockingBreaker<C> {}
