//! What a step can expect, and whether it came so.

use std::fmt;
use std::time::Duration;

/// All that a caller can see, by name.
const SEEN: [&str; 17] = [
    "ok",
    "fail",
    "ignored",
    "timeout",
    "deadline",
    "fallback",
    "panic",
    "cancelled",
    "pending",
    "rejected",
    "breaker_open",
    "bulkhead_full",
    "queue_timeout",
    "rate_limited",
    "shed",
    "throttled",
    "limit_reached",
];

/// What a caller is expected to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Expectation(&'static str);

impl Expectation {
    pub(super) fn parse(text: &str) -> Option<Self> {
        SEEN.into_iter().find(|seen| *seen == text).map(Self)
    }

    pub(super) fn all() -> &'static [&'static str] {
        &SEEN
    }

    /// Whether it is what came. Every rejection is `rejected`.
    pub(super) fn met_by(self, seen: &'static str) -> bool {
        let is_rejection =
            SEEN.iter().position(|it| *it == seen) > SEEN.iter().position(|it| *it == "rejected");
        self.0 == seen || (self.0 == "rejected" && is_rejection)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How a number is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Relation {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Relation {
    /// Longer signs first: `<=` begins with `<`.
    const SIGNS: [(&str, Self); 7] = [
        ("==", Self::Equal),
        ("!=", Self::NotEqual),
        ("<=", Self::LessOrEqual),
        (">=", Self::GreaterOrEqual),
        ("<", Self::Less),
        (">", Self::Greater),
        ("=", Self::Equal),
    ];

    fn sign(self) -> &'static str {
        match self {
            Self::Equal => "",
            Self::NotEqual => "!= ",
            Self::Less => "< ",
            Self::LessOrEqual => "<= ",
            Self::Greater => "> ",
            Self::GreaterOrEqual => ">= ",
        }
    }

    /// The relation that a text begins with, and the rest.
    fn split(text: &str) -> (Self, &str) {
        let text = text.trim();
        Self::SIGNS
            .into_iter()
            .find_map(|(sign, relation)| Some((relation, text.strip_prefix(sign)?.trim_start())))
            .unwrap_or((Self::Equal, text))
    }
}

/// A value that is expected, or a bound of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Wanted {
    Word(String),
    Number(Compared<f64>),
    Duration(Compared<Duration>),
}

/// A value and how what came is compared with it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Compared<T> {
    relation: Relation,
    value: T,
}

/// What came.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Came {
    Word(&'static str),
    Count(u64),
    Rate(f64),
    Duration(Duration),
}

impl Wanted {
    pub(super) fn number(value: f64) -> Self {
        Self::Number(Compared { relation: Relation::Equal, value })
    }

    /// A number with or without a comparison: `3`, `">= 3"`.
    pub(super) fn parse_number(text: &str) -> Option<Self> {
        let (relation, rest) = Relation::split(text);
        let value: f64 = rest.parse().ok().filter(|value: &f64| value.is_finite())?;
        Some(Self::Number(Compared { relation, value }))
    }

    /// A duration with or without a comparison: `"5s"`, `"< 5s"`.
    pub(super) fn parse_duration(text: &str) -> Option<Self> {
        let (relation, rest) = Relation::split(text);
        let value = breakerbox::config::parse_duration(rest).ok()?;
        Some(Self::Duration(Compared { relation, value }))
    }

    pub(super) fn met_by(&self, came: &Came) -> bool {
        match (self, came) {
            (Self::Word(wanted), Came::Word(came)) => wanted == came,
            (Self::Number(wanted), Came::Count(came)) => wanted.holds_for(&(*came as f64)),
            (Self::Number(wanted), Came::Rate(came)) => wanted.holds_for_about(*came),
            (Self::Duration(wanted), Came::Duration(came)) => wanted.holds_for(came),
            _ => false,
        }
    }
}

impl<T: PartialOrd> Compared<T> {
    fn holds_for(&self, came: &T) -> bool {
        match self.relation {
            Relation::Equal => *came == self.value,
            Relation::NotEqual => *came != self.value,
            Relation::Less => *came < self.value,
            Relation::LessOrEqual => *came <= self.value,
            Relation::Greater => *came > self.value,
            Relation::GreaterOrEqual => *came >= self.value,
        }
    }
}

impl Compared<f64> {
    /// A third is written 0.3333: what is equal to the precision of a person is equal.
    fn holds_for_about(&self, came: f64) -> bool {
        const PRECISION: f64 = 1e-4;
        let close = (came - self.value).abs() < PRECISION;
        match self.relation {
            Relation::Equal => close,
            Relation::NotEqual => !close,
            Relation::LessOrEqual | Relation::GreaterOrEqual => close || self.holds_for(&came),
            Relation::Less | Relation::Greater => !close && self.holds_for(&came),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Number(wanted) => write!(f, "{}{}", wanted.relation.sign(), wanted.value),
            Self::Duration(wanted) => write!(f, "{}{:?}", wanted.relation.sign(), wanted.value),
        }
    }
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => f.write_str(word),
            Self::Count(count) => count.fmt(f),
            Self::Rate(rate) => rate.fmt(f),
            Self::Duration(duration) => write!(f, "{duration:?}"),
        }
    }
}

/// Everything that a step looks at: the name of each thing, and what it should be.
#[derive(Clone, Debug, Default)]
pub(super) struct Looks(pub(super) Vec<(&'static str, Wanted)>);

#[cfg(test)]
mod tests {
    use super::*;
    use breakerbox::core::pipeline::Rejection;

    #[test]
    fn every_rejection_is_rejected_and_nothing_else_is() {
        let rejected = Expectation::parse("rejected").unwrap();
        let met: Vec<_> = SEEN.into_iter().filter(|seen| rejected.met_by(seen)).collect();
        // Chaos stands in for the operation: what the caller sees is what that comes to.
        let reasons = Rejection::REASONS.into_iter().filter(|reason| *reason != "chaos");
        assert_eq!(met, ["rejected"].into_iter().chain(reasons).collect::<Vec<_>>());
        assert!(!Expectation::parse("breaker_open").unwrap().met_by("rejected"));
        assert_eq!(Expectation::parse("broken"), None);
    }

    #[test]
    fn comparisons_hold_where_they_should() {
        let holds = |text, came| Wanted::parse_number(text).unwrap().met_by(&Came::Count(came));
        for (text, below, at, above) in [
            ("3", false, true, false),
            ("= 3", false, true, false),
            ("== 3", false, true, false),
            ("!= 3", true, false, true),
            ("< 3", true, false, false),
            ("<=3", true, true, false),
            ("> 3", false, false, true),
            (">= 3", false, true, true),
        ] {
            assert_eq!(
                (holds(text, 2), holds(text, 3), holds(text, 4)),
                (below, at, above),
                "{text}"
            );
        }
        assert_eq!(Wanted::parse_number("about 3"), None);
        let third = Wanted::parse_number("0.3333").unwrap();
        assert!(third.met_by(&Came::Rate(1.0 / 3.0)));
        assert!(!third.met_by(&Came::Word("none")));
        for (text, holds) in [("<= 0.3333", true), (">= 0.3334", true), ("< 0.3334", false)] {
            let wanted = Wanted::parse_number(text).unwrap();
            assert_eq!(wanted.met_by(&Came::Rate(1.0 / 3.0)), holds, "{text}");
        }
        let wait = Wanted::parse_duration("<= 5s").unwrap();
        assert!(wait.met_by(&Came::Duration(Duration::from_secs(5))));
        assert_eq!(wait.to_string(), "<= 5s");
    }
}
