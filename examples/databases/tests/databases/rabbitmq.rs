//! RabbitMQ is stopped and started under the publisher, and has a consumer whose downstream fails.

use crate::running::{Running, between};
use crate::server::{Server, command, folder, free_port, installed};
use rustix::process::Signal;
use std::net::TcpStream;
use std::path::{Path, PathBuf};

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

    fn example(&self, name: &str) -> Running {
        Running::start(name, "AMQP_URL", &format!("amqp://127.0.0.1:{}", self.port))
    }
}

fn number(text: &str, before: &str, after: &str) -> u32 {
    between(text, before, after).parse().expect("a number")
}

#[test]
fn no_message_is_lost_while_the_broker_is_down() {
    let Some(broker) = Broker::new() else { return };
    let server = broker.start();
    let mut example = broker.example("rabbitmq_publisher");
    let before = example.until_asked("stop the broker");
    let at_first = number(&before, "\n1 to 10: ", " confirmed, ");

    // Not killed: it would forget a queue that has been declared only just now, and what is in it.
    server.stop(Signal::TERM);
    example.enter();
    let during = example.until_asked("start the broker again");
    assert!(during.contains("-- closed to open, consecutive failures\n"));
    assert!(during.contains("\n11 to 1000: 0 confirmed, 990 kept, 0 refused in "));

    let server = broker.start();
    example.enter();
    let after = example.end();
    assert!(after.contains("-- half_open to closed, probes succeeded\n"));
    let later = number(&after, "\nfrom the outbox: ", " confirmed\n");
    assert_eq!(later, 10 - at_first + 990);
    assert!(number(&after, "left alone ", " times") > 900);
    assert!(after.contains("\npublished 1010, confirmed 1010, of which "));
    // A confirmation that was lost on the way leaves a message twice, but none is missing.
    assert!(number(&after, "the queue held ", " messages") >= 1010);
    assert!(after.ends_with(", 1010 different ones\n"));
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
