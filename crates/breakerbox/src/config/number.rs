//! Numbers, and true or false.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Value as Json, json};

use super::kind::{Kind, Refusal};
use super::node::{Node, Type};
use super::reader::Reader;

/// A fraction above 0, at most 1.
///
/// ```
/// use breakerbox::config::{named, rate, read_file};
///
/// let (rates, _) = read_file("rates.toml", "posts = 0.25", &named(rate())).unwrap();
/// assert_eq!(rates["posts"].value, 0.25);
/// let errors = read_file("rates.toml", "posts = '25%'", &named(rate())).unwrap_err();
/// assert_eq!(errors[0].fix, "rates are fractions: write 0.25");
/// ```
pub fn rate() -> RateKind {
    RateKind
}

/// The kind that [`rate`] makes.
///
/// ```
/// use breakerbox::config::{Kind, RateKind, rate};
///
/// let kind: RateKind = rate();
/// assert_eq!(kind.schema()["maximum"], 1);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct RateKind;

impl Kind for RateKind {
    type Value = f64;

    fn name(&self) -> String {
        "a fraction".to_owned()
    }

    fn example(&self) -> String {
        "0.5".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        matches!(toml_type, Type::Float | Type::Integer)
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        let percent: f64 = node.as_str()?.strip_suffix('%')?.trim_end().parse().ok()?;
        let is_percentage = (0.001..=100.0).contains(&percent);
        is_percentage.then(|| Refusal::new("is a percentage", as_fraction(percent)))
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<f64> {
        let Some(rate) = as_number(node) else { return reader.wrong_type(node, self) };
        if rate > 0.0 && rate <= 1.0 {
            return Some(rate);
        }
        reader.refuse(node, out_of_rate(rate))
    }

    fn schema(&self) -> Json {
        json!({
            "type": "number",
            "description": "A fraction above 0, at most 1.",
            "exclusiveMinimum": 0,
            "maximum": 1,
        })
    }
}

/// A whole number within `range`.
///
/// ```
/// use breakerbox::config::{Kind, integer};
///
/// assert_eq!(integer::<u16>(1..=100).schema()["maximum"], 100);
/// ```
pub fn integer<T>(range: RangeInclusive<T>) -> IntegerKind<T> {
    IntegerKind { range }
}

/// The kind that [`integer`] makes.
///
/// ```
/// use breakerbox::config::{IntegerKind, integer, named, read_file};
///
/// let percent: IntegerKind<u8> = integer(0..=100);
/// let errors = read_file("shares.toml", "canary = 101", &named(percent)).unwrap_err();
/// assert_eq!(errors[0].message, "`canary` is 101");
/// assert_eq!(errors[0].fix, "give an integer from 0 to 100");
/// ```
#[derive(Clone, Debug)]
pub struct IntegerKind<T> {
    range: RangeInclusive<T>,
}

impl<T: Copy + PartialOrd + Display + TryFrom<i128> + Into<Json>> Kind for IntegerKind<T> {
    type Value = T;

    fn name(&self) -> String {
        "an integer".to_owned()
    }

    fn example(&self) -> String {
        self.range.start().to_string()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Integer
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<T> {
        let Some(integer) = node.as_integer() else { return reader.wrong_type(node, self) };
        let in_range = integer.and_then(|integer| T::try_from(integer).ok());
        if let Some(value) = in_range.filter(|value| self.range.contains(value)) {
            return Some(value);
        }
        let found = integer.map_or("out of range".to_owned(), |integer| integer.to_string());
        let (start, end) = (self.range.start(), self.range.end());
        let fix = format!("give an integer from {start} to {end}");
        reader.refuse(node, Refusal::new(format!("is {found}"), fix))
    }

    fn schema(&self) -> Json {
        let (minimum, maximum) = (*self.range.start(), *self.range.end());
        json!({ "type": "integer", "minimum": minimum.into(), "maximum": maximum.into() })
    }
}

/// A finite number within `range`, with decimals or without.
///
/// ```
/// use breakerbox::config::{named, number, read_file};
///
/// let (factors, _) = read_file("factors.toml", "growth = 2", &named(number(1.0..=10.0))).unwrap();
/// assert_eq!(factors["growth"].value, 2.0);
/// assert!(read_file("factors.toml", "growth = nan", &named(number(1.0..=10.0))).is_err());
/// ```
pub fn number(range: RangeInclusive<f64>) -> NumberKind {
    NumberKind { range }
}

/// The kind that [`number`] makes.
///
/// ```
/// use breakerbox::config::{Kind, NumberKind, number};
///
/// let kind: NumberKind = number(1.0..=10.0);
/// assert_eq!(kind.schema()["minimum"], 1.0);
/// ```
#[derive(Clone, Debug)]
pub struct NumberKind {
    range: RangeInclusive<f64>,
}

impl Kind for NumberKind {
    type Value = f64;

    fn name(&self) -> String {
        "a number".to_owned()
    }

    fn example(&self) -> String {
        format!("{:?}", self.range.start())
    }

    fn accepts(&self, toml_type: Type) -> bool {
        matches!(toml_type, Type::Float | Type::Integer)
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<f64> {
        let Some(number) = as_number(node) else { return reader.wrong_type(node, self) };
        if number.is_finite() && self.range.contains(&number) {
            return Some(number);
        }
        let fix = format!("give a number from {} to {}", self.range.start(), self.range.end());
        reader.refuse(node, Refusal::new(format!("is {number}"), fix))
    }

    fn schema(&self) -> Json {
        json!({
            "type": "number",
            "minimum": self.range.start(),
            "maximum": self.range.end(),
        })
    }
}

/// True or false.
///
/// ```
/// use breakerbox::config::{boolean, named, read_file};
///
/// let (switches, _) = read_file("switches.toml", "chaos = true", &named(boolean())).unwrap();
/// assert!(switches["chaos"].value);
/// let errors = read_file("switches.toml", "chaos = 'true'", &named(boolean())).unwrap_err();
/// assert_eq!(errors[0].fix, "leave out the quotes: `chaos = true`");
/// ```
pub fn boolean() -> BooleanKind {
    BooleanKind
}

/// The kind that [`boolean`] makes.
///
/// ```
/// use breakerbox::config::{BooleanKind, Kind, boolean};
///
/// let kind: BooleanKind = boolean();
/// assert_eq!(kind.name(), "true or false");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BooleanKind;

impl Kind for BooleanKind {
    type Value = bool;

    fn name(&self) -> String {
        "true or false".to_owned()
    }

    fn example(&self) -> String {
        "true".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::Boolean
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<bool> {
        node.as_bool().or_else(|| reader.wrong_type(node, self))
    }

    fn schema(&self) -> Json {
        json!({ "type": "boolean" })
    }
}

fn out_of_rate(rate: f64) -> Refusal {
    // What is hardly above 1 is a mistake of another kind than a percentage.
    if (2.0..=100.0).contains(&rate) {
        return Refusal::new(format!("is {rate}"), as_fraction(rate));
    }
    Refusal::new(format!("is {rate}"), "give a fraction above 0, at most 1")
}

fn as_fraction(percent: f64) -> String {
    let fraction = format!("{:.6}", percent / 100.0);
    format!("rates are fractions: write {}", fraction.trim_end_matches('0').trim_end_matches('.'))
}

/// The value of an integer or a decimal number. An integer beyond 128 bits is not one.
fn as_number(node: Node<'_>) -> Option<f64> {
    let integer = || node.as_integer().map(|integer| integer.map_or(f64::INFINITY, |i| i as f64));
    node.as_float().or_else(integer)
}
