//! Looking on: what there is to be seen at each moment, and the story so far.

use super::circuit::{Change, Circuit, CircuitView};
use super::clients::{Caller, Clients};
use super::script::{SCENES, Scene, scene_at};
use super::tally::{Reading, Tally};
use super::timeline::Timeline;
use super::upstream::Health;
use super::words::span;
use breakerbox::State;
use breakerbox_proxy::policies::Policies;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often is looked.
pub(super) const TICK: Duration = Duration::from_millis(50);
/// So many looks are a second.
pub(super) const TICKS_PER_SECOND: usize = 20;

/// So many rejected calls tell how long one takes.
const A_FEW: u64 = 5;

/// Everything that can be seen at one moment.
#[derive(Debug)]
pub(super) struct Moment {
    /// Since the beginning.
    pub(super) at: Duration,
    /// What is being played.
    pub(super) scene: &'static Scene,
    /// The circuit.
    pub(super) circuit: CircuitView,
    /// What the clients have seen, by [`Caller`].
    pub(super) so_far: [Reading; Caller::ALL.len()],
    /// The same, but of the last second alone.
    pub(super) last_second: [Reading; Caller::ALL.len()],
}

/// Something worth a line.
#[derive(Clone, Debug)]
pub(super) struct Event {
    /// Since the beginning.
    pub(super) at: Duration,
    /// What it is about.
    pub(super) about: About,
    /// What happened.
    pub(super) text: String,
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The service, which does so now.
    Service(Health),
    /// The circuit, which has this state now.
    Circuit(State),
    /// A client.
    Client(Caller),
}

/// What has happened since the beginning. It ends with the script, so it has an end.
#[derive(Debug, Default)]
pub(super) struct Story {
    /// Everything worth a line, in its order.
    pub(super) events: Vec<Event>,
    /// How calls and circuit did.
    pub(super) timeline: Timeline,
    /// How long after its recovery the service got calls again.
    pub(super) recovery_noticed_after: Option<Duration>,
}

/// Who looks on.
#[derive(Debug)]
pub(super) struct Watch {
    began: Instant,
    circuit: Circuit,
    tallies: [Arc<Tally>; Caller::ALL.len()],
    /// The readings of the last second, from its beginning to its end.
    recent: VecDeque<[Reading; Caller::ALL.len()]>,
    scenes: std::slice::Iter<'static, Scene>,
    seen_failing: bool,
    seen_rejecting: bool,
    story: Story,
}

impl Watch {
    /// The demo begins now.
    pub(super) fn new(policies: Arc<Policies>, clients: &Clients) -> Self {
        Self {
            began: Instant::now(),
            circuit: Circuit::new(policies),
            tallies: Caller::ALL.map(|caller| Arc::clone(clients.tally(caller))),
            recent: VecDeque::with_capacity(TICKS_PER_SECOND + 2),
            scenes: SCENES.iter(),
            seen_failing: false,
            seen_rejecting: false,
            story: Story::default(),
        }
    }

    /// What has happened so far.
    pub(super) fn story(&self) -> &Story {
        &self.story
    }

    /// Since the beginning.
    pub(super) fn now(&self) -> Duration {
        self.began.elapsed()
    }

    /// Looks, and adds what is new to the story.
    pub(super) fn look(&mut self) -> Moment {
        let at = self.now();
        let scene = scene_at(at);
        let changes = self.circuit.changes();
        let circuit = self.circuit.view();
        let so_far = self.tallies.each_ref().map(|tally| tally.read());
        self.scenes_begun(at);
        self.first_calls(at, &so_far);
        for change in &changes {
            self.circuit_changed(at, *change, &circuit);
        }
        let states = changes.iter().map(|change| change.to).chain([circuit.state]);
        self.story.timeline.add(at, scene.service, states, &so_far);
        let last_second = self.last_second(&so_far);
        Moment { at, scene, circuit, so_far, last_second }
    }

    fn last_second(&mut self, so_far: &[Reading; 2]) -> [Reading; 2] {
        self.recent.push_back(so_far.clone());
        if self.recent.len() > TICKS_PER_SECOND + 1 {
            self.recent.pop_front();
        }
        let earliest = self.recent.front().unwrap_or(so_far);
        std::array::from_fn(|caller| so_far[caller].since(&earliest[caller]))
    }

    fn scenes_begun(&mut self, at: Duration) {
        while let Some(scene) = self.scenes.as_slice().first()
            && scene.begins <= at
        {
            self.scenes.next();
            self.add(scene.begins, About::Service(scene.service), scene.event.to_owned());
        }
    }

    /// The first calls that failed, and the first that were rejected, stand for all that follow.
    fn first_calls(&mut self, at: Duration, so_far: &[Reading; 2]) {
        let [with, without] = so_far;
        if !self.seen_failing && without.failed > 0 {
            self.seen_failing = true;
            let took = without.waits.quantile(1.0).unwrap_or_default();
            let text = format!("the first calls fail, after {}", span(took));
            self.add(at, About::Client(Caller::WithoutBreaker), text);
        }
        if !self.seen_rejecting && with.rejections.count() >= A_FEW {
            self.seen_rejecting = true;
            let took = with.rejections.quantile(0.5).unwrap_or_default();
            let text = format!("rejected calls get the fallback after {}", span(took));
            self.add(at, About::Client(Caller::WithBreaker), text);
        }
    }

    fn circuit_changed(&mut self, at: Duration, change: Change, circuit: &CircuitView) {
        let Change { from, to } = change;
        let text = match (from, to) {
            (State::Closed, State::Open) => {
                let (failures, calls) = (circuit.window.failures, circuit.window.calls);
                format!("circuit opened: {failures} of the last {calls} calls failed")
            }
            (State::Open, State::HalfOpen) => {
                "circuit half-open: one call may test the service".to_owned()
            }
            (State::HalfOpen, State::Open) => "circuit opened again: the probe failed".to_owned(),
            (State::HalfOpen, State::Closed) => "circuit closed: the probe succeeded".to_owned(),
            (from, to) => format!("circuit {}, before {}", to.name(), from.name()),
        };
        let recovered = SCENES[SCENES.len() - 1].begins;
        if to == State::Closed && at >= recovered {
            self.story.recovery_noticed_after.get_or_insert(at - recovered);
        }
        self.add(at, About::Circuit(to), text);
    }

    fn add(&mut self, at: Duration, about: About, text: String) {
        self.story.events.push(Event { at, about, text });
    }
}
