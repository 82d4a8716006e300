//! The text of a file: from a place in it to a line, a column and an excerpt.

use super::diagnostic::{Diagnostic, Severity, is_printable};
use super::span::Span;

/// An excerpt shows at most so many characters of a line.
const WIDTH: usize = 100;
/// Of a longer line, so many of them stand before the place at fault.
const BEFORE: usize = 40;
const TAB: &str = "    ";

/// A line as it is shown, and what to underline in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Excerpt {
    pub(super) line: String,
    pub(super) indent: usize,
    pub(super) carets: usize,
}

pub(super) struct Source<'t> {
    name: &'t str,
    text: &'t str,
    line_starts: Vec<usize>,
}

impl<'t> Source<'t> {
    pub(super) fn new(name: &'t str, text: &'t str) -> Self {
        let after_newlines = text.match_indices('\n').map(|(index, _)| index + 1);
        Self { name, text, line_starts: std::iter::once(0).chain(after_newlines).collect() }
    }

    pub(super) fn text(&self) -> &'t str {
        self.text
    }

    pub(super) fn diagnostic(
        &self,
        severity: Severity,
        span: Span,
        message: String,
        fix: String,
    ) -> Diagnostic {
        let index = self.line_index(span.start);
        let line_start = self.line_starts[index];
        let line = self.line(index);
        let start = line.floor_char_boundary(span.start.saturating_sub(line_start));
        let end = line.floor_char_boundary(span.end.saturating_sub(line_start)).max(start);
        // A byte order mark is no character of the first line.
        let column = line[..start].trim_start_matches('\u{feff}').chars().count() + 1;
        Diagnostic {
            severity,
            file: self.name.to_owned(),
            line: index + 1,
            column,
            message,
            fix,
            excerpt: excerpt(line, start, end),
        }
    }

    /// The line in which `offset` stands, from 0.
    pub(super) fn line_index(&self, offset: usize) -> usize {
        self.line_starts.partition_point(|start| *start <= offset) - 1
    }

    fn line(&self, index: usize) -> &'t str {
        let end = self.line_starts.get(index + 1).copied().unwrap_or(self.text.len());
        let line = &self.text[self.line_starts[index]..end];
        line.strip_suffix('\n').map_or(line, |line| line.strip_suffix('\r').unwrap_or(line))
    }
}

/// Shows `line` with what stands from `start` to `end` underlined; of a long line only the part
/// around `start`.
fn excerpt(line: &str, start: usize, end: usize) -> Excerpt {
    let is_long = line.chars().nth(WIDTH).is_some();
    let before_limit = if is_long { BEFORE } else { WIDTH };
    let mut before: Vec<char> = line[..start].chars().rev().take(before_limit + 1).collect();
    let cut_before = before.len() > before_limit;
    before.truncate(before_limit);
    before.reverse();
    let after_limit = WIDTH - before.len();
    let cut_after = line[start..].chars().nth(after_limit).is_some();
    let underlined = line[start..end].chars().take(after_limit);

    let mut shown = String::from(if cut_before { "..." } else { "" });
    before.into_iter().for_each(|character| show(character, &mut shown));
    let indent = shown.chars().count();
    underlined.for_each(|character| show(character, &mut shown));
    let carets = (shown.chars().count() - indent).max(1);
    let rest = line[start..].chars().take(after_limit).skip(line[start..end].chars().count());
    rest.for_each(|character| show(character, &mut shown));
    shown.push_str(if cut_after { "..." } else { "" });
    Excerpt { line: shown, indent, carets }
}

fn show(character: char, shown: &mut String) {
    match character {
        '\t' => shown.push_str(TAB),
        '\u{feff}' => {}
        character if is_printable(character) => shown.push(character),
        _ => shown.push(char::REPLACEMENT_CHARACTER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, span: std::ops::Range<usize>) -> String {
        let source = Source::new("f.toml", text);
        let diagnostic =
            source.diagnostic(Severity::Error, span.into(), "m".to_owned(), "f".to_owned());
        diagnostic.to_string()
    }

    #[test]
    fn points_at_a_key() {
        assert_eq!(
            shown("a = 1\n  bc = 2\n", 8..10),
            "error: m\n --> f.toml:2:3\n  |\n2 |   bc = 2\n  |   ^^\n  = fix: f"
        );
    }

    #[test]
    fn wide_line_numbers_widen_the_gutter() {
        let text = "\n".repeat(99) + "x";
        assert_eq!(
            shown(&text, 99..100),
            "error: m\n   --> f.toml:100:1\n    |\n100 | x\n    | ^\n    = fix: f"
        );
    }

    #[test]
    fn counts_characters_not_bytes() {
        assert_eq!(
            shown("ü = \"größe\" # é", 5..14),
            "error: m\n --> f.toml:1:5\n  |\n1 | ü = \"größe\" # é\n  |     ^^^^^^^\n  = fix: f"
        );
    }

    #[test]
    fn tabs_are_four_wide_and_carriage_returns_are_no_part_of_a_line() {
        assert_eq!(
            shown("a=1\r\n\tb\t= 2\r\nc=3", 6..9),
            "error: m\n --> f.toml:2:2\n  |\n2 |     b    = 2\n  |     ^^^^^^\n  = fix: f"
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(
            shown("a = \u{1b}[31m\u{202e}", 4..5),
            "error: m\n --> f.toml:1:5\n  |\n1 | a = \u{fffd}[31m\u{fffd}\n  |     ^\n  = fix: f"
        );
    }

    #[test]
    fn a_span_of_several_lines_ends_with_its_first() {
        assert_eq!(
            shown("a = [\n1,\n2]", 4..11),
            "error: m\n --> f.toml:1:5\n  |\n1 | a = [\n  |     ^\n  = fix: f"
        );
    }

    #[test]
    fn the_end_of_a_file_has_a_place() {
        assert_eq!(shown("", 0..0), "error: m\n --> f.toml:1:1\n  |\n1 |\n  | ^\n  = fix: f");
        assert_eq!(shown("a", 1..1), "error: m\n --> f.toml:1:2\n  |\n1 | a\n  |  ^\n  = fix: f");
        assert_eq!(shown("a\n", 2..2), "error: m\n --> f.toml:2:1\n  |\n2 |\n  | ^\n  = fix: f");
        assert_eq!(shown("a", 7..9), "error: m\n --> f.toml:1:2\n  |\n1 | a\n  |  ^\n  = fix: f");
    }

    #[test]
    fn long_lines_are_cut_around_the_place() {
        let text = format!("{}KEY{}", "a".repeat(500), "z".repeat(500));
        assert_eq!(
            shown(&text, 500..503),
            format!(
                "error: m\n --> f.toml:1:501\n  |\n1 | ...{}KEY{}...\n  | {}^^^\n  = fix: f",
                "a".repeat(40),
                "z".repeat(57),
                " ".repeat(43)
            )
        );
        let start = shown(&text, 0..1000);
        assert!(start.contains(&format!("1 | {}...\n  | {}\n", "a".repeat(100), "^".repeat(100))));
    }

    #[test]
    fn a_byte_order_mark_takes_no_place() {
        assert_eq!(
            shown("\u{feff}a = 1", 3..4),
            "error: m\n --> f.toml:1:1\n  |\n1 | a = 1\n  | ^\n  = fix: f"
        );
    }
}
