//! How long something takes, in a file.

use crate::simulate::Distribution;
use breakerbox::config::{self, Kind, Node, Reader, duration, either, number, rate, table, text};
use std::time::Duration;

config::table! {
    /// How long something takes: one of these.
    pub(super) struct TimeTable {
        /// Mostly short and sometimes long, with this mean.
        exponential: Duration = duration().above_zero(), optional;
        /// The usual shape of latencies.
        lognormal: LogNormalTable = table::<LogNormalTable>(), optional;
        /// One of two.
        bimodal: BimodalTable = table::<BimodalTable>(), optional;
        /// A tail that is heavier or lighter than the exponential one.
        weibull: WeibullTable = table::<WeibullTable>(), optional;
        /// The path of a file with one duration per line, in seconds, each of which is as likely.
        trace: String = text(), optional;
    }
}

config::table! {
    /// The usual shape of latencies.
    pub(super) struct LogNormalTable {
        /// Half take less.
        median: Duration = duration().above_zero().required(), required;
        /// One in a hundred takes more.
        p99: Duration = duration().above_zero().required(), required;
    }
}

config::table! {
    /// One of two.
    pub(super) struct BimodalTable {
        /// The usual one.
        usual: Duration = duration(), required;
        /// The other one.
        rare: Duration = duration(), required;
        /// How often it is the other one.
        share: f64 = rate(), required;
    }
}

config::table! {
    /// A tail that is heavier (`shape` below 1) or lighter (above 1) than the exponential one.
    pub(super) struct WeibullTable {
        /// 63 % take less.
        scale: Duration = duration().above_zero().required(), required;
        /// The shape.
        shape: f64 = number(0.1..=10.0), required;
    }
}

/// How long something takes, where a trace has not been read yet.
#[derive(Clone, Debug)]
pub(super) enum Time {
    Known(Distribution),
    Trace(String),
}

/// The standard normal variable is below this 99 times in a hundred.
const NORMAL_P99: f64 = 2.326_347_874_040_841;

/// A duration, or a distribution of durations.
pub(super) fn time() -> impl Kind<Value = Time> {
    let constant = duration().map(|it| Time::Known(Distribution::Constant(it.as_secs_f64())));
    either(constant, table::<TimeTable>().then(one))
}

fn one(table: TimeTable, node: Node<'_>, reader: &mut Reader) -> Option<Time> {
    let seconds = |it: Duration| it.as_secs_f64();
    let (exponential, lognormal) = (table.exponential.optional()?, table.lognormal.optional()?);
    let (bimodal, weibull) = (table.bimodal.optional()?, table.weibull.optional()?);
    let trace = table.trace.optional()?;
    let mut found = Vec::new();
    if let Some(mean) = exponential {
        found.push(Time::Known(Distribution::Exponential { mean: seconds(mean) }));
    }
    if let Some(table) = lognormal {
        let (median, p99) = (seconds(table.median.required()?), seconds(table.p99.required()?));
        if p99 < median {
            let fix = "make it longer, or write a plain duration if it never differs";
            reader.error(node.find("lognormal.p99"), "`p99` is shorter than the median", fix);
            return None;
        }
        let sigma = libm::log(p99 / median) / NORMAL_P99;
        found.push(Time::Known(Distribution::LogNormal { median, sigma }));
    }
    if let Some(table) = bimodal {
        let (usual, rare) = (seconds(table.usual.required()?), seconds(table.rare.required()?));
        let share = table.share.required()?;
        found.push(Time::Known(Distribution::Bimodal { usual, rare, share }));
    }
    if let Some(table) = weibull {
        let (scale, shape) = (seconds(table.scale.required()?), table.shape.required()?);
        found.push(Time::Known(Distribution::Weibull { scale, shape }));
    }
    found.extend(trace.map(Time::Trace));
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Some(one),
        _ => {
            let fix =
                "give one of exponential, lognormal, bimodal, weibull and trace, or a duration";
            reader.error(node.span(), format!("{} is not one distribution", node.label()), fix);
            None
        }
    }
}
