//! How does a consumer back off while what it calls is down?
//!
//! It gives the message back and waits as long as its breaker says. Without the wait the broker hands the
//! message out again at once, and the consumer spins through its queue as fast as the network goes.
//!
//! Needs a RabbitMQ server (Debian: `apt-get install rabbitmq-server`). This starts one by hand, where none
//! runs yet:
//!
//!     sudo rabbitmq-server
//!     AMQP_URL=amqp://127.0.0.1:5672 cargo run -p breakerbox-examples-databases --example rabbitmq_consumer

use breakerbox::{Error, EventKind, Outcome, Pipeline, breaker};
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicPublishOptions, BasicQosOptions,
    QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};
use std::fmt;
use std::time::Duration;
use tokio_stream::StreamExt;

/// Why an order is not shipped.
#[derive(Debug)]
enum Unshipped {
    /// The warehouse does not answer.
    Down,
    /// It does, and has no idea what to do with this order.
    Nonsense,
}

/// Somebody else's service: it works for three orders, fails six times, and works again.
#[derive(Default)]
struct Warehouse {
    calls: u32,
}

impl Warehouse {
    async fn ship(&mut self, order: &[u8]) -> Result<u32, Unshipped> {
        self.calls += 1;
        if (4..=9).contains(&self.calls) {
            return Err(Unshipped::Down);
        }
        let order = str::from_utf8(order).map_err(|_| Unshipped::Nonsense)?;
        order.parse().map_err(|_| Unshipped::Nonsense)
    }
}

/// An order that makes no sense must not look like an outage: everybody's orders would wait for it.
fn health(result: &Result<u32, Unshipped>) -> Outcome {
    match result {
        Err(Unshipped::Down) => Outcome::Failure,
        Ok(_) | Err(Unshipped::Nonsense) => Outcome::Success,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var("AMQP_URL") else {
        return Err("set AMQP_URL; the top of this example says how to start a server".into());
    };
    let pipeline = Pipeline::builder("warehouse")
        .attempt_timeout(Duration::from_secs(5))
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            // So short because you are waiting. Some seconds, growing, are usual.
            open_for: Some(Duration::from_millis(200).into()),
            ..Default::default()
        })
        .build()?;
    println!("{pipeline}");
    pipeline.on_event(|event| {
        if let EventKind::Transition(change) = &event.kind {
            println!("-- {} to {}, {}", change.from, change.to, change.cause);
        }
    });

    let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let queue = twenty_orders_and_nonsense(&channel).await?;
    // While it waits it holds one message, and other consumers get the rest.
    channel.basic_qos(1, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut orders =
        channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await?;

    let mut warehouse = Warehouse::default();
    let (mut deliveries, mut shipped, mut given_up) = (0, 0, 0);
    while shipped + given_up < 21 {
        let delivery = orders.next().await.ok_or("the broker has gone")??;
        deliveries += 1;
        let call = pipeline.protect().classify(health);
        match call.call_once(|| warehouse.ship(&delivery.data)).await {
            Ok(order) => {
                delivery.ack(BasicAckOptions::default()).await?;
                println!("order {order} is shipped");
                shipped += 1;
            }
            // It would come back for ever. The broker drops it, or keeps it in a dead letter queue.
            Err(Error::Inner(Unshipped::Nonsense)) => {
                let for_good = BasicNackOptions { requeue: false, ..Default::default() };
                delivery.nack(for_good).await?;
                given_up += 1;
            }
            Err(error) => {
                let back = BasicNackOptions { requeue: true, ..Default::default() };
                delivery.nack(back).await?;
                println!("given back: {error}");
                // No time at all, while the circuit is still closed.
                let wait = pipeline.stats().breaker.and_then(|breaker| breaker.retry_after);
                tokio::time::sleep(wait.unwrap_or_default()).await;
            }
        }
    }
    let calls = warehouse.calls;
    println!(
        "{shipped} orders shipped, {given_up} given up, the warehouse was called {calls} times"
    );
    println!("deliveries: {deliveries}");
    Ok(())
}

/// A queue that ends with this program. Gives its name.
async fn twenty_orders_and_nonsense(channel: &Channel) -> Result<String, lapin::Error> {
    let options = QueueDeclareOptions::exclusive();
    let queue = channel.queue_declare("".into(), options, FieldTable::default()).await?;
    let name = queue.name().as_str();
    let orders = (1..=20).map(|number| number.to_string());
    for order in orders.chain(["a dozen of those".to_owned()]) {
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        channel
            .basic_publish("".into(), name.into(), options, order.as_bytes(), properties)
            .await?;
    }
    Ok(name.to_owned())
}

impl fmt::Display for Unshipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Down => "the warehouse does not answer",
            Self::Nonsense => "the warehouse does not know what to do",
        })
    }
}
