//! What pipelines and their errors say.

use breakerbox::{Pipeline, breaker, bulkhead};

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
