//! One page that can be put into a design document: the picture, the tables, and the scenario itself.

use super::svg::{escaped, svg};
use super::table::{compared, table};
use crate::simulate::{Outcome, Scenario};

/// A page of its own: it loads nothing.
pub fn html(title: &str, scenario: &Scenario, text: &str, runs: &[(String, Outcome)]) -> String {
    let tables = match runs {
        [(_, one)] => table(one),
        several => compared(several),
    };
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\nbody {{ max-width: 62rem; margin: 2rem auto; padding: 0 1rem; \
         font-family: system-ui, sans-serif; color: #222; background: #fff }}\n\
         pre {{ overflow-x: auto; padding: 1rem; background: #f4f4f4 }}\nsvg {{ width: 100%; height: auto }}\n\
         </style>\n<h1>{title}</h1>\n{}\n<h2>Figures</h2>\n<pre>{}</pre>\n<h2>Scenario</h2>\n<pre>{}</pre>\n</html>\n",
        svg(title, scenario, runs),
        escaped_lines(&tables),
        escaped_lines(text),
        title = escaped(title),
    )
}

fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}
