//! Long random traces against a model that is too simple to be wrong: a list of those who wait, and
//! a number of slots.

use super::*;
use crate::bulkhead::{Order, Snapshot};
use crate::trials::traces;
use proptest::prelude::*;
use std::collections::VecDeque;

#[derive(Clone, Copy, Debug)]
enum Op {
    Pass(u64),
    /// Another thread whose clock reading is a little older.
    Behind(u64),
    /// Priority, and whether its deadline is over.
    Enter(u8, bool),
    TryEnter,
    Leave,
    Look(usize),
    GiveUp(usize),
    Set(u32, u32),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..4_u64).prop_map(Op::Pass),
        1 => (0..60_u64).prop_map(Op::Pass),
        1 => (0..3_u64).prop_map(Op::Behind),
        12 => (0..9_u8, prop::bool::weighted(0.05)).prop_map(|(p, late)| Op::Enter(p, late)),
        1 => Just(Op::TryEnter),
        9 => Just(Op::Leave),
        4 => any::<usize>().prop_map(Op::Look),
        2 => any::<usize>().prop_map(Op::GiveUp),
        1 => (1..5_u32, 0..5_u32).prop_map(|(concurrent, queue)| Op::Set(concurrent, queue)),
    ]
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Waits,
    Granted,
    TimedOut,
    Evicted,
}

/// A call that came to wait. Times are in milliseconds.
#[derive(Clone, Copy, Debug)]
struct Call {
    priority: u8,
    since: u64,
    due: u64,
    fate: Fate,
    woken: usize,
}

#[derive(Debug)]
struct Model {
    settings: Settings,
    in_flight: u32,
    /// All that ever waited; those who do, by their index, in the order of arrival.
    calls: Vec<Call>,
    line: VecDeque<usize>,
    empty_until: u64,
    counts: Snapshot,
}

impl Model {
    fn millis(duration: Duration) -> u64 {
        duration.as_millis() as u64
    }

    fn overloaded(&self, now: u64) -> bool {
        self.settings.order == Order::AdaptiveLifo
            && now > self.empty_until + Self::millis(self.settings.interval)
    }

    fn decide(&mut self, call: usize, fate: Fate) {
        self.line.retain(|waits| *waits != call);
        self.calls[call].fate = fate;
        self.calls[call].woken = 1;
        match fate {
            Fate::Granted => self.in_flight += 1,
            Fate::TimedOut => self.counts.timed_out += 1,
            Fate::Evicted => self.counts.evicted += 1,
            Fate::Waits => unreachable!(),
        }
    }

    fn expire(&mut self, now: u64) {
        for call in self.line.clone() {
            if self.calls[call].due < now {
                self.decide(call, Fate::TimedOut);
            }
        }
    }

    fn grant(&mut self, now: u64) {
        while self.in_flight < self.settings.concurrent && !self.line.is_empty() {
            let next = if self.overloaded(now) { self.line.back() } else { self.line.front() };
            self.decide(*next.unwrap(), Fate::Granted);
        }
    }

    fn may_enter(&self) -> bool {
        self.line.is_empty() && self.in_flight < self.settings.concurrent
    }

    /// The answer: admitted, waiting, or neither.
    fn enter(&mut self, now: u64, priority: u8, late: bool) -> &'static str {
        if self.may_enter() {
            self.in_flight += 1;
            return "admitted";
        }
        let refused = late || self.settings.queue == 0 || {
            self.expire(now);
            self.line.len() >= self.settings.queue as usize && !self.evict(priority.min(7))
        };
        if refused {
            self.counts.full += 1;
            return "full";
        }
        if self.line.is_empty() {
            self.empty_until = now;
        }
        let Settings { queue_timeout, interval, target, order, .. } = self.settings;
        let patience = match order {
            Order::Fifo => queue_timeout,
            _ if self.overloaded(now) => target.min(queue_timeout),
            _ => interval.min(queue_timeout),
        };
        let due = now + Self::millis(patience);
        self.line.push_back(self.calls.len());
        let priority = priority.min(7);
        self.calls.push(Call { priority, since: now, due, fate: Fate::Waits, woken: 0 });
        "queued"
    }

    fn evict(&mut self, newcomer: u8) -> bool {
        // `max_by_key` takes the last of several: the youngest.
        let worst = self.line.iter().copied().max_by_key(|call| self.calls[*call].priority);
        let worst = worst.filter(|call| self.calls[*call].priority > newcomer);
        if let Some(call) = worst {
            self.decide(call, Fate::Evicted);
        }
        worst.is_some()
    }

    fn leave(&mut self, now: u64) {
        if !self.line.is_empty() {
            self.expire(now);
        }
        self.in_flight -= 1;
        self.grant(now);
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot {
            limit: self.settings.concurrent,
            in_flight: self.in_flight,
            queued: self.line.len() as u32,
            ..self.counts
        }
    }
}

struct Pair {
    machine: Bulkhead,
    model: Model,
    now: u64,
    /// With the number of the call in the model.
    held: Vec<(usize, Waits)>,
    bells: Vec<Arc<Bell>>,
    /// Calls that run.
    running: u32,
}

impl Pair {
    fn new(settings: Settings) -> Self {
        let model = Model {
            settings,
            in_flight: 0,
            calls: Vec::new(),
            line: VecDeque::new(),
            empty_until: 0,
            counts: Snapshot::default(),
        };
        let (held, bells) = (Vec::new(), Vec::new());
        Self { machine: bulkhead(settings), model, now: 1000, held, bells, running: 0 }
    }

    fn step(&mut self, op: Op) {
        let (now, stamp) = (self.now, at(self.now));
        match op {
            Op::Pass(millis) => self.now += millis,
            Op::Behind(millis) => self.now -= millis,
            Op::Enter(priority, late) => {
                let until = if late { stamp } else { Timestamp::NEVER };
                let expected = self.model.enter(now, priority, late);
                match self.machine.enter(stamp, priority, until) {
                    Entered::Admitted => {
                        assert_eq!(expected, "admitted");
                        self.running += 1;
                    }
                    Entered::Full => assert_eq!(expected, "full"),
                    Entered::Queued(ticket) => {
                        assert_eq!(expected, "queued");
                        let call = self.model.calls.len() - 1;
                        let Call { since, due, .. } = self.model.calls[call];
                        assert_eq!((ticket.since(), ticket.due()), (at(since), at(due)));
                        let bell = Bell::new();
                        assert!(!self.machine.listen(&ticket, &bell.clone().into()));
                        self.bells.push(bell.clone());
                        self.held.push((call, Waits { ticket, bell }));
                    }
                }
            }
            Op::TryEnter => {
                let enters = self.model.may_enter();
                assert_eq!(self.machine.try_enter(), enters);
                self.model.in_flight += u32::from(enters);
                self.running += u32::from(enters);
            }
            Op::Leave => {
                if self.running > 0 {
                    self.running -= 1;
                    self.model.leave(now);
                    self.machine.leave(stamp);
                }
            }
            Op::Look(index) if !self.held.is_empty() => {
                let (call, waits) = self.held.swap_remove(index % self.held.len());
                let known = &mut self.model.calls[call];
                if known.fate == Fate::Waits && now >= known.due {
                    known.fate = Fate::TimedOut;
                    self.model.counts.timed_out += 1;
                    self.model.line.retain(|waits| *waits != call);
                }
                let Call { fate, since, .. } = self.model.calls[call];
                match waits.look(&self.machine, stamp) {
                    Seen::Admitted(waited) => {
                        assert_eq!(fate, Fate::Granted);
                        assert_eq!(waited, ms(now.saturating_sub(since)));
                        self.running += 1;
                    }
                    Seen::Pending(waits) => {
                        assert_eq!(fate, Fate::Waits);
                        self.held.push((call, waits));
                    }
                    Seen::TimedOut => assert_eq!(fate, Fate::TimedOut),
                    Seen::Evicted => assert_eq!(fate, Fate::Evicted),
                }
            }
            Op::GiveUp(index) if !self.held.is_empty() => {
                let (call, waits) = self.held.swap_remove(index % self.held.len());
                match self.model.calls[call].fate {
                    Fate::Waits => self.model.line.retain(|waits| *waits != call),
                    Fate::Granted => {
                        self.model.expire(now);
                        self.model.in_flight -= 1;
                        self.model.grant(now);
                    }
                    Fate::TimedOut | Fate::Evicted => {}
                }
                self.machine.give_up(waits.ticket, stamp);
            }
            Op::Look(_) | Op::GiveUp(_) => {}
            Op::Set(concurrent, queue) => {
                let settings = Settings { concurrent, queue, ..self.model.settings };
                self.model.expire(now);
                self.model.settings = settings;
                self.model.grant(now);
                self.machine.set(settings, stamp);
            }
        }
    }

    fn compare(&self) {
        assert_eq!(self.machine.snapshot(), self.model.snapshot());
        for (call, bell) in self.model.calls.iter().zip(&self.bells) {
            assert_eq!(bell.rung(), call.woken, "{call:?}");
        }
    }

    /// All that wait give up and all that run leave: nothing is left.
    fn end(mut self) {
        while !self.held.is_empty() {
            self.step(Op::GiveUp(0));
            self.compare();
        }
        while self.running > 0 {
            self.step(Op::Leave);
        }
        let seen = self.machine.snapshot();
        assert_eq!((seen.in_flight, seen.queued), (0, 0));
    }
}

proptest! {
    #![proptest_config(traces(2000))]

    #[test]
    fn traces_show_what_the_model_shows(
        concurrent in 1..4_u32,
        queue in 0..6_u32,
        queue_timeout in 1..30_u64,
        adaptive in any::<bool>(),
        ops in proptest::collection::vec(op(), 0..400),
    ) {
        let order = if adaptive { Order::AdaptiveLifo } else { Order::Fifo };
        let mut pair = Pair::new(Settings {
            queue,
            queue_timeout: ms(queue_timeout),
            order,
            target: ms(2),
            interval: ms(10),
            ..Settings::new(concurrent)
        });
        let mut limit = concurrent;
        for op in ops {
            pair.step(op);
            pair.compare();
            if let Op::Set(concurrent, _) = op {
                limit = limit.max(concurrent);
            }
            prop_assert!(pair.machine.snapshot().in_flight <= limit);
        }
        pair.end();
    }
}
