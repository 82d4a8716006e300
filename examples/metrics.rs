//! How does Prometheus get to see it?

use breakerbox::clock::ManualClock;
use breakerbox::metrics::Exporter;
use breakerbox::{Pipeline, breaker, bulkhead, retry};
use metrics_exporter_prometheus::PrometheusBuilder;
use std::time::Duration;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // Any recorder of the crate `metrics` will do.
    let prometheus = PrometheusBuilder::new().install_recorder()?;

    // Time passes when it is told to.
    let clock = ManualClock::new();
    let posts = Pipeline::builder("posts")
        .retry(retry::Settings::default())
        .breaker(breaker::Settings {
            consecutive_failures: Some(3),
            ..breaker::Settings::default()
        })
        .bulkhead(bulkhead::Settings::new(64))
        .latencies(true)
        .clock(clock.clone())
        .build()?;
    let exporter = Exporter::new().with(&posts);

    for millis in [3, 8, 40] {
        let call = posts.call_once(async || {
            clock.advance(Duration::from_millis(millis));
            Ok::<_, ()>("a post")
        });
        call.await.expect("it answers");
    }
    for _ in 0..4 {
        let _ = posts.call_once(async || Err::<(), _>("down")).await;
    }

    // What the handler of `GET /metrics` does.
    exporter.publish();
    let text = prometheus.render();
    let shown = ["breaker_calls", "breaker_state{", "le=\"0.01\"", "_sum", "rejections"];
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.ends_with(" 0"))
        .filter(|line| shown.iter().any(|part| line.contains(part)))
        .collect();
    lines.sort_unstable();
    println!("{}", lines.join("\n"));
    Ok(())
}
