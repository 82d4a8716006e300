//! Policy tests of the patterns, each file beside this one.

use std::path::Path;

use breakerbox_lab::policy_test;

#[test]
fn every_case_of_every_file_passes() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    // The examples that people are shown, and what is beside this file.
    for folder in ["tests/patterns", "../../examples/policies"] {
        let entries = here.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
        let before = files.len();
        files.extend(entries.filter(|path| path.extension().is_some_and(|it| it == "toml")));
        assert!(files.len() >= before + 5, "the files are there");
    }
    files.sort();
    let mut failed = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        match policy_test::run(&name, &text, &|_, _| Err("no other file".into())) {
            Ok(report) if report.failed() == 0 => {}
            Ok(report) => {
                let cases = report.cases().iter().filter(|case| !case.passed());
                failed.extend(cases.map(|case| format!("{name}: {case}")));
            }
            Err(errors) => {
                failed.extend(errors.iter().map(ToString::to_string));
            }
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n"));
}
