//! What makes sense together in a scenario, as far as the file alone can tell.

use super::ScenarioTable;
use super::client::{CallTable, ClientTable};
use super::fault::{DraftFault, fault};
use super::service::ServiceTable;
use super::time::Time;
use crate::policy_source::PolicySource;
use crate::simulate::{
    Cache, Caller, Client, Distribution, Edge, Effect, Fault, Keys, Load, Scenario, Server, Service,
};
use breakerbox::config::{Field, Located, Node, Policy, Reader, Span, closest, quoted};
use std::sync::Arc;

/// A scenario whose policies and traces may still have to be read from other files.
pub(super) struct Draft {
    pub(super) scenario: Scenario,
    pub(super) policies: Vec<(Of, Located<PolicySource>)>,
    /// Whose time it is, which of its times, and the file.
    pub(super) traces: Vec<(Of, Which, Located<String>)>,
    /// Where `duration` stands.
    pub(super) duration: Span,
}

/// A place in a scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Client(usize),
    Service(usize),
    /// The second number: which of the calls of the service.
    Call(usize, usize),
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Which {
    Arrivals,
    Think,
    Work,
    Latency,
}

/// The value of a key with its place; the outer `None` where it is broken.
pub(super) fn placed<T>(field: Field<T>) -> Option<Option<Located<T>>> {
    match field {
        Field::Given(located) => Some(Some(located)),
        Field::Absent => Some(None),
        Field::Broken => None,
    }
}

/// What is gathered on the way through the tables.
#[derive(Default)]
struct Gathered {
    policies: Vec<(Of, Located<PolicySource>)>,
    traces: Vec<(Of, Which, Located<String>)>,
}

impl Gathered {
    /// A time, or the place of one that is read later.
    fn time(&mut self, of: Of, which: Which, field: Field<Time>) -> Option<Distribution> {
        let Some(Located { value, span, key }) = placed(field)? else {
            return Some(Distribution::Constant(0.0));
        };
        Some(match value {
            Time::Known(distribution) => distribution,
            Time::Trace(file) => {
                self.traces.push((of, which, Located { value: file, span, key }));
                Distribution::Constant(0.0)
            }
        })
    }

    fn policy(&mut self, of: Of, field: Field<Located<PolicySource>>) -> Option<Policy> {
        self.policies.extend(field.optional()?.map(|source| (of, source)));
        Some(Policy::default())
    }
}

pub(super) fn check(table: ScenarioTable, node: Node<'_>, reader: &mut Reader) -> Option<Draft> {
    let duration = placed(table.duration)??;
    let span = duration.span;
    let duration = duration.value.as_secs_f64();
    let warmup = table.warmup.required()?.as_secs_f64();
    let good_within = table.good_within.optional()?.map(|it| it.as_secs_f64());
    let seed = table.seed.required()?;
    let (clients, services) = (table.client.required()?, table.service.required()?);
    let names = Names {
        services: services.keys().cloned().collect(),
        clients: clients.keys().cloned().collect(),
    };
    let mut gathered = Gathered::default();
    let mut spikes = Vec::new();
    let mut good = true;
    let mut made = Vec::new();
    for (number, (name, table)) in clients.into_iter().enumerate() {
        let made_of = client(number, name, table, &names, &mut gathered, &mut spikes, reader);
        good &= made_of.is_some();
        made.extend(made_of);
    }
    let mut serving = Vec::new();
    let mut places = Vec::new();
    for (number, (name, table)) in services.into_iter().enumerate() {
        places.push(table.key);
        let made_of = service(number, name, table, &names, &mut gathered, reader);
        good &= made_of.is_some();
        serving.extend(made_of);
    }
    let mut drafts = Vec::new();
    for table in table.fault.optional()?.unwrap_or_default() {
        let span = table.span;
        let draft = fault(table, reader).map(|draft| (span, draft));
        good &= draft.is_some();
        drafts.extend(draft);
    }
    if warmup >= duration {
        reader.error(
            node.find("warmup"),
            "`warmup` is not shorter than `duration`",
            "make it shorter",
        );
        good = false;
    }
    if !good {
        return None;
    }
    let mut scenario = Scenario {
        seed,
        duration,
        warmup,
        good_within,
        clients: made,
        services: serving,
        faults: Vec::new(),
        spikes,
    };
    good &= no_circles(&scenario, &places, reader);
    for (span, draft) in drafts {
        let made = resolve_fault(draft, span, &scenario, &names, reader);
        good &= made.is_some();
        scenario.faults.extend(made);
    }
    good &= not_too_long(&scenario, span, reader);
    warn(&scenario, &places, reader);
    let Gathered { policies, traces } = gathered;
    good.then_some(Draft { scenario, policies, traces, duration: span })
}

struct Names {
    clients: Vec<String>,
    services: Vec<String>,
}

impl Names {
    fn service(&self, name: &Located<String>, reader: &mut Reader) -> Option<usize> {
        let found = self.services.iter().position(|it| *it == name.value);
        if found.is_none() {
            let meant = closest(&name.value, self.services.iter().map(String::as_str));
            let meant = meant.map_or(String::new(), |it| format!("did you mean `{it}`? "));
            let fix = format!("{meant}services here: {}", self.services.join(", "));
            reader.error(name.span, format!("there is no service {}", quoted(&name.value)), fix);
        }
        found
    }

    fn caller(&self, name: &Located<String>, reader: &mut Reader) -> Option<Caller> {
        let of = |names: &[String]| names.iter().position(|it| *it == name.value);
        let client = of(&self.clients).map(Caller::Client);
        if let Some(found) = client.or_else(|| of(&self.services).map(Caller::Service)) {
            return Some(found);
        }
        let all: Vec<_> = self.clients.iter().chain(&self.services).map(String::as_str).collect();
        let message = format!("there is no client or service {}", quoted(&name.value));
        reader.error(name.span, message, format!("there are {}", all.join(", ")));
        None
    }
}

fn client(
    number: usize,
    name: String,
    table: Located<ClientTable>,
    names: &Names,
    gathered: &mut Gathered,
    spikes: &mut Vec<(f64, f64)>,
    reader: &mut Reader,
) -> Option<Client> {
    let (span, table) = (table.key, table.value);
    let of = Of::Client(number);
    let service = names.service(&placed(table.calls)??, reader);
    let load = {
        let (rate, users) = (table.rate.optional()?, table.users.optional()?);
        let trace = placed(table.trace)?;
        let even = placed(table.arrivals)?;
        let think_given = table.think.span();
        let think = gathered.time(of, Which::Think, table.think)?;
        match (rate, trace, users) {
            (Some(rate), None, None) => {
                spikes.extend(rate.spikes);
                no_think(think_given, reader)?;
                Load::Open { rate: rate.curve, even: even.is_some_and(|it| it.value) }
            }
            (None, trace, users) if trace.is_some() != users.is_some() => {
                if let Some(even) = even {
                    let fix = "leave it out, or give a `rate`";
                    reader.error(even.span, "`arrivals` says how calls come by a `rate`", fix);
                    return None;
                }
                match users {
                    Some(users) => Load::Closed { users, think },
                    None => {
                        no_think(think_given, reader)?;
                        gathered.traces.push((of, Which::Arrivals, trace?));
                        Load::Trace(Arc::default())
                    }
                }
            }
            _ => {
                let message = format!("it is not clear how many calls {} makes", quoted(&name));
                reader.error(span, message, "give one of `rate`, `users` and `trace`");
                return None;
            }
        }
    };
    let mut priorities = Vec::new();
    if let Some(list) = placed(table.priorities)? {
        for one in list.value {
            priorities.push((one.value.urgency.required()?, one.value.share.required()?));
        }
        let sum: f64 = priorities.iter().map(|(_, share)| share).sum();
        if (sum - 1.0).abs() > 1e-6 {
            let message = format!("the shares of `priorities` add up to {sum}");
            reader.error(list.span, message, "make them add up to 1");
            return None;
        }
    }
    let keys = match table.keys.optional()? {
        None => None,
        Some(keys) => Some(Keys { count: keys.count.required()?, zipf: keys.zipf.required()? }),
    };
    Some(Client {
        name,
        processes: table.processes.required()?,
        load,
        give_up: table.give_up.optional()?.map(|it| it.as_secs_f64()),
        keys,
        priorities,
        repeatable: table.repeatable.required()?,
        call: Edge {
            policy: gathered.policy(of, table.policy)?,
            latency: gathered.time(of, Which::Latency, table.latency)?,
            loss: table.loss.required()?,
            times: 1,
            service: service?,
        },
    })
}

fn no_think(given: Option<Span>, reader: &mut Reader) -> Option<()> {
    let Some(span) = given else { return Some(()) };
    reader.error(
        span,
        "`think` is for `users`, and there are none",
        "leave it out, or give `users`",
    );
    None
}

fn service(
    number: usize,
    name: String,
    table: Located<ServiceTable>,
    names: &Names,
    gathered: &mut Gathered,
    reader: &mut Reader,
) -> Option<Service> {
    let (span, table) = (table.key, table.value);
    let of = Of::Service(number);
    let server = match (table.workers.optional()?, table.cores.optional()?) {
        (Some(workers), None) => Server::Workers(workers),
        (None, Some(cores)) => Server::Sharing(cores),
        _ => {
            let message = format!("it is not clear how the service {} works", quoted(&name));
            reader.error(span, message, "give one of `workers` and `cores`");
            return None;
        }
    };
    let mut calls = Vec::new();
    for (place, call) in table.calls.optional()?.unwrap_or_default().into_iter().enumerate() {
        calls.push(edge(Of::Call(number, place), call.value, names, gathered, reader)?);
    }
    let queue = table.queue.optional()?;
    let rejection = table.rejection_cost.required()?.as_secs_f64();
    if rejection > 0.0 && queue.is_none() {
        let fix = "give a `queue`, or leave `rejection_cost` out";
        reader.error(span, "`rejection_cost` is that of a full queue, and it never is full", fix);
        return None;
    }
    let (contention, coherence) = match table.slowdown.optional()? {
        None => (0.0, 0.0),
        Some(slowdown) => (slowdown.contention.required()?, slowdown.coherence.required()?),
    };
    let cache = match table.cache.optional()? {
        None => None,
        Some(cache) => Some(Cache {
            entries: cache.entries.required()?,
            ttl: cache.ttl.required()?.as_secs_f64(),
            hit: cache.hit.required()?.as_secs_f64(),
        }),
    };
    Some(Service {
        name,
        endpoints: table.endpoints.required()?,
        shards: table.shards.required()?,
        server,
        time: gathered.time(of, Which::Work, table.time)?,
        contention,
        coherence,
        queue,
        order: table.order.required()?,
        rejection,
        cancels: table.cancels.required()?,
        deadlines: table.deadlines.required()?,
        errors: table.errors.required()?,
        calls,
        parallel: table.parallel.required()?,
        policy: gathered.policy(of, table.policy)?,
        cache,
    })
}

fn edge(
    of: Of,
    table: CallTable,
    names: &Names,
    gathered: &mut Gathered,
    reader: &mut Reader,
) -> Option<Edge> {
    Some(Edge {
        service: names.service(&placed(table.service)??, reader)?,
        policy: gathered.policy(of, table.policy)?,
        latency: gathered.time(of, Which::Latency, table.latency)?,
        loss: table.loss.required()?,
        times: table.times.required()?,
    })
}

/// A service that calls itself in the end would never be done.
fn no_circles(scenario: &Scenario, places: &[Span], reader: &mut Reader) -> bool {
    let mut good = true;
    for (start, place) in places.iter().enumerate() {
        let mut reached = vec![false; scenario.services.len()];
        let mut next = vec![start];
        while let Some(service) = next.pop() {
            for edge in &scenario.services[service].calls {
                if !std::mem::replace(&mut reached[edge.service], true) {
                    next.push(edge.service);
                }
            }
        }
        if reached[start] {
            let name = quoted(&scenario.services[start].name);
            let fix =
                "take one of the `calls` out: a request that calls its own service never ends";
            reader.error(*place, format!("the service {name} calls itself in the end"), fix);
            good = false;
        }
    }
    good
}

fn resolve_fault(
    draft: DraftFault,
    span: Span,
    scenario: &Scenario,
    names: &Names,
    reader: &mut Reader,
) -> Option<Fault> {
    let service = names.service(&draft.service, reader)?;
    let from = match &draft.from {
        None => None,
        Some(from) => Some(names.caller(from, reader)?),
    };
    let it = &scenario.services[service];
    let name = quoted(&it.name);
    for (what, given, count) in
        [("endpoint", draft.endpoint, it.endpoints), ("shard", draft.shard, it.shards)]
    {
        if let Some(number) = given
            && number >= count
        {
            let message = format!("{name} has no {what} {number}");
            let fix = match count {
                1 => format!("leave `{what}` out: there is only one"),
                _ => format!("give 0 to {}: they are counted from 0", count - 1),
            };
            reader.error(span, message, fix);
            return None;
        }
    }
    if matches!(draft.effect, Effect::FlushCache) && it.cache.is_none() {
        let message = format!("{name} has no cache to lose");
        reader.error(span, message, "give the service a `cache`, or leave the fault out");
        return None;
    }
    if draft.at >= scenario.duration {
        let message = "the fault comes after the end of the run";
        reader.error(span, message, "make `duration` longer, or `at` earlier");
        return None;
    }
    if draft.at + draft.lasts >= scenario.duration {
        let fix = "make `duration` longer, or `for` shorter, if recovery is of interest";
        reader.warning(span, "the fault lasts until the end of the run", fix);
    }
    let DraftFault { at, lasts, ramp, endpoint, shard, effect, .. } = draft;
    Some(Fault { at, lasts, ramp, service, endpoint, shard, from, effect })
}

/// So many calls of clients at most.
const MAX_CALLS: f64 = 1e9;

fn not_too_long(scenario: &Scenario, span: Span, reader: &mut Reader) -> bool {
    let calls = |client: &Client| match &client.load {
        Load::Open { rate, .. } => rate.count(scenario.duration),
        Load::Trace(_) | Load::Closed { .. } => 0.0,
    };
    let calls: f64 = scenario.clients.iter().map(calls).sum();
    if calls <= MAX_CALLS {
        return true;
    }
    let message = format!("the run makes {calls:.0} calls, which takes too long");
    reader.error(
        span,
        message,
        "make `duration` shorter, or the rates lower: at most 1000000000 calls",
    );
    false
}

fn warn(scenario: &Scenario, places: &[Span], reader: &mut Reader) {
    let mut called = vec![false; scenario.services.len()];
    scenario.edges().for_each(|(_, edge)| called[edge.service] = true);
    for (number, service) in scenario.services.iter().enumerate() {
        let name = quoted(&service.name);
        if !called[number] {
            let fix = "let a client or another service call it, or take it out";
            reader.warning(places[number], format!("nobody calls the service {name}"), fix);
        }
        if service.cache.is_some() && scenario.clients.iter().all(|client| client.keys.is_none()) {
            let fix = "give the clients `keys`";
            let message =
                format!("the cache of {name} has no use: every call has a key of its own");
            reader.warning(places[number], message, fix);
        }
    }
}
