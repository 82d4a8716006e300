//! Durations: `"250ms"`, `"3s"`, `"1m30s"`.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::diagnostic::quoted;
use super::kind::{Kind, Refusal};
use super::node::{Node, Type};
use super::reader::Reader;

/// The longest duration that a file can give.
///
/// ```
/// use breakerbox::config::{MAX_DURATION, parse_duration};
///
/// assert_eq!(parse_duration("365d"), Ok(MAX_DURATION));
/// assert!(parse_duration("366d").is_err());
/// ```
pub const MAX_DURATION: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The units with their nanoseconds, larger ones first.
const UNITS: [(&str, u128); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// A duration: a string of numbers with units, larger units first, up to 365 days. The units are
/// `ns us ms s m h d`; a number may have decimals.
///
/// ```
/// use std::time::Duration;
/// use breakerbox::config::parse_duration;
///
/// assert_eq!(parse_duration("1m30s").unwrap(), Duration::from_secs(90));
/// assert_eq!(parse_duration("1.5s").unwrap(), Duration::from_millis(1500));
/// assert_eq!(parse_duration("3").unwrap_err().clause, "is `3`, which has no unit");
/// ```
pub fn duration() -> DurationKind {
    DurationKind { zero_allowed: true, required: false }
}

/// The kind that [`duration`] makes.
///
/// ```
/// use breakerbox::config::{duration, named, read_file};
///
/// assert!(read_file("waits.toml", "before = '0s'", &named(duration())).is_ok());
/// let kind = named(duration().above_zero());
/// let errors = read_file("waits.toml", "before = '0s'", &kind).unwrap_err();
/// assert_eq!(errors[0].message, "`before` is zero");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DurationKind {
    zero_allowed: bool,
    required: bool,
}

impl DurationKind {
    /// The same without zero.
    pub fn above_zero(self) -> Self {
        Self { zero_allowed: false, ..self }
    }

    /// The same for a key that cannot be left out, so that this is not said to be a way out.
    pub fn required(self) -> Self {
        Self { required: true, ..self }
    }
}

impl Kind for DurationKind {
    type Value = Duration;

    fn name(&self) -> String {
        "a duration".to_owned()
    }

    fn example(&self) -> String {
        "\"3s\"".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::String
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        let number = node.number_text().filter(|number| !number.contains(['n', 'e', 'E']))?;
        if number.starts_with('-') {
            return Some(Refusal::new("is negative", "give a duration, such as `\"3s\"`"));
        }
        let number = number.trim_start_matches('+');
        let seconds = node.written_as(&format!("\"{number}s\""));
        let milliseconds = node.written_as(&format!("\"{number}ms\""));
        Some(Refusal::new(
            "is a number without a unit",
            format!("write {seconds} for seconds or {milliseconds} for milliseconds"),
        ))
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Duration> {
        let Some(text) = node.as_str() else { return reader.wrong_type(node, self) };
        match parse_duration(text) {
            Ok(Duration::ZERO) if !self.zero_allowed => {
                let fix = match self.required {
                    true => "give a duration above zero",
                    false => "give a duration above zero, or leave the key out",
                };
                reader.refuse(node, Refusal::new("is zero", fix))
            }
            Ok(duration) => Some(duration),
            Err(refusal) => reader.refuse(node, refusal),
        }
    }

    fn schema(&self) -> Json {
        let parts = |number: &str| UNITS.map(|(unit, _)| format!("({number}{unit})?")).concat();
        let mut schema = json!({
            "type": "string",
            "description": "A duration, such as \"250ms\", \"3s\" or \"1m30s\"; \
                            units: d, h, m, s, ms, us, ns; at most 365 days.",
            "pattern": format!("^(?=[0-9]){}$", parts("[0-9]+(\\.[0-9]+)?")),
            "examples": ["250ms", "3s", "1m30s"],
        });
        if !self.zero_allowed {
            schema["not"] = json!({ "pattern": format!("^{}$", parts("0+(\\.0+)?")) });
        }
        schema
    }
}

/// Reads a duration as it stands in a file, without the quotes.
///
/// ```
/// use breakerbox::config::parse_duration;
/// use std::time::Duration;
///
/// assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
/// let refusal = parse_duration("30s1m").unwrap_err();
/// assert_eq!(refusal.clause, "is `30s1m`, whose units are out of order");
/// ```
///
/// # Errors
/// What is not one, is negative, has an unknown unit or none, is finer than a nanosecond or longer
/// than [`MAX_DURATION`].
pub fn parse_duration(text: &str) -> Result<Duration, Refusal> {
    let mut rest = text;
    let mut nanoseconds: u128 = 0;
    let mut larger_units = UNITS.len() + 1;
    if let Some(positive) = text.strip_prefix('-') {
        let fix = match parse_duration(positive) {
            Ok(_) => format!("write {} without the sign", quoted(positive)),
            Err(_) => "give a duration, such as `3s`".to_owned(),
        };
        return Err(Refusal::new(format!("is {}, which is negative", quoted(text)), fix));
    }
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(not_a_duration(text));
    }
    while !rest.is_empty() {
        let (number, after_number) = split_where(rest, |c| !c.is_ascii_digit() && c != '.');
        let (unit, after_unit) = split_where(after_number, |c| c.is_ascii_digit() || c == '.');
        if !is_number(number) {
            return Err(not_a_duration(text));
        }
        let index = unit_index(text, number, unit)?;
        let smaller_units = UNITS.len() - index;
        if smaller_units >= larger_units {
            return Err(Refusal::new(
                format!("is {}, whose units are out of order", quoted(text)),
                "write each unit once, larger ones first, as in `1m30s`",
            ));
        }
        larger_units = smaller_units;
        nanoseconds += part(text, number, UNITS[index].1)?;
        rest = after_unit;
    }
    if nanoseconds > MAX_DURATION.as_nanos() {
        return Err(too_long(text));
    }
    let seconds = u64::try_from(nanoseconds / 1_000_000_000);
    let fraction = u32::try_from(nanoseconds % 1_000_000_000);
    match (seconds, fraction) {
        (Ok(seconds), Ok(fraction)) => Ok(Duration::new(seconds, fraction)),
        _ => Err(too_long(text)),
    }
}

/// Digits, with decimals or without.
fn is_number(text: &str) -> bool {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    !whole.is_empty() && !decimals.is_empty() && !decimals.contains('.')
}

fn split_where(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

fn unit_index(text: &str, number: &str, unit: &str) -> Result<usize, Refusal> {
    if let Some(index) = UNITS.iter().position(|(name, _)| *name == unit) {
        return Ok(index);
    }
    if unit.is_empty() {
        let (seconds, milliseconds) = (format!("{text}s"), format!("{text}ms"));
        return Err(Refusal::new(
            format!("is {}, which has no unit", quoted(text)),
            format!(
                "write {} for seconds or {} for milliseconds",
                quoted(&seconds),
                quoted(&milliseconds)
            ),
        ));
    }
    if unit.contains(char::is_whitespace) {
        return Err(Refusal::new(
            format!("is {}, which has a space in it", quoted(text)),
            "write the number and its unit together, as in `1m30s`",
        ));
    }
    let fix = match meant_unit(unit) {
        Some(meant) => format!("did you mean {}?", quoted(&format!("{number}{meant}"))),
        None => "use one of the units ns, us, ms, s, m, h, d".to_owned(),
    };
    Err(Refusal::new(format!("is {}, with the unknown unit {}", quoted(text), quoted(unit)), fix))
}

/// What people write instead of our units.
fn meant_unit(unit: &str) -> Option<&'static str> {
    let meant = [
        ("nano", "ns"),
        ("micro", "us"),
        ("\u{b5}s", "us"),
        ("\u{3bc}s", "us"),
        ("milli", "ms"),
        ("msec", "ms"),
        ("sec", "s"),
        ("min", "m"),
        ("hour", "h"),
        ("hr", "h"),
        ("day", "d"),
    ];
    let unit = unit.to_lowercase();
    let alias = meant.iter().find(|(start, _)| unit.starts_with(start)).map(|(_, meant)| *meant);
    alias.or_else(|| UNITS.iter().find(|(name, _)| *name == unit).map(|(name, _)| *name))
}

/// The nanoseconds of one number with its unit.
fn part(text: &str, number: &str, unit: u128) -> Result<u128, Refusal> {
    let (whole, decimals) = number.split_once('.').unwrap_or((number, "0"));
    let decimals = decimals.trim_end_matches('0');
    let whole: u128 = whole.parse().map_err(|_| too_long(text))?;
    let too_fine = || {
        Refusal::new(
            format!("is {}, which is finer than a nanosecond", quoted(text)),
            "give it with fewer decimals",
        )
    };
    let scale = u32::try_from(decimals.len()).ok().and_then(|digits| 10u128.checked_pow(digits));
    let scale = scale.ok_or_else(too_fine)?;
    let decimals: u128 =
        if decimals.is_empty() { Ok(0) } else { decimals.parse() }.map_err(|_| too_fine())?;
    let fraction = decimals.checked_mul(unit).ok_or_else(too_fine)?;
    if fraction % scale != 0 {
        return Err(too_fine());
    }
    let total = whole.checked_mul(unit).and_then(|whole| whole.checked_add(fraction / scale));
    total.filter(|total| *total <= MAX_DURATION.as_nanos()).ok_or_else(|| too_long(text))
}

fn too_long(text: &str) -> Refusal {
    Refusal::new(
        format!("is {}, which is longer than 365 days", quoted(text)),
        "give at most `365d`",
    )
}

fn not_a_duration(text: &str) -> Refusal {
    Refusal::new(
        format!("is {}, which is not a duration", quoted(text)),
        "write a number and a unit, as in `250ms`, `3s` or `1m30s`",
    )
}
