//! What a query in PromQL asks for: not a parser, but enough to find the names in it.

/// A metric in a query, with what is asked of its labels.
pub(crate) struct Selector<'a> {
    pub(crate) metric: &'a str,
    /// A label, and the values that are named; none where it is a pattern or a variable.
    pub(crate) labels: Vec<(&'a str, Vec<&'a str>)>,
}

/// All metrics of the gateway in a text, and those that a rule records of them (`breakerbox:calls:rate5m`).
pub(crate) fn selectors(text: &str) -> Vec<Selector<'_>> {
    let starts = text.match_indices("breakerbox").map(|(at, _)| at);
    let starts = starts.filter(|at| text[at + "breakerbox".len()..].starts_with(['_', ':']));
    let starts = starts.chain(text.match_indices("process_start_time").map(|(at, _)| at));
    let whole = starts.filter(|at| !text[..*at].ends_with(is_of_a_name));
    whole.map(|at| selector(&text[at..])).collect()
}

fn selector(text: &str) -> Selector<'_> {
    let (metric, rest) = name(text);
    let inside = rest.strip_prefix('{').map(|rest| rest.split_once('}').unwrap().0);
    let labels = inside.into_iter().flat_map(|inside| inside.split(',')).map(|matcher| {
        let (label, rest) = name(matcher);
        let value = rest.trim_start_matches(['=', '~', '!']).trim_matches('"');
        let plain = value.chars().all(|it| is_of_a_name(it) || it == '|');
        (label, if plain { value.split('|').collect() } else { Vec::new() })
    });
    Selector { metric, labels: labels.collect() }
}

/// All labels that a text groups by, matches by or prints.
pub(crate) fn labels(text: &str) -> Vec<&str> {
    let mut labels = Vec::new();
    for clause in ["by (", "without (", "on (", "ignoring ("] {
        for (at, _) in text.match_indices(clause) {
            let inside = text[at + clause.len()..].split_once(')').unwrap().0;
            labels.extend(inside.split(',').map(str::trim));
        }
    }
    labels.extend(text.split("$labels.").skip(1).map(|rest| name(rest).0));
    labels
}

/// The labels of a legend: `{{name}} {{kind}}`.
pub(crate) fn legend(text: &str) -> impl Iterator<Item = &str> {
    text.split("{{").skip(1).map(|rest| rest.split_once("}}").unwrap().0)
}

/// Everything chosen, and without the filter that hides lines at zero.
pub(crate) fn as_grafana_sends_it(query: &str) -> String {
    let query = query.strip_suffix(" > 0").unwrap_or(query).replace("$__rate_interval", "1m");
    ["$job", "$instance", "$upstream"].iter().fold(query, |query, it| query.replace(it, ".*"))
}

fn name(text: &str) -> (&str, &str) {
    text.split_at(text.find(|it| !is_of_a_name(it)).unwrap_or(text.len()))
}

fn is_of_a_name(it: char) -> bool {
    it.is_ascii_alphanumeric() || it == '_' || it == ':'
}
