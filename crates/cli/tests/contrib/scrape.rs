//! What `GET /metrics` answers, taken apart.

use std::collections::{BTreeMap, BTreeSet};

/// One answer.
pub(crate) struct Scrape {
    text: String,
    /// What the family of this name is: `counter`, `gauge`, `histogram`.
    types: BTreeMap<String, String>,
    /// By the name of a sample and of a label: the values.
    values: BTreeMap<(String, String), BTreeSet<String>>,
    samples: BTreeSet<String>,
}

impl Scrape {
    pub(crate) fn read(text: String) -> Self {
        assert!(text.ends_with("# EOF\n"), "{text}");
        let mut it = Self {
            types: BTreeMap::new(),
            values: BTreeMap::new(),
            samples: BTreeSet::new(),
            text,
        };
        for line in it.text.lines() {
            if let Some(comment) = line.strip_prefix("# TYPE ") {
                let (family, kind) = comment.split_once(' ').unwrap();
                it.types.insert(family.to_owned(), kind.to_owned());
            }
            if line.starts_with('#') {
                continue;
            }
            let Some((name, rest)) = line.split_once('{') else {
                it.samples.insert(line.split_once(' ').unwrap().0.to_owned());
                continue;
            };
            it.samples.insert(name.to_owned());
            for label in rest.split_once('}').unwrap().0.split(',') {
                let (label, value) = label.split_once('=').unwrap();
                let values = it.values.entry((name.to_owned(), label.to_owned())).or_default();
                values.insert(value.trim_matches('"').to_owned());
            }
        }
        it
    }

    /// Whether there is a sample of this name.
    pub(crate) fn has(&self, sample: &str) -> bool {
        self.samples.contains(sample)
    }

    /// The values that a label has in the samples of this name.
    pub(crate) fn values(&self, sample: &str, label: &str) -> BTreeSet<&str> {
        let values = self.values.get(&(sample.to_owned(), label.to_owned()));
        values.into_iter().flatten().map(String::as_str).collect()
    }

    /// The values that a label has in any sample.
    pub(crate) fn all_values(&self, label: &str) -> BTreeSet<&str> {
        let of_label = self.values.iter().filter(|((_, other), _)| other == label);
        of_label.flat_map(|(_, values)| values).map(String::as_str).collect()
    }

    /// The family that a sample belongs to.
    pub(crate) fn family<'a>(&self, sample: &'a str) -> &'a str {
        let parts = ["_total", "_bucket", "_sum", "_count"];
        let mut families = parts.into_iter().filter_map(|part| sample.strip_suffix(part));
        families.find(|family| self.types.contains_key(*family)).unwrap_or(sample)
    }

    /// All families.
    pub(crate) fn families(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// All labels of all samples.
    pub(crate) fn labels(&self) -> BTreeSet<&str> {
        self.values.keys().map(|(_, label)| label.as_str()).collect()
    }

    /// The same in Prometheus' older text format, which is all that `promtool check metrics` knows: there a counter's
    /// family has the `_total` of its samples.
    pub(crate) fn as_classic_text(&self) -> String {
        let is_counter = |family| self.types.get(family).is_some_and(|kind| kind == "counter");
        let mut text = String::new();
        for line in self.text.split_inclusive('\n') {
            let words: Vec<_> = line.splitn(4, ' ').collect();
            match words[..] {
                ["#", what @ ("TYPE" | "HELP"), family, rest] if is_counter(family) => {
                    text.push_str(&format!("# {what} {family}_total {rest}"));
                }
                _ => text.push_str(line),
            }
        }
        text
    }
}
