//! Every pattern over real sockets: what clients see, and how often the upstream was asked.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::{Request, Response};
use serde_json::Value;

use crate::support::moody::refusing;
use crate::support::protected::{Protected, with_policy};
use crate::support::upstream::Upstream;
use crate::support::{client, empty, full, within};

/// Answers after a while that the path names in milliseconds, with the number of the request.
async fn slow() -> Upstream {
    let number = Arc::new(AtomicUsize::new(0));
    Upstream::http1(move |request| {
        let number = number.fetch_add(1, Ordering::SeqCst) + 1;
        async move {
            let path = request.uri().path().trim_start_matches('/');
            let wait = path.split('/').next().and_then(|millis| millis.parse().ok()).unwrap_or(0);
            tokio::time::sleep(Duration::from_millis(wait)).await;
            Response::new(full(format!("answer {number}")))
        }
    })
    .await
}

/// The first request to each never gets an answer.
async fn black_hole() -> Upstream {
    Upstream::http1(|_| std::future::pending::<Response<crate::support::AnyBody>>()).await
}

async fn get_with(gateway: &Protected, path: &str, headers: &[(&str, &str)]) -> (u16, String) {
    let mut request = Request::builder().uri(path).header("host", "a");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (mut sender, _) = client::http1(gateway.address).await;
    let response = within(sender.send_request(request.body(empty()).unwrap())).await.unwrap();
    (response.status().as_u16(), client::text(response).await)
}

async fn policies(gateway: &Protected) -> Value {
    let text = client::text(client::get(gateway.admin, "/policies").await).await;
    serde_json::from_str::<Value>(&text).unwrap()["upstreams"]["posts"].take()
}

async fn command(gateway: &Protected, path: &str) -> u16 {
    let (mut sender, _) = client::http1(gateway.admin).await;
    let request = Request::post(path).header("host", "a").body(empty()).unwrap();
    let response = within(sender.send_request(request)).await.unwrap();
    response.status().as_u16()
}

#[tokio::test]
async fn a_hedge_hides_an_endpoint_that_is_a_black_hole() {
    let (hole, good) = (black_hole().await, slow().await);
    let config = with_policy(&[hole.address, good.address], "hedge.delay = '50ms'");
    let gateway = Protected::start(config);
    for _ in 0..6 {
        let begun = Instant::now();
        assert_eq!(gateway.outcome("/0").await.0, 200);
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    let hedge = &policies(&gateway).await["hedge"];
    assert_eq!((&hedge["started"], &hedge["won"]), (&3.into(), &3.into()), "{hedge}");
    // The losers are dropped, connection and all.
    within(hole.all_closed()).await;
    let won = r#"breakerbox_hedge_won_total{upstream="posts"}"#;
    assert_eq!(gateway.metric(won).await, 3.0);
}

#[tokio::test]
async fn what_changes_something_is_not_hedged() {
    let hole = black_hole().await;
    let policy = "hedge.delay = '20ms'\nattempt_timeout = '200ms'";
    let gateway = Protected::new(hole.address, policy);
    let request = Request::put("/").header("host", "a").body(full("x")).unwrap();
    let (mut sender, _) = client::http1(gateway.address).await;
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 504);
    assert_eq!(hole.requests(), 1);
}

#[tokio::test]
async fn a_full_bulkhead_rejects_and_its_queue_is_served_in_order() {
    let upstream = slow().await;
    let policy = "bulkhead = { concurrent = 1, queue = 1, queue_timeout = '10s' }";
    let gateway = Arc::new(Protected::new(upstream.address, policy));
    let first = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.seen("/300/a").await }
    });
    let queued = |wanted: u64| {
        let gateway = Arc::clone(&gateway);
        within(async move {
            while policies(&gateway).await["bulkhead"]["queued"] != wanted {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let in_flight = async {
        while policies(&gateway).await["bulkhead"]["in_flight"] != 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    within(in_flight).await;
    let second = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.seen("/0/b").await }
    });
    queued(1).await;
    assert_eq!(gateway.outcome("/0/c").await, (503, "bulkhead_full".to_owned()));
    assert_eq!(first.await.unwrap().body.unwrap(), "answer 1");
    assert_eq!(second.await.unwrap().body.unwrap(), "answer 2");
    let full = r#"breakerbox_bulkhead_rejected_total{upstream="posts",reason="full"}"#;
    assert_eq!(gateway.metric(full).await, 1.0);
    let rejected =
        r#"breakerbox_rejections_total{upstream="posts",policy="bulkhead",reason="bulkhead_full"}"#;
    assert_eq!(gateway.metric(rejected).await, 1.0);
    queued(0).await;
}

#[tokio::test]
async fn a_full_queue_gives_up_its_least_important_call() {
    let upstream = slow().await;
    let policy = "bulkhead = { concurrent = 1, queue = 1, queue_timeout = '10s' }";
    let mut config = with_policy(&[upstream.address], policy);
    config.listeners[0].trust = true;
    let gateway = Arc::new(Protected::start(config));
    let spawn = |path: &'static str, urgency: &'static str| {
        let gateway = Arc::clone(&gateway);
        tokio::spawn(async move { get_with(&gateway, path, &[("priority", urgency)]).await })
    };
    let wait = |name: &'static str| {
        let gateway = Arc::clone(&gateway);
        within(async move {
            while policies(&gateway).await["bulkhead"][name] != 1 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        })
    };
    let running = spawn("/500", "u=7");
    wait("in_flight").await;
    let unimportant = spawn("/0", "u=6");
    wait("queued").await;
    let important = spawn("/0", "u=1");
    assert_eq!(unimportant.await.unwrap().0, 503);
    assert_eq!(important.await.unwrap().0, 200);
    assert_eq!(running.await.unwrap().0, 200);
    // Strangers cannot make themselves important: see `start.rs`.
    let evicted = r#"breakerbox_bulkhead_rejected_total{upstream="posts",reason="evicted"}"#;
    assert_eq!(gateway.metric(evicted).await, 1.0);
}

#[tokio::test]
async fn a_rate_limit_for_each_tenant_says_when_to_come_again() {
    let upstream = slow().await;
    let policy = "rate_limit = { rate = 1, per = '1h', burst = 2, key = 'header:x-tenant' }";
    let gateway = Protected::new(upstream.address, policy);
    for _ in 0..2 {
        assert_eq!(get_with(&gateway, "/", &[("x-tenant", "a")]).await.0, 200);
    }
    let (status, body) = get_with(&gateway, "/", &[("x-tenant", "a")]).await;
    assert_eq!(status, 429);
    assert!(body.contains(r#""reason":"rate_limited""#), "{body}");
    assert_eq!(get_with(&gateway, "/", &[("x-tenant", "b")]).await.0, 200);
    // Those who say nothing share one.
    let response = gateway.get("/").await;
    assert_eq!(response.status(), 200);
    gateway.get("/").await;
    let response = gateway.get("/").await;
    let after: u64 = response.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((3590..=3600).contains(&after), "{after}");
    assert_eq!(upstream.requests(), 5);
}

#[tokio::test]
async fn who_waits_for_the_rate_limit_gets_its_turn() {
    let upstream = slow().await;
    let policy = "rate_limit = { rate = 20, burst = 1, wait = '5s' }";
    let gateway = Arc::new(Protected::new(upstream.address, policy));
    let begun = Instant::now();
    let calls: Vec<_> = (0..5)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.outcome("/").await.0 })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), 200);
    }
    assert!(begun.elapsed() >= Duration::from_millis(200), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn answers_are_kept_and_shared_but_only_those_that_are_for_all() {
    let upstream = slow().await;
    let gateway = Protected::new(upstream.address, "cache.ttl = '1h'");
    let body = |seen: (u16, String)| seen.1;
    assert_eq!(body(get_with(&gateway, "/a?x=1", &[]).await), "answer 1");
    assert_eq!(body(get_with(&gateway, "/a?x=1", &[]).await), "answer 1");
    assert_eq!(body(get_with(&gateway, "/a?x=2", &[]).await), "answer 2");
    // Another host is another question.
    assert!(!gateway.get("/a?x=1").await.headers().contains_key("age"));
    let response = gateway.get("/a?x=1").await;
    assert!(response.headers().contains_key("age"), "{:?}", response.headers());
    for private in [("authorization", "me"), ("cookie", "a=b"), ("range", "bytes=0-1")] {
        let before = upstream.requests();
        get_with(&gateway, "/a?x=1", &[private]).await;
        assert_eq!(upstream.requests(), before + 1, "{private:?}");
    }
    assert_eq!(gateway.calls("shared").await, 2.0);
}

#[tokio::test]
async fn what_an_answer_varies_by_is_part_of_what_is_asked() {
    let upstream = Upstream::http1(|request| async move {
        let language = request.headers().get("accept-language").cloned();
        let mut response = Response::new(full(format!("{language:?}")));
        response.headers_mut().insert("vary", "accept-language".parse().unwrap());
        response
    })
    .await;
    let gateway = Protected::new(upstream.address, "cache.ttl = '1h'\ncoalesce = true");
    for _ in 0..3 {
        for language in ["de", "en"] {
            let (_, body) = get_with(&gateway, "/", &[("accept-language", language)]).await;
            assert!(body.contains(language), "{body}");
        }
    }
    assert_eq!(upstream.requests(), 2);
}

#[tokio::test]
async fn equal_requests_under_way_are_sent_once_and_a_leader_that_goes_away_hands_over() {
    let upstream = slow().await;
    let gateway = Arc::new(Protected::new(upstream.address, "coalesce = true"));
    let calls: Vec<_> = (0..10)
        .map(|_| {
            let gateway = Arc::clone(&gateway);
            tokio::spawn(async move { gateway.seen("/300").await.body.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "answer 1");
    }
    assert_eq!(upstream.requests(), 1);

    let leader = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.seen("/500").await }
    });
    within(async {
        while upstream.requests() < 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let follower = tokio::spawn({
        let gateway = Arc::clone(&gateway);
        async move { gateway.seen("/500").await.body.unwrap() }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    leader.abort();
    assert_eq!(within(follower).await.unwrap(), "answer 3");
}

#[tokio::test]
async fn the_last_good_answer_stands_in_when_all_are_down() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let upstream = Upstream::http1(move |_| {
        let down = is_down.load(Ordering::SeqCst);
        async move {
            let mut response = Response::new(full("good"));
            if down {
                *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            }
            response
        }
    })
    .await;
    let gateway = Protected::new(upstream.address, "fallback = { stale = '1h' }");
    assert_eq!(gateway.seen("/a").await.fallback, "");
    down.store(true, Ordering::SeqCst);
    let response = gateway.get("/a").await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["breakerbox-fallback"], "stale");
    assert_eq!(response.headers()["breakerbox-reason"], "status");
    assert!(response.headers().contains_key("age"));
    assert_eq!(client::text(response).await, "good");
    // What was never good has no good answer.
    assert_eq!(gateway.seen("/b").await.status, 503);
    assert_eq!((gateway.calls("fallback").await, gateway.calls("delivered").await), (1.0, 2.0));
}

#[tokio::test]
async fn another_upstream_stands_in_with_its_own_policies() {
    let (_socket, dead) = refusing();
    let other = slow().await;
    let mut config = with_policy(&[dead], "fallback.upstream = 'other'");
    let mut second = config.upstreams["posts"].clone();
    second.endpoints =
        with_policy(&[other.address], "").upstreams.remove("posts").unwrap().endpoints;
    second.policy =
        with_policy(&[dead], "fallback.text = 'nobody'").upstreams["posts"].policy.clone();
    config.upstreams.insert("other".to_owned(), second);
    let gateway = Protected::start(config);
    let seen = gateway.seen("/x").await;
    assert_eq!((seen.status, seen.fallback.as_str()), (200, "upstream"));
    assert_eq!((seen.reason.as_str(), seen.body.as_deref()), ("connect", Some("answer 1")));
    // A body is sent again as well.
    let request = Request::post("/x").header("host", "a").body(full("hello")).unwrap();
    let (mut sender, _) = client::http1(gateway.address).await;
    let response = within(sender.send_request(request)).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(other.requests(), 2);
}

#[tokio::test]
async fn one_tenants_breaker_is_not_anothers() {
    let upstream = Upstream::http1(|request| async move {
        let mut response = Response::new(empty());
        if request.headers()["x-tenant"] == "bad" {
            *response.status_mut() = http::StatusCode::INTERNAL_SERVER_ERROR;
        }
        response
    })
    .await;
    let policy = "breaker = { consecutive_failures = 2, open_for = '1h', key = 'header:x-tenant' }";
    let gateway = Protected::new(upstream.address, policy);
    for status in [500, 500, 503] {
        assert_eq!(get_with(&gateway, "/", &[("x-tenant", "bad")]).await.0, status);
    }
    assert_eq!(get_with(&gateway, "/", &[("x-tenant", "good")]).await.0, 200);
    let open = r#"breakerbox_keyed_breakers{upstream="posts",state="open"}"#;
    assert_eq!(gateway.metric(open).await, 1.0);
}

#[tokio::test]
async fn chaos_is_switched_on_and_off_while_it_runs() {
    let upstream = slow().await;
    let policy = "chaos = { error = 503, on = false, header = 'x-chaos: yes' }";
    let gateway = Protected::new(upstream.address, policy);
    let hit = [("x-chaos", "yes")];
    assert_eq!(get_with(&gateway, "/", &hit).await.0, 200);
    assert_eq!(command(&gateway, "/chaos/posts/on").await, 200);
    assert_eq!(get_with(&gateway, "/", &hit).await.0, 503);
    assert_eq!(get_with(&gateway, "/", &[("x-chaos", "no")]).await.0, 200);
    assert_eq!(get_with(&gateway, "/", &[]).await.0, 200);
    assert_eq!(command(&gateway, "/chaos/posts/off").await, 200);
    assert_eq!(get_with(&gateway, "/", &hit).await.0, 200);
    assert_eq!(command(&gateway, "/chaos/post/on").await, 404);
    assert_eq!(command(&gateway, "/chaos/posts").await, 404);
    assert_eq!(upstream.requests(), 4);
    let hits = r#"breakerbox_chaos_hit_total{upstream="posts",kind="error"}"#;
    assert_eq!(gateway.metric(hits).await, 1.0);
}

#[tokio::test]
async fn chaos_cuts_bodies_off_slows_them_down_and_swallows_requests() {
    let upstream = Upstream::http1(|_| async { Response::new(full("0123456789")) }).await;
    let gateway = Protected::new(upstream.address, "chaos.truncate_body = 4");
    let seen = gateway.seen("/").await;
    assert_eq!((seen.status, seen.body), (200, None), "half an answer never looks whole");

    let gateway = Protected::new(upstream.address, "chaos.slow_body = 20");
    let begun = Instant::now();
    assert_eq!(gateway.seen("/").await.body.as_deref(), Some("0123456789"));
    // Two bytes at a time, ten times a second.
    assert!(begun.elapsed() >= Duration::from_millis(400), "{:?}", begun.elapsed());

    let policy = "chaos = { black_hole = true }\nattempt_timeout = '100ms'";
    let gateway = Protected::new(upstream.address, policy);
    assert_eq!(gateway.outcome("/").await, (504, "timeout".to_owned()));
    let gateway = Protected::new(upstream.address, "chaos = { reset = true }");
    assert_eq!(gateway.outcome("/").await, (502, "reset".to_owned()));
    let gateway = Protected::new(upstream.address, "chaos = { latency = '100ms' }");
    let begun = Instant::now();
    assert_eq!(gateway.outcome("/").await.0, 200);
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn the_policies_are_shown_as_a_sentence_and_in_numbers() {
    let upstream = slow().await;
    let policy = "throttle = {}\nadaptive_limit = {}\nretry = {}\n\
                  bulkhead = { concurrent = 5, queue = 9 }\nshed = {}";
    let gateway = Protected::new(upstream.address, policy);
    gateway.get("/").await;
    let view = policies(&gateway).await;
    let sentence = view["policy"].as_str().unwrap();
    for part in ["shed", "throttle", "3 attempts", "bulkhead", "adaptive", "then the call"] {
        assert!(sentence.contains(part), "{part}: {sentence}");
    }
    assert_eq!(view["bulkhead"]["limit"], 5);
    assert_eq!(view["adaptive_limit"]["limit"], 20);
    assert_eq!(view["throttle"]["probability"], 0.0);
    assert_eq!(view["shed"]["level"], 1024);
    for series in [
        r#"breakerbox_bulkhead_limit{upstream="posts"}"#,
        r#"breakerbox_adaptive_limit_limit{upstream="posts"}"#,
        r#"breakerbox_throttle_probability{upstream="posts"}"#,
        r#"breakerbox_shed_level{upstream="posts"}"#,
        r#"breakerbox_shed_rejected_total{upstream="posts",urgency="7"}"#,
    ] {
        gateway.metric(series).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn breakers_are_as_they_were_before_a_restart() {
    let upstream = slow().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state.json");
    let config = || {
        let policy = "breaker = { open_for = '1h' }";
        let mut config = with_policy(&[upstream.address], policy);
        config.state_file = Some(file.clone());
        // The name of a breaker is that of its endpoint.
        config
    };
    let gateway = Protected::start(config());
    assert_eq!(command(&gateway, "/breakers/posts/force_open").await, 200);
    gateway.running.shutdown(Duration::ZERO);
    tokio::task::block_in_place(|| gateway.running.wait().unwrap());
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains(r#""state": "open""#), "{text}");

    let gateway = Protected::start(config());
    assert_eq!(gateway.outcome("/").await, (503, "breaker_open".to_owned()));
    let left = gateway.breaker().await["retry_after_seconds"].as_f64().unwrap();
    assert!(left > 3590.0 && left <= 3600.0, "{left}");
    gateway.running.shutdown(Duration::ZERO);
    tokio::task::block_in_place(|| gateway.running.wait().unwrap());

    // A file that is none does no harm.
    std::fs::write(&file, "nonsense").unwrap();
    let gateway = Protected::start(config());
    assert_eq!(gateway.outcome("/").await.0, 200);
}

#[tokio::test]
async fn what_is_returned_at_the_deadline_is_the_last_error_and_says_so() {
    let number = Arc::new(AtomicUsize::new(0));
    let upstream = Upstream::http1(move |request| {
        let number = number.fetch_add(1, Ordering::SeqCst);
        async move {
            if number % 2 == 1 {
                std::future::pending::<()>().await;
            }
            let long = request.uri().path() == "/long";
            let body = if long { vec![b'x'; 100_000] } else { b"not now".to_vec() };
            let mut response = Response::new(full(body));
            *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
            response.headers_mut().insert("content-encoding", "identity".parse().unwrap());
            response
        }
    })
    .await;
    let policy = "deadline = '300ms'\nretry = { backoff = { initial = '10ms', jitter = 'none' } }";
    let gateway = Protected::new(upstream.address, policy);
    let seen = gateway.seen("/").await;
    assert_eq!((seen.status, seen.reason.as_str()), (503, "deadline"));
    assert_eq!(seen.body.as_deref(), Some("not now"));
    // A body that was too long to be kept is not passed off as a whole one.
    let response = gateway.get("/long").await;
    assert_eq!(response.status(), 504);
    assert!(!response.headers().contains_key("content-encoding"));
}

#[tokio::test]
async fn a_trusted_grpc_timeout_is_a_deadline_and_goes_on_shorter() {
    let upstream = Upstream::http1(|request| async move {
        let left = request.headers().get("grpc-timeout").cloned();
        if request.uri().path() == "/hang" {
            std::future::pending::<()>().await;
        }
        Response::new(full(left.map_or(String::new(), |it| it.to_str().unwrap().to_owned())))
    })
    .await;
    let mut config = with_policy(&[upstream.address], "deadline = '10s'");
    config.listeners[0].trust = true;
    let gateway = Protected::start(config);
    let (_, left) = get_with(&gateway, "/", &[("grpc-timeout", "5S")]).await;
    let millis: u64 = left.strip_suffix('m').unwrap().parse().unwrap();
    assert!((4000..=5000).contains(&millis), "{left}");
    let begun = Instant::now();
    let (status, _) = get_with(&gateway, "/hang", &[("grpc-timeout", "200m")]).await;
    assert_eq!(status, 504);
    assert!(begun.elapsed() < Duration::from_secs(5));
}
