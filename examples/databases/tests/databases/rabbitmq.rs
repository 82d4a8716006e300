//! RabbitMQ is stopped and started under the publisher, and has a consumer whose downstream fails.

use crate::running::{Running, between};
use crate::server::{Server, command, folder, free_port, installed};
use lapin::options::{QueueDeclareOptions, QueueDeleteOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Connection, ConnectionProperties};
use rustix::process::Signal;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The publisher's queue.
const QUEUE: &str = "breakerbox-published";

/// The broker, with a name server of its own: the one of the machine is left alone.
struct Broker {
    folder: tempfile::TempDir,
    as_nobody: bool,
    program: PathBuf,
    port: u16,
    names: (u16, Server),
    between_nodes: u16,
}

impl Broker {
    fn new() -> Option<Self> {
        // Not the one in the PATH: that insists on becoming the user of the package.
        let program = Some(PathBuf::from("/usr/lib/rabbitmq/bin/rabbitmq-server"));
        let program = installed(program, "rabbitmq-server", "rabbitmq-server")?;
        let (folder, as_nobody) = folder();
        let port = free_port();
        let mut epmd = command(Path::new("epmd"), as_nobody);
        epmd.args(["-address", "127.0.0.1", "-port", &port.to_string()]);
        let ready = |_: &str| TcpStream::connect(("127.0.0.1", port)).is_ok();
        let names = (port, Server::start(&mut epmd, &folder.path().join("names"), ready));
        let (port, between_nodes) = (free_port(), free_port());
        Some(Self { folder, as_nobody, program, port, names, between_nodes })
    }

    fn start(&self) -> Server {
        let folder = self.folder.path();
        let path = |name: &str| folder.join(name);
        let mut broker = command(&self.program, self.as_nobody);
        broker
            .env("HOME", folder)
            .env("ERL_EPMD_PORT", self.names.0.to_string())
            .env("RABBITMQ_NODENAME", format!("breakerbox{}@localhost", self.port))
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", self.between_nodes.to_string())
            // The script becomes the server, which can then be waited for, instead of being its parent.
            .env("RABBITMQ_ALLOW_INPUT", "1")
            .env(
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
                "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
            )
            .env("RABBITMQ_MNESIA_BASE", path("data"))
            .env("RABBITMQ_LOG_BASE", path("logs"))
            .env("RABBITMQ_LOGS", "-")
            // Nothing of the machine's own configuration.
            .env("RABBITMQ_CONF_ENV_FILE", path("none"))
            .env("RABBITMQ_CONFIG_FILE", path("none"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", path("none"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", path("none"));
        Server::start(&mut broker, &path("log"), |said| said.contains("Server startup complete"))
    }

    fn url(&self) -> String {
        format!("amqp://127.0.0.1:{}", self.port)
    }

    fn example(&self, name: &str) -> Running {
        Running::start(name, "AMQP_URL", &self.url())
    }

    /// Does something to it by hand.
    fn channel(&self, by_hand: impl AsyncFnOnce(&Channel) -> Result<(), lapin::Error>) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let done = runtime.expect("a runtime can be made").block_on(async {
            let url = self.url();
            let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
            by_hand(&connection.create_channel().await?).await
        });
        done.expect("the broker is there");
    }
}

fn number(text: &str, before: &str, after: &str) -> u32 {
    between(text, before, after).parse().expect("a number")
}

/// What the publisher has told before the broker is to be stopped, and how many messages were confirmed then.
fn started(broker: &Broker) -> (Running, u32) {
    let mut example = broker.example("rabbitmq_publisher");
    let before = example.until_asked("stop the broker");
    (example, number(&before, "\n1 to 10: ", " confirmed, "))
}

/// Everything that was taken is confirmed in the end, and in the queue but for what was `lost` with it. A
/// confirmation that was lost on the way leaves a message twice.
fn assert_all_confirmed(after: &str, at_first: u32, lost: u32) {
    assert_eq!(number(after, "from the outbox: ", " confirmed, 0 returned\n"), 10 - at_first + 990);
    assert!(after.contains("\npublished 1010, confirmed 1010, of which "), "{after}");
    assert!(number(after, "the queue held ", " messages") >= 1010 - lost);
    assert!(after.ends_with(&format!(", {} different ones\n", 1010 - lost)), "{after}");
}

/// The publisher while this server is ended with a signal, and another one started.
fn nothing_is_lost(broker: &Broker, server: Server, end: Signal) {
    let (mut example, at_first) = started(broker);
    server.stop(end);
    example.enter();
    let during = example.until_asked("start the broker again");
    assert!(during.contains("11 to 1000: 0 confirmed, 990 kept, 0 refused in "));

    let server = broker.start();
    example.enter();
    let after = example.end();
    // It takes seconds to start, and the outbox was tried meanwhile.
    assert!(after.contains("-- closed to open, consecutive failures\n"));
    assert!(after.contains("-- half_open to closed, probes succeeded\n"));
    assert_all_confirmed(&after, at_first, 0);
    server.signal(Signal::TERM);
}

#[test]
fn no_message_is_lost_while_the_broker_is_down() {
    let Some(broker) = Broker::new() else { return };
    let server = broker.start();
    nothing_is_lost(&broker, server, Signal::TERM);
}

#[test]
fn no_confirmed_message_is_lost_where_the_broker_is_killed() {
    let Some(broker) = Broker::new() else { return };
    // Killed, it would forget a queue that has been declared only just now.
    let server = broker.start();
    broker.channel(async |channel| {
        let (durable, none) = (QueueDeclareOptions::durable(), FieldTable::default());
        channel.queue_declare(QUEUE.into(), durable, none).await.map(|_| ())
    });
    server.stop(Signal::TERM);
    let server = broker.start();
    nothing_is_lost(&broker, server, Signal::KILL);
}

#[test]
fn only_the_first_caller_waits_for_a_broker_that_hangs() {
    let Some(broker) = Broker::new() else { return };
    let server = broker.start();
    let (mut example, at_first) = started(&broker);

    server.freeze();
    let began = Instant::now();
    example.enter();
    let during = example.until_asked("start the broker again");
    assert!(during.contains("11 to 1000: 0 confirmed, 990 kept, 0 refused in "));
    // One attempt timeout, and not one for each probe.
    assert!(began.elapsed() < Duration::from_secs(9), "{during}");

    server.signal(Signal::CONT);
    example.enter();
    assert_all_confirmed(&example.end(), at_first, 0);
    server.signal(Signal::TERM);
}

#[test]
fn a_queue_that_somebody_deletes_is_declared_again() {
    let Some(broker) = Broker::new() else { return };
    let server = broker.start();
    let (mut example, at_first) = started(&broker);

    broker.channel(async |channel| {
        channel.queue_delete(QUEUE.into(), QueueDeleteOptions::default()).await.map(|_| ())
    });
    example.enter();
    let _kept = example.until_asked("start the broker again");
    example.enter();
    // Those that were in it are gone, and that is not the publisher's fault.
    assert_all_confirmed(&example.end(), at_first, at_first);
    server.signal(Signal::TERM);
}

#[test]
fn a_consumer_whose_downstream_fails_does_not_spin() {
    let Some(broker) = Broker::new() else { return };
    let server = broker.start();
    let printed = broker.example("rabbitmq_consumer").end();
    assert!(printed.contains("order 3 is shipped\ngiven back: the warehouse does not answer\n"));
    assert!(printed.contains("-- closed to open, consecutive failures\n"));
    assert!(printed.contains("-- half_open to open, probe failed\n"));
    assert!(printed.contains("-- half_open to closed, probes succeeded\n"));
    assert!(
        printed.contains("\n20 orders shipped, 1 given up, the warehouse was called 27 times\n")
    );
    // Six that failed, and now and then one that came a few milliseconds before the circuit let it pass.
    let deliveries = number(&printed, "\ndeliveries: ", "\n");
    assert!((27..50).contains(&deliveries), "{deliveries}");
    server.signal(Signal::TERM);
}
