//! What is published, when, and for how long.

use crate::recorder::Shown;
use breakerbox::clock::ManualClock;
use breakerbox::metrics::Exporter;
use breakerbox::{BlockingBreaker, Breaker, Control, Pipeline, Registry, retry};
use metrics::Unit;
use std::sync::Arc;

const OPENED: &str = r#"breakerbox_breaker_opened_total{name="posts"}"#;

#[test]
fn every_metric_is_described_with_its_unit_and_in_the_guide() {
    let described = Shown::of(|| Exporter::new().publish()).described();
    assert_eq!(described.len(), 51);
    let guide = include_str!("../../../../docs/observability.md");
    for (name, (kind, unit)) in described {
        let bare = name.strip_suffix("_total").unwrap_or(&name);
        let counts = ["_total", "_count", "_bucket"].iter().any(|end| name.ends_with(end));
        // The facade has no counter of fractions.
        let seconds = ["_seconds", "_seconds_sum"].iter().any(|end| bare.ends_with(end));
        assert_eq!(kind == "counter", counts && !seconds, "{name}");
        assert_eq!(unit, Some(if seconds { Unit::Seconds } else { Unit::Count }), "{name}");
        let name = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        assert!(guide.contains(name.unwrap_or(bare)), "`{bare}` is not in docs/observability.md");
    }
}

#[test]
fn a_policy_that_is_not_there_publishes_nothing() {
    let plain = Pipeline::builder("plain").build().unwrap();
    let exporter = Exporter::new().with(&plain);
    let names = Shown::of(|| exporter.publish()).names();
    let always = ["cancelled", "fallbacks", "listener_panics", "panics", "timeouts"];
    assert_eq!(names, always.map(|name| format!("breakerbox_{name}_total")));
}

#[test]
fn nothing_is_lost_between_two_times_nor_before_the_first() {
    let posts = Breaker::builder("posts").clock(ManualClock::new()).build().unwrap();
    posts.control(Control::ForceOpen);
    let exporter = Exporter::new().with(&posts);
    posts.control(Control::Close);
    posts.control(Control::ForceOpen);
    for _ in 0..2 {
        let shown = Shown::of(|| exporter.publish());
        assert_eq!(shown.value(OPENED), Some(2.0));
        // By from and to only what was seen.
        let pair = r#"breakerbox_breaker_transitions_total{name="posts",from="closed",to="open"}"#;
        assert_eq!(shown.value(pair), Some(1.0));
    }
}

#[test]
fn a_registry_is_followed_as_it_changes() {
    let registry = Arc::new(Registry::new());
    let exporter = Exporter::new().with_registry(Arc::clone(&registry));
    exporter.publish();
    assert!(exporter.is_empty());
    let posts = registry.or_insert_with("posts", |it| it.build()).unwrap();
    registry.or_insert_with("disk", |it| it.build()).unwrap();
    exporter.publish();
    assert_eq!(exporter.len(), 2);
    assert!(registry.remove("posts").is_some() && registry.remove("disk").is_some());
    assert!(Shown::of(|| exporter.publish()).value(OPENED).is_some(), "somebody has it still");
    assert_eq!(exporter.len(), 1);
    drop(posts);
    exporter.publish();
    assert!(exporter.is_empty());
}

#[test]
fn blocking_ones_are_published_too_and_clones_once() {
    let disk = BlockingBreaker::new("disk");
    let files =
        Pipeline::builder("files").retry(retry::Settings::default()).build_blocking().unwrap();
    let exporter =
        Exporter::new().with(&disk).with(&disk.clone()).with(&files).with(&files.to_async());
    assert_eq!(exporter.len(), 2);
    let mut answers = [Err(()), Ok(())].into_iter();
    assert_eq!(files.call(|| answers.next().unwrap()), Ok(()));
    let shown = Shown::of(|| exporter.publish());
    assert_eq!(shown.value(r#"breakerbox_retry_attempts_total{name="files"}"#), Some(1.0));
}

#[test]
fn an_exporter_that_goes_takes_its_listeners_with_it() {
    let posts = Breaker::new("posts");
    drop(Exporter::new().with(&posts));
    posts.on_event(|_| panic!("the only listener"));
    posts.control(Control::Isolate);
    assert_eq!(posts.stats().listener_panics, 1);
    assert!(!format!("{:?}", Exporter::new()).is_empty());
}

#[test]
fn a_listener_may_publish() {
    let posts = Breaker::new("posts");
    let exporter = Arc::new(Exporter::new());
    exporter.add(&posts);
    posts.on_event({
        let exporter = Arc::clone(&exporter);
        move |_| exporter.publish()
    });
    posts.control(Control::Isolate);
    assert_eq!(posts.stats().listener_panics, 0);
}
