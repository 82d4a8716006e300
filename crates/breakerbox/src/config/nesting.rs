//! Refuses files whose lists and tables stand in each other too deep, before they are parsed: the
//! parser and what walks its result call themselves for each level.

use super::diagnostic::Severity;
use super::reader::Finding;
use super::span::Span;

/// Brackets may stand in each other so deep. (Dotted keys add levels, at most 80 a bracket.)
const MAX_DEPTH: usize = 32;

/// The first bracket that is too deep. Knows of TOML only where brackets are text: in strings and
/// in comments.
pub(super) fn too_deep(text: &str) -> Option<Finding> {
    let bytes = text.as_bytes();
    let mut depth: usize = 0;
    let mut index = 0;
    while let Some(byte) = bytes.get(index) {
        match byte {
            b'#' => index = end_of_line(bytes, index),
            b'"' | b'\'' => {
                index = end_of_string(bytes, index);
                continue;
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Some(Finding {
                severity: Severity::Error,
                span: Span { start: index, end: index + 1 },
                message: format!("lists and tables stand more than {MAX_DEPTH} deep in each other"),
                fix: "write it with fewer levels, or close the ones before".to_owned(),
            });
        }
        index += 1;
    }
    None
}

fn end_of_line(bytes: &[u8], start: usize) -> usize {
    let newline = bytes[start..].iter().position(|byte| *byte == b'\n');
    newline.map_or(bytes.len(), |length| start + length)
}

/// The index after a string. One that is not closed ends with its line; a multi-line one, with the
/// file.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let quote = bytes[start];
    let triple = [quote; 3];
    let is_multi_line = bytes[start..].starts_with(&triple);
    let mut index = start + if is_multi_line { 3 } else { 1 };
    while let Some(byte) = bytes.get(index) {
        match *byte {
            b'\\' if quote == b'"' && bytes.get(index + 1) != Some(&b'\n') => index += 1,
            b'\n' if !is_multi_line => return index,
            byte if byte == quote && !is_multi_line => return index + 1,
            byte if byte == quote && bytes[index..].starts_with(&triple) => return index + 3,
            _ => {}
        }
        index += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_outside_strings_and_comments() {
        let deep = "[".repeat(33);
        assert_eq!(too_deep(&deep).unwrap().span, Span { start: 32, end: 33 });
        assert!(too_deep(&"[".repeat(32)).is_none());
        assert!(too_deep(&"[{}]".repeat(100)).is_none());
        for (open, close) in [("# ", "\n"), ("\"\\\"", "\""), ("'\\", "'"), ("'''\n", "\n'''")] {
            assert!(too_deep(&format!("{open}{deep}{close}")).is_none(), "{open}");
            assert!(too_deep(&format!("{open}{close}{deep}")).is_some(), "{open}");
        }
        assert!(too_deep(&format!("\"not closed\n{deep}")).is_some());
    }
}
