//! A picture of runs: good answers, latency, attempts and circuits over time.

use crate::simulate::{Outcome, Scenario, Second};
use std::fmt::Write as _;

/// The width of the picture.
const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 20.0;
/// The height of one of its charts, and of what is above and below it.
const HEIGHT: f64 = 130.0;
const TITLE: f64 = 26.0;
const GAP: f64 = 14.0;
/// Colours that people with colour blindness can tell apart (Okabe and Ito, 2008).
const COLOURS: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/// One of the charts.
struct Chart {
    title: &'static str,
    of: fn(&Second) -> f64,
    /// Values below are drawn up to this at least, so that noise does not look like trouble.
    least: f64,
    unit: &'static str,
    scale: f64,
}

const CHARTS: [Chart; 4] = [
    Chart {
        title: "good answers per second (grey: calls)",
        of: |it| it.good as f64,
        least: 1.0,
        unit: "",
        scale: 1.0,
    },
    Chart {
        title: "latency, p99 of the calls that ended",
        of: |it| it.p99,
        least: 0.001,
        unit: " ms",
        scale: 1e3,
    },
    Chart {
        title: "requests sent per second",
        of: |it| it.attempts as f64,
        least: 1.0,
        unit: "",
        scale: 1.0,
    },
    Chart {
        title: "circuits not closed",
        of: |it| it.open as f64,
        least: 1.0,
        unit: "",
        scale: 1.0,
    },
];

/// Draws runs of one scenario, side by side, as one SVG picture.
pub fn svg(title: &str, scenario: &Scenario, runs: &[(String, Outcome)]) -> String {
    let legend = 24.0;
    let height = 40.0 + legend + CHARTS.len() as f64 * (TITLE + HEIGHT + GAP) + 30.0;
    let mut text = String::new();
    let mut put = |piece: String| text.push_str(&piece);
    put(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\" role=\"img\" aria-label=\"{0}\">\n\
         <title>{0}</title>\n<rect width=\"{WIDTH}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <text x=\"{LEFT}\" y=\"26\" font-size=\"16\">{0}</text>\n",
        escaped(title)
    ));
    let mut at = LEFT;
    for (number, (name, outcome)) in runs.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let label = format!("{name}: {}", outcome.verdict);
        put(format!(
            "<rect x=\"{at:.0}\" y=\"39\" width=\"10\" height=\"10\" fill=\"{colour}\"/>\
             <text x=\"{:.0}\" y=\"48\">{}</text>\n",
            at + 14.0,
            escaped(&label)
        ));
        at += 34.0 + 6.4 * label.chars().count() as f64;
    }
    let end = scenario.duration.max(1.0);
    let x = |seconds: f64| LEFT + (WIDTH - LEFT - RIGHT) * (seconds / end).clamp(0.0, 1.0);
    for (number, chart) in CHARTS.iter().enumerate() {
        let top = 40.0 + legend + number as f64 * (TITLE + HEIGHT + GAP) + TITLE;
        put(drawn(chart, top, &x, scenario, runs));
    }
    let below = height - 14.0;
    for tick in ticks(end) {
        put(format!(
            "<text x=\"{:.1}\" y=\"{below:.0}\" text-anchor=\"middle\" fill=\"#555555\">{tick} s</text>\n",
            x(tick)
        ));
    }
    put("</svg>\n".to_owned());
    text
}

fn drawn(
    chart: &Chart,
    top: f64,
    x: &dyn Fn(f64) -> f64,
    scenario: &Scenario,
    runs: &[(String, Outcome)],
) -> String {
    let first = std::ptr::eq(chart.title, CHARTS[0].title);
    let all = runs.iter().flat_map(|(_, outcome)| &outcome.seconds);
    let offered = all.clone().map(|it| if first { f64::from(it.offered) } else { 0.0 });
    let highest = all.clone().map(chart.of).chain(offered).fold(chart.least, f64::max);
    let (bottom, y) = (top + HEIGHT, |value: f64| top + HEIGHT * (1.0 - value / highest));
    let mut text = String::new();
    let mut put = |piece: String| text.push_str(&piece);
    put(format!(
        "<text x=\"{LEFT}\" y=\"{:.1}\" fill=\"#333333\">{}</text>\n",
        top - 8.0,
        chart.title
    ));
    let troubles = scenario.faults.iter().map(|it| (it.at, it.at + it.lasts));
    for (from, to) in troubles.chain(scenario.spikes.iter().copied()) {
        put(format!(
            "<rect x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{HEIGHT}\" fill=\"#f5e0dc\"/>\n",
            x(from),
            (x(to) - x(from)).max(1.0)
        ));
    }
    put(format!(
        "<path d=\"M{LEFT} {top:.1}V{bottom:.1}H{:.1}\" fill=\"none\" stroke=\"#888888\"/>\n",
        WIDTH - RIGHT
    ));
    for (value, place) in
        [(highest, y(highest) + 4.0), (highest / 2.0, y(highest / 2.0) + 4.0), (0.0, bottom)]
    {
        put(format!(
            "<text x=\"{:.1}\" y=\"{place:.1}\" text-anchor=\"end\" fill=\"#555555\">{}{}</text>\n",
            LEFT - 6.0,
            short(value * chart.scale),
            chart.unit
        ));
    }
    let line = |outcome: &Outcome, of: &dyn Fn(&Second) -> f64, colour: &str, wide: f64| {
        let mut path = String::new();
        for (number, second) in outcome.seconds.iter().enumerate() {
            let letter = if number == 0 { 'M' } else { 'L' };
            write!(path, "{letter}{:.1} {:.1}", x(number as f64 + 0.5), y(of(second)))
                .expect("a string takes all");
        }
        format!("<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{wide}\"/>\n")
    };
    if first && let Some((_, outcome)) = runs.first() {
        put(line(outcome, &|it| f64::from(it.offered), "#bbbbbb", 1.0));
    }
    for (number, (_, outcome)) in runs.iter().enumerate() {
        put(line(outcome, &chart.of, COLOURS[number % COLOURS.len()], 1.5));
    }
    text
}

/// Round numbers up to `end`, about eight of them.
fn ticks(end: f64) -> impl Iterator<Item = f64> {
    let steps =
        [1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0];
    let step = steps.into_iter().find(|step| end / step <= 10.0).unwrap_or(end / 8.0);
    (0..).map(move |number| f64::from(number) * step).take_while(move |at| *at <= end)
}

fn short(value: f64) -> String {
    match value {
        it if it >= 1e6 => format!("{:.1}M", it / 1e6),
        it if it >= 1e4 => format!("{:.0}k", it / 1e3),
        it if it >= 10.0 || it == 0.0 => format!("{it:.0}"),
        it => format!("{it:.1}"),
    }
}

/// Text as it may stand in XML.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            it if it.is_control() => out.push(' '),
            it => out.push(it),
        }
    }
    out
}
