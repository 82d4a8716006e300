//! The test file.

use super::FromFile;
use super::expect::{Expectation, Looks, Wanted};
use super::step::{Calling, Scripted, Step};
use crate::policy_source::{PolicyKind, PolicySource};
use breakerbox::config::{
    self, Diagnostic, Kind, Located, Node, Policy, Reader, Refusal, closest, duration, either,
    file_schema, integer, list, number, quoted, read_file, table, text,
};
use breakerbox::{Control, State};
use serde_json::Value as Json;
use std::time::Duration;

/// A test file that has been read.
#[derive(Debug)]
pub(super) struct TestFile {
    pub(super) policy: Policy,
    pub(super) seed: u64,
    pub(super) cases: Vec<Case>,
    pub(super) warnings: Vec<Diagnostic>,
}

/// One case.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: String,
    pub(super) seed: Option<u64>,
    pub(super) steps: Vec<Located<Step>>,
}

config::table! {
    /// Tests of a policy on virtual time.
    struct FileTable {
        /// The policy under test, or where it stands.
        policy: Located<PolicySource> = PolicyKind, required "add `[policy]` with its tables";
        /// The seed of everything random.
        seed: u64 = integer(0..=i64::MAX as u64), default 0;
        /// The cases. They share nothing.
        case: Vec<Located<CaseTable>> = list(table::<CaseTable>()).not_empty(),
            required "add a `[[case]]` with its `name` and `steps`";
    }
}

config::table! {
    /// Steps that are run one after the other, on a fresh policy at the start of time.
    struct CaseTable {
        /// What the case shows.
        name: String = text().then(name), required;
        /// The seed of everything random.
        seed: u64 = integer(0..=i64::MAX as u64), optional "that of the file";
        /// The steps.
        steps: Vec<Located<Step>> = list(table::<StepTable>().then(step)).not_empty(), required;
    }
}

config::table! {
    /// One step: a call, a passage of time, a command, or a look.
    struct StepTable {
        /// A call, and what each execution of its operation comes to: `ok`, `fail`, `ignore`,
        /// `panic`, `hang` or `status:503`. Of a list the last repeats.
        call: Vec<Scripted> = either(scripted().map(|one| vec![one]), list(scripted()).not_empty().map(values)), optional;
        /// How many calls are made, one after the other.
        times: u32 = integer(1..=1_000_000), optional "1";
        /// How long one execution takes; of a list the last repeats.
        takes: Vec<Duration> = either(duration().map(|one| vec![one]), list(duration()).not_empty().map(values)), optional "0s";
        /// What the caller is to see, or what is to be seen.
        expect: Expect = either(expectation(), table::<LookTable>().then(looks)), optional;
        /// The key of the call.
        key: String = text(), optional;
        /// The priority of the call.
        priority: u8 = integer(0..=7), optional;
        /// The HTTP method of the call.
        method: String = text(), optional "one that may be repeated";
        /// Leaves the call in flight under this name.
        start: String = text(), optional;
        /// Lets the hanging operation of a started call end.
        finish: String = text(), optional;
        /// What that operation comes to.
        outcome: Scripted = scripted(), optional;
        /// Moves time on until a started call has ended.
        r#await: String = text(), optional;
        /// Gives a started call up.
        cancel: String = text(), optional;
        /// Moves time on.
        advance: Duration = duration(), optional;
        /// Does something to the breaker by hand.
        control: Control = text().then(control), optional;
    }
}

config::table! {
    /// What is to be seen: numbers, or comparisons such as `">= 3"`.
    struct LookTable {
        /// The state of the breaker; `"none"` where the policy has none.
        state: Wanted = text().then(state), optional;
        /// Executions of operations so far.
        executed: Wanted = count(), optional;
        /// Outcomes that the breaker counted.
        calls: Wanted = count(), optional;
        /// Successes among them.
        successes: Wanted = count(), optional;
        /// Failures among them.
        failures: Wanted = count(), optional;
        /// Ignored outcomes.
        ignored: Wanted = count(), optional;
        /// Slow calls.
        slow: Wanted = count(), optional;
        /// Late results.
        late: Wanted = count(), optional;
        /// Calls that were rejected.
        rejected: Wanted = count(), optional;
        /// Outcomes in the window.
        buffered: Wanted = count(), optional;
        /// The failure rate of the window, or `"none"`.
        failure_rate: Wanted = rate_or_none(), optional;
        /// The slow-call rate of the window, or `"none"`.
        slow_call_rate: Wanted = rate_or_none(), optional;
        /// How long until a call may be admitted, or `"none"`.
        retry_after: Wanted = duration_or_none(), optional;
        /// Operations that run.
        in_flight: Wanted = count(), optional;
        /// Calls that wait.
        queued: Wanted = count(), optional;
        /// Retries so far.
        retries: Wanted = count(), optional;
        /// Hedges so far.
        hedges: Wanted = count(), optional;
        /// How often the circuit opened.
        opened: Wanted = count(), optional;
        /// How long the call took that ended last, or `"none"`.
        elapsed: Wanted = duration_or_none(), optional;
        /// The concurrency limit, or `"none"`.
        limit: Wanted = rate_or_none(), optional;
    }
}

/// What `expect` holds.
#[derive(Clone, Debug)]
enum Expect {
    Seen(Expectation),
    Looks(Looks),
}

fn values<T>(list: Vec<Located<T>>) -> Vec<T> {
    list.into_iter().map(|located| located.value).collect()
}

fn name(name: String, node: Node<'_>, reader: &mut Reader) -> Option<String> {
    if name.trim().is_empty() {
        let fix = "say what the case shows, such as \"opens on the third failure\"";
        return reader.refuse(node, Refusal::new("is empty", fix));
    }
    Some(name)
}

/// A word of a few, with the nearest one in the fix.
fn one_word<T>(
    found: Option<T>,
    word: &str,
    words: &[&'static str],
    node: Node<'_>,
    reader: &mut Reader,
) -> Option<T> {
    if found.is_none() {
        let meant = closest(word, words.iter().copied());
        let suggestion = meant.map_or(String::new(), |meant| format!("did you mean `{meant}`? "));
        let fix = format!("{suggestion}write one of {}", words.join(", "));
        return reader.refuse(node, Refusal::new(format!("is {}", quoted(word)), fix));
    }
    found
}

fn scripted() -> impl Kind<Value = Scripted> {
    text().then(|word, node, reader| {
        const WORDS: [(&str, Scripted); 5] = [
            ("ok", Scripted::Ok),
            ("fail", Scripted::Fail),
            ("ignore", Scripted::Ignore),
            ("panic", Scripted::Panic),
            ("hang", Scripted::Hang),
        ];
        let status =
            word.strip_prefix("status:").filter(|it| it.len() == 3 && !it.starts_with('+'));
        let status = status.and_then(|status| status.parse().ok());
        let status = status.filter(|status| (100..600).contains(status)).map(Scripted::Status);
        let known = WORDS.iter().find(|(known, _)| *known == word).map(|(_, scripted)| *scripted);
        let words = ["ok", "fail", "ignore", "panic", "hang", "status:503"];
        one_word(known.or(status), &word, &words, node, reader)
    })
}

fn expectation() -> impl Kind<Value = Expect> {
    text().then(|word, node, reader| {
        let found = Expectation::parse(&word).map(Expect::Seen);
        one_word(found, &word, Expectation::all(), node, reader)
    })
}

fn control(word: String, node: Node<'_>, reader: &mut Reader) -> Option<Control> {
    let found = Control::ALL.into_iter().find(|control| control.name() == word);
    one_word(found, &word, &Control::ALL.map(Control::name), node, reader)
}

fn state(word: String, node: Node<'_>, reader: &mut Reader) -> Option<Wanted> {
    let found = State::ALL.into_iter().find(|state| state.name() == word);
    let found = found.map(|state| Wanted::Word(state.name().to_owned())).or_else(|| none(&word));
    one_word(found, &word, &State::ALL.map(State::name), node, reader)
}

const LARGEST: f64 = 1e15;

fn count() -> impl Kind<Value = Wanted> {
    let whole = integer(0..=LARGEST as u64).map(|count| Wanted::number(count as f64));
    either(
        whole,
        text().then(|text, node, reader| {
            let fix = "write a number, or a comparison such as \">= 3\"";
            refuse_unless(Wanted::parse_number(&text), &text, fix, node, reader)
        }),
    )
}

fn rate_or_none() -> impl Kind<Value = Wanted> {
    let plain = number(0.0..=LARGEST).map(Wanted::number);
    either(
        plain,
        text().then(|text, node, reader| {
            let fix = "write a number, a comparison such as \">= 0.5\", or \"none\"";
            refuse_unless(
                none(&text).or_else(|| Wanted::parse_number(&text)),
                &text,
                fix,
                node,
                reader,
            )
        }),
    )
}

fn duration_or_none() -> impl Kind<Value = Wanted> {
    text().then(|text, node, reader| {
        let fix = "write a duration such as \"5s\", a comparison such as \"<= 5s\", or \"none\"";
        let wanted = none(&text).or_else(|| Wanted::parse_duration(&text));
        refuse_unless(wanted, &text, fix, node, reader)
    })
}

fn none(text: &str) -> Option<Wanted> {
    (text == "none").then(|| Wanted::Word(text.to_owned()))
}

fn refuse_unless(
    wanted: Option<Wanted>,
    text: &str,
    fix: &str,
    node: Node<'_>,
    reader: &mut Reader,
) -> Option<Wanted> {
    match wanted {
        None => reader.refuse(node, Refusal::new(format!("is {}", quoted(text)), fix)),
        found => found,
    }
}

fn looks(table: LookTable, node: Node<'_>, reader: &mut Reader) -> Option<Expect> {
    let all = [
        ("state", table.state.optional()?),
        ("executed", table.executed.optional()?),
        ("calls", table.calls.optional()?),
        ("successes", table.successes.optional()?),
        ("failures", table.failures.optional()?),
        ("ignored", table.ignored.optional()?),
        ("slow", table.slow.optional()?),
        ("late", table.late.optional()?),
        ("rejected", table.rejected.optional()?),
        ("buffered", table.buffered.optional()?),
        ("failure_rate", table.failure_rate.optional()?),
        ("slow_call_rate", table.slow_call_rate.optional()?),
        ("retry_after", table.retry_after.optional()?),
        ("in_flight", table.in_flight.optional()?),
        ("queued", table.queued.optional()?),
        ("retries", table.retries.optional()?),
        ("hedges", table.hedges.optional()?),
        ("opened", table.opened.optional()?),
        ("elapsed", table.elapsed.optional()?),
        ("limit", table.limit.optional()?),
    ];
    let given = all.into_iter().filter_map(|(name, wanted)| Some((name, wanted?)));
    let given: Vec<_> = given.collect();
    if given.is_empty() {
        let fix = "write what is to be seen, such as `expect = { state = \"open\" }`";
        reader.error(node.span(), "`expect` looks at nothing", fix);
        return None;
    }
    Some(Expect::Looks(Looks(given)))
}

/// Makes one step of the keys that are given, and refuses those that do not go together.
fn step(table: StepTable, node: Node<'_>, reader: &mut Reader) -> Option<Step> {
    let (calls, starts) = (table.call.optional()?, table.start.optional()?);
    let (finishes, awaits) = (table.finish.optional()?, table.r#await.optional()?);
    let (cancels, advances) = (table.cancel.optional()?, table.advance.optional()?);
    let (controls, expect) = (table.control.optional()?, table.expect.optional()?);
    let (times, takes) = (table.times.optional()?, table.takes.optional()?);
    let outcome = table.outcome.optional()?;
    let kind = kind_of_step(&node, reader)?;
    let allowed: &[&str] = match kind {
        "call" if starts.is_some() => {
            &["call", "start", "takes", "expect", "key", "priority", "method"]
        }
        "call" => &["call", "times", "takes", "expect", "key", "priority", "method"],
        "finish" => &["finish", "outcome", "expect"],
        "await" => &["await", "expect"],
        _ => &[kind],
    };
    if !only(&node, kind, allowed, reader) {
        return None;
    }
    let seen = match (kind, expect) {
        ("expect", Some(Expect::Looks(looks))) => return Some(Step::Look(looks)),
        ("expect", _) => {
            let fix = "write `expect = { state = \"open\" }`, or add the `call` that it is of";
            reader.error(
                node.find("expect"),
                "`expect` is what a call is to see, but there is no call",
                fix,
            );
            return None;
        }
        (_, Some(Expect::Looks(_))) => {
            let fix = "write `expect = \"ok\"` here, and look in a step of its own";
            reader.error(
                node.find("expect"),
                "`expect` of a call is one word, but it is a table",
                fix,
            );
            return None;
        }
        (_, Some(Expect::Seen(seen))) => Some(seen),
        (_, None) => None,
    };
    let method = table.method.optional()?;
    let calling = Calling {
        script: calls.unwrap_or_default(),
        takes: takes.unwrap_or_default(),
        method: method.map(|method| method.to_ascii_uppercase()),
        key: table.key.optional()?,
        priority: table.priority.optional()?,
    };
    Some(match kind {
        "call" => match starts {
            Some(name) => Step::Start { name, calling, expect: seen },
            None => Step::Call { calling, times: times.unwrap_or(1), expect: seen },
        },
        "finish" => {
            let fix = "add for example `outcome = \"ok\"`";
            let Some(outcome) = outcome else {
                reader.error(node.span(), "`finish` does not say how the operation ends", fix);
                return None;
            };
            if outcome == Scripted::Hang {
                let fix = "write how it ends, for example `outcome = \"ok\"`";
                let message = "`outcome` of a `finish` is `hang`, and the operation is to end";
                reader.error(node.find("outcome"), message, fix);
                return None;
            }
            Step::Finish { name: finishes?, outcome, expect: seen }
        }
        "await" => Step::Await { name: awaits?, expect: seen },
        "cancel" => Step::Cancel { name: cancels? },
        "advance" => Step::Advance(advances?),
        _ => Step::Control(controls?),
    })
}

/// What a step does is said by one of these keys.
fn kind_of_step(node: &Node<'_>, reader: &mut Reader) -> Option<&'static str> {
    const KINDS: [&str; 7] = ["call", "finish", "await", "cancel", "advance", "control", "expect"];
    let kind = KINDS.into_iter().find(|kind| node.has(kind));
    if kind.is_none() {
        let fix = format!("give one of {}", KINDS.join(", "));
        reader.error(node.span(), "the step does nothing", fix);
    }
    kind
}

/// Refuses keys that say nothing in a step of this kind.
fn only(node: &Node<'_>, kind: &str, allowed: &[&str], reader: &mut Reader) -> bool {
    const KEYS: [&str; 15] = [
        "call", "times", "takes", "expect", "key", "priority", "method", "start", "finish",
        "outcome", "await", "cancel", "advance", "control", "seed",
    ];
    let mut good = true;
    for key in KEYS.into_iter().filter(|key| node.has(key) && !allowed.contains(key)) {
        let message = format!("`{key}` does not go with `{kind}` in one step");
        reader.error(
            node.find(key),
            message,
            format!("leave out `{key}`, or make it a step of its own"),
        );
        good = false;
    }
    good
}

/// Whether every call that a step names was started before it.
fn all_started(case: &Case, reader: &mut Reader) -> bool {
    let mut started: Vec<&str> = Vec::new();
    let mut good = true;
    for step in &case.steps {
        let name = match &step.value {
            Step::Start { name, .. } => {
                started.push(name);
                continue;
            }
            Step::Finish { name, .. } | Step::Await { name, .. } | Step::Cancel { name } => name,
            _ => continue,
        };
        if !started.contains(&name.as_str()) {
            let meant = closest(name, started.iter().copied());
            let fix = match meant {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("begin it before with `start = \"{name}\"`"),
            };
            let message = format!("no call {} was started in this case", quoted(name));
            reader.error(step.span, message, fix);
            good = false;
        }
    }
    good
}

/// Reads a test file; where its policy stands elsewhere, that file too.
pub(super) fn read(
    file_name: &str,
    text: &str,
    from_file: FromFile<'_>,
) -> Result<TestFile, Vec<Diagnostic>> {
    let (file, warnings) = read_file(file_name, text, &table::<FileTable>().then(complete))?;
    let (source, seed, cases) = file;
    let policy = match source.value {
        PolicySource::Here(policy) => *policy,
        PolicySource::Elsewhere { file, upstream } => {
            from_file(&file, &upstream).map_err(|message| {
                vec![Diagnostic::at(
                    file_name,
                    text,
                    source.span,
                    message,
                    "correct the file, or give the policy here",
                )]
            })?
        }
    };
    Ok(TestFile { policy, seed, cases, warnings })
}

fn complete(
    file: FileTable,
    _: Node<'_>,
    reader: &mut Reader,
) -> Option<(Located<PolicySource>, u64, Vec<Case>)> {
    let cases = file.case.required()?.into_iter().map(|case| {
        Some(Case {
            name: case.value.name.required()?,
            seed: case.value.seed.optional()?,
            steps: case.value.steps.required()?,
        })
    });
    let cases = cases.collect::<Option<Vec<_>>>()?;
    let mut good = true;
    for case in &cases {
        good &= all_started(case, reader);
    }
    if !good {
        return None;
    }
    Some((file.policy.required()?, file.seed.required()?, cases))
}

pub(super) fn schema() -> Json {
    file_schema("Tests of a breakerbox policy", &table::<FileTable>())
}
