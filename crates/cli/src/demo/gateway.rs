//! The real gateway, from a real file that is only not on disk.

use breakerbox_proxy::Config;
use breakerbox_proxy::server::{Options, Running, Server};
use std::error::Error;
use std::net::SocketAddr;
use std::num::NonZeroUsize;

/// The name that the file gives to the service.
pub(super) const UPSTREAM: &str = "api";

/// What the file says of the calls to the service.
pub(super) const POLICY: &str = r#"[upstream.api.policy]
# opens when half of the last 20 calls failed, then sends a probe every 3 s
breaker = { failure_rate = 0.5, window = { calls = 20 }, open_for = "3s" }
attempt_timeout = "1s"
fallback = { status = 200, json = { message = "Please try again later." } }
"#;

/// The gateway's file.
pub(super) fn file(upstream: SocketAddr) -> String {
    format!(
        r#"[admin]
listen = "127.0.0.1:0"  # port 0: any free one

[[listener]]
listen = "127.0.0.1:0"
routes = [{{ prefix = "/", upstream = "{UPSTREAM}" }}]

[upstream.{UPSTREAM}]
endpoints = ["http://{upstream}"]

{POLICY}"#
    )
}

/// The gateway in front of the service, and its address.
pub(super) fn start(file: &str) -> Result<(Running, SocketAddr), Box<dyn Error>> {
    let (config, _) = Config::parse("demo.toml", file).map_err(|errors| {
        let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
        format!("the demo's own file is refused:\n{}", errors.join("\n"))
    })?;
    let options = Options { cores: NonZeroUsize::MIN, ..Options::default() };
    let running = Server::start_with(config, options)?;
    let address = running.addresses().first().copied();
    Ok((running, address.ok_or("the gateway has no listener")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_good() {
        let file = file("127.0.0.1:9001".parse().unwrap());
        let (config, warnings) = Config::parse("demo.toml", &file).unwrap();
        assert!(warnings.is_empty());
        assert!(config.admin.is_some());
        let policy = &config.upstreams[UPSTREAM].policy;
        assert!(policy.breaker.is_some() && policy.fallback.is_some());
    }
}
