//! The gateway and the upstream behind it, made once.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use breakerbox_core::breaker::Snapshot;
use breakerbox_proxy::Config;
use breakerbox_proxy::server::{Options, Running, Server};

use super::client::Client;
use super::quiet::{Threads, pause};
use super::upstream::{Seen, Upstream};

/// Nothing takes longer than this.
const MOST: Duration = Duration::from_secs(1);

/// Panics in any thread: those in the tasks of the gateway would go by unseen.
static PANICS: AtomicUsize = AtomicUsize::new(0);

static SETTING: LazyLock<Mutex<Setting>> = LazyLock::new(|| Mutex::new(Setting::new()));

pub(super) struct Setting {
    running: Running,
    address: SocketAddr,
    upstream: Upstream,
    threads: Threads,
}

/// What came of an input.
pub(super) struct Conversation {
    /// What the client got.
    pub(super) received: Vec<u8>,
    /// What the upstream saw.
    pub(super) seen: Vec<Seen>,
}

impl Setting {
    /// The one there is, for this input alone.
    pub(super) fn alone() -> MutexGuard<'static, Self> {
        SETTING.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new() -> Self {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            usual(panic);
        }));
        let upstream = Upstream::default();
        let (behind, name) = upstream.serve();
        // The breaker counts, and never opens.
        let file = format!(
            "listener = [{{ listen = '127.0.0.1:0', trust = true,
                           routes = [{{ prefix = '/', upstream = 'a' }}] }}]
             upstream.a.endpoints = ['http://{behind}']
             upstream.a.policy.breaker = {{ window = '1ms', min_calls = 1000000 }}"
        );
        let (config, _) = Config::parse("breakerbox.toml", &file).expect("a good file");
        let options = Options { cores: NonZeroUsize::MIN, ..Options::default() };
        let running = Server::start_with(config, options).expect("the gateway starts");
        let address = running.addresses()[0];
        let threads = Threads::find(&["core-0", name]);
        Self { running, address, upstream, threads }
    }

    /// A client sends bytes; the upstream has `raw` to say to a request for `/raw`.
    pub(super) fn converse(&mut self, bytes: &[u8], raw: &[u8]) -> Conversation {
        let panics = PANICS.load(Ordering::SeqCst);
        let started = self.counts().started;
        {
            let mut record = self.upstream.record();
            record.seen.clear();
            record.raw = raw.to_vec();
        }
        let mut client = Client::new(self.address);
        assert!(client.write(bytes, MOST), "the gateway neither reads nor closes");
        assert!(self.threads.await_quiet(MOST), "the gateway is never done");
        client.read();
        if !raw.is_empty() {
            // Half an answer is waited for until it can come no more.
            self.upstream.hang_up();
        }
        let received = client.finish(MOST).expect("a client that has gone is let go");
        self.await_rest();
        // What the gateway has sent and given up may still be on its way to the upstream.
        assert!(self.threads.await_quiet(MOST), "the gateway is never done");
        let counts = self.counts();
        let mut record = self.upstream.record();
        let (seen, faults) = (std::mem::take(&mut record.seen), std::mem::take(&mut record.faults));
        drop(record);
        assert_eq!(faults, Vec::<String>::new(), "what the upstream was sent");
        let forwarded = usize::try_from(counts.started - started).expect("it only grows");
        assert!(seen.len() <= forwarded, "{} seen, {forwarded} counted", seen.len());
        assert_eq!(panics, PANICS.load(Ordering::SeqCst), "something has panicked");
        Conversation { received, seen }
    }

    /// Waits until nothing is under way.
    fn await_rest(&self) {
        let began = Instant::now();
        loop {
            let counts = self.counts();
            if counts.in_flight == 0 {
                let ended = counts.successes + counts.failures + counts.ignored + counts.late;
                assert_eq!(counts.started, ended, "{counts:?}");
                return;
            }
            assert!(began.elapsed() < MOST, "still under way: {counts:?}");
            pause();
        }
    }

    fn counts(&self) -> Snapshot {
        let policies = self.running.policies().find("a").expect("it is in the file");
        let (_, breaker) = policies.breakers().next().expect("it is in the file");
        breaker.snapshot(policies.now())
    }
}
