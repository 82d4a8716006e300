//! A recorder that shows all it was told as text.

use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString,
    Unit,
};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

#[derive(Default)]
pub(crate) struct Shown {
    values: Mutex<BTreeMap<String, Arc<Value>>>,
    described: Mutex<BTreeMap<String, (&'static str, Option<Unit>)>>,
}

#[derive(Default)]
struct Value(Mutex<f64>);

impl Shown {
    /// What `publish` publishes: a line for each metric, without those that are 0.
    pub(crate) fn of(publish: impl FnOnce()) -> Self {
        let shown = Self::default();
        metrics::with_local_recorder(&shown, publish);
        shown
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let values = self.values.lock().unwrap();
        values.iter().map(|(key, value)| format!("{key} {}", value.0.lock().unwrap())).collect()
    }

    /// Those that are not 0.
    pub(crate) fn counted(&self) -> String {
        let lines = self.lines().into_iter().filter(|line| !line.ends_with(" 0"));
        lines.map(|line| line + "\n").collect()
    }

    pub(crate) fn value(&self, key: &str) -> Option<f64> {
        Some(*self.values.lock().unwrap().get(key)?.0.lock().unwrap())
    }

    /// The names that were described, each with its kind and unit.
    pub(crate) fn described(&self) -> BTreeMap<String, (&'static str, Option<Unit>)> {
        self.described.lock().unwrap().clone()
    }

    /// The names that have a value.
    pub(crate) fn names(&self) -> Vec<String> {
        let values = self.values.lock().unwrap();
        let mut names: Vec<_> =
            values.keys().map(|key| key.split('{').next().unwrap().to_owned()).collect();
        names.dedup();
        names
    }

    fn value_of(&self, key: &Key) -> Arc<Value> {
        let labels: Vec<_> =
            key.labels().map(|label| format!("{}={:?}", label.key(), label.value())).collect();
        let key = format!("{}{{{}}}", key.name(), labels.join(","));
        Arc::clone(self.values.lock().unwrap().entry(key).or_default())
    }

    fn describe(&self, name: KeyName, kind: &'static str, unit: Option<Unit>) {
        self.described.lock().unwrap().insert(name.as_str().to_owned(), (kind, unit));
    }
}

impl Recorder for Shown {
    fn describe_counter(&self, name: KeyName, unit: Option<Unit>, _help: SharedString) {
        self.describe(name, "counter", unit);
    }

    fn describe_gauge(&self, name: KeyName, unit: Option<Unit>, _help: SharedString) {
        self.describe(name, "gauge", unit);
    }

    fn describe_histogram(&self, _name: KeyName, _unit: Option<Unit>, _help: SharedString) {
        unreachable!("there is none")
    }

    fn register_counter(&self, key: &Key, _metadata: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.value_of(key))
    }

    fn register_gauge(&self, key: &Key, _metadata: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.value_of(key))
    }

    fn register_histogram(&self, _key: &Key, _metadata: &Metadata<'_>) -> Histogram {
        unreachable!("there is none")
    }
}

impl CounterFn for Value {
    fn increment(&self, _value: u64) {
        unreachable!("counters are set")
    }

    fn absolute(&self, value: u64) {
        *self.0.lock().unwrap() = value as f64;
    }
}

impl GaugeFn for Value {
    fn increment(&self, _value: f64) {
        unreachable!("gauges are set")
    }

    fn decrement(&self, _value: f64) {
        unreachable!("gauges are set")
    }

    fn set(&self, value: f64) {
        *self.0.lock().unwrap() = value;
    }
}
