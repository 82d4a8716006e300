//! How do I publish to a broker that may be down, and lose nothing?
//!
//! A message is published when the broker has confirmed it. Until then it waits in an outbox, and callers
//! do not wait for a broker that is known to be down. The message at the front of the outbox is the probe
//! that finds out whether it is back.
//!
//! Needs a RabbitMQ server (Debian: `apt-get install rabbitmq-server`). This starts one by hand, where none
//! runs yet; `sudo rabbitmqctl stop` stops it:
//!
//!     sudo rabbitmq-server
//!     AMQP_URL=amqp://127.0.0.1:5672 cargo run -p breakerbox-examples-databases --example rabbitmq_publisher

use breakerbox::{EventKind, Outcome, Pipeline, breaker};
use lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};
use std::collections::{BTreeSet, VecDeque};
use std::io;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, BufReader, stdin};

const QUEUE: &str = "breakerbox-published";
/// So many messages wait at most.
const OUTBOX: usize = 1000;

/// Who has a message.
enum Published {
    Confirmed, // the broker, on its disk
    Kept,      // the outbox
    Refused,   // nobody but the caller
}

/// An answer is not yet a success: the broker may say no.
fn health(result: &Result<Confirmation, lapin::Error>) -> Outcome {
    match result {
        // It has no room, or cannot write.
        Ok(Confirmation::Nack(_)) | Err(_) => Outcome::Failure,
        // With a message in it, it came back: there is no such queue, but there is a broker.
        Ok(Confirmation::Ack(_) | Confirmation::NotRequested) => Outcome::Success,
    }
}

struct Publisher {
    url: String,
    broker: Pipeline,
    /// The connection, while nobody uses it. Where an attempt fails or is cut off it is not put back.
    idle: Option<(Connection, Channel)>,
    outbox: VecDeque<u32>,
}

impl Publisher {
    /// Takes a message, whether the broker is there or not. It may overtake those that wait: where order
    /// matters, let all of them go through the outbox.
    async fn publish(&mut self, number: u32) -> Published {
        if self.send(number).await.is_ok() {
            return Published::Confirmed;
        }
        if self.outbox.len() == OUTBOX {
            return Published::Refused;
        }
        self.outbox.push_back(number);
        Published::Kept
    }

    /// Sends what waits, in order, until nothing does. A program would have a task for it.
    async fn drain(&mut self) -> usize {
        let mut confirmed = 0;
        while let Some(first) = self.outbox.front() {
            match self.send(*first).await {
                Ok(()) => {
                    self.outbox.pop_front();
                    confirmed += 1;
                }
                // The breaker knows when it is worth another try.
                Err(wait) => tokio::time::sleep(wait).await,
            }
        }
        confirmed
    }

    /// Has a message confirmed, or says in how long it may be tried again.
    async fn send(&mut self, number: u32) -> Result<(), Duration> {
        let (url, idle) = (&self.url, &mut self.idle);
        let call = self.broker.protect().classify(health);
        match call.call_once(|| confirmed(url, idle, number)).await {
            Ok(Confirmation::Ack(None)) => Ok(()),
            Ok(_) => Err(Duration::from_millis(100)),
            Err(error) => Err(error.retry_after().unwrap_or(Duration::from_millis(100))),
        }
    }
}

/// Publishes a message and waits for the broker's word. Where that is lost on the way the message is there
/// and is sent again: the number tells its readers.
async fn confirmed(
    url: &str,
    idle: &mut Option<(Connection, Channel)>,
    number: u32,
) -> Result<Confirmation, lapin::Error> {
    let (connection, channel) = match idle.take() {
        Some(idle) => idle,
        None => connect(url).await?,
    };
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let number = number.to_string();
    let on_disk = BasicProperties::default().with_delivery_mode(2);
    let properties = on_disk.with_message_id(number.as_str().into());
    let published = channel
        .basic_publish("".into(), QUEUE.into(), options, number.as_bytes(), properties)
        .await?;
    let confirmation = published.await?;
    *idle = Some((connection, channel));
    Ok(confirmation)
}

async fn connect(url: &str) -> Result<(Connection, Channel), lapin::Error> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    channel
        .queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), FieldTable::default())
        .await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    Ok((connection, channel))
}

async fn please(what: &str) -> io::Result<()> {
    println!("now {what} and press Enter");
    match BufReader::new(stdin()).read_line(&mut String::new()).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Ok(url) = std::env::var("AMQP_URL") else {
        return Err("set AMQP_URL; the top of this example says how to start a server".into());
    };
    let broker = Pipeline::builder("broker")
        .attempt_timeout(Duration::from_secs(5))
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            // So short because you are waiting. Some seconds are usual.
            open_for: Some(Duration::from_millis(500).into()),
            ..Default::default()
        })
        .build()?;
    println!("{broker}");
    broker.on_event(|event| {
        if let EventKind::Transition(change) = &event.kind {
            println!("-- {} to {}, {}", change.from, change.to, change.cause);
        }
    });
    let mut publisher = Publisher { url, broker, idle: None, outbox: VecDeque::new() };

    let mut confirmed = publish_all(&mut publisher, 1..=10).await;
    please("stop the broker").await?;
    confirmed += publish_all(&mut publisher, 11..=1000).await;
    please("start the broker again").await?;
    let mut later = publisher.drain().await;
    println!("from the outbox: {later} confirmed");
    confirmed += publish_all(&mut publisher, 1001..=1010).await;
    later += publisher.drain().await;

    let stats = publisher.broker.stats();
    println!("the broker was left alone {} times", stats.rejected("breaker_open"));
    let (held, different) = take_all(&publisher.url).await?;
    println!("published 1010, confirmed {}, of which {later} from the outbox", confirmed + later);
    println!("the queue held {held} messages, {different} different ones");
    Ok(())
}

/// Publishes some, and says how many were confirmed at once.
async fn publish_all(publisher: &mut Publisher, numbers: RangeInclusive<u32>) -> usize {
    let (began, first, last) = (Instant::now(), *numbers.start(), *numbers.end());
    let (mut confirmed, mut kept, mut refused) = (0, 0, 0);
    for number in numbers {
        match publisher.publish(number).await {
            Published::Confirmed => confirmed += 1,
            Published::Kept => kept += 1,
            Published::Refused => refused += 1,
        }
    }
    let took = began.elapsed();
    println!(
        "{first} to {last}: {confirmed} confirmed, {kept} kept, {refused} refused in {took:.1?}"
    );
    confirmed
}

/// How many messages the queue holds, and how many different ones. They are gone then.
async fn take_all(url: &str) -> Result<(usize, usize), lapin::Error> {
    let (_connection, channel) = connect(url).await?;
    let (mut held, mut different) = (0, BTreeSet::new());
    while let Some(message) =
        channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await?
    {
        held += 1;
        different.insert(message.delivery.data.clone());
    }
    Ok((held, different.len()))
}
