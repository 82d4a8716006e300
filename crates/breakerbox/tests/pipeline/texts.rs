//! What pipelines and their errors say.

use breakerbox::clock::SystemClock;
use breakerbox::{Pipeline, breaker, bulkhead, chaos, coalesce, hedge, rate_limit, retry};
use std::time::Duration;

#[cfg(feature = "config")]
#[test]
fn a_file_is_refused_for_what_cannot_be_had_here() {
    let refused = |text: &str| Pipeline::from_toml("posts", text).unwrap_err().to_string();
    assert_eq!(
        refused("fallback = { upstream = 'other' }"),
        "pipeline `posts`: `fallback` is another upstream, and there is none here; give the call a \
         fallback that calls another pipeline"
    );
    assert_eq!(
        refused("chaos = { error = 503, fraction = 0.1, header = 'x-chaos' }"),
        "pipeline `posts`: `chaos.header` is a header of HTTP requests, and calls here have none; \
         leave it out"
    );
    let both = refused("retry = { attempts = 0 }\nbulkhead = { concurrent = 0 }");
    assert!(both.contains("posts.toml:1:") && both.contains("posts.toml:2:"), "{both}");
}

#[cfg(all(feature = "config", feature = "cache"))]
#[tokio::test]
async fn a_file_says_what_is_shared() {
    let text =
        "cache = { ttl = '60s', entries = 10 }\ncoalesce = true\nfallback = { stale = '1h' }";
    let pipeline = Pipeline::from_toml("posts", text).unwrap();
    let posts = pipeline.shared::<u32, u32, ()>();
    assert_eq!(*posts.call(1, async || Ok(7)).await.unwrap(), 7);
    assert_eq!(*posts.call(1, async || unreachable!()).await.unwrap(), 7);
    assert_eq!(posts.coalesced().unwrap().led, 1);
}

#[cfg(feature = "cache")]
#[test]
fn a_sentence_says_what_becomes_of_answers() {
    let second = Duration::from_secs(1);
    let build = || Pipeline::builder("posts").deadline(second * 5);
    let all = build()
        .cache(second * 30, 500)
        .stale(second * 600)
        .coalesce(coalesce::Settings { followers: 70 })
        .build();
    assert_eq!(
        all.unwrap().to_string(),
        "posts: a fallback (the last good answer, if younger than 600s), then a deadline of 5s, then \
         a cache of up to 500 answers for 30s, then coalescing of up to 70 equal calls, then the call"
    );
    // Any other fallback is that of a call.
    let cached = build().cache(second * 30, 500).build().unwrap();
    assert_eq!(
        cached.to_string(),
        "posts: a deadline of 5s, then a cache of up to 500 answers for 30s, then the call"
    );
}

#[test]
fn debug_output_is_short() {
    let pipeline = Pipeline::builder("posts").bulkhead(bulkhead::Settings::new(1)).build().unwrap();
    assert_eq!(format!("{pipeline:?}"), "Pipeline { name: \"posts\", .. }");
    let call = format!("{:?}", pipeline.call(async || Ok::<(), ()>(())));
    assert_eq!(call, "PipelineCalling { pipeline: \"posts\", .. }");
}

#[test]
fn a_pipeline_can_be_sent_and_its_futures_too() {
    fn is_send<T: Send>(it: T) -> T {
        it
    }
    let pipeline =
        is_send(Pipeline::builder("posts").breaker(breaker::Settings::default()).build().unwrap());
    drop(is_send(pipeline.call(async || Ok::<(), ()>(()))));
}

#[cfg(feature = "cache")]
#[test]
fn a_builder_says_everything_that_makes_no_sense() {
    let refused = Pipeline::builder("posts")
        .cache(Duration::ZERO, 0)
        .coalesce(coalesce::Settings { followers: 0 })
        .breaker(breaker::Settings::default())
        .breaker_keys(0)
        .retry(retry::Settings::default())
        .hedge(hedge::Settings {
            budget: None,
            ..hedge::Settings::new(hedge::Delay::Percentile(0.9))
        })
        .build()
        .unwrap_err()
        .to_string();
    for problem in [
        "`cache.ttl` is zero, so no answer is ever fresh; give a longer duration",
        "`cache.entries` is 0, so no answer is ever kept; give 1 or more",
        "`coalesce.followers` is 0; give 1 to 1000000",
        "`breaker_keys` is 0; give 1 to 10000000",
        "`hedge` has a `budget` that differs from that of `retry`, and they share one; give it in \
         `retry`, and leave that of `hedge` as it is",
    ] {
        assert!(refused.contains(problem), "{refused}");
    }
}

#[test]
fn the_clock_is_as_fine_as_the_shortest_setting() {
    let millisecond = Duration::from_millis(1);
    let adaptive = bulkhead::Settings {
        queue: 1,
        order: bulkhead::Order::AdaptiveLifo,
        ..bulkhead::Settings::new(1)
    };
    let latency = chaos::Latency::Fixed(millisecond);
    let rate = rate_limit::Settings { wait: Some(millisecond), ..rate_limit::Settings::new(1.0) };
    let retry = retry::Settings { max_elapsed: Some(millisecond), ..retry::Settings::default() };
    let named = || Pipeline::builder("posts");
    for fine in [
        named().bulkhead(adaptive).build(),
        named()
            .chaos(chaos::Settings { latency: Some(latency), ..chaos::Settings::default() })
            .build(),
        named().rate_limit(rate).build(),
        named().retry(retry).build(),
    ] {
        assert_eq!(*fine.unwrap().clock(), SystemClock::precise());
    }
    let coarse = named().retry(retry::Settings::default()).build().unwrap();
    assert_eq!(*coarse.clock(), SystemClock::coarse());
}
