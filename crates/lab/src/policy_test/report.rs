//! What the cases came to, for people and for programs.

use breakerbox::config::Diagnostic;
use serde_json::{Value as Json, json};
use std::fmt;

/// What all cases of a file came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub(super) cases: Vec<CaseReport>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// What one case came to.
#[derive(Clone, Debug)]
pub struct CaseReport {
    pub(super) name: String,
    pub(super) failure: Option<Failure>,
}

/// The step that came otherwise than expected.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    /// From 1; 0 if the policy itself is at fault.
    pub(super) step: usize,
    /// The step as it stands in the file.
    pub(super) text: String,
    pub(super) expected: String,
    pub(super) actual: String,
    /// What had happened in the case until then.
    pub(super) trace: Vec<String>,
}

impl Failure {
    pub(super) fn of_policy(error: String) -> Self {
        let (text, expected) = (String::new(), "a policy".to_owned());
        Self { step: 0, text, expected, actual: error, trace: Vec::new() }
    }
}

impl Report {
    /// The cases, in the order of the file.
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// What in the file is hardly what was meant.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }

    /// How many came as expected.
    pub fn passed(&self) -> usize {
        self.cases.iter().filter(|case| case.passed()).count()
    }

    /// How many did not.
    pub fn failed(&self) -> usize {
        self.cases.len() - self.passed()
    }

    /// The cases of another file after these.
    pub fn append(&mut self, mut other: Self) {
        self.cases.append(&mut other.cases);
        self.warnings.append(&mut other.warnings);
    }

    /// `{"passed":n,"failed":n,"cases":[{"name","ok","step","expected","actual"}]}`.
    pub fn to_json(&self) -> Json {
        let cases: Vec<_> = self.cases.iter().map(CaseReport::to_json).collect();
        json!({ "passed": self.passed(), "failed": self.failed(), "cases": cases })
    }
}

impl CaseReport {
    /// The name of the case.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether all came as expected.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }

    fn to_json(&self) -> Json {
        let failure = self.failure.as_ref();
        json!({
            "name": self.name,
            "ok": self.passed(),
            "step": failure.map(|failure| failure.step),
            "expected": failure.map(|failure| &failure.expected),
            "actual": failure.map(|failure| &failure.actual),
        })
    }
}

impl fmt::Display for CaseReport {
    /// One line, and for a failed case what came otherwise.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(failure) = &self.failure else { return write!(f, "ok      {}", self.name) };
        writeln!(f, "FAILED  {}", self.name)?;
        writeln!(f, "  step {}: {}", failure.step, failure.text)?;
        writeln!(f, "  expected: {}", failure.expected)?;
        write!(f, "  came:     {}", failure.actual)?;
        if !failure.trace.is_empty() {
            write!(f, "\n  what happened until then:")?;
        }
        for line in &failure.trace {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}
