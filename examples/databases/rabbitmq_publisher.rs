//! How do I publish to a broker that may be down, and lose nothing?
//!
//! A message is published when the broker has confirmed it. Until then it waits in an outbox, in order, and
//! nobody waits with it: the message at the front is the probe that finds out whether the broker is back.
//!
//! What this does not cover:
//! - The outbox is in memory and dies with this program. Where that must not lose a message either, put it into
//!   a table, in the transaction that it tells of, and have a task send what is there.
//! - A broker that is killed in the first moments of a new queue forgets the queue, and all that it has
//!   confirmed in it (RabbitMQ 3.10; a quorum queue is then stuck). So declare queues when you set the broker up,
//!   not with the first message as this does. In a queue that is a second old, what is confirmed stays.
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
/// So often a message is sent that comes back each time.
const TRIES: u32 = 3;

/// Who has a message.
enum Published {
    Confirmed, // the broker, on its disk
    Kept,      // the outbox
    Refused,   // nobody but the caller
}

/// Why a message is not published yet.
enum NotYet {
    /// There is no queue for it.
    Returned,
    /// The broker may be tried again in so long.
    Wait(Duration),
}

/// What became of the messages in the outbox.
#[derive(Default)]
struct Drained {
    confirmed: usize,
    /// The broker wants none of them: they are the caller's again.
    returned: Vec<u32>,
}

/// An answer is not yet a success: the broker may say no.
fn health(result: &Result<Confirmation, lapin::Error>) -> Outcome {
    match result {
        // It has no room, or cannot write.
        Ok(Confirmation::Nack(_)) | Err(_) => Outcome::Failure,
        // With a message in it, it was returned: there is no such queue, but there is a broker.
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
    /// Takes a message, whether the broker is there or not. While others wait it joins them at once; else its
    /// caller waits for the broker's word, at most for one attempt timeout.
    async fn publish(&mut self, number: u32) -> Published {
        if self.outbox.is_empty() && self.send(number).await.is_ok() {
            return Published::Confirmed;
        }
        if self.outbox.len() == OUTBOX {
            return Published::Refused;
        }
        self.outbox.push_back(number);
        Published::Kept
    }

    /// Sends what waits, in order, until nothing does. A program would have a task for it.
    async fn drain(&mut self) -> Drained {
        let (mut drained, mut returned) = (Drained::default(), 0);
        while let Some(&first) = self.outbox.front() {
            match self.send(first).await {
                Ok(()) => drained.confirmed += 1,
                Err(NotYet::Returned) => {
                    returned += 1;
                    if returned < TRIES {
                        continue;
                    }
                    drained.returned.push(first);
                }
                // The breaker knows when it is worth another try. However often, it is not the message's fault.
                Err(NotYet::Wait(time)) => {
                    tokio::time::sleep(time).await;
                    continue;
                }
            }
            self.outbox.pop_front();
            returned = 0;
        }
        drained
    }

    /// Has a message confirmed.
    async fn send(&mut self, number: u32) -> Result<(), NotYet> {
        let (url, idle) = (&self.url, &mut self.idle);
        let call = self.broker.protect().classify(health);
        let wait = match call.call_once(|| confirmed(url, idle, number)).await {
            Ok(Confirmation::Ack(None)) => return Ok(()),
            Ok(Confirmation::Ack(Some(_))) => return Err(NotYet::Returned),
            Ok(_) => None,
            Err(error) => error.retry_after(),
        };
        Err(NotYet::Wait(wait.unwrap_or(Duration::from_millis(100))))
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
    // Where it was returned somebody has deleted the queue. The next connection declares it again.
    if !matches!(confirmation, Confirmation::Ack(Some(_)) | Confirmation::Nack(Some(_))) {
        *idle = Some((connection, channel));
    }
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
    let (drained, asked) = tokio::join!(publisher.drain(), please("start the broker again"));
    asked?;
    let later = drained.confirmed;
    println!("from the outbox: {later} confirmed, {} returned", drained.returned.len());
    confirmed += publish_all(&mut publisher, 1001..=1010).await;

    let failures = publisher.broker.stats().breaker.map_or(0, |breaker| breaker.failures);
    println!("the broker was tried {failures} times in vain");
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
