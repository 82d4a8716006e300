//! What chaos does to a request on its way to an endpoint.

use std::time::Duration;

use breakerbox::core::chaos::{Fault, FaultKind};
use http::{Request, Response, StatusCode};

use crate::body::RequestBody;
use crate::policies::Sent;
use crate::pool::{Endpoint, SendError, UpstreamBody};

/// Sends a request that is to meet this fault, or what the fault leaves of it.
pub(crate) async fn meet(fault: Fault, endpoint: &Endpoint, request: Request<RequestBody>) -> Sent {
    if fault.delay > Duration::ZERO {
        tokio::time::sleep(fault.delay).await;
    }
    match fault.kind {
        Some(FaultKind::Error(status)) => {
            let mut response = Response::new(UpstreamBody::empty());
            *response.status_mut() =
                StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
            Ok(response)
        }
        Some(FaultKind::Reset) => Err(SendError::injected_reset(endpoint.name())),
        // Until the attempt times out, or its client goes away.
        Some(FaultKind::BlackHole) => std::future::pending().await,
        None => {
            let response = endpoint.send(request).await?;
            Ok(response.map(|body| body.with_faults(fault.slow_body, fault.truncate_body)))
        }
    }
}
