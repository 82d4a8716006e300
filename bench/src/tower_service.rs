//! How a Tower service is called, and what a bare one costs: the peers that are Tower services, and our
//! layers, are measured with [`called`].

use crate::case::{Case, Failed, Group, PendingOnce, bad, ends, good, succeeds, waker};
use breakerbox::tower::PipelineLayer;
use breakerbox::{BuildError, Pipeline};
use std::task::{Context, Poll, Waker};
use tower::{Layer, Service, ServiceExt};

/// A service that is ready at once, with an answer that is: a failure to request 0, else a success.
#[derive(Clone, Copy)]
pub struct Ready;

impl Service<u64> for Ready {
    type Response = u64;
    type Error = Failed;
    type Future = std::future::Ready<Result<u64, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: u64) -> Self::Future {
        std::future::ready(if request == 0 { bad(1) } else { good(1) })
    }
}

/// A service with an answer that is pending once.
#[derive(Clone, Copy)]
pub struct Pending;

impl Service<u64> for Pending {
    type Response = u64;
    type Error = Failed;
    type Future = PendingOnce;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: u64) -> Self::Future {
        PendingOnce::default()
    }
}

/// Our Tower layer of this pipeline around a service.
pub fn layered<S>(
    pipeline: Result<Pipeline, BuildError>,
    service: S,
) -> impl Service<u64, Response = u64> + Clone
where
    S: Service<u64, Response = u64> + Clone,
{
    PipelineLayer::new(pipeline.expect("valid settings")).layer(service)
}

/// A case of calls that succeed through it.
pub fn face<S>(name: &str, pipeline: Result<Pipeline, BuildError>, service: S) -> Case
where
    S: Service<u64, Response = u64> + Clone + 'static,
{
    let waker = waker();
    let mut service = layered(pipeline, service);
    Case::each(name, move || called(waker, &mut service))
}

/// A case of calls that it rejects.
pub fn rejecting_face(name: &str, mut service: impl Service<u64> + 'static) -> Case {
    let waker = waker();
    Case::each(name, move || called_with(waker, &mut service, 1, Result::is_err))
}

/// Whether a call succeeds, made as Tower's documentation has it: wait until the service is ready, call it.
#[inline(always)]
pub fn called<S: Service<u64>>(waker: &Waker, service: &mut S) -> bool {
    called_with(waker, service, 1, Result::is_ok)
}

/// The same with this request, and another end.
#[inline(always)]
pub fn called_with<S: Service<u64>>(
    waker: &Waker,
    service: &mut S,
    request: u64,
    well: impl FnOnce(&Result<S::Response, S::Error>) -> bool,
) -> bool {
    ends(waker, async { service.ready().await?.call(request).await }, well)
}

/// The floor of the rows of Tower services.
pub fn group() -> Group {
    let waker = waker();
    let (mut ready, mut pending) = (Ready, Pending);
    let cases = vec![
        Case::each("a bare service, ready at once", move || called(waker, &mut ready)),
        Case::each("a bare service, pending once", move || called(waker, &mut pending)),
        Case::each("a bare operation, pending once", move || {
            succeeds(waker, PendingOnce::default())
        }),
    ];
    Group { title: "floors of Tower services", cases }
}
