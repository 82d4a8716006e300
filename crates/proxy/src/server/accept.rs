//! The accept loop of one listening socket.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use super::activity::Connections;
use super::connection::{Handler, Protocols, serve};
use crate::headers::Peer;

/// Pause after an error such as having no file descriptor left.
const PAUSE: Duration = Duration::from_millis(50);

/// At most one line in the log about such errors in this time.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// Accepts connections and serves each in a task of its own, until it is dropped. Errors never end
/// it.
pub(super) async fn accept<H: Handler>(
    listener: TcpListener,
    trust: bool,
    handler: Rc<H>,
    protocols: Rc<Protocols>,
    connections: Rc<Connections>,
) {
    let mut last_complaint: Option<Instant> = None;
    loop {
        connections.room().await;
        match listener.accept().await {
            Ok((stream, address)) => {
                let peer = Peer::new(address, trust);
                let activity = connections.opened();
                spawn_local(serve(stream, peer, handler.clone(), protocols.clone(), activity));
            }
            // The client changed its mind while it was in the backlog.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                if last_complaint.is_none_or(|last| last.elapsed() >= COMPLAINT_INTERVAL) {
                    last_complaint = Some(Instant::now());
                    let open = connections.open();
                    tracing::error!(%error, open, "cannot accept connections");
                }
                sleep(PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
