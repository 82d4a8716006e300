//! A client that writes what it is told and reads what comes.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::quiet::pause;

pub(super) struct Client {
    stream: TcpStream,
    received: Vec<u8>,
    over: bool,
}

impl Client {
    pub(super) fn new(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the gateway listens");
        let no_linger = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
        no_linger.expect("it can be");
        stream.set_nodelay(true).expect("it can be");
        stream.set_nonblocking(true).expect("it can be");
        Self { stream, received: Vec::new(), over: false }
    }

    /// Writes, and reads on the way, until all is written or the other end has had enough. False if
    /// that takes longer than `most`.
    pub(super) fn write(&mut self, mut bytes: &[u8], most: Duration) -> bool {
        let began = Instant::now();
        while !bytes.is_empty() && !self.over {
            match self.stream.write(bytes) {
                Ok(count) => bytes = &bytes[count..],
                Err(error) if error.kind() == ErrorKind::WouldBlock => pause(),
                Err(_) => self.over = true,
            }
            self.read();
            if began.elapsed() > most {
                return false;
            }
        }
        true
    }

    /// Reads what is there.
    pub(super) fn read(&mut self) {
        let mut part = [0; 16 * 1024];
        loop {
            match self.stream.read(&mut part) {
                Ok(0) => return self.over = true,
                Ok(count) => self.received.extend_from_slice(&part[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => return self.over = true,
            }
        }
    }

    /// Says that nothing more comes, and reads to the end. `None` if that does not come within `most`.
    pub(super) fn finish(mut self, most: Duration) -> Option<Vec<u8>> {
        let _ = self.stream.shutdown(Shutdown::Write);
        let began = Instant::now();
        while !self.over {
            self.read();
            if began.elapsed() > most {
                return None;
            }
            pause();
        }
        Some(self.received)
    }
}
