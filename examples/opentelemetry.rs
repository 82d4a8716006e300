//! How do calls become spans, and counts metrics, of OpenTelemetry?

use breakerbox::{Error, EventKind, Interest, Pipeline, State, breaker, retry};
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::{FutureExt, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, PeriodicReader, SdkMeterProvider};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // In a program: the exporters of `opentelemetry-otlp`.
    let spans = InMemorySpanExporter::default();
    let traces = SdkTracerProvider::builder().with_simple_exporter(spans.clone()).build();
    let numbers = InMemoryMetricExporter::default();
    let reader = PeriodicReader::builder(numbers.clone()).build();
    let meters = SdkMeterProvider::builder().with_reader(reader).build();

    let posts = Pipeline::builder("posts")
        .retry(retry::Settings { attempts: 2, ..retry::Settings::default() })
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            ..breaker::Settings::default()
        })
        .build()?;
    tell_spans(&posts);
    observe(&posts, &meters.meter("breakerbox"));

    let tracer = traces.tracer("shop");
    let mut answers =
        [Err("reset"), Ok("a post"), Err("down"), Err("down"), Err("down")].into_iter();
    for _ in 0..4 {
        let span = Context::current_with_span(tracer.start("get post"));
        let call = posts.call(|| std::future::ready(answers.next().unwrap_or(Err("down"))));
        // Events are told on the thread of the call, while its span is the current one.
        if let Err(error) = call.with_context(span.clone()).await {
            let what = if let Error::Inner(error) = &error { error } else { "not tried" };
            span.span().set_status(Status::error(what));
        }
        span.span().end();
    }

    traces.force_flush()?;
    meters.force_flush()?;
    for span in spans.get_finished_spans()? {
        let events: Vec<_> = span.events.iter().map(|event| event.name.as_ref()).collect();
        println!("{}: {:?}, {}", span.name, span.status, events.join(", "));
    }
    for metric in numbers.get_finished_metrics()?.iter().flat_map(|it| it.scope_metrics()) {
        metric.metrics().for_each(|metric| show(metric.name(), metric.data()));
    }
    Ok(())
}

/// What happens to a call becomes an event of its span. A good call tells nothing and costs nothing more.
fn tell_spans(posts: &Pipeline) {
    posts.on_event_of(Interest::RARE, |event| {
        let name = event.name.to_string();
        let (what, more) = match &event.kind {
            EventKind::Retrying { attempts, .. } => {
                ("retrying", KeyValue::new("attempts", i64::from(*attempts)))
            }
            EventKind::Rejected(why) => ("rejected", KeyValue::new("reason", why.reason())),
            EventKind::Transition(change) => ("transition", KeyValue::new("to", change.to.name())),
            _ => return,
        };
        Context::current().span().add_event(what, vec![KeyValue::new("name", name), more]);
    });
}

/// Counts are read when they are collected, and only then.
fn observe(posts: &Pipeline, meter: &Meter) {
    let pipeline = posts.clone();
    meter
        .u64_observable_counter("breakerbox.breaker.calls")
        .with_callback(move |observer| {
            let Some(breaker) = pipeline.stats().breaker else { return };
            for (kind, calls) in [("success", breaker.successes), ("failure", breaker.failures)] {
                observer.observe(calls, &[name_of(&pipeline), KeyValue::new("kind", kind)]);
            }
        })
        .build();
    let pipeline = posts.clone();
    meter
        .u64_observable_gauge("breakerbox.breaker.state")
        .with_callback(move |observer| {
            for state in State::ALL {
                let is = pipeline.breaker_state() == Some(state);
                let state = KeyValue::new("state", state.name());
                observer.observe(is.into(), &[name_of(&pipeline), state]);
            }
        })
        .build();
}

/// Each series says whose it is: without it two pipelines would write to one.
fn name_of(pipeline: &Pipeline) -> KeyValue {
    KeyValue::new("name", pipeline.name().to_string())
}

/// Prints what is not 0.
fn show(name: &str, data: &AggregatedMetrics) {
    let AggregatedMetrics::U64(data) = data else { return };
    let points: Vec<(Vec<&KeyValue>, u64)> = match data {
        MetricData::Sum(sum) => {
            sum.data_points().map(|it| (it.attributes().collect(), it.value())).collect()
        }
        MetricData::Gauge(gauge) => {
            gauge.data_points().map(|it| (it.attributes().collect(), it.value())).collect()
        }
        _ => return,
    };
    let mut lines: Vec<_> = points
        .into_iter()
        .filter(|(_, value)| *value > 0)
        .map(|(labels, value)| {
            let mut labels: Vec<_> =
                labels.iter().map(|it| format!("{}={}", it.key, it.value)).collect();
            labels.sort();
            format!("{name} {} {value}", labels.join(" "))
        })
        .collect();
    lines.sort();
    lines.iter().for_each(|line| println!("{line}"));
}
