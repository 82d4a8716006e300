//! A policy's file and a gateway's: refused with a place and a reason, or fit to be run.

use std::collections::HashMap;

use breakerbox::PipelineBuilder;
use breakerbox::config::{Diagnostic, Policy, Severity};
use breakerbox_proxy::Config;
use breakerbox_proxy::gateway::Gateway;
use breakerbox_proxy::policies::AllPolicies;

use crate::diagnostics;

/// Takes the bytes as a file of both kinds.
pub fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    match Policy::parse("policy.toml", text) {
        Ok((policy, warnings)) => {
            no_errors(&warnings, text);
            build(policy);
        }
        Err(errors) => refused(&errors, text),
    }
    match Config::parse("breakerbox.toml", text) {
        Ok((config, warnings)) => {
            no_errors(&warnings, text);
            serve(&config);
        }
        Err(errors) => refused(&errors, text),
    }
}

fn no_errors(warnings: &[Diagnostic], text: &str) {
    diagnostics::check(warnings, text);
    assert!(warnings.iter().all(|it| it.severity == Severity::Warning), "{warnings:?}");
}

fn refused(errors: &[Diagnostic], text: &str) {
    diagnostics::check(errors, text);
    assert!(errors.iter().any(|it| it.severity == Severity::Error), "refused without an error");
    // Once is enough.
    let mut seen = HashMap::new();
    for error in errors {
        let again = seen.insert((error.line, error.column, &error.message), ());
        assert_eq!(again, None, "said twice: {error}");
    }
}

/// What has passed makes a pipeline of the library, but for what only HTTP has.
fn build(mut policy: Policy) {
    if let Some(fallback) = &mut policy.fallback {
        (fallback.answer, fallback.upstream) = (None, None);
    }
    // Chaos of HTTP: without it there may be none left.
    policy.chaos = policy.chaos.filter(|chaos| {
        let settings = &chaos.settings;
        chaos.header.is_none() && settings.slow_body.or(settings.truncate_body.map(|_| 0)).is_none()
    });
    let settings = policy.pipeline(1).expect("a policy that was read has been checked");
    assert_eq!(settings.check(), [], "{policy:?}");
    let builder = PipelineBuilder::from_policy("fuzz", &policy).expect("it has been checked");
    let pipeline = builder.build().expect("it has been checked");
    assert!(!pipeline.to_string().is_empty());
}

/// And a gateway's file a gateway.
fn serve(config: &Config) {
    let policies = AllPolicies::new(config).expect("a file that was read has been checked");
    let gateway = Gateway::new(config, &policies).expect("its endpoints are addresses");
    assert_eq!(gateway.fronts().len(), config.listeners.len());
}
