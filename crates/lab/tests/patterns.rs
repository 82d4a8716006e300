//! Policy tests of the patterns, each file beside this one.

use std::path::Path;

use breakerbox_lab::policy_test;

#[test]
fn every_case_of_every_file_passes() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/patterns");
    let mut files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 7, "the files are there");
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
