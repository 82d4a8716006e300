//! One metric: its name, what it means, and how it is read.

use super::source::Changes;
use crate::observable::Source;
use crate::pipeline::PipelineStats;
use ::metrics::{Key, Label, Level, Metadata, Unit, with_recorder};
use breakerbox_core::pipeline::Pipeline;

/// What is published of one breaker or pipeline at one moment.
pub(super) struct Seen<'a> {
    pub(super) source: &'a dyn Source,
    pub(super) stats: PipelineStats,
    pub(super) changes: &'a Changes,
    pub(super) key_changes: &'a Changes,
}

impl Seen<'_> {
    pub(super) fn pipeline(&self) -> &Pipeline {
        self.source.pipeline()
    }
}

/// One metric.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) help: &'static str,
    pub(super) read: Read,
    /// What a gauge says of a breaker or pipeline that is gone; `None`: what it said last.
    pub(super) gone: Option<f64>,
}

/// How its values are read. Where the policy is not there it has none.
pub(super) enum Read {
    Counter(fn(&Seen<'_>) -> Option<u64>),
    Gauge(fn(&Seen<'_>) -> Option<f64>),
    /// Several, told apart by labels.
    Counters(fn(&Seen<'_>) -> Vec<(Labels, u64)>),
    Gauges(fn(&Seen<'_>) -> Vec<(Labels, f64)>),
}

/// Beside the name.
pub(super) type Labels = Vec<Label>;

pub(super) const METADATA: Metadata<'static> =
    Metadata::new("breakerbox", Level::INFO, Some(module_path!()));

/// A counter, of which there is one for each pipeline.
pub(super) const fn counter(
    name: &'static str,
    help: &'static str,
    read: fn(&Seen<'_>) -> Option<u64>,
) -> Metric {
    Metric { name, unit: Unit::Count, help, read: Read::Counter(read), gone: None }
}

/// A gauge, of which there is one for each pipeline. Of one that is gone a rate, a level or a limit is no
/// number; where that would spoil a sum say [`of_what_is_there`](Metric::of_what_is_there).
pub(super) const fn gauge(
    name: &'static str,
    help: &'static str,
    read: fn(&Seen<'_>) -> Option<f64>,
) -> Metric {
    Metric { name, unit: Unit::Count, help, read: Read::Gauge(read), gone: Some(f64::NAN) }
}

/// Counters that differ in a label or more.
pub(super) const fn counters(
    name: &'static str,
    help: &'static str,
    read: fn(&Seen<'_>) -> Vec<(Labels, u64)>,
) -> Metric {
    Metric { name, unit: Unit::Count, help, read: Read::Counters(read), gone: None }
}

/// Gauges that differ in a label or more.
pub(super) const fn gauges(
    name: &'static str,
    help: &'static str,
    read: fn(&Seen<'_>) -> Vec<(Labels, f64)>,
) -> Metric {
    Metric { name, unit: Unit::Count, help, read: Read::Gauges(read), gone: Some(f64::NAN) }
}

/// One label beside the name.
pub(super) fn label(key: &'static str, value: &'static str) -> Labels {
    vec![Label::from_static_parts(key, value)]
}

/// Two of them.
pub(super) fn labels(
    one: (&'static str, &'static str),
    two: (&'static str, &'static str),
) -> Labels {
    [one, two].map(|(key, value)| Label::from_static_parts(key, value)).into()
}

impl Metric {
    /// A gauge that counts: what is gone has none.
    pub(super) const fn of_what_is_there(mut self) -> Self {
        self.gone = Some(0.0);
        self
    }

    /// A gauge that only grows, as a counter does: it stays.
    pub(super) const fn counts_on(mut self) -> Self {
        self.gone = None;
        self
    }

    pub(super) const fn unit(mut self, unit: Unit) -> Self {
        self.unit = unit;
        self
    }

    pub(super) fn describe(&self) {
        with_recorder(|recorder| {
            let (name, unit, help) = (self.name.into(), Some(self.unit), self.help.into());
            match self.read {
                Read::Counter(_) | Read::Counters(_) => recorder.describe_counter(name, unit, help),
                Read::Gauge(_) | Read::Gauges(_) => recorder.describe_gauge(name, unit, help),
            }
        });
    }

    /// Sets it to what was seen. The gauges that were set go into `gauges`.
    pub(super) fn publish(&self, seen: &Seen<'_>, gauges: &mut Vec<(Key, f64)>) {
        let count = |labels: Labels, value: u64| {
            let key = self.key(seen, labels);
            with_recorder(|recorder| recorder.register_counter(&key, &METADATA).absolute(value));
        };
        let mut set = |labels: Labels, value: f64| {
            let key = self.key(seen, labels);
            with_recorder(|recorder| recorder.register_gauge(&key, &METADATA).set(value));
            gauges.extend(self.gone.map(|gone| (key, gone)));
        };
        match self.read {
            Read::Counter(read) => {
                if let Some(value) = read(seen) {
                    count(Labels::new(), value);
                }
            }
            Read::Gauge(read) => {
                if let Some(value) = read(seen) {
                    set(Labels::new(), value);
                }
            }
            Read::Counters(read) => {
                read(seen).into_iter().for_each(|(labels, value)| count(labels, value));
            }
            Read::Gauges(read) => {
                read(seen).into_iter().for_each(|(labels, value)| set(labels, value));
            }
        }
    }

    fn key(&self, seen: &Seen<'_>, mut labels: Labels) -> Key {
        labels.insert(0, Label::new("name", seen.source.name().as_str().to_owned()));
        Key::from_parts(self.name, labels)
    }
}
