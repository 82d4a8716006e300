//! The upstream: reads requests in their strict form alone, and remembers them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::message::{Framing, Head, Stopped, body, fault};

/// What it has seen since it was last asked, and what it is to say.
#[derive(Default)]
pub(super) struct Record {
    pub(super) seen: Vec<Seen>,
    /// What the gateway must never write.
    pub(super) faults: Vec<String>,
    /// The answer to the next `/raw`.
    pub(super) raw: Vec<u8>,
    next_id: u64,
}

/// A request whose head has come.
#[derive(Clone, Debug)]
pub(super) struct Seen {
    pub(super) id: u64,
    pub(super) method: String,
    pub(super) target: String,
    /// Its body, if that came whole.
    pub(super) body: Vec<u8>,
}

#[derive(Clone, Default)]
pub(super) struct Upstream {
    record: Arc<Mutex<Record>>,
    hang_up: Arc<Notify>,
}

impl Upstream {
    pub(super) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes all connections.
    pub(super) fn hang_up(&self) {
        self.hang_up.notify_waiters();
    }

    /// Serves in a thread of its own; its address, and the thread's name.
    pub(super) fn serve(&self) -> (SocketAddr, &'static str) {
        const NAME: &str = "fuzz-upstream";
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let address = listener.local_addr().expect("it is bound");
        listener.set_nonblocking(true).expect("it can be");
        let upstream = self.clone();
        let serve = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
            runtime.expect("a runtime").block_on(upstream.accept(listener));
        };
        std::thread::Builder::new().name(NAME.to_owned()).spawn(serve).expect("a thread");
        (address, NAME)
    }

    async fn accept(self, listener: std::net::TcpListener) {
        let listener = TcpListener::from_std(listener).expect("it is ready");
        while let Ok((stream, _)) = listener.accept().await {
            let upstream = self.clone();
            tokio::spawn(async move {
                let _ = Connection { upstream, stream, bytes: Vec::new() }.serve().await;
            });
        }
    }
}

struct Connection {
    upstream: Upstream,
    stream: TcpStream,
    bytes: Vec<u8>,
}

impl Connection {
    async fn serve(mut self) -> io::Result<()> {
        // No connection that was closed is to keep its port.
        socket2::SockRef::from(&self.stream).set_linger(Some(std::time::Duration::ZERO))?;
        self.stream.set_nodelay(true)?;
        while let Some(head) = self.await_whole(Head::read).await? {
            let (method, target, framing) = match check(&head) {
                Ok(checked) => checked,
                Err(stopped) => return self.fault(stopped),
            };
            self.bytes.drain(..head.length);
            let id = {
                let mut record = self.upstream.record();
                record.next_id += 1;
                let (id, body) = (record.next_id, Vec::new());
                let (method, target) = (method.clone(), target.clone());
                record.seen.push(Seen { id, method, target, body });
                id
            };
            let early = target.starts_with("/e");
            if early {
                self.answer(&method, &target, id).await?;
            }
            let Some((body, length)) = self.await_whole(|bytes| body(bytes, framing)).await? else {
                break;
            };
            self.bytes.drain(..length);
            if let Some(seen) = self.upstream.record().seen.iter_mut().find(|it| it.id == id) {
                seen.body = body;
            }
            if !early && !self.answer(&method, &target, id).await? {
                break;
            }
        }
        Ok(())
    }

    /// Reads until `read` has something; `None` at the end of the connection.
    async fn await_whole<T>(
        &mut self,
        read: impl Fn(&[u8]) -> Result<T, Stopped>,
    ) -> io::Result<Option<T>> {
        loop {
            match read(&self.bytes) {
                Ok(whole) => return Ok(Some(whole)),
                Err(Stopped::Early) => {}
                Err(stopped) => return self.fault(stopped).map(|()| None),
            }
            let hang_up = self.upstream.hang_up.notified();
            tokio::select! {
                read = self.stream.read_buf(&mut self.bytes) => if read? == 0 { return Ok(None) },
                () = hang_up => return Ok(None),
            }
        }
    }

    fn fault(&self, stopped: Stopped) -> io::Result<()> {
        let bytes = String::from_utf8_lossy(&self.bytes);
        self.upstream.record().faults.push(format!("{stopped:?} in {bytes:?}"));
        Err(io::ErrorKind::InvalidData.into())
    }

    /// Whether the connection goes on.
    async fn answer(&mut self, method: &str, target: &str, id: u64) -> io::Result<bool> {
        let kind = target.as_bytes().get(1).copied().unwrap_or_default();
        if target == "/raw" {
            let raw = self.upstream.record().raw.clone();
            self.stream.write_all(&raw).await?;
            return Ok(true);
        }
        let (framing, body) = match kind {
            b'x' => return Ok(false),
            b'n' => {
                let answer = format!("HTTP/1.1 204 No Content\r\nx-answer: {id}\r\n\r\n");
                self.stream.write_all(answer.as_bytes()).await?;
                return Ok(true);
            }
            b'k' => ("transfer-encoding: chunked", "1\r\no\r\n1\r\nk\r\n0\r\n\r\n"),
            b'c' => ("connection: close\r\ncontent-length: 2", "ok"),
            _ => ("content-length: 2", "ok"),
        };
        let body = if method == "HEAD" { "" } else { body };
        let answer = format!("HTTP/1.1 200 OK\r\nx-answer: {id}\r\n{framing}\r\n\r\n{body}");
        self.stream.write_all(answer.as_bytes()).await?;
        Ok(kind != b'c')
    }
}

/// A request is of one form: its line, one host, at most one framing, and us on its way.
fn check(head: &Head) -> Result<(String, String, Framing), Stopped> {
    let words: Vec<_> = head.first.split(' ').collect();
    let [method, target, "HTTP/1.1"] = words[..] else {
        return Err(fault("request line", head.first.as_bytes()));
    };
    if !target.starts_with('/') && target != "*" {
        return Err(fault("target", target.as_bytes()));
    }
    if head.all("host").len() != 1 {
        return Err(fault("number of hosts", head.first.as_bytes()));
    }
    if !head.all("via").last().is_some_and(|it| it.ends_with(b" breakerbox")) {
        return Err(fault("way", head.first.as_bytes()));
    }
    for hop in ["connection", "keep-alive", "upgrade", "proxy-connection", "expect"] {
        if head.all(hop).iter().any(|value| hop != "expect" || value == b"100-continue") {
            return Err(fault("header of another hop", hop.as_bytes()));
        }
    }
    let framing = head.framing()?.unwrap_or(Framing::Length(0));
    Ok((method.to_owned(), target.to_owned(), framing))
}
