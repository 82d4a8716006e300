//! What runs came to, for programs.

use crate::simulate::{ClientPhase, EdgePhase, Outcome, Phase, ServicePhase, Verdict};
use serde_json::{Map, Value as Json, json};

/// What a run came to as JSON. Times are in seconds; what has no value, without calls for instance, is null.
///
/// ```
/// use breakerbox_lab::simulate::{NoOtherFiles, read, report, simulate};
///
/// let text = "
/// duration = '10s'
/// client.web = { calls = 'api', rate = 100, arrivals = 'even' }
/// service.api = { workers = 4, time = '10ms' }
/// ";
/// let (scenario, _) = read("calm.toml", text, &NoOtherFiles).unwrap();
/// let json = report::json(&simulate(&scenario, 0, &mut |_| {}).unwrap());
/// assert_eq!(json["verdict"]["is"], "no_trouble");
/// assert_eq!(json["phases"][0]["latency"]["p50"], 0.01);
/// ```
pub fn json(outcome: &Outcome) -> Json {
    let (is, seconds) = match outcome.verdict {
        Verdict::NoTrouble => ("no_trouble", None),
        Verdict::Unaffected => ("unaffected", None),
        Verdict::Recovers { after } => ("recovers", Some(after)),
        Verdict::DoesNotRecover { watched } => ("does_not_recover", Some(watched)),
        Verdict::NotWatched { watched } => ("not_watched_long_enough", Some(watched)),
    };
    let names = match outcome.verdict {
        Verdict::DoesNotRecover { .. } | Verdict::NotWatched { .. } => "watched",
        _ => "after",
    };
    let mut verdict = json!({ "is": is });
    if let Some(seconds) = seconds {
        verdict[names] = json!(seconds);
    }
    json!({
        "verdict": verdict,
        "detected": outcome.detected,
        "opened": outcome.opened,
        "calls": outcome.calls,
        "unfinished": outcome.unfinished,
        "phases": outcome.phases.iter().map(phase).collect::<Vec<_>>(),
    })
}

fn phase(phase: &Phase) -> Json {
    let latency = |all: Option<[f64; 3]>| {
        let of = |place: usize| all.map(|all| all[place]);
        json!({ "p50": of(0), "p99": of(1), "p99.9": of(2) })
    };
    json!({
        "name": phase.name,
        "from": phase.from,
        "to": phase.to,
        "offered": phase.offered,
        "good": phase.good,
        "late": phase.late,
        "degraded": phase.degraded,
        "failed": phase.failed,
        "rejected": phase.rejected,
        "given_up": phase.given_up,
        "unfinished": phase.unfinished,
        "success": phase.success(),
        "waiting": phase.waiting,
        "latency": latency(phase.latencies()),
        "good_latency": latency(phase.good_latencies()),
        "wasted": phase.wasted(),
        "clients": phase.clients.iter().map(client).collect::<Vec<_>>(),
        "edges": phase.edges.iter().map(edge).collect::<Vec<_>>(),
        "services": phase.services.iter().map(service).collect::<Vec<_>>(),
    })
}

fn client(client: &ClientPhase) -> Json {
    json!({ "name": client.name, "offered": client.offered, "good": client.good })
}

fn edge(edge: &EdgePhase) -> Json {
    let rejected: Map<_, _> =
        edge.rejected.iter().map(|(reason, count)| ((*reason).to_owned(), json!(count))).collect();
    json!({
        "from": edge.from,
        "to": edge.to,
        "calls": edge.calls,
        "attempts": edge.attempts,
        "rejected": rejected,
    })
}

fn service(service: &ServicePhase) -> Json {
    json!({
        "name": service.name,
        "requests": service.requests,
        "turned_away": service.turned_away,
        "rejected": service.rejected,
        "worked": service.worked,
        "wasted": service.wasted,
    })
}
