//! What to try by hand while gateway and service go on running.

use super::gateway::UPSTREAM;
use std::fmt;
use std::net::SocketAddr;

/// Where everything listens. Displayed as commands to try.
#[derive(Debug)]
pub(super) struct Addresses {
    /// The gateway's.
    pub(super) gateway: SocketAddr,
    /// The admin API's.
    pub(super) admin: SocketAddr,
    /// The service's.
    pub(super) service: SocketAddr,
}

impl fmt::Display for Addresses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { gateway, admin, service } = self;
        writeln!(
            f,
            "\
Gateway and service go on running. To try by hand:

a call through the gateway
  curl -i http://{gateway}/posts/1

what the gateway says of itself
  curl http://{admin}/breakers
  curl http://{admin}/health
  curl http://{admin}/metrics

break the service (fail: slow 503s; hang: no answers), and let it recover
  curl -X POST http://{service}/demo/fail
  curl -X POST http://{service}/demo/hang
  curl -X POST http://{service}/demo/recover

open the circuit: break the service, then let half of the last 20 calls fail
  for i in $(seq 12); do curl http://{gateway}/posts/1; echo; done

open and close the circuit by hand
  curl -X POST http://{admin}/breakers/{UPSTREAM}/isolate
  curl -X POST http://{admin}/breakers/{UPSTREAM}/close

Ctrl-C ends it."
        )
    }
}
