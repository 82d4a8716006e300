//! What a run came to.

use super::Scenario;
use super::measure::{Counts, EdgeCounts, Recorder, Second, ServiceCounts, quantile};
use breakerbox::core::pipeline::Rejection;
use std::fmt;

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Before the trouble, during it and after it; or one for the whole run.
    pub phases: Vec<Phase>,
    /// Every second, from the start.
    pub seconds: Vec<Second>,
    /// How many calls were simulated, those of the warm-up and those of services not counted.
    pub calls: u64,
    /// How many calls had not ended when the run was over, and the time to end was too.
    pub unfinished: u64,
    /// How often circuits opened.
    pub opened: u64,
    /// How many seconds after the trouble began a circuit opened first, or a policy rejected a call.
    pub detected: Option<f64>,
    /// How it ended.
    pub verdict: Verdict,
}

/// A part of a run.
#[derive(Clone, Debug)]
pub struct Phase {
    /// `before`, `during` or `after` the trouble, or `all`.
    pub name: &'static str,
    /// From when, in seconds.
    pub from: f64,
    /// To when, in seconds.
    pub to: f64,
    /// Calls that began.
    pub offered: u64,
    /// Those of them that came to a good answer, in time.
    pub good: u64,
    /// To a good answer, too late.
    pub late: u64,
    /// To a fallback.
    pub degraded: u64,
    /// To an error or a timeout.
    pub failed: u64,
    /// To a rejection by a policy on the caller's side.
    pub rejected: u64,
    /// Whose users gave up.
    pub given_up: u64,
    /// That had not ended when the run was over, and the time to end was too. They count as having waited
    /// until the end of the run.
    pub unfinished: u64,
    /// How many callers waited at once, on average.
    pub waiting: f64,
    /// How long calls took, in seconds: half, 99 of a hundred, 999 of a thousand. 0 without calls.
    pub latency: [f64; 3],
    /// The same of those with good answers.
    pub good_latency: [f64; 3],
    /// What each client got.
    pub clients: Vec<ClientPhase>,
    /// From each caller to each service.
    pub edges: Vec<EdgePhase>,
    /// What services did.
    pub services: Vec<ServicePhase>,
}

/// What a client got in a phase.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientPhase {
    /// Its name.
    pub name: String,
    /// Calls that began.
    pub offered: u64,
    /// Those of them that came to a good answer, in time.
    pub good: u64,
}

/// Calls from one place to a service in a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct EdgePhase {
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// Calls.
    pub calls: u64,
    /// The requests that were sent for them.
    pub attempts: u64,
    /// Calls that were rejected on the caller's side, by reason.
    pub rejected: Vec<(&'static str, u64)>,
}

/// What a service did in a phase.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePhase {
    /// Its name.
    pub name: String,
    /// Requests that came.
    pub requests: u64,
    /// Requests turned away because the queue was full.
    pub turned_away: u64,
    /// Requests that its own policies rejected.
    pub rejected: u64,
    /// Seconds of work.
    pub worked: f64,
    /// Those of them for answers that nobody waited for, or that were errors.
    pub wasted: f64,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Verdict {
    /// Nothing went wrong.
    NoTrouble,
    /// Something did, and good answers stayed above 95 % of what they were.
    Unaffected,
    /// They came back above that.
    Recovers {
        /// So many seconds after the trouble was over: whole ones.
        after: f64,
    },
    /// They did not: the state that the trouble has left keeps itself alive.
    DoesNotRecover {
        /// So many seconds it was watched after the trouble was over: whole ones.
        watched: f64,
    },
    /// The run ends before it can be said: what is not seen to go well is not taken to do so.
    NotWatched {
        /// So many seconds it was watched after the trouble was over: whole ones.
        watched: f64,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTrouble => f.write_str("nothing went wrong"),
            Self::Unaffected => f.write_str("unaffected"),
            Self::Recovers { after } => write!(f, "recovers in {after} s"),
            Self::DoesNotRecover { watched } => {
                write!(f, "does not recover (metastable) within the {watched} s it was watched")
            }
            Self::NotWatched { watched } => write!(
                f,
                "not watched long enough: {watched} s after the trouble, and it takes {TOGETHER} s to say; \
                 make `duration` longer"
            ),
        }
    }
}

impl Verdict {
    /// Whether good answers are back, and were seen to be.
    pub fn is_good(&self) -> bool {
        !matches!(self, Self::DoesNotRecover { .. } | Self::NotWatched { .. })
    }
}

impl Phase {
    /// Its length in seconds.
    pub fn seconds(&self) -> f64 {
        self.to - self.from
    }

    /// How many of a hundred calls came to a good answer in time, as a fraction; `None` without calls.
    pub fn success(&self) -> Option<f64> {
        (self.offered > 0).then(|| self.good as f64 / self.offered as f64)
    }

    /// Half, 99 of a hundred and 999 of a thousand calls took so long, in seconds; `None` where there are
    /// none.
    pub fn latencies(&self) -> Option<[f64; 3]> {
        (self.offered > 0).then_some(self.latency)
    }

    /// The same of good answers.
    pub fn good_latencies(&self) -> Option<[f64; 3]> {
        (self.good > 0).then_some(self.good_latency)
    }

    /// How many requests were sent to services for each call of a client, all services together; `None`
    /// without calls.
    pub fn attempts(&self) -> Option<f64> {
        let attempts: u64 = self.edges.iter().map(|edge| edge.attempts).sum();
        (self.offered > 0).then(|| attempts as f64 / self.offered as f64)
    }

    /// The share of all work that was for nothing; `None` without work.
    pub fn wasted(&self) -> Option<f64> {
        let worked: f64 = self.services.iter().map(|it| it.worked).sum();
        let wasted: f64 = self.services.iter().map(|it| it.wasted).sum();
        (worked > 0.0).then(|| wasted / worked)
    }
}

impl Outcome {
    pub(super) fn of(scenario: &Scenario, recorder: Recorder) -> Self {
        let (warmup, end) = (scenario.warmup, scenario.duration);
        let bounds = match scenario.trouble() {
            None => vec![("all", warmup, end)],
            Some((from, to)) => {
                vec![("before", warmup, from), ("during", from, to), ("after", to, end)]
            }
        };
        let mut phases = Vec::new();
        for (number, (name, from, to)) in bounds.into_iter().enumerate() {
            if to > from {
                phases.push(phase(scenario, &recorder, number, name, (from, to)));
            }
        }
        Self {
            verdict: verdict(scenario, &recorder),
            phases,
            calls: recorder.calls,
            unfinished: u64::from(recorder.in_flight),
            opened: recorder.opened,
            detected: recorder.detected,
            seconds: recorder.seconds,
        }
    }

    /// The phase of this name.
    pub fn phase(&self, name: &str) -> Option<&Phase> {
        self.phases.iter().find(|phase| phase.name == name)
    }
}

fn phase(
    scenario: &Scenario,
    recorder: &Recorder,
    number: usize,
    name: &'static str,
    (from, to): (f64, f64),
) -> Phase {
    let counts = &recorder.phases[number];
    let quantiles = |histogram: &hdrhistogram::Histogram<u64>| {
        [0.5, 0.99, 0.999].map(|share| quantile(histogram, share))
    };
    let Counts { offered, good, late, degraded, failed, rejected, given_up, unfinished, .. } =
        *counts;
    let clients = scenario.clients.iter().zip(&recorder.clients).map(|(client, counts)| {
        let (offered, good) = counts[number];
        ClientPhase { name: client.name.clone(), offered, good }
    });
    let edges = scenario.edges().zip(&recorder.edges).map(|((caller, edge), counts)| {
        let EdgeCounts { calls, attempts, rejected } = counts[number];
        let reasons = Rejection::REASONS.into_iter().zip(rejected);
        EdgePhase {
            from: scenario.name(caller).to_owned(),
            to: scenario.services[edge.service].name.clone(),
            calls,
            attempts,
            rejected: reasons.filter(|(_, count)| *count > 0).collect(),
        }
    });
    let services = scenario.services.iter().zip(&recorder.services).map(|(service, counts)| {
        let ServiceCounts { requests, turned_away, rejected, worked, wasted } = counts[number];
        ServicePhase { name: service.name.clone(), requests, turned_away, rejected, worked, wasted }
    });
    Phase {
        name,
        from,
        to,
        offered,
        good,
        late,
        degraded,
        failed,
        rejected,
        given_up,
        unfinished,
        waiting: counts.waited / (to - from),
        latency: quantiles(&counts.all),
        good_latency: quantiles(&counts.successes),
        clients: clients.collect(),
        edges: edges.collect(),
        services: services.collect(),
    }
}

/// So many seconds together decide whether it goes well: single ones differ by chance.
pub(super) const TOGETHER: usize = 5;
/// It goes well with so much of the share of good answers there was before.
const WELL: f64 = 0.95;
/// What the end of a fault, the sum of two times, may be off by in binary.
const NOISE: f64 = 1e-6;

/// The first second that is all after the end of the trouble.
pub(super) fn first_after(end: f64) -> usize {
    libm::ceil(end - NOISE) as usize
}

fn verdict(scenario: &Scenario, recorder: &Recorder) -> Verdict {
    let Some((from, to)) = scenario.trouble() else { return Verdict::NoTrouble };
    let before = &recorder.phases[0];
    let usual = if before.offered > 0 { before.good as f64 / before.offered as f64 } else { 1.0 };
    let seconds = &recorder.seconds;
    // Nothing else shows users who wait, and therefore make no calls.
    let stuck = recorder.stuck.shares();
    let (begin, end) = (scenario.warmup as usize, (from as usize).saturating_sub(TOGETHER));
    let usually = stuck.get(begin..=end).filter(|it| !it.is_empty());
    let usually = usually.map_or(0.0, |it| it.iter().sum::<f64>() / it.len() as f64);
    // By when calls began: late answers to what came before must not hide what goes wrong now.
    let goes_well = |start: usize| {
        let together = recorder.begun.iter().skip(start).take(TOGETHER);
        let (good, offered) = together.fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
        let few_wait = stuck.get(start).is_none_or(|share| *share <= usually + (1.0 - WELL));
        few_wait && f64::from(good) >= WELL * usual * f64::from(offered)
    };
    let (first, last) = (from as usize, first_after(to));
    let full = |start: &usize| start + TOGETHER <= seconds.len();
    let mut until_its_end = (first..=last).filter(full).peekable();
    // Of none at all it would be true as well.
    if until_its_end.peek().is_some() && until_its_end.all(goes_well) {
        return Verdict::Unaffected;
    }
    let mut after = (last..seconds.len()).filter(full).peekable();
    let watched = seconds.len().saturating_sub(last) as f64;
    if after.peek().is_none() {
        return Verdict::NotWatched { watched };
    }
    match after.find(|start| goes_well(*start)) {
        Some(start) => Verdict::Recovers { after: (start - last) as f64 },
        None => Verdict::DoesNotRecover { watched },
    }
}
