//! One HTTP/2 connection: its sender, and how it stands with the endpoint.

use std::cell::{Cell, RefCell};
use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;

use hyper::client::conn::http2::{Connection, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::{spawn_local, yield_now};

use super::rewind::StreamBody;
use super::room::{Place, Room};
use crate::runtime::LocalExecutor;

/// An open connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) sender: SendRequest<StreamBody>,
    room: Rc<Room>,
    fate: Rc<Fate>,
}

#[derive(Debug, Default)]
struct Fate {
    said_goodbye: Cell<bool>,
    driver: RefCell<Option<Waker>>,
}

impl Link {
    /// Drives a connection in a task of its own, to its end.
    pub(super) fn new(
        sender: SendRequest<StreamBody>,
        connection: Connection<TokioIo<TcpStream>, StreamBody, LocalExecutor>,
        endpoint: Arc<str>,
    ) -> Self {
        let link = Self { sender, room: Room::new(), fate: Rc::default() };
        let (room, fate) = (Rc::clone(&link.room), Rc::clone(&link.fate));
        spawn_local(async move {
            let mut connection = pin!(connection);
            let ended = poll_fn(|cx| {
                fate.attach(cx.waker());
                let polled = connection.as_mut().poll(cx);
                room.resize(connection.current_max_send_streams());
                polled
            });
            // What is still queued learns of the end when the connection is dropped, after this.
            match ended.await {
                Ok(()) => fate.said_goodbye.set(true),
                Err(error) => tracing::debug!(%endpoint, %error, "an upstream connection ended"),
            }
            room.close();
        });
        link
    }

    /// Waits for a place for one more stream; `None` once the connection takes no more.
    pub(super) async fn place(&self) -> Option<Place> {
        self.room.place().await
    }

    /// Whether new requests may be given to it.
    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.fate, &other.fate)
    }

    /// Whether the endpoint has ended the connection in peace: a GOAWAY without an error. hyper
    /// finds that out at the next request, so it is made to look.
    pub(super) async fn said_goodbye(&self) -> bool {
        if !self.fate.said_goodbye.get()
            && let Some(driver) = &*self.fate.driver.borrow()
        {
            driver.wake_by_ref();
        }
        yield_now().await;
        self.fate.said_goodbye.get()
    }
}

impl Fate {
    /// A task has the same waker all its life.
    fn attach(&self, waker: &Waker) {
        let mut driver = self.driver.borrow_mut();
        if driver.is_none() {
            *driver = Some(waker.clone());
        }
    }
}
