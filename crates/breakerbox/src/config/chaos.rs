//! The table `chaos`.

use std::time::Duration;

use breakerbox_core::chaos::{Latency, Settings};

use super::diagnostic::quoted;
use super::http::is_header_name;
use super::key_of::{KeyOf, key_of};
use super::kind::{Kind, Refusal, either};
use super::node::Node;
use super::reader::Reader;
use super::table::table;
use super::text::ParsedText;
use super::{boolean, duration, integer, number, rate};

/// Which faults hit which requests.
///
/// ```
/// use breakerbox::config::Policy;
///
/// // One request in ten of those that ask for it.
/// let text = "chaos = { error = 503, fraction = 0.1, header = 'X-Chaos: yes' }";
/// let (policy, _) = Policy::parse("policy.toml", text).unwrap();
/// let chaos = policy.chaos.unwrap();
/// assert_eq!((chaos.settings.error, chaos.settings.fraction), (Some(503), 0.1));
/// assert_eq!(chaos.header, Some(("x-chaos".into(), Some("yes".into()))));
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Chaos {
    /// The faults, and how many calls they hit: settings that pass [`Settings::check`].
    pub settings: Settings,
    /// Requests that are alike in this get the same verdict. Default: each gets its own.
    pub key: Option<KeyOf>,
    /// Only requests with this header are hit: its name in lower case and, where it matters, its
    /// value. Default: all can be.
    pub header: Option<(String, Option<String>)>,
}

/// The status of `error = true`.
const ERROR: u16 = 503;

config_table! {
    /// Faults on purpose, to see whether what stands around them holds.
    struct ChaosTable {
        /// Delays calls: always as long, by `{ min, max }` anything between them, or by `{ mean }`
        /// mostly short and sometimes long. At most 1h. Goes with every other fault.
        latency: Latency = either(duration().above_zero().map(Latency::Fixed), latency()), optional "no delay";
        /// Answers with this status instead of making the call; `true` is 503.
        error: Option<u16> = either(integer(400..=599_u16).map(Some), boolean().map(usual_error)), optional "false";
        /// Ends calls as if the connection had been reset.
        reset: bool = boolean(), default false;
        /// Gives no answer at all.
        black_hole: bool = boolean(), default false;
        /// Sends the bodies of answers at so many bytes per second.
        slow_body: u32 = integer(1..=u32::MAX), optional "as they come";
        /// Breaks the connection after so many bytes of the body.
        truncate_body: u64 = integer(0..=u64::MAX), optional "whole bodies";
        /// This fraction of the calls is hit.
        fraction: f64 = number(0.0..=1.0), default 1.0;
        /// Never more than this fraction of the calls is hit, plus one call.
        max_fraction: f64 = rate(), optional "1, no cap";
        /// Only requests with this header are hit: `"NAME"` or `"NAME: VALUE"`.
        header: (String, Option<String>) = header(), optional "all can be";
        /// Requests that are alike in this get the same verdict: all faults, or none.
        key: KeyOf = key_of(), optional "each gets its own";
        /// Other seeds hit other calls.
        seed: u64 = integer(0..=u64::MAX), default 0;
        /// Ends by itself so long after it was switched on.
        r#for: Duration = duration().above_zero(), optional "until it is switched off";
        /// Whether it is switched on from the start; the admin API can switch it at any time.
        on: bool = boolean(), default true;
    }
}

config_table! {
    /// How delays are spread.
    struct LatencyTable {
        /// The shortest delay.
        min: Duration = duration(), optional "0s, with `max`";
        /// The longest delay.
        max: Duration = duration().above_zero(), optional "ten times `mean`";
        /// The mean of an exponential distribution.
        mean: Duration = duration().above_zero(), optional "halfway from `min` to `max`";
    }
}

/// The table of faults on purpose, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::chaos::Latency;
/// use breakerbox::config::{chaos, read_file};
/// use std::time::Duration;
///
/// let file = "latency = '250ms'\nfraction = 0.05\nfor = '10m'";
/// let (it, _) = read_file("chaos.toml", file, &chaos()).unwrap();
/// assert_eq!(it.settings.latency, Some(Latency::Fixed(Duration::from_millis(250))));
/// assert_eq!(it.settings.lasts, Some(Duration::from_secs(600)));
/// ```
pub fn chaos() -> impl Kind<Value = Chaos> {
    table::<ChaosTable>().then(settings)
}

fn latency() -> impl Kind<Value = Latency> {
    let table = table::<LatencyTable>();
    table.exactly_one_of(["max", "mean"]).at_most_one_of(["min", "mean"]).then(|table, _, _| {
        let (min, max) = (table.min.optional()?, table.max.optional()?);
        match (max, table.mean.optional()?) {
            (Some(max), None) => Some(Latency::Uniform { min: min.unwrap_or_default(), max }),
            (None, Some(mean)) => Some(Latency::Exponential { mean }),
            // That has been reported.
            _ => None,
        }
    })
}

fn usual_error(given: bool) -> Option<u16> {
    given.then_some(ERROR)
}

fn settings(table: ChaosTable, node: Node<'_>, reader: &mut Reader) -> Option<Chaos> {
    let settings = Settings {
        latency: table.latency.optional()?,
        error: table.error.optional()?.flatten(),
        reset: table.reset.required()?,
        black_hole: table.black_hole.required()?,
        slow_body: table.slow_body.optional()?,
        truncate_body: table.truncate_body.optional()?,
        fraction: table.fraction.required()?,
        max_fraction: table.max_fraction.optional()?.unwrap_or(1.0),
        seed: table.seed.required()?,
        lasts: table.r#for.optional()?,
        on: table.on.required()?,
    };
    let (key, header) = (table.key.optional()?, table.header.optional()?);
    let settings = reader.checked(node, settings.check())?;
    Some(Chaos { settings, key, header })
}

fn header() -> impl Kind<Value = (String, Option<String>)> {
    ParsedText {
        name: "a header",
        example: "x-chaos: yes",
        about: "A header, as \"NAME\" or \"NAME: VALUE\".",
        pattern: "^[!#$%&'*+.^_`|~0-9A-Za-z-]+(:[\\t -~]*[!-~][\\t -~]*)?$",
        parse: parse_header,
    }
}

fn parse_header(text: &str) -> Result<(String, Option<String>), Refusal> {
    let refuse = |clause: &str, fix: String| {
        Err(Refusal::new(format!("is {}, {clause}", quoted(text)), fix))
    };
    let (name, value) = match text.split_once(':') {
        Some((name, value)) => (name, Some(value.trim_matches([' ', '\t']))),
        None => (text, None),
    };
    if !is_header_name(name) {
        let fix = "write \"NAME\" or \"NAME: VALUE\", as in \"x-chaos: yes\"";
        return refuse("which has no name that a header can have", fix.to_owned());
    }
    if value == Some("") {
        let fix = format!("write \"{name}\" for any value, or \"{name}: VALUE\" for one");
        return refuse("which has no value", fix);
    }
    let is_visible = |byte: u8| byte == b'\t' || (b' '..=b'~').contains(&byte);
    if !value.unwrap_or_default().bytes().all(is_visible) {
        let fix = "use visible ASCII, spaces and tabs".to_owned();
        return refuse("whose value has characters that a header cannot have", fix);
    }
    Ok((name.to_ascii_lowercase(), value.map(str::to_owned)))
}
