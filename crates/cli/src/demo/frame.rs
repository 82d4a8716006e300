//! What stands on the screen at one moment, as lines of at most 80 columns.

use super::circuit::CircuitView;
use super::clients::Caller;
use super::gateway;
use super::paint::{Colour, Paint};
use super::script::{LENGTH, SCENES};
use super::tally::Reading;
use super::timeline::{Answered, COLUMN, Column};
use super::upstream::Health;
use super::watch::{About, Event, Moment, Story};
use super::words::{clock, span_or_dash};
use breakerbox::State;
use std::time::Duration;

/// Columns of a usual terminal, but for the last one: what stands there is easily lost.
const WIDTH: usize = 79;
/// Names of rows have so many columns.
const NAMES: usize = 17;
/// So many events fit below the rest.
const EVENTS: usize = 7;

/// All lines of a moment.
pub(super) fn frame(moment: &Moment, story: &Story, paint: Paint) -> Vec<String> {
    let mut lines = vec![heading(moment, paint)];
    lines.push(paint.paint(Colour::Dim, moment.scene.meaning));
    lines.push(String::new());
    lines.push(service(moment, paint));
    lines.push(circuit(moment, paint));
    lines.push(String::new());
    lines.extend(table(moment, paint));
    lines.push(String::new());
    lines.extend(timeline(story, paint));
    lines.push(String::new());
    if moment.at < SCENES[1].begins {
        lines.extend(policy(paint));
    } else {
        let newest = story.events.len().saturating_sub(EVENTS);
        lines.extend(story.events[newest..].iter().map(|it| event(it, paint)));
    }
    lines
}

fn heading(moment: &Moment, paint: Paint) -> String {
    let title = moment.scene.title;
    let time = clock(moment.at.min(LENGTH));
    let gap = WIDTH.saturating_sub(title.len() + time.len());
    format!("{}{:gap$}{time}", paint.paint(Colour::Bold, title), "")
}

fn service(moment: &Moment, paint: Paint) -> String {
    let (state, colour, meaning) = match moment.scene.service {
        Health::Healthy => ("up", Colour::Green, "it answers in a few milliseconds"),
        Health::Failing | Health::Hanging => {
            ("DOWN", Colour::Red, "every answer takes 500 ms and is a 503")
        }
    };
    state_line("service", state, colour, meaning, paint)
}

fn circuit(moment: &Moment, paint: Paint) -> String {
    let CircuitView { state, next_probe, .. } = moment.circuit;
    let meaning = match state {
        State::Closed if moment.scene.service == Health::Healthy => {
            "every call goes to the service".to_owned()
        }
        State::Closed => "calls still go to the service; failures count".to_owned(),
        State::Open => {
            let left = next_probe.unwrap_or(Duration::ZERO).as_secs_f64();
            format!("callers get the fallback at once; probe in {left:.1} s")
        }
        _ => "one call, the probe, tests the service".to_owned(),
    };
    let (name, colour) = circuit_state(state);
    state_line("circuit", name, colour, &meaning, paint)
}

fn state_line(name: &str, state: &str, colour: Colour, meaning: &str, paint: Paint) -> String {
    let state = paint.paint(colour, &format!("● {state:<9}"));
    format!("{name:<NAMES$}{state}  {meaning}")
}

fn circuit_state(state: State) -> (&'static str, Colour) {
    match state {
        State::Closed => ("closed", Colour::Green),
        State::HalfOpen => ("HALF-OPEN", Colour::Yellow),
        State::Open => ("OPEN", Colour::Red),
        other => (other.name(), Colour::Yellow),
    }
}

fn table(moment: &Moment, paint: Paint) -> Vec<String> {
    let names = format!(
        "{:<NAMES$}{:>7}{:>7}{:>10}{:>8}{:>13}{:>17}",
        "clients", "calls", "good", "fallback", "failed", "waiting now", "answered after"
    );
    let mut lines = vec![paint.paint(Colour::Dim, &names)];
    for caller in Caller::ALL {
        let (so_far, lately) =
            (&moment.so_far[caller as usize], &moment.last_second[caller as usize]);
        lines.push(row(caller, so_far, lately, paint));
    }
    lines
}

fn row(caller: Caller, so_far: &Reading, lately: &Reading, paint: Paint) -> String {
    let coloured = |colour, count: u64, width: usize| {
        let text = format!("{count:>width$}");
        if count == 0 { text } else { paint.paint(colour, &text) }
    };
    let median = lately.waits.quantile(0.5);
    let slow = median.is_some_and(|median| median >= Duration::from_millis(100));
    let median = format!("{:>17}", span_or_dash(median));
    format!(
        "{:<NAMES$}{:>7}{}{}{}{}{}",
        caller.name(),
        so_far.calls,
        coloured(Colour::Green, so_far.good, 7),
        coloured(Colour::Yellow, so_far.fallbacks, 10),
        coloured(Colour::Red, so_far.failed, 8),
        coloured(
            if so_far.waiting() > 2 { Colour::Red } else { Colour::Dim },
            so_far.waiting(),
            13
        ),
        if slow { paint.paint(Colour::Red, &median) } else { median },
    )
}

/// The whole run, one column per half second, and how to read it.
pub(super) fn timeline(story: &Story, paint: Paint) -> Vec<String> {
    let columns = story.timeline.columns();
    let row = |name: &str, cell: &dyn Fn(&Column) -> (&'static str, Colour)| {
        let cells = columns.iter().map(|column| {
            let (glyph, colour) = cell(column);
            paint.paint(colour, glyph)
        });
        format!("{name:<NAMES$}{}", cells.collect::<String>())
    };
    let mut lines = vec![
        paint.paint(Colour::Dim, &axis()),
        row("service", &|column| match column.service {
            Health::Healthy => ("─", Colour::Green),
            Health::Failing | Health::Hanging => ("x", Colour::Red),
        }),
        row("circuit", &|column| match column.circuit {
            State::Closed => ("─", Colour::Green),
            State::Open => ("█", Colour::Red),
            _ => ("?", Colour::Yellow),
        }),
    ];
    for caller in Caller::ALL {
        lines.push(row(caller.name(), &|column| match column.answered(caller) {
            Answered::Good => ("·", Colour::Green),
            Answered::FallbackAtOnce => ("f", Colour::Yellow),
            Answered::FallbackAfterFailure => ("F", Colour::Red),
            Answered::Failed => ("x", Colour::Red),
            Answered::Nothing => (" ", Colour::Dim),
        }));
    }
    let legend = "█ open  ? half-open  · good  f fallback  F late fallback  x failed";
    lines.push(paint.paint(Colour::Dim, &format!("{:>WIDTH$}", legend)));
    lines
}

/// A number every five seconds.
fn axis() -> String {
    let per_second = 1000 / COLUMN.as_millis() as usize;
    let mut axis = format!("{:NAMES$}", "seconds");
    for seconds in (0..=LENGTH.as_secs() as usize).step_by(5) {
        let column = NAMES + seconds * per_second;
        axis = format!("{axis:column$}{seconds}");
    }
    axis
}

/// A line for something that happened.
pub(super) fn event(event: &Event, paint: Paint) -> String {
    let colour = match event.about {
        About::Service(Health::Healthy) => Colour::Green,
        About::Service(_) => Colour::Red,
        About::Circuit(state) => circuit_state(state).1,
        About::Client(_) => Colour::Dim,
    };
    let time = paint.paint(Colour::Dim, &clock(event.at));
    format!("{time}  {}", paint.paint(colour, &event_text(event)))
}

/// What happened; of a client, to which.
pub(super) fn event_text(event: &Event) -> String {
    match event.about {
        About::Client(caller) => format!("{}: {}", caller.name(), event.text),
        About::Service(_) | About::Circuit(_) => event.text.clone(),
    }
}

/// What the file says, while nothing has happened yet.
fn policy(paint: Paint) -> Vec<String> {
    let head = paint.paint(Colour::Dim, "The gateway's file says of the calls to the service:");
    std::iter::once(head).chain(gateway::POLICY.lines().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::script::scene_at;
    use super::super::tally::Tally;
    use super::*;
    use breakerbox::core::breaker::WindowSnapshot;

    fn moment(at: Duration, state: State) -> Moment {
        let readings = || [Tally::default().read(), Tally::default().read()];
        let next_probe = (state == State::Open).then_some(Duration::from_millis(2_840));
        let circuit = CircuitView { state, next_probe, window: WindowSnapshot::default() };
        Moment { at, scene: scene_at(at), circuit, so_far: readings(), last_second: readings() }
    }

    #[test]
    fn every_moment_fits_a_usual_terminal() {
        let mut story = Story::default();
        for tick in 0..=LENGTH.as_millis() / 50 {
            let at = Duration::from_millis(50) * u32::try_from(tick).unwrap();
            for state in [State::Closed, State::Open, State::HalfOpen, State::Isolated] {
                let moment = moment(at, state);
                story.timeline.add(at, moment.scene.service, [state], &moment.so_far);
                let lines = frame(&moment, &story, Paint::plain());
                assert!(lines.len() <= 24, "{lines:#?}");
                for line in lines {
                    assert!(line.chars().count() <= WIDTH, "{line:?}");
                }
            }
            let (about, text) = (About::Service(Health::Healthy), String::new());
            story.events.push(Event { at, about, text });
        }
    }

    #[test]
    fn says_when_the_next_probe_is() {
        let moment = moment(SCENES[1].begins, State::Open);
        let lines = frame(&moment, &Story::default(), Paint::plain());
        assert!(lines[4].contains("● OPEN") && lines[4].ends_with("probe in 2.8 s"), "{lines:#?}");
    }
}
