//! What is logged, at which level, with which fields, and that nothing is unless it is asked for.

#![expect(clippy::unwrap_used, reason = "a test that unwraps nothing fails")]

use breakerbox::clock::ManualClock;
use breakerbox::retry::{Backoff, Growth, Jitter};
use breakerbox::tracing::{log, log_of};
use breakerbox::{
    BlockingBreaker, Breaker, Control, Interest, OpenFor, Pipeline, breaker, bulkhead, hedge, retry,
};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tracing_subscriber::fmt::MakeWriter;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// What `run` logs.
fn logged(run: impl FnOnce()) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false);
    let subscriber =
        subscriber.without_time().with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
    tracing::subscriber::with_default(subscriber.finish(), run);
    let bytes = std::mem::take(&mut *lines.0.lock().unwrap());
    String::from_utf8(bytes).unwrap()
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Runs a call to its end, on time that passes when it waits.
fn finish<F: Future>(clock: &ManualClock, future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..10_000 {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
        clock.advance(ms(1));
    }
    panic!("it does not end")
}

fn posts(clock: &ManualClock) -> Pipeline<ManualClock> {
    let backoff = Backoff {
        growth: Growth::Fixed,
        initial: ms(10),
        jitter: Jitter::None,
        ..Backoff::default()
    };
    Pipeline::builder("posts")
        .deadline(ms(1000))
        .retry(retry::Settings { attempts: 2, backoff, ..retry::Settings::default() })
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            open_for: Some(OpenFor::fixed(ms(5000))),
            ..breaker::Settings::default()
        })
        .bulkhead(bulkhead::Settings::new(1))
        .attempt_timeout(ms(300))
        .clock(clock.clone())
        .build()
        .unwrap()
}

/// A bit of everything.
fn run(clock: &ManualClock, posts: &Pipeline<ManualClock>) {
    let mut answers = [Err(()), Ok(())].into_iter();
    finish(clock, posts.call(|| std::future::ready(answers.next().unwrap()))).unwrap();
    // While one hangs until it is given up there is no room for another.
    {
        let mut hangs = pin!(posts.call_once(std::future::pending::<Result<(), ()>>));
        assert!(poll(hangs.as_mut()).is_pending());
        assert!(finish(clock, posts.call(async || Ok::<_, ()>(()))).is_err());
    }
    finish(clock, posts.call_once(std::future::pending::<Result<(), ()>>)).unwrap_err();
    let panicked =
        posts.call_once(async || -> Result<(), ()> { std::panic::resume_unwind(Box::new(())) });
    assert!(catch_unwind(AssertUnwindSafe(|| finish(clock, panicked))).is_err());
    finish(clock, posts.call_once(async || Err::<(), _>(()))).unwrap_err();
    let fallback = posts.protect().fallback(|_| ()).call(async || Ok::<_, ()>(()));
    assert!(finish(clock, fallback).unwrap().is_fallback());
    clock.advance(ms(5000));
    finish(clock, posts.call(async || Ok::<_, ()>(()))).unwrap();
    posts.control(Control::Isolate);
}

#[test]
fn what_is_rare_is_logged_at_its_level() {
    let clock = ManualClock::new();
    let posts = posts(&clock);
    log(&posts);
    assert_eq!(
        logged(|| run(&clock, &posts)),
        r#"
DEBUG breakerbox: retrying name=posts attempts=1 after=10ms
DEBUG breakerbox: call rejected name=posts policy="bulkhead" reason="bulkhead_full"
DEBUG breakerbox: call cancelled name=posts
DEBUG breakerbox: call timed out name=posts kind="attempt" after=300ms
 WARN breakerbox: operation panicked name=posts
 WARN breakerbox: circuit breaker opened name=posts from=closed to=open cause=consecutive failures
DEBUG breakerbox: call rejected name=posts policy="breaker" reason="breaker_open" retry_after=5s
DEBUG breakerbox: fallback name=posts
 INFO breakerbox: circuit breaker changed name=posts from=open to=half_open cause=open duration elapsed
 INFO breakerbox: circuit breaker changed name=posts from=half_open to=closed cause=probes succeeded
 INFO breakerbox: circuit breaker changed name=posts from=closed to=isolated cause=isolate by hand
"#
        .trim_start_matches('\n')
    );
}

#[test]
fn only_what_is_asked_for_is_logged() {
    let clock = ManualClock::new();
    let all = posts(&clock);
    assert_eq!(logged(|| run(&clock, &all)), "", "nobody asked");

    let changes = posts(&clock);
    let listener = log_of(&changes, Interest::TRANSITIONS);
    let lines = logged(|| run(&clock, &changes));
    assert!(
        lines.lines().count() == 4 && lines.lines().all(|it| it.contains("circuit breaker")),
        "{lines}"
    );
    assert!(changes.remove_listener(listener));
    assert_eq!(logged(|| assert!(changes.control(Control::Close))), "", "it has ended");
}

#[test]
fn every_call_is_logged_where_that_is_asked_for() {
    let clock = ManualClock::new();
    let posts = Breaker::builder("posts").clock(clock.clone()).build().unwrap();
    log_of(&posts, Interest::OUTCOMES);
    let calls = || {
        posts.permit().unwrap().success();
        let failing = posts.permit().unwrap();
        clock.advance(ms(20));
        failing.failure();
        posts.permit().unwrap().ignore();
    };
    assert_eq!(
        logged(calls),
        "\
TRACE breakerbox: call succeeded name=posts took=0ns
TRACE breakerbox: call failed name=posts took=20ms
TRACE breakerbox: call ignored name=posts
"
    );
}

#[test]
fn hedges_and_blocking_calls_are_logged() {
    let clock = ManualClock::new();
    let hedged = Pipeline::builder("hedged")
        .hedge(hedge::Settings::new(hedge::Delay::Fixed(ms(50))))
        .clock(clock.clone())
        .build()
        .unwrap();
    log(&hedged);
    let mut hangs = [true, false].into_iter();
    let call = hedged.call(|| {
        let hang = hangs.next().unwrap();
        async move {
            if hang {
                std::future::pending::<()>().await;
            }
            Ok::<_, ()>(())
        }
    });
    assert_eq!(
        logged(|| finish(&clock, call).unwrap()),
        "DEBUG breakerbox: hedged name=hedged attempt=2\n"
    );

    let disk = BlockingBreaker::new("disk");
    log(&disk);
    let isolated = "INFO breakerbox: circuit breaker changed name=disk from=closed to=isolated cause=isolate by hand\n";
    assert_eq!(logged(|| disk.control(Control::Isolate)).trim_start(), isolated);
}

#[test]
fn what_becomes_of_one_key_is_no_warning_of_the_whole() {
    let clock = ManualClock::new();
    let settings =
        breaker::Settings { consecutive_failures: Some(1), ..breaker::Settings::default() };
    let tenants = Pipeline::builder("tenants").breaker(settings).breaker_keys(10);
    let tenants = tenants.clock(clock.clone()).build().unwrap();
    log_of(&tenants, Interest::TRANSITIONS);
    let lines = logged(|| {
        let call = tenants.protect().key("red").call(async || Err::<(), _>("down"));
        assert!(finish(&clock, call).is_err());
    });
    assert!(lines.contains(" INFO breakerbox: circuit breaker of one key opened"), "{lines}");
}
