//! The table `shed`.

use std::time::Duration;

use breakerbox_core::shed::Settings;

use super::super::*;
use super::summary;

fn parsed(text: &str) -> Settings {
    read_file("f.toml", text, &shed()).unwrap().0
}

#[test]
fn an_empty_table_has_the_defaults() {
    assert_eq!(parsed(""), Settings::default());
    assert_eq!(parsed("classes = {}"), Settings::default());
}

#[test]
fn every_key_is_read() {
    let settings = parsed(
        "target = '20ms'\ninterval = '1s'\nclasses = { checkout = 0, batch = 7, critical = 2 }",
    );
    assert_eq!(settings.target, Duration::from_millis(20));
    assert_eq!(settings.interval, Duration::from_secs(1));
    let classes = [
        ("checkout", 0),
        ("batch", 7),
        // A name that is there already can be given another urgency.
        ("critical", 2),
        ("critical_plus", 0),
        ("sheddable_plus", 5),
        ("sheddable", 7),
    ];
    for (name, urgency) in classes {
        assert_eq!(settings.urgency(name), Some(urgency), "{name}");
    }
    assert_eq!(settings.classes.len(), classes.len());
}

#[test]
fn what_shedding_refuses() {
    for (text, message) in [
        (
            "target = '0s'",
            "1:10 error: `target` is zero; give a duration above zero, or leave the key out",
        ),
        ("target = '2m'", "1:10 error: `target` of 120s is too long; give at most 1m"),
        ("interval = '0s'", "1:12 error: `interval` of 0ns is too short; give at least 1ms"),
        ("interval = '2m'", "1:12 error: `interval` of 120s is too long; give at most 1m"),
        ("classes = { batch = 8 }", "1:21 error: `batch` is 8; give an integer from 0 to 7"),
        (
            "classes = { 'my batch' = 7 }",
            "1:13 error: `my batch` cannot be a name; use 1 to 100 letters, digits, `_`, `-` and `.`",
        ),
    ] {
        assert_eq!(summary(text, &shed()), [message], "{text}");
    }
    let many: Vec<_> = (0..97).map(|number| format!("class-{number} = 7")).collect();
    assert_eq!(
        summary(&format!("[classes]\n{}", many.join("\n")), &shed()),
        ["1:1 error: `classes` has 101 names; give at most 100"]
    );
}
