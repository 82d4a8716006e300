//! The dashboard's file.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

/// Metrics that belong to the gateway as a whole.
const OF_NO_UPSTREAM: [&str; 4] = [
    "breakerbox_build_info",
    "breakerbox_panics_total",
    "breakerbox_requests_refused_total",
    "process_start_time_seconds",
];

/// The dashboard.
pub(crate) struct Dashboard(Value);

impl Dashboard {
    pub(crate) fn read() -> Self {
        let text = fs::read_to_string(crate::contrib("grafana/breakerbox.json")).unwrap();
        Self(serde_json::from_str(&text).unwrap())
    }

    fn panels(&self) -> impl Iterator<Item = &Value> {
        let all = self.0["panels"].as_array().unwrap().iter();
        all.flat_map(|panel| {
            [panel].into_iter().chain(panel["panels"].as_array().into_iter().flatten())
        })
    }

    /// Each line of each panel: the panel's title, the query, the legend.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.panels().flat_map(|panel| {
            let targets = panel["targets"].as_array().into_iter().flatten();
            targets.map(|it| (text(&panel["title"]), text(&it["expr"]), text(&it["legendFormat"])))
        })
    }

    fn variables(&self) -> impl Iterator<Item = &Value> {
        self.0["templating"]["list"].as_array().unwrap().iter()
    }

    /// All queries, those of the variables too, and where each of them is.
    pub(crate) fn queries(&self) -> impl Iterator<Item = (&str, &str)> {
        let asking = self.variables().filter(|it| it["type"] == "query");
        let of_variables = asking.map(|it| (text(&it["name"]), text(&it["query"]["query"])));
        self.lines().map(|(panel, query, _)| (panel, query)).chain(of_variables)
    }

    /// Whether there is a panel of this title.
    pub(crate) fn has_panel(&self, title: &str) -> bool {
        self.panels().any(|panel| panel["title"] == title)
    }

    /// What Grafana does not complain of, and a reader does.
    pub(crate) fn assert_well_formed(&self) {
        let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
        let mut taken = BTreeSet::new();
        for panel in self.panels() {
            let title = text(&panel["title"]);
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id is not its own");
            assert!(titles.insert(title), "{title}: two of this title");
            let [x, y, wide, high] =
                ["x", "y", "w", "h"].map(|it| panel["gridPos"][it].as_u64().unwrap());
            assert!(x + wide <= 24, "{title}");
            for cell in (x..x + wide).flat_map(|x| (y..y + high).map(move |y| (x, y))) {
                assert!(taken.insert(cell), "{title} lies upon another panel");
            }
            if panel["type"] == "row" {
                continue;
            }
            let description = text(&panel["description"]);
            assert!(description.ends_with('.'), "{title}: {description}");
            assert_eq!(description.matches(". ").count(), 0, "{title}: not one sentence");
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{title}");
            for (_, query, _) in self.lines().filter(|line| line.0 == title) {
                let upstream =
                    (!OF_NO_UPSTREAM.iter().any(|it| query.contains(it))).then_some("$upstream");
                for variable in ["$job", "$instance"].into_iter().chain(upstream) {
                    assert!(query.contains(variable), "{title} does not heed {variable}");
                }
            }
        }
        let names: Vec<_> = self.variables().map(|it| text(&it["name"])).collect();
        assert_eq!(names, ["datasource", "job", "instance", "upstream"]);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}
