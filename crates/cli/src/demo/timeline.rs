//! The whole run in half seconds: how service, circuit and calls did.

use super::clients::Caller;
use super::tally::Reading;
use super::upstream::Health;
use breakerbox::State;
use std::time::Duration;

/// One column is so long.
pub(super) const COLUMN: Duration = Duration::from_millis(500);

/// The columns so far.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    columns: Vec<Column>,
    /// What the clients had seen at the last look.
    before: Option<[Reading; Caller::ALL.len()]>,
}

/// Half a second.
#[derive(Debug)]
pub(super) struct Column {
    /// How the service did at its end.
    pub(super) service: Health,
    /// The state of the circuit, the most telling one if there were several.
    pub(super) circuit: State,
    /// Answers by [`Caller`].
    answers: [Answers; Caller::ALL.len()],
}

#[derive(Clone, Copy, Debug, Default)]
struct Answers {
    good: u64,
    at_once: u64,
    after_failure: u64,
    failed: u64,
}

/// What most calls of half a second came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    Good,
    FallbackAtOnce,
    FallbackAfterFailure,
    Failed,
    /// No call has ended.
    Nothing,
}

impl Timeline {
    /// All columns, in their order; the last one is not complete.
    pub(super) fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Adds what was seen: the states of the circuit since the last time, and the readings.
    pub(super) fn add(
        &mut self,
        at: Duration,
        service: Health,
        states: impl IntoIterator<Item = State>,
        so_far: &[Reading; Caller::ALL.len()],
    ) {
        let number = usize::try_from(at.as_millis() / COLUMN.as_millis()).unwrap_or(usize::MAX);
        let mut states = states.into_iter().peekable();
        let last = self.columns.last().map_or(State::Closed, |column| column.circuit);
        let circuit = states.peek().copied().unwrap_or(last);
        // More than one after a pause of the machine: half seconds that nobody saw.
        while self.columns.len() <= number && self.columns.len() < MOST_COLUMNS {
            self.columns.push(Column { service, circuit, answers: Default::default() });
        }
        let Some(column) = self.columns.last_mut() else { return };
        column.service = service;
        column.circuit = states.fold(column.circuit, more_telling);
        let before = self.before.replace(so_far.clone());
        for (caller, reading) in so_far.iter().enumerate() {
            let new = before
                .as_ref()
                .map_or_else(|| reading.clone(), |before| reading.since(&before[caller]));
            column.answers[caller].add(&new);
        }
    }
}

/// A script that has become much longer would need wider columns.
const MOST_COLUMNS: usize = 58;

/// A probe can be over in no time, and must be seen all the same; so must an opening.
fn more_telling(one: State, other: State) -> State {
    let rank = |state| match state {
        State::Closed => 0,
        State::Open => 1,
        _ => 2,
    };
    if rank(other) > rank(one) { other } else { one }
}

impl Answers {
    fn add(&mut self, new: &Reading) {
        self.good += new.good;
        self.at_once += new.rejections.count();
        self.after_failure += new.fallbacks.saturating_sub(new.rejections.count());
        self.failed += new.failed;
    }
}

impl Column {
    /// What most calls came to; where it is even, the worse.
    pub(super) fn answered(&self, caller: Caller) -> Answered {
        let Answers { good, at_once, after_failure, failed } = self.answers[caller as usize];
        let counts = [
            (failed, Answered::Failed),
            (after_failure, Answered::FallbackAfterFailure),
            (at_once, Answered::FallbackAtOnce),
            (good, Answered::Good),
        ];
        let worse_if_even = |one: (u64, _), two: (u64, _)| if two.0 > one.0 { two } else { one };
        counts.into_iter().fold((0, Answered::Nothing), worse_if_even).1
    }
}

#[cfg(test)]
mod tests {
    use super::super::tally::{Answer, Tally};
    use super::*;

    const TICK: Duration = Duration::from_millis(50);

    fn read(tallies: &[Tally; 2]) -> [Reading; 2] {
        tallies.each_ref().map(Tally::read)
    }

    fn ended(tally: &Tally, answer: Answer, times: usize) {
        for _ in 0..times {
            tally.begun();
            tally.ended(answer, TICK);
        }
    }

    #[test]
    fn a_column_says_what_most_calls_came_to_and_the_worse_where_it_is_even() {
        let (tallies, mut timeline) = (<[Tally; 2]>::default(), Timeline::default());
        timeline.add(Duration::ZERO, Health::Healthy, [State::Closed], &read(&tallies));
        let answered = |timeline: &Timeline| {
            Caller::ALL.map(|caller| timeline.columns().last().unwrap().answered(caller))
        };
        assert_eq!(answered(&timeline), [Answered::Nothing; 2]);
        ended(&tallies[0], Answer::FallbackAtOnce, 3);
        ended(&tallies[0], Answer::FallbackAfterFailure, 2);
        ended(&tallies[1], Answer::Good, 2);
        ended(&tallies[1], Answer::Failed, 2);
        timeline.add(TICK, Health::Healthy, [State::Closed], &read(&tallies));
        assert_eq!(answered(&timeline), [Answered::FallbackAtOnce, Answered::Failed]);
        // The next column has what came since.
        ended(&tallies[0], Answer::FallbackAfterFailure, 1);
        timeline.add(COLUMN, Health::Healthy, [State::Closed], &read(&tallies));
        assert_eq!(answered(&timeline), [Answered::FallbackAfterFailure, Answered::Nothing]);
        assert_eq!(timeline.columns().len(), 2);
    }

    #[test]
    fn a_probe_that_was_over_at_once_is_seen() {
        let (tallies, mut timeline) = (<[Tally; 2]>::default(), Timeline::default());
        let states = [State::HalfOpen, State::Closed, State::Closed];
        timeline.add(Duration::ZERO, Health::Healthy, [State::Open], &read(&tallies));
        timeline.add(TICK, Health::Healthy, states, &read(&tallies));
        assert_eq!(timeline.columns()[0].circuit, State::HalfOpen);
        timeline.add(COLUMN, Health::Healthy, [State::Closed], &read(&tallies));
        assert_eq!(timeline.columns()[1].circuit, State::Closed);
    }
}
