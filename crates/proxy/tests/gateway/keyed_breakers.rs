//! A breaker for each key: what is shown of all of them, and what is said to all of them by hand.

use std::time::Duration;

use http::{Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, within};

const POLICY: &str =
    "breaker = { key = 'header:tenant', consecutive_failures = 2, open_for = '60s' }";

/// Fails for every tenant but the good one.
async fn picky() -> Upstream {
    Upstream::http1(|request| async move {
        let mut response = Response::new(empty());
        if request.headers()["tenant"] != "good" {
            *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        }
        response
    })
    .await
}

/// What a tenant gets: the status, and whether that is the breaker's.
async fn call(gateway: &Protected, tenant: &str) -> (u16, bool) {
    let request = Request::get("/").header("host", "a").header("tenant", tenant);
    let (mut client, _) = client::http1(gateway.address).await;
    let sent = client.send_request(request.body(empty()).unwrap());
    let response = within(sent).await.unwrap();
    let rejected = response.headers().get("breakerbox-reason");
    (response.status().as_u16(), rejected.is_some_and(|reason| reason == "breaker_open"))
}

async fn keys(gateway: &Protected) -> Value {
    let (_, mut shown) = gateway.shown("/breakers").await;
    assert_eq!(shown["breakers"], json!([]), "none of them is one that calls go through");
    shown["keyed_breakers"]["posts"].take()
}

async fn opened(gateway: &Protected) -> f64 {
    let labels = r#"upstream="posts",from="closed",to="open""#;
    gateway.metric(&format!("breakerbox_breaker_keys_transitions_total{{{labels}}}")).await
}

#[tokio::test]
async fn an_outage_of_all_keys_is_shown_as_one() {
    let upstream = picky().await;
    let gateway = Protected::new(upstream.address, POLICY);
    let mut rejected = 0;
    for tenant in ["a", "b", "c"].repeat(10) {
        rejected += u32::from(call(&gateway, tenant).await.1);
    }
    assert_eq!((rejected, upstream.requests()), (24, 6));
    assert_eq!(opened(&gateway).await, 3.0);
    let open = r#"breakerbox_keyed_breakers{upstream="posts",state="open"}"#;
    assert_eq!(gateway.metric(open).await, 3.0);
    assert_eq!(gateway.metric(r#"breakerbox_breaker_keys{upstream="posts"}"#).await, 3.0);
    let metrics = gateway.metrics().await;
    let phantom = metrics.lines().find(|line| line.contains("name=\"posts@"));
    assert_eq!(phantom, None);

    let all = json!({
        "keys": 3, "cap": 10000, "evicted": 0, "states": { "open": 3 }, "by_hand": {},
    });
    assert_eq!(keys(&gateway).await, all);
    assert_eq!(gateway.shown("/policies").await.1["upstreams"]["posts"]["keyed_breakers"], all);
    let (status, health) = gateway.shown("/health").await;
    assert_eq!(status, 503);
    let expected = json!({ "admits": false, "breakers": {}, "keyed_breakers": all });
    assert_eq!(health["upstreams"]["posts"], expected);

    // One of them is answered, so the upstream is there.
    assert_eq!(call(&gateway, "good").await, (200, false));
    assert_eq!(gateway.shown("/health").await.0, 200);
}

#[tokio::test]
async fn the_open_circuit_of_one_tenant_makes_no_upstream_unhealthy_even_if_it_is_the_only_one() {
    let upstream = picky().await;
    let gateway = Protected::new(upstream.address, POLICY);
    assert_eq!(gateway.shown("/health").await.0, 200);
    for _ in 0..3 {
        call(&gateway, "bad").await;
    }
    assert_eq!(keys(&gateway).await["states"], json!({ "open": 1 }));
    assert_eq!(gateway.shown("/health").await.0, 200);
}

#[tokio::test]
async fn a_command_holds_for_all_keys_and_for_those_to_come() {
    let upstream = picky().await;
    let gateway = Protected::new(upstream.address, POLICY);
    let breaker = format!("posts@{}", upstream.address);
    for name in ["posts", &breaker] {
        // Nobody has come yet, or one tenant.
        let (status, shown) = gateway.command(&format!("/breakers/{name}/isolate")).await;
        assert_eq!((status, &shown["breakers"]), (200, &json!([])));
        assert_eq!(keys(&gateway).await["by_hand"], json!({ &breaker: "isolated" }));
        assert_eq!(gateway.shown("/health").await.0, 503);
        assert_eq!(call(&gateway, "good").await, (503, true));
        assert_eq!(gateway.command(&format!("/breakers/{name}/close")).await.0, 200);
        assert_eq!(keys(&gateway).await["by_hand"], json!({}));
        assert_eq!(call(&gateway, "good").await, (200, false));
    }
    assert_eq!(gateway.command("/breakers/posts/disable").await.0, 200);
    for _ in 0..5 {
        assert_eq!(call(&gateway, "bad").await, (503, false));
    }
    assert_eq!(gateway.command("/breakers/nobody/close").await.0, 404);
}

#[tokio::test]
async fn what_is_forced_open_is_what_there_is() {
    let upstream = picky().await;
    let gateway = Protected::new(upstream.address, POLICY);
    // There is nobody whose circuit could be open.
    assert_eq!(gateway.command("/breakers/posts/force_open").await.0, 200);
    assert_eq!((gateway.shown("/health").await.0, opened(&gateway).await), (200, 0.0));
    call(&gateway, "good").await;
    call(&gateway, "bad").await;
    assert_eq!(gateway.command("/breakers/posts/force_open").await.0, 200);
    assert_eq!((gateway.shown("/health").await.0, opened(&gateway).await), (503, 2.0));
    assert_eq!(keys(&gateway).await["states"], json!({ "open": 2 }));
    assert_eq!(call(&gateway, "good").await, (503, true));
    // It comes later.
    assert_eq!(call(&gateway, "other").await, (503, false));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_to_all_keys_is_kept_over_a_restart_and_nothing_else() {
    let upstream = picky().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let start = || {
        let mut config = with_policy(&[upstream.address], POLICY);
        config.state_file = Some(file.clone());
        Protected::start(config)
    };
    let stop = |gateway: Protected| {
        gateway.running.shutdown(Duration::ZERO);
        tokio::task::block_in_place(|| gateway.running.wait().unwrap());
        let text = std::fs::read_to_string(&file).unwrap();
        let saved: Value = serde_json::from_str(&text).unwrap();
        saved["breakers"].as_object().unwrap().len()
    };
    let gateway = start();
    gateway.command("/breakers/posts/force_open").await;
    assert_eq!(stop(gateway), 0);
    let gateway = start();
    gateway.command("/breakers/posts/isolate").await;
    assert_eq!(stop(gateway), 1);
    let gateway = start();
    assert_eq!(call(&gateway, "good").await, (503, true));
}
