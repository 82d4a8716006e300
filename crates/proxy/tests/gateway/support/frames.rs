//! An HTTP/2 endpoint made of frames, for what the server libraries do not do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::mpsc;

use super::upstream::Upstream;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

/// Flags: of a stream's last frame, of an acknowledgement, of whole headers.
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

const REFUSED_STREAM: u32 = 7;
const LAST_OF_ALL: u32 = u32::MAX >> 1;
const WINDOW: u32 = 1024 * 1024;

/// How an endpoint ends its connections.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manners {
    /// How many requests of a connection it works on.
    pub(crate) after: usize,
    /// Bytes of a body that it takes before it says goodbye to a request that it will not work on.
    pub(crate) reads: usize,
    /// How many streams it takes at once.
    pub(crate) at_once: u32,
    /// Whether it refuses one stream after the other after a goodbye that allowed for all of them,
    /// or says at once which was the last.
    pub(crate) one_by_one: bool,
}

/// The bodies of the requests that were worked on.
pub(crate) type Worked = Arc<Mutex<Vec<String>>>;

/// An endpoint that works on some requests of each connection, 2 ms each, and says goodbye; what
/// comes after them it does not look at.
pub(crate) async fn polite(manners: Manners) -> (Upstream, Worked) {
    let worked = Worked::default();
    let all = worked.clone();
    let upstream = Upstream::script(move |stream, count| {
        stream.set_nodelay(true).unwrap();
        let (all, (read, write)) = (all.clone(), stream.into_split());
        async move {
            let connection =
                Connection { write, manners, bodies: HashMap::new(), begun: 0, last: 0 };
            connection.serve(read, all, count).await;
        }
    })
    .await;
    (upstream, worked)
}

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
    payload: Vec<u8>,
}

struct Connection {
    write: OwnedWriteHalf,
    manners: Manners,
    /// What has come so far of the requests under way.
    bodies: HashMap<u32, Vec<u8>>,
    begun: usize,
    /// The last stream that is worked on.
    last: u32,
}

impl Connection {
    async fn serve(
        mut self,
        read: OwnedReadHalf,
        worked: Worked,
        count: Arc<dyn Fn() + Send + Sync>,
    ) {
        let mut frames = read_frames(read);
        let (done, mut over) = mpsc::unbounded_channel();
        let mut settings = [0, 3, 0, 0, 0, 0, 0, 4, 0, 0, 0, 0];
        settings[2..6].copy_from_slice(&self.manners.at_once.to_be_bytes());
        settings[8..12].copy_from_slice(&WINDOW.to_be_bytes());
        self.say(SETTINGS, 0, 0, &settings).await;
        self.say(WINDOW_UPDATE, 0, 0, &WINDOW.to_be_bytes()).await;
        let (mut working, mut said_goodbye) = (0, false);
        while !said_goodbye || working > 0 {
            let frame = tokio::select! {
                frame = frames.recv() => frame,
                Some((stream, body)) = over.recv() => {
                    working -= 1;
                    self.answer(stream, body).await;
                    continue;
                }
            };
            let Some(Frame { kind, flags, stream, payload }) = frame else { return };
            match kind {
                SETTINGS if flags & ACK == 0 => self.say(SETTINGS, ACK, 0, &[]).await,
                PING if flags & ACK == 0 => self.say(PING, ACK, 0, &payload).await,
                HEADERS => {
                    self.begun += 1;
                    self.bodies.insert(stream, Vec::new());
                    if self.begun <= self.manners.after {
                        self.last = stream;
                        working += 1;
                    }
                }
                DATA => self.bodies.entry(stream).or_default().extend(&payload),
                _ => {}
            }
            if !matches!(kind, HEADERS | DATA) {
                continue;
            }
            if flags & END_STREAM != 0 && stream <= self.last {
                count();
                let body = self.bodies.remove(&stream).unwrap();
                let body = String::from_utf8(body).unwrap();
                worked.lock().unwrap().push(body.clone());
                let done = done.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(Duration::from_millis(2)).await;
                    let _ = done.send((stream, body));
                });
            }
            let late = self.begun > self.manners.after;
            let taken = self.bodies.get(&stream).map_or(0, Vec::len);
            if (self.begun == self.manners.after && !self.is_reading())
                || (late && taken >= self.manners.reads)
            {
                if !said_goodbye {
                    let last = if self.manners.one_by_one { LAST_OF_ALL } else { self.last };
                    self.say(GOAWAY, 0, 0, &[last.to_be_bytes(), [0; 4]].concat()).await;
                    said_goodbye = true;
                }
                if self.manners.one_by_one && stream > self.last {
                    self.say(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await;
                }
            }
        }
        if self.manners.one_by_one {
            // What it has not come to refuse, and will not, is beyond the last one as well: without this
            // word nobody could tell whether that was worked on (RFC 9113, section 6.8).
            self.say(GOAWAY, 0, 0, &[self.last.to_be_bytes(), [0; 4]].concat()).await;
        }
        // Closing with something unread would be a reset, and could overtake the last answers.
        let _ = self.write.shutdown().await;
        while frames.recv().await.is_some() {}
    }

    /// Whether it waits for the first bytes of a body before it says goodbye.
    fn is_reading(&self) -> bool {
        self.manners.reads > 0
    }

    async fn answer(&mut self, stream: u32, body: String) {
        // The eighth entry of HPACK's static table: `:status: 200`.
        self.say(HEADERS, END_HEADERS, stream, &[0x88]).await;
        self.say(DATA, END_STREAM, stream, body.as_bytes()).await;
    }

    async fn say(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut frame = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        let _ = self.write.write_all(&frame).await;
    }
}

/// Reads frames in a task of its own until the connection is closed.
fn read_frames(read: OwnedReadHalf) -> mpsc::UnboundedReceiver<Frame> {
    let (found, frames) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut read = BufReader::new(read);
        let mut preface = [0; 24];
        if read.read_exact(&mut preface).await.is_err() {
            return;
        }
        let mut head = [0; 9];
        while read.read_exact(&mut head).await.is_ok() {
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
            let mut payload = vec![0; length];
            if read.read_exact(&mut payload).await.is_err() {
                return;
            }
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            if found.send(Frame { kind: head[3], flags: head[4], stream, payload }).is_err() {
                return;
            }
        }
    });
    frames
}
