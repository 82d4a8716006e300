//! What is counted while a scenario runs.

use super::stuck::Stuck;
use breakerbox::core::pipeline::Rejection;
use hdrhistogram::Histogram;

/// What a call of a client came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A good answer, in time.
    Good,
    /// A good answer that came too late to be one.
    Late,
    /// Another answer in its place: a fallback.
    Degraded,
    /// An error of the other side, or a timeout.
    Failed,
    /// Rejected by a policy on the caller's side.
    Rejected,
    /// The user gave up.
    GivenUp,
}

/// Before the trouble, during it, and after it.
pub(super) const PHASES: usize = 3;

/// Latencies from a microsecond to ten hours, each within a thousandth.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 36_000_000_000, 3).expect("these bounds are good ones")
}

/// So much of all took at most so many seconds; 0 where there are none. What is said is the lower end of
/// the thousandth: what always takes 10 ms takes 10 ms.
pub(super) fn quantile(histogram: &Histogram<u64>, share: f64) -> f64 {
    histogram.lowest_equivalent(histogram.value_at_quantile(share)) as f64 / 1e6
}

/// The roundest of the values that are not told apart from this one, in seconds: what took 10 s is shown
/// as that, although it is in the thousandth that begins at 9.994 s.
pub(super) fn roundest(seconds: f64) -> f64 {
    let micros = (seconds * 1e6 + 0.5) as u64;
    // As the histogram has it: 2048 of a microsecond each, then as many halves that are twice as wide.
    let width = 1 << micros.max(1024).ilog2().saturating_sub(10);
    let lowest = micros / width * width;
    let rounded = |digits: u32| lowest.next_multiple_of(10_u64.pow(digits));
    let fits = |value: &u64| *value < lowest + width;
    (0..=10).rev().map(rounded).find(fits).unwrap_or(lowest) as f64 / 1e6
}

/// What is counted of a phase.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    pub(super) offered: u64,
    pub(super) good: u64,
    pub(super) late: u64,
    pub(super) degraded: u64,
    pub(super) failed: u64,
    pub(super) rejected: u64,
    pub(super) given_up: u64,
    pub(super) unfinished: u64,
    /// The sum of the times that callers waited, in seconds.
    pub(super) waited: f64,
    /// In microseconds.
    pub(super) all: Histogram<u64>,
    pub(super) successes: Histogram<u64>,
}

impl Counts {
    fn new() -> Self {
        Self {
            offered: 0,
            good: 0,
            late: 0,
            degraded: 0,
            failed: 0,
            rejected: 0,
            given_up: 0,
            unfinished: 0,
            waited: 0.0,
            all: histogram(),
            successes: histogram(),
        }
    }
}

/// What is counted on the way from a caller to a service in a phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EdgeCounts {
    pub(super) calls: u64,
    pub(super) attempts: u64,
    /// By reason.
    pub(super) rejected: [u64; Rejection::REASONS.len()],
}

/// What is counted at a service in a phase.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ServiceCounts {
    pub(super) requests: u64,
    /// Turned away because the queue was full.
    pub(super) turned_away: u64,
    /// Rejected by its own policies.
    pub(super) rejected: u64,
    /// Seconds of work, and those of them whose answer nobody waited for or was an error.
    pub(super) worked: f64,
    pub(super) wasted: f64,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Second {
    /// Calls that began.
    pub offered: u32,
    /// Calls that ended with a good answer in time.
    pub good: u32,
    /// Calls that ended with a fallback.
    pub degraded: u32,
    /// Calls that ended otherwise: errors, too late, rejected, given up.
    pub bad: u32,
    /// Requests that were sent to services.
    pub attempts: u32,
    /// Calls that a policy on a caller's side rejected.
    pub rejected: u32,
    /// How many breakers were not closed at its end.
    pub open: u32,
    /// Half of the calls that ended took at most so many seconds; 0 if none ended.
    pub p50: f64,
    /// Of a hundred calls that ended 99 took at most so many seconds.
    pub p99: f64,
    /// Calls under way at its end.
    pub in_flight: u32,
}

/// Counts everything.
pub(super) struct Recorder {
    /// When the trouble begins and ends, in seconds.
    trouble: Option<(f64, f64)>,
    warmup: f64,
    end: f64,
    good_within: f64,
    pub(super) phases: [Counts; PHASES],
    /// Calls of each client that began, and those of them that came to a good answer in time.
    pub(super) clients: Vec<[(u64, u64); PHASES]>,
    pub(super) edges: Vec<[EdgeCounts; PHASES]>,
    pub(super) services: Vec<[ServiceCounts; PHASES]>,
    pub(super) seconds: Vec<Second>,
    /// Of the calls that began in each second those that came to a good answer in time, whenever that was,
    /// and all of them.
    pub(super) begun: Vec<(u32, u32)>,
    /// Users who wait for an answer.
    pub(super) stuck: Stuck,
    second: Second,
    latencies: Histogram<u64>,
    pub(super) open: u32,
    pub(super) in_flight: u32,
    pub(super) opened: u64,
    /// When after the beginning of the trouble something was noticed first: a circuit opened, or a policy
    /// of a caller rejected a call.
    pub(super) detected: Option<f64>,
    /// The longest queue at an endpoint of each service.
    pub(super) longest: Vec<u32>,
    pub(super) calls: u64,
}

impl Recorder {
    pub(super) fn new(scenario: &super::Scenario, edges: usize) -> Self {
        Self {
            trouble: scenario.trouble(),
            warmup: scenario.warmup,
            end: scenario.duration,
            good_within: scenario.good_within.unwrap_or(f64::INFINITY),
            phases: [Counts::new(), Counts::new(), Counts::new()],
            clients: vec![[(0, 0); PHASES]; scenario.clients.len()],
            edges: vec![[EdgeCounts::default(); PHASES]; edges],
            services: vec![[ServiceCounts::default(); PHASES]; scenario.services.len()],
            seconds: Vec::new(),
            begun: vec![(0, 0); scenario.duration as usize + 1],
            stuck: Stuck::new(scenario),
            second: Second::default(),
            latencies: histogram(),
            open: 0,
            in_flight: 0,
            opened: 0,
            detected: None,
            longest: vec![0; scenario.services.len()],
            calls: 0,
        }
    }

    /// The phase of this time; `None` where it is not looked at.
    pub(super) fn phase(&self, at: f64) -> Option<usize> {
        if at < self.warmup || at >= self.end {
            return None;
        }
        Some(match self.trouble {
            Some((from, _)) if at < from => 0,
            None => 0,
            Some((_, to)) if at < to => 1,
            Some(_) => 2,
        })
    }

    pub(super) fn begins(&mut self, client: u32, at: f64) {
        self.calls += 1;
        self.in_flight += 1;
        self.second.offered += 1;
        if let Some((_, offered)) = self.begun.get_mut(at as usize) {
            *offered += 1;
        }
        if let Some(phase) = self.phase(at) {
            self.phases[phase].offered += 1;
            self.clients[client as usize][phase].0 += 1;
        }
    }

    /// A call that began at `begun` has ended; `good` where it came to a success.
    pub(super) fn ends(&mut self, client: u32, begun: f64, now: f64, class: Class) {
        self.in_flight -= 1;
        self.stuck.waited(client, begun, now);
        let took = now - begun;
        let class =
            if class == Class::Good && took > self.good_within { Class::Late } else { class };
        let micros = (took * 1e6 + 0.5) as u64;
        self.latencies.saturating_record(micros);
        if class == Class::Good
            && let Some((good, _)) = self.begun.get_mut(begun as usize)
        {
            *good += 1;
        }
        match class {
            Class::Good => self.second.good += 1,
            Class::Degraded => self.second.degraded += 1,
            _ => self.second.bad += 1,
        }
        let Some(phase) = self.phase(begun) else { return };
        let counts = &mut self.phases[phase];
        counts.waited += took;
        counts.all.saturating_record(micros);
        match class {
            Class::Good => {
                counts.good += 1;
                self.clients[client as usize][phase].1 += 1;
                counts.successes.saturating_record(micros);
            }
            Class::Late => counts.late += 1,
            Class::Degraded => counts.degraded += 1,
            Class::Failed => counts.failed += 1,
            Class::Rejected => counts.rejected += 1,
            Class::GivenUp => counts.given_up += 1,
        }
    }

    /// A call that began at `begun` is still under way when all is over.
    pub(super) fn never_ends(&mut self, client: u32, begun: f64) {
        self.stuck.waited(client, begun, self.end);
        let Some(phase) = self.phase(begun) else { return };
        let counts = &mut self.phases[phase];
        counts.unfinished += 1;
        let waited = self.end - begun;
        counts.waited += waited;
        counts.all.saturating_record((waited * 1e6 + 0.5) as u64);
    }

    pub(super) fn calls(&mut self, edge: usize, at: f64) {
        if let Some(phase) = self.phase(at) {
            self.edges[edge][phase].calls += 1;
        }
    }

    pub(super) fn attempts(&mut self, edge: usize, at: f64) {
        self.second.attempts += 1;
        if let Some(phase) = self.phase(at) {
            self.edges[edge][phase].attempts += 1;
        }
    }

    /// A policy on a caller's side has rejected a call.
    pub(super) fn rejects(&mut self, edge: usize, reason: usize, at: f64) {
        self.second.rejected += 1;
        self.notices(at);
        if let Some(phase) = self.phase(at) {
            self.edges[edge][phase].rejected[reason] += 1;
        }
    }

    /// A circuit has opened, or is no longer open.
    pub(super) fn turns(&mut self, was_open: bool, is_open: bool, trips: bool, at: f64) {
        self.open = (self.open + u32::from(is_open)).saturating_sub(u32::from(was_open));
        if trips {
            self.opened += 1;
            self.notices(at);
        }
    }

    fn notices(&mut self, at: f64) {
        if let Some((from, _)) = self.trouble
            && at >= from
        {
            self.detected.get_or_insert(at - from);
        }
    }

    pub(super) fn service(&mut self, service: u32, at: f64) -> Option<&mut ServiceCounts> {
        let phase = self.phase(at)?;
        Some(&mut self.services[service as usize][phase])
    }

    pub(super) fn waits(&mut self, service: u32, waiting: u32) {
        let longest = &mut self.longest[service as usize];
        *longest = (*longest).max(waiting);
    }

    /// A second is over.
    pub(super) fn next_second(&mut self) {
        let (p50, p99) = (quantile(&self.latencies, 0.5), quantile(&self.latencies, 0.99));
        let (open, in_flight) = (self.open, self.in_flight);
        let second = std::mem::take(&mut self.second);
        self.seconds.push(Second { p50, p99, open, in_flight, ..second });
        self.latencies.reset();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_round_is_shown_so() {
        let shown = |micros: u64| {
            let mut histogram = histogram();
            histogram.record(micros).expect("it is in range");
            let value = quantile(&histogram, 0.5);
            let rounded = (roundest(value) * 1e6 + 0.5) as u64;
            assert!(histogram.equivalent(rounded, micros), "{micros} {rounded}");
            rounded
        };
        for round in [0, 1, 999, 2_047, 25_000, 500_000, 501_000, 2_500_000, 10_000_000, 30_000_000]
        {
            assert_eq!(shown(round), round);
        }
        // The rest stays within its thousandth.
        let mut micros = 1;
        while micros < 30_000_000_000 {
            shown(micros);
            micros += micros / 777 + 1;
        }
    }
}
