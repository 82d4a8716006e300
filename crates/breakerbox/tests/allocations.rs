//! What a call costs in allocations and timers: nothing.

use allocation_counter::measure;
use breakerbox::clock::{Clock, ManualClock, ManualSleep};
use breakerbox::{BlockingBreaker, Breaker, Control, Outcome, State, Timestamp};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it is pending"),
    }
}

/// How many allocations a thousand runs make, after one that may set things up.
fn allocations(mut run: impl FnMut()) -> u64 {
    run();
    measure(|| (0..1000).for_each(|_| run())).count_total
}

/// A clock that counts the sleeps begun.
#[derive(Clone, Default)]
struct NoSleep {
    time: ManualClock,
    sleeps: Arc<AtomicU64>,
}

impl Clock for NoSleep {
    type Sleep = ManualSleep;

    fn now(&self) -> Timestamp {
        self.time.now()
    }

    fn tick(&self) -> Duration {
        self.time.tick()
    }

    fn sleep_until(&self, at: Timestamp) -> ManualSleep {
        self.sleeps.fetch_add(1, Ordering::Relaxed);
        self.time.sleep_until(at)
    }
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(1)))), 1000);
}

#[test]
fn a_call_through_a_closed_breaker_allocates_nothing() {
    let breaker = Breaker::new("closed");
    assert_eq!(allocations(|| now(breaker.call(async || Ok::<_, ()>(()))).unwrap()), 0);
    let blocking = BlockingBreaker::new("closed");
    assert_eq!(allocations(|| blocking.call(|| Ok::<_, ()>(())).unwrap()), 0);
    assert_eq!(allocations(|| breaker.permit().unwrap().success()), 0);
    assert_eq!(allocations(|| breaker.owned_permit().unwrap().success()), 0);
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn a_failing_or_classified_call_and_a_fallback_allocate_nothing() {
    let breaker = Breaker::builder("failing").window_calls(100).build().unwrap();
    breaker.control(Control::MetricsOnly);
    assert_eq!(allocations(|| drop(now(breaker.call(async || Err::<(), _>(()))))), 0);
    let judged = allocations(|| {
        let classify = |_: &Result<u8, ()>| Outcome::Failure;
        let call = breaker.classify(classify).fallback(|_| 0).call(async || Ok(1));
        assert!(now(call).unwrap().is_fallback());
    });
    assert_eq!(judged, 0);
}

#[test]
fn a_rejection_allocates_nothing() {
    let breaker = Breaker::builder("open").open_for(Duration::from_secs(3600)).build().unwrap();
    for control in [Control::ForceOpen, Control::Isolate] {
        breaker.control(control);
        let rejected = allocations(|| {
            assert!(now(breaker.call(async || Ok::<_, ()>(()))).is_err());
        });
        assert_eq!(rejected, 0, "{control}");
    }
}

#[test]
fn an_operation_that_is_ready_at_once_makes_no_timer_and_allocates_nothing() {
    let clock = NoSleep::default();
    let breaker = Breaker::builder("ready").latencies(true).slow_call(Duration::from_secs(1));
    let breaker = breaker.clock(clock.clone()).attempt_timeout(Duration::from_secs(3));
    let breaker = breaker.deadline(Duration::from_secs(5)).build().unwrap();
    assert_eq!(allocations(|| now(breaker.call(async || Ok::<_, ()>(()))).unwrap()), 0);
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 0);

    // The same on the system's clock: outside of a runtime a timer would panic.
    let system = Breaker::builder("ready").attempt_timeout(Duration::from_secs(3));
    let system = system.deadline(Duration::from_secs(5)).build().unwrap();
    assert_eq!(allocations(|| now(system.call(async || Ok::<_, ()>(()))).unwrap()), 0);
}

#[test]
fn a_pending_call_and_its_timer_are_part_of_the_callers_future() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let breaker = Breaker::builder("pending").attempt_timeout(Duration::from_secs(60));
    let breaker = breaker.build().unwrap();
    runtime.block_on(async {
        let mut cx = Context::from_waker(Waker::noop());
        let made = allocations(|| {
            let mut call =
                pin!(breaker.call(async || std::future::pending::<Result<(), ()>>().await));
            assert!(call.as_mut().poll(&mut cx).is_pending());
        });
        assert_eq!(made, 0);
    });
    assert_eq!(breaker.stats().cancelled, 1001);
}

#[test]
fn a_call_that_a_limit_lets_pass_allocates_nothing() {
    let limit = breakerbox::rate_limit::Settings::new(1e9);
    let pipeline = breakerbox::Pipeline::builder("limited")
        .rate_limit(limit)
        .throttle(breakerbox::throttle::Settings::default())
        .build()
        .unwrap();
    assert_eq!(allocations(|| now(pipeline.call(async || Ok::<_, ()>(()))).unwrap()), 0);
}

#[test]
fn a_call_through_the_common_stack_allocates_nothing() {
    let stack = breakerbox::Pipeline::builder("stack")
        .deadline(Duration::from_secs(5))
        .attempt_timeout(Duration::from_secs(1))
        .retry(breakerbox::retry::Settings::default())
        .breaker(breakerbox::breaker::Settings::default())
        .bulkhead(breakerbox::bulkhead::Settings::new(64))
        .clock(ManualClock::new())
        .build()
        .unwrap();
    assert_eq!(allocations(|| now(stack.call(async || Ok::<_, ()>(()))).unwrap()), 0);
    let told = || stack.protect().priority(1).key("seven").fallback(|_| ());
    assert_eq!(allocations(|| drop(now(told().call(async || Ok::<_, ()>(()))))), 0);
}

#[test]
fn a_pipeline_makes_one_timer_when_it_is_pending_and_none_before() {
    let clock = NoSleep::default();
    let stack = breakerbox::Pipeline::builder("stack")
        .clock(clock.clone())
        .deadline(Duration::from_secs(5))
        .attempt_timeout(Duration::from_secs(1))
        .retry(breakerbox::retry::Settings::default())
        .build()
        .unwrap();
    now(stack.call(async || Ok::<_, ()>(()))).unwrap();
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 0);
    let mut call = pin!(stack.call(std::future::pending::<Result<(), ()>>));
    for _ in 0..3 {
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(clock.sleeps.load(Ordering::Relaxed), 1);
}
