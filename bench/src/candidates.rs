//! What is measured, each candidate used as its own documentation says.

use crate::rounds::Case;
use breakerbox::{BlockingBreaker, Breaker, Control, Pipeline, bulkhead, retry};
use breakerbox_core::breaker::{self, OpenFor, Settings, Window};
use breakerbox_core::pipeline::{self, Call, Ending, Event, Start};
use breakerbox_core::{Outcome, Timestamp};
use failsafe::CircuitBreaker as _;
use std::hint::black_box;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// The coarse monotonic clock.
pub fn coarse() -> Timestamp {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Timestamp::from_nanos(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// A breaker of core with these settings.
pub fn core(settings: Settings) -> breaker::Breaker {
    let rules = settings.check().expect("the settings are valid");
    breaker::Breaker::new(rules.into(), coarse(), 0)
}

/// What the machine cannot do faster.
pub fn floors() -> Vec<Case> {
    let (added, swapped) = (AtomicU64::new(0), AtomicU64::new(0));
    let mutex = std::sync::Mutex::new(0_u64);
    vec![
        Case::new("floor: atomic add (lock xadd)", move |calls| {
            for _ in 0..calls {
                added.fetch_add(1, Ordering::Relaxed);
            }
        }),
        Case::new("floor: compare and swap", move |calls| {
            for _ in 0..calls {
                let now = swapped.load(Ordering::Relaxed);
                let _ = black_box(swapped.compare_exchange(
                    now,
                    now + 1,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                ));
            }
        }),
        Case::new("floor: coarse clock", |calls| {
            for _ in 0..calls {
                black_box(coarse());
            }
        }),
        Case::new("floor: Instant::now", |calls| {
            for _ in 0..calls {
                black_box(Instant::now());
            }
        }),
        Case::new("floor: mutex", move |calls| {
            for _ in 0..calls {
                *mutex.lock().expect("nobody panics") += 1;
            }
        }),
    ]
}

/// Good calls through a closed breaker.
pub fn breakers() -> Vec<Case> {
    let by_time = core(Settings::default());
    let by_calls = core(Settings { window: Some(Window::Calls(100)), ..Settings::default() });
    let slow = core(Settings { slow_call: Some(Duration::from_secs(1)), ..Settings::default() });
    let blocking = BlockingBreaker::new("blocking");
    let with_latency =
        Breaker::builder("latency").latencies(true).build_blocking().expect("valid settings");
    let asynchronous = Breaker::new("async");
    let timed = Breaker::builder("timed")
        .attempt_timeout(Duration::from_secs(3))
        .build()
        .expect("valid settings");
    let recloser = recloser::Recloser::default();
    let failsafe = failsafe::Config::new().build();
    vec![
        Case::new("core: closed, window by time", move |calls| {
            for _ in 0..calls {
                let permit = by_time.admit_closed(Timestamp::ZERO).expect("it is closed");
                by_time.finish(permit, coarse(), Outcome::Success, &mut |_| {});
            }
        }),
        Case::new("core: closed, window by calls (100)", move |calls| {
            for _ in 0..calls {
                let permit = by_calls.admit_closed(Timestamp::ZERO).expect("it is closed");
                by_calls.finish(permit, Timestamp::ZERO, Outcome::Success, &mut |_| {});
            }
        }),
        Case::new("core: closed, slow calls watched", move |calls| {
            for _ in 0..calls {
                let permit = slow.admit_closed(coarse()).expect("it is closed");
                slow.finish(permit, coarse(), Outcome::Success, &mut |_| {});
            }
        }),
        Case::new("breakerbox: closed, blocking call", move |calls| {
            for _ in 0..calls {
                let _ = black_box(blocking.call(|| Ok::<_, ()>(black_box(1))));
            }
        }),
        Case::new("breakerbox: the same with latencies", move |calls| {
            for _ in 0..calls {
                let _ = black_box(with_latency.call(|| Ok::<_, ()>(black_box(1))));
            }
        }),
        Case::new("breakerbox: closed, async call, ready at once", move |calls| {
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..calls {
                let call = pin!(asynchronous.call(async || Ok::<_, ()>(black_box(1))));
                let _ = black_box(call.poll(&mut context));
            }
        }),
        Case::new("breakerbox: the same with an attempt timeout", move |calls| {
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..calls {
                let call = pin!(timed.call(async || Ok::<_, ()>(black_box(1))));
                let _ = black_box(call.poll(&mut context));
            }
        }),
        Case::new("recloser: closed", move |calls| {
            for _ in 0..calls {
                let _ = black_box(recloser.call(|| Ok::<_, ()>(black_box(1))));
            }
        }),
        Case::new("failsafe: closed", move |calls| {
            for _ in 0..calls {
                let _ = black_box(failsafe.call(|| Ok::<_, ()>(black_box(1))));
            }
        }),
    ]
}

/// The common stack, timeout + retry + breaker + bulkhead, with an operation that is ready at once.
pub fn stacks() -> Vec<Case> {
    let stack = || {
        Pipeline::builder("stack")
            .retry(retry::Settings::default())
            .breaker(Settings::default())
            .bulkhead(bulkhead::Settings::new(64))
    };
    let timed = stack().attempt_timeout(Duration::from_secs(3)).build().expect("valid settings");
    let pending = timed.clone();
    let blocking = stack().build_blocking().expect("valid settings");
    let machine = pipeline::Pipeline::new(
        pipeline::Settings {
            retry: Some(retry::Settings::default()),
            breaker: Some(Settings::default().check().expect("valid settings").into()),
            bulkhead: Some(bulkhead::Settings::new(64)),
            attempt_timeout: Some(Duration::from_secs(3)),
            ..pipeline::Settings::default()
        },
        coarse(),
        0,
    );
    let runtime = || {
        tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime")
    };
    let (of_floor, of_stack) = (runtime(), runtime());
    vec![
        Case::new("floor: 4 atomic adds + 2 coarse clocks", move |calls| {
            let adds = [const { AtomicU64::new(0) }; 4];
            for _ in 0..calls {
                adds.iter().for_each(|add| {
                    add.fetch_add(1, Ordering::Relaxed);
                });
                black_box((coarse(), coarse()));
            }
        }),
        Case::new("floor: a tokio timer made and polled", move |calls| {
            of_floor.block_on(std::future::poll_fn(|context| {
                for _ in 0..calls {
                    let timer = pin!(tokio::time::sleep(Duration::from_secs(3)));
                    let _ = black_box(timer.poll(context));
                }
                Poll::Ready(())
            }));
        }),
        Case::new("core: timeout + retry + breaker + bulkhead", move |calls| {
            for _ in 0..calls {
                let mut call = Call::NEW;
                machine.begin_in(&mut call, coarse(), &Start::default(), &mut |_, _| {});
                let ended = Event::ended(1, Ending::Success);
                black_box(call.step(&machine, coarse(), ended, &mut |_, _| {}));
            }
        }),
        Case::new("breakerbox: the same, async, ready at once", move |calls| {
            let mut context = Context::from_waker(Waker::noop());
            for _ in 0..calls {
                let call = pin!(timed.call(async || Ok::<_, ()>(black_box(1))));
                let _ = black_box(call.poll(&mut context));
            }
        }),
        Case::new("breakerbox: the same, async, pending once", move |calls| {
            of_stack.block_on(std::future::poll_fn(|context| {
                for _ in 0..calls {
                    let call = pin!(pending.call(|| {
                        let mut polled = false;
                        std::future::poll_fn(move |_| {
                            if std::mem::replace(&mut polled, true) {
                                return Poll::Ready(Ok::<_, ()>(black_box(1)));
                            }
                            Poll::Pending
                        })
                    }));
                    let mut call = call;
                    let _ = black_box(call.as_mut().poll(context));
                    let _ = black_box(call.as_mut().poll(context));
                }
                Poll::Ready(())
            }));
        }),
        Case::new("breakerbox: retry + breaker + bulkhead, blocking", move |calls| {
            for _ in 0..calls {
                let _ = black_box(blocking.call(|| Ok::<_, ()>(black_box(1))));
            }
        }),
    ]
}

/// Rejections by an open circuit.
pub fn rejections() -> Vec<Case> {
    let open_for = OpenFor::fixed(Duration::from_secs(3600));
    let open = core(Settings { open_for: Some(open_for), ..Settings::default() });
    open.control(Control::ForceOpen, coarse(), &mut |_| {});
    let blocking =
        Breaker::builder("open").open_for(open_for).build_blocking().expect("valid settings");
    blocking.control(Control::ForceOpen);
    let recloser = recloser::Recloser::custom()
        .closed_len(1)
        .open_wait(Duration::from_secs(3600))
        .build();
    for _ in 0..10 {
        let _ = recloser.call(|| Err::<(), _>(()));
    }
    vec![
        Case::new("core: open, rejected", move |calls| {
            for _ in 0..calls {
                let _ = black_box(open.admit(coarse(), &mut |_| {}));
            }
        }),
        Case::new("breakerbox: open, rejected", move |calls| {
            for _ in 0..calls {
                let _ = black_box(blocking.call(|| Ok::<_, ()>(1)));
            }
        }),
        Case::new("recloser: open, rejected", move |calls| {
            for _ in 0..calls {
                let _ = black_box(recloser.call(|| Ok::<_, ()>(1)));
            }
        }),
    ]
}

/// Calls of which some fail, and failures in large windows. The rates never reach their threshold.
pub fn failures() -> Vec<Case> {
    let mut cases = Vec::new();
    for percent in [1, 10] {
        let breaker = core(Settings::default());
        let mut call = 0_u64;
        cases.push(Case::new(
            &format!("core: closed, window by time, {percent} % failures"),
            move |calls| {
                for _ in 0..calls {
                    call += 1;
                    let failed = call % 100 >= 100 - percent;
                    let outcome = if failed { Outcome::Failure } else { Outcome::Success };
                    let permit = breaker.admit_closed(Timestamp::ZERO).expect("it is closed");
                    breaker.finish(permit, coarse(), outcome, &mut |_| {});
                }
            },
        ));
    }
    for held in [100, 100_000] {
        let settings = Settings {
            failure_rate: Some(1.0),
            window: Some(Window::Time(Duration::from_secs(3600))),
            ..Settings::default()
        };
        let breaker = core(settings);
        let record = move |breaker: &breaker::Breaker, outcome| {
            let permit = breaker.admit_closed(Timestamp::ZERO).expect("it is closed");
            breaker.finish(permit, coarse(), outcome, &mut |_| {});
        };
        for _ in 0..held {
            record(&breaker, Outcome::Success);
        }
        cases.push(Case::new(
            &format!("core: a failing call, {held} calls in the window"),
            move |calls| {
                for _ in 0..calls {
                    record(&breaker, Outcome::Failure);
                }
            },
        ));
    }
    cases
}
