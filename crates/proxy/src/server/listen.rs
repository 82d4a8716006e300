//! Listening sockets: one per core and address, all bound before anything is served.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroUsize;

use socket2::{Domain, Protocol, Socket, Type};

use super::BindError;

/// Connections that the kernel completes and keeps while a core is busy.
const BACKLOG: i32 = 1024;

/// An address with a socket for each core.
#[derive(Debug)]
pub(super) struct Bound {
    /// The address, with the port that the system chose where 0 was asked for.
    pub(super) address: SocketAddr,
    /// One socket per core.
    pub(super) sockets: Vec<TcpListener>,
}

/// Binds an address for `cores` cores, which share its connections through `SO_REUSEPORT`.
///
/// A socket that shares its port would be let in beside another program's sharing one, so the
/// address is first tried without.
pub(super) fn bind(address: SocketAddr, cores: NonZeroUsize) -> Result<Bound, BindError> {
    let failed = |source| BindError { address, source };
    if address.port() != 0 {
        let alone = socket(address).map_err(failed)?;
        alone.bind(&address.into()).map_err(failed)?;
        alone.listen(1).map_err(failed)?;
    }
    let first = shared(address).map_err(failed)?;
    let bound = first.local_addr().map_err(failed)?;
    let mut sockets = vec![first];
    while sockets.len() < cores.get() {
        sockets.push(another(&sockets[0], bound).map_err(failed)?);
    }
    Ok(Bound { address: bound, sockets })
}

fn socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    // A restart need not wait for the last connections of the program before it.
    #[cfg(unix)]
    socket.set_reuse_address(true)?;
    Ok(socket)
}

fn shared(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(address)?;
    #[cfg(unix)]
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

#[cfg(unix)]
fn another(_first: &TcpListener, address: SocketAddr) -> io::Result<TcpListener> {
    shared(address)
}

/// Without `SO_REUSEPORT` the cores take turns at one socket.
#[cfg(not(unix))]
fn another(first: &TcpListener, _address: SocketAddr) -> io::Result<TcpListener> {
    first.try_clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: NonZeroUsize = NonZeroUsize::new(2).unwrap();

    #[test]
    fn all_cores_get_the_port_that_the_system_chose() {
        let bound = bind("127.0.0.1:0".parse().unwrap(), TWO).unwrap();
        assert_ne!(bound.address.port(), 0);
        let ports: Vec<_> =
            bound.sockets.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        assert_eq!(ports, [bound.address.port(); 2]);
    }

    #[test]
    fn a_port_that_is_shared_by_another_is_taken_too() {
        let other = bind("127.0.0.1:0".parse().unwrap(), TWO).unwrap();
        let error = bind(other.address, TWO).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("cannot listen on {}: another program listens there already", other.address),
        );
    }
}
