//! The body of a request, for one attempt after the other.

use crate::support::{Part, Parts, answer, attempts, builder, trailers};
use allocation_counter::measure;
use breakerbox::http::{ClientLayer, Replay, ReplayBody, ReplayError};
use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use tower::{Layer, ServiceExt, service_fn};

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicU32);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// What one look at a body comes to.
#[derive(Debug, PartialEq)]
enum Look {
    Data(String),
    Trailers,
    Failed,
    Superseded,
    End,
    Waits,
}

fn look(body: &mut ReplayBody<Parts>, woken: &Arc<Woken>) -> Look {
    let waker = Waker::from(Arc::clone(woken));
    match Pin::new(body).poll_frame(&mut Context::from_waker(&waker)) {
        Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
            Ok(bytes) => Look::Data(String::from_utf8(bytes.to_vec()).unwrap()),
            Err(_) => Look::Trailers,
        },
        Poll::Ready(Some(Err(ReplayError::Body(_)))) => Look::Failed,
        Poll::Ready(Some(Err(ReplayError::Superseded))) => Look::Superseded,
        Poll::Ready(None) => Look::End,
        Poll::Pending => Look::Waits,
    }
}

#[test]
fn who_waits_for_the_rest_of_a_body_is_woken_by_the_next_attempt() {
    let replay = Replay::new(Parts::of(&[Part::Data("a"), Part::Hangs]), 1024);
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut old = replay.body();
    assert_eq!(look(&mut old, &first), Look::Data("a".to_owned()));
    assert_eq!(look(&mut old, &first), Look::Waits);

    let mut new = replay.body();
    assert_eq!(first.0.load(Ordering::Relaxed), 1);
    assert_eq!(look(&mut new, &second), Look::Data("a".to_owned()));
    assert_eq!(look(&mut new, &second), Look::Waits);
    assert_eq!(look(&mut old, &first), Look::Superseded);
    // The last one is left alone: it reads on.
    drop(replay);
    assert_eq!(look(&mut new, &second), Look::Waits);
    assert_eq!([&first, &second].map(|it| it.0.load(Ordering::Relaxed)), [1, 0]);
}

#[test]
fn who_does_not_wait_is_not_woken() {
    let replay = Replay::new(Parts::of(&[Part::Data("a"), Part::Data("b")]), 1024);
    let woken = Arc::new(Woken::default());
    let mut old = replay.body();
    assert_eq!(look(&mut old, &woken), Look::Data("a".to_owned()));
    replay.body();
    assert_eq!(woken.0.load(Ordering::Relaxed), 0);
    assert_eq!(look(&mut old, &woken), Look::Superseded);
    assert_eq!(look(&mut old, &woken), Look::End);
}

/// The same frame, so many times.
struct Frames(usize, &'static [u8]);

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(left) = self.0.checked_sub(1) else { return Poll::Ready(None) };
        self.0 = left;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.1)))))
    }
}

/// The sum of all frames.
fn read(mut body: ReplayBody<Frames>) -> Vec<u8> {
    let mut cx = Context::from_waker(Waker::noop());
    let mut all = Vec::with_capacity(1 << 17);
    loop {
        match Pin::new(&mut body).poll_frame(&mut cx) {
            Poll::Ready(Some(frame)) => all.extend(frame.unwrap().into_data().unwrap()),
            Poll::Ready(None) => return all,
            Poll::Pending => panic!("it is all there"),
        }
    }
}

#[test]
fn what_is_kept_takes_no_more_memory_the_smaller_its_frames_are() {
    for (frame, times, is_kept) in [
        (&[][..], 200_000, true),
        (&[1; 1], 65_536, true),
        (&[1; 1], 65_537, false),
        (&[1; 3], 20_000, true),
        (&[1; 1023], 64, true),
        (&[1; 1024], 64, true),
        (&[1; 1025], 64, false),
    ] {
        let taken = measure(|| {
            let replay = Replay::new(Frames(times, frame), 65_536);
            let all = read(replay.body());
            assert_eq!((all.len(), replay.is_kept()), (times * frame.len(), is_kept));
            drop(all);
            if is_kept {
                assert_eq!(read(replay.body()).len(), times * frame.len());
            }
        });
        // What was read takes 128 KiB here.
        let kept = taken.bytes_max.saturating_sub(1 << 17);
        assert!(kept < 3 * 65_536, "{} bytes, {times} times: {kept}", frame.len());
    }
}

#[tokio::test]
async fn joined_frames_are_the_same_body() {
    let long: &'static str = "long".repeat(300).leak();
    let parts = ["", "a", "b", "", long, "c", "d", long, long, "e"].map(Part::Data);
    let whole = format!("ab{long}cd{long}{long}e");
    let all = [&parts[..], &[trailers("0")]].concat();
    for read_before in 0..=all.len() {
        let replay = Replay::new(Parts::of(&all), 1 << 16);
        let mut first = replay.body();
        for _ in 0..read_before {
            first.frame().await.unwrap().unwrap();
        }
        let second = replay.body().collect().await.unwrap();
        assert_eq!(second.trailers().unwrap()["grpc-status"], "0");
        assert_eq!(second.to_bytes(), whole, "{read_before}");
        // All of it is kept, so the one before can still be read to its end.
        let rest = first.collect().await.unwrap().to_bytes();
        let had = parts.iter().take(read_before).map(|it| text(it).len()).sum::<usize>();
        assert_eq!(rest, whole[had..], "{read_before}");
    }
}

fn text(part: &Part) -> &'static str {
    let Part::Data(text) = part else { return "" };
    text
}

#[test]
fn what_is_lost_never_looks_complete_to_an_attempt_before() {
    let parts = [Part::Data("a"), Part::Data("bc"), Part::Data("d")];
    let replay = Replay::new(Parts::of(&parts), 3);
    let woken = Arc::new(Woken::default());
    let mut old = replay.body();
    assert_eq!(look(&mut old, &woken), Look::Data("a".to_owned()));
    let mut new = replay.body();
    for data in ["a", "bc", "d"] {
        assert_eq!(look(&mut new, &woken), Look::Data(data.to_owned()));
    }
    assert_eq!(look(&mut new, &woken), Look::End);
    // The third was more than may be kept, so the second cannot be had any more.
    assert!(!replay.is_kept() && !replay.is_empty() && !old.is_end_stream());
    assert_eq!(look(&mut old, &woken), Look::Superseded);
}

#[tokio::test]
async fn a_body_that_is_too_long_is_lost_only_when_it_is_read() {
    let replay = Replay::new(Full::<Bytes>::from("too long"), 4);
    let (first, second) = (replay.body(), replay.body());
    assert!(replay.is_kept());
    assert_eq!(second.size_hint().exact(), Some(8));
    assert!(matches!(first.collect().await, Err(ReplayError::Superseded)));
    assert!(replay.is_kept());
    assert_eq!(second.collect().await.unwrap().to_bytes(), "too long");
    assert!(!replay.is_kept() && !replay.is_empty());
    assert!(matches!(replay.body().collect().await, Err(ReplayError::Superseded)));
}

#[tokio::test(start_paused = true)]
async fn a_long_upload_is_sent_again_where_nothing_of_it_was_read() {
    for (reads, calls) in [(false, 2), (true, 1)] {
        let client = ClientLayer::new(builder().retry(attempts(3)).build().unwrap()).max_body(4);
        let called = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&called);
        let refusing_once = service_fn(move |request: Request<ReplayBody<Full<Bytes>>>| {
            let first = count.fetch_add(1, Ordering::Relaxed) == 0;
            async move {
                if first && !reads {
                    return Err(io::Error::from(io::ErrorKind::ConnectionRefused));
                }
                assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "too long");
                Ok(answer(if first { 503 } else { 200 }, &[]))
            }
        });
        let put = Request::put("http://posts/1").body(Full::from("too long")).unwrap();
        let response = client.layer(refusing_once).oneshot(put).await.unwrap();
        assert_eq!(response.status(), if reads { 503 } else { 200 });
        assert_eq!(called.load(Ordering::Relaxed), calls);
    }
}
