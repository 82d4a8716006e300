//! The tables of clients, and of the calls that clients and services make.

use super::time::{Time, time};
use crate::policy_source::{PolicyKind, PolicySource};
use crate::simulate::RateCurve;
use breakerbox::config::{
    self, Kind, Located, Node, Reader, boolean, duration, either, integer, list, number, one_of,
    rate as fraction, table, text,
};
use std::time::Duration;

/// The highest rate, per second.
const MAX_RATE: f64 = 1e6;

config::table! {
    /// Equal processes that make the same kind of call.
    pub(super) struct ClientTable {
        /// The service that is called.
        calls: String = text(), required "name a service";
        /// How many processes there are; each has its own state of the policy.
        processes: u32 = integer(1..=10_000), default 1;
        /// How many calls come per second, of all processes together, whatever becomes of those before:
        /// a number, or a list of changes.
        rate: Rate = either(number(0.0..=MAX_RATE).map(Rate::constant),
            list(table::<ChangeTable>()).not_empty().then(changes)), optional;
        /// Whether calls come at random (`poisson`) or at equal intervals (`even`).
        arrivals: bool = one_of(&[("poisson", false), ("even", true)]), optional "poisson";
        /// Instead of `rate`: the path of a file with the time of one call per line, in seconds.
        trace: String = text(), optional;
        /// Instead of `rate`: so many users, each of whom waits for an answer before the next call.
        users: u32 = integer(1..=1_000_000), optional;
        /// How long a user thinks between an answer and the next call.
        think: Time = time(), optional "0s";
        /// A user gives up after this time.
        give_up: Duration = duration().above_zero(), optional "never";
        /// What the calls belong to.
        keys: KeysTable = table::<KeysTable>(), optional "each is of its own";
        /// How important the calls are.
        priorities: Vec<Located<PriorityTable>> = list(table::<PriorityTable>()).not_empty(), optional "3";
        /// Whether calls may be repeated.
        repeatable: bool = boolean(), default true;
        /// How long a message is on its way to the service, and back.
        latency: Time = time(), optional "0s";
        /// How many messages are lost on the way.
        loss: f64 = number(0.0..=1.0), default 0.0;
        /// What protects the calls.
        policy: Located<PolicySource> = PolicyKind, optional "nothing";
    }
}

config::table! {
    /// From a certain time on there is another rate.
    pub(super) struct ChangeTable {
        /// When.
        at: Duration = duration(), default "0s";
        /// How many calls come per second from then on.
        rate: f64 = number(0.0..=MAX_RATE), required;
        /// The rate gets there within this time, in a straight line.
        over: Duration = duration(), default "0s";
        /// After this time it is again what it was: a spike.
        r#for: Duration = duration().above_zero(), optional "until the next change";
    }
}

config::table! {
    /// What calls belong to.
    pub(super) struct KeysTable {
        /// How many keys there are.
        count: u32 = integer(1..=1_000_000), required;
        /// The i-th is chosen in proportion to `1 / i^zipf`; 0: all alike.
        zipf: f64 = number(0.0..=5.0), default 0.0;
    }
}

config::table! {
    /// A share of the calls is so important.
    pub(super) struct PriorityTable {
        /// From 0, the most important, to 7.
        urgency: u8 = integer(0..=7), required;
        /// The share; all add up to 1.
        share: f64 = fraction(), required;
    }
}

config::table! {
    /// Calls that a service makes for each of its requests.
    pub(super) struct CallTable {
        /// The service that is called.
        service: String = text(), required "name a service";
        /// How many calls are made of one request.
        times: u32 = integer(1..=1000), default 1;
        /// How long a message is on its way to the service, and back.
        latency: Time = time(), optional "0s";
        /// How many messages are lost on the way.
        loss: f64 = number(0.0..=1.0), default 0.0;
        /// What protects the calls.
        policy: Located<PolicySource> = PolicyKind, optional "nothing";
    }
}

/// A rate over time, and the times from and to which it is a spike.
#[derive(Clone, Debug)]
pub(super) struct Rate {
    pub(super) curve: RateCurve,
    pub(super) spikes: Vec<(f64, f64)>,
}

impl Rate {
    fn constant(rate: f64) -> Self {
        Self { curve: RateCurve::constant(rate), spikes: Vec::new() }
    }
}

/// Puts the changes into one curve.
fn changes(list: Vec<Located<ChangeTable>>, _: Node<'_>, reader: &mut Reader) -> Option<Rate> {
    let mut all = Rate::constant(0.0);
    let mut free = 0.0;
    for (number, change) in list.into_iter().enumerate() {
        let span = change.span;
        let change = change.value;
        let at = change.at.required()?.as_secs_f64();
        let (rate, over) = (change.rate.required()?, change.over.required()?.as_secs_f64());
        let lasts = change.r#for.optional()?.map(|it| it.as_secs_f64());
        if at < free {
            let fix = "give the changes in the order of their time, each after the one before is complete";
            reader.error(span, "the change begins before the one before it is complete", fix);
            return None;
        }
        if lasts.is_some_and(|lasts| lasts < over) {
            let fix = "make `for` at least as long as `over`";
            reader.error(span, "the spike ends before it has got to its rate", fix);
            return None;
        }
        if number == 0 && at == 0.0 && over == 0.0 {
            all = Rate::constant(rate);
        }
        let before = all.curve.at(at);
        all.curve.change(at, rate, over);
        free = at + over;
        if let Some(lasts) = lasts {
            all.curve.change(at + lasts, before, 0.0);
            all.spikes.push((at, at + lasts));
            free = at + lasts;
        }
    }
    Some(all)
}
