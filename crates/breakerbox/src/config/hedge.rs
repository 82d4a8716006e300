//! The table `hedge`.

use breakerbox_core::hedge::{Delay, MAX_HEDGES, Settings};
use breakerbox_core::retry::BudgetSettings;
use serde_json::{Value as Json, json};

use super::diagnostic::quoted;
use super::kind::{Kind, Refusal, either};
use super::node::{Node, Type};
use super::reader::Reader;
use super::retry::{BudgetTable, budget, no_budget};
use super::table::table;
use super::{boolean, duration, integer, parse_duration};

config_table! {
    /// Starts a second attempt beside one that is slow; the first success wins.
    struct HedgeTable {
        /// How long an attempt runs before another is started beside it.
        delay: Delay = DelayKind, required;
        /// How many hedges a call has at most.
        max: u32 = integer(1..=MAX_HEDGES), default 1;
        /// The budget, which retries share; `false` for none.
        budget: Option<BudgetSettings> = either(boolean().then(no_budget), table::<BudgetTable>().then(budget)),
            optional "every call adds 0.1, a hedge takes 1; 10 at the start, 100 at most";
    }
}

/// The table of hedging, judged by the rules of [`Settings::check`].
///
/// ```
/// use breakerbox::config::{hedge, read_file};
/// use breakerbox_core::hedge::Delay;
///
/// let (settings, _) = read_file("hedge.toml", "delay = 'p95'", &hedge()).unwrap();
/// assert_eq!(settings.delay, Delay::Percentile(0.95));
/// ```
pub fn hedge() -> impl Kind<Value = Settings> {
    table::<HedgeTable>().then(settings)
}

fn settings(table: HedgeTable, node: Node<'_>, reader: &mut Reader) -> Option<Settings> {
    let settings = Settings {
        delay: table.delay.required()?,
        max: table.max.required()?,
        budget: table.budget.optional()?.unwrap_or(Some(BudgetSettings::default())),
    };
    reader.checked(node, settings.check())
}

/// A duration, or a percentile such as `"p95"`.
struct DelayKind;

impl Kind for DelayKind {
    type Value = Delay;

    fn name(&self) -> String {
        "a duration or a percentile".to_owned()
    }

    fn example(&self) -> String {
        "\"p95\"".to_owned()
    }

    fn accepts(&self, toml_type: Type) -> bool {
        toml_type == Type::String
    }

    fn refuse_type(&self, node: Node<'_>) -> Option<Refusal> {
        duration().refuse_type(node)
    }

    fn read(&self, node: Node<'_>, reader: &mut Reader) -> Option<Delay> {
        let Some(text) = node.as_str() else { return reader.wrong_type(node, self) };
        let delay = match text.strip_prefix('p') {
            Some(percent) => percentile(percent).ok_or_else(|| {
                let clause = format!("is {}, which is not a percentile", quoted(text));
                Refusal::new(clause, "write one from p50 to p99.99, such as `p95`")
            }),
            None => parse_duration(text).map(Delay::Fixed),
        };
        delay.map_or_else(|refusal| reader.refuse(node, refusal), Some)
    }

    fn schema(&self) -> Json {
        json!({
            "anyOf": [
                duration().schema(),
                {
                    "type": "string",
                    "description": "A percentile of all attempts of the last minute, p50 to p99.99.",
                    "pattern": "^p[5-9][0-9](\\.[0-9]+)?$",
                    "examples": ["p95", "p99.9"],
                },
            ],
        })
    }
}

/// 95 as 0.95.
fn percentile(percent: &str) -> Option<Delay> {
    let plain = |c: char| c.is_ascii_digit() || c == '.';
    let starts_well = percent.starts_with(|c: char| c.is_ascii_digit());
    if !starts_well || percent.ends_with('.') || !percent.chars().all(plain) {
        return None;
    }
    let percent: f64 = percent.parse().ok()?;
    // As the fraction would be written, without the noise of a division.
    Some(Delay::Percentile((percent * 1e6).round() / 1e8))
}
