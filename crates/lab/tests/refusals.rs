//! What a test file is refused for, each with its exact words, and what a failing case shows.

use breakerbox_lab::policy_test;

const POLICY: &str = "policy.breaker = { window = { calls = 2 } }\n";

/// The first error of a file with these steps, without the excerpt.
fn refused(steps: &str) -> String {
    errors(&format!("{POLICY}[[case]]\nname = 'x'\nsteps = [ {steps} ]"))
}

fn errors(file: &str) -> String {
    let none = |path: &str, _: &str| Err(format!("{path} is not here"));
    let errors = policy_test::run("test.toml", file, &none).expect_err("it is accepted");
    let text = errors[0].to_string();
    let lines: Vec<_> = text.lines().collect();
    let (place, fix) = (lines[1].trim_start_matches([' ', '-', '>']), lines[lines.len() - 1]);
    format!("{place} {} {}", lines[0], fix.trim_start_matches([' ', '=']))
}

#[test]
fn outcomes_are_words_or_statuses_of_three_digits() {
    for word in ["okay", "status:+503", "status:000503", "status:99", "status:600", "status:5xx"] {
        let said = refused(&format!("{{ call = '{word}' }}"));
        assert!(
            said.starts_with(&format!("test.toml:4:20 error: `call` is `{word}` fix: ")),
            "{said}"
        );
        assert!(said.ends_with("write one of ok, fail, ignore, panic, hang, status:503"), "{said}");
    }
}

#[test]
fn what_steps_are_refused_for() {
    for (steps, said) in [
        (
            "{ expect = {} }",
            "test.toml:4:22 error: `expect` looks at nothing fix: write what is to be seen, such as \
             `expect = { state = \"open\" }`",
        ),
        (
            "{ start = 'a', call = 'hang' }, { finish = 'a', outcome = 'hang' }",
            "test.toml:4:69 error: `outcome` of a `finish` is `hang`, and the operation is to end \
             fix: write how it ends, for example `outcome = \"ok\"`",
        ),
        (
            "{ start = 'a', call = 'hang' }, { finish = 'a' }",
            "test.toml:4:43 error: `finish` does not say how the operation ends fix: add for example \
             `outcome = \"ok\"`",
        ),
    ] {
        assert_eq!(refused(steps), said);
    }
}

#[test]
fn names_that_were_never_started_are_found() {
    for step in ["{ finish = 'b', outcome = 'ok' }", "{ await = 'b' }", "{ cancel = 'b' }"] {
        let said = refused(&format!("{{ start = 'a', call = 'hang' }}, {step}"));
        assert!(said.contains("`b`") && said.contains("did you mean `a`"), "{said}");
    }
}

#[test]
fn a_case_has_a_name() {
    assert_eq!(
        errors(&format!("{POLICY}[[case]]\nname = ' '\nsteps = [ {{ call = 'ok' }} ]")),
        "test.toml:3:8 error: `name` is empty fix: say what the case shows, such as \"opens on the \
         third failure\""
    );
}

#[test]
fn a_policy_elsewhere_has_a_file_and_an_upstream() {
    let case = "[[case]]\nname = 'x'\nsteps = [ { call = 'ok' } ]";
    let said = errors(&format!("policy = {{ upstream = 'posts', confg = 'x.toml' }}\n{case}"));
    assert!(
        said.contains("unknown key `confg`") && said.contains("did you mean `config`"),
        "{said}"
    );
    let said = errors(&format!("policy = {{ upstream = 'posts', config = 'x.toml' }}\n{case}"));
    assert!(said.contains("x.toml is not here"), "{said}");
}

#[test]
fn a_failing_case_shows_the_end_of_a_long_story() {
    let file = format!(
        "{POLICY}[[case]]\nname = 'long'\nsteps = [ {{ call = 'ok', times = 1000 }}, \
         {{ call = 'ok', expect = 'fail' }} ]"
    );
    let none = |_: &str, _: &str| Err(String::new());
    let report = policy_test::run("test.toml", &file, &none).unwrap();
    let shown = report.cases()[0].to_string();
    assert!(
        shown.starts_with("FAILED  long\n  step 2: { call = 'ok', expect = 'fail' }\n"),
        "{shown}"
    );
    assert!(shown.contains("expected: fail") && shown.contains("came:     ok"), "{shown}");
    assert!(shown.contains("lines before are left out)"), "{shown}");
    assert!(shown.lines().count() < 210, "{}", shown.lines().count());
}
