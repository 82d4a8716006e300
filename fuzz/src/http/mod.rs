//! The gateway between a client of any bytes and an upstream that looks closely, or the other way round.
//!
//! One gateway runs in this process, on loopback, and serves all inputs. An input that begins like a
//! response is what the upstream answers; any other is what a client sends.

mod client;
mod message;
mod quiet;
mod setting;
mod upstream;

use message::Response;
use setting::Setting;

/// Takes the bytes as one side of a conversation.
pub fn run(input: &[u8]) {
    let mut setting = Setting::alone();
    if input.starts_with(b"HTTP/") {
        answered(&mut setting, input);
    } else {
        asked(&mut setting, input);
    }
}

/// What a client says becomes as many requests as it says, or fewer; each has one answer.
fn asked(setting: &mut Setting, input: &[u8]) {
    let conversation = setting.converse(input, b"");
    let said = heads(input);
    let seen = conversation.seen;
    assert!(seen.len() <= said, "{} requests out of {said}", seen.len());
    for request in &seen {
        let mut sent = input.iter();
        let in_order = request.body.iter().all(|byte| sent.any(|it| it == byte));
        assert!(in_order, "a body that nobody sent: {:?}", request.body);
    }
    // How long an answer is depends on its request, and not all are known here.
    if input.starts_with(b"PRI * HTTP/2.0") || input.windows(4).any(|it| it == b"HEAD") {
        return;
    }
    let methods: Vec<_> = seen.iter().map(|it| it.method.clone()).collect();
    let responses = Response::read_all(&conversation.received, &methods);
    let last = responses.iter().filter(|it| it.status >= 200).count();
    // What is no request has an answer too, and is the last.
    assert!(last <= said + 1, "{last} answers to {said} requests");
    // The upstream's come in its order, each once.
    let ids: Vec<u64> = responses.iter().filter_map(|it| it.id).collect();
    assert!(ids.is_sorted_by(|one, next| one < next), "{ids:?}");
    for id in ids {
        assert!(seen.iter().any(|it| it.id == id), "{id} was never answered");
    }
}

/// No request is without a version, and no version stands in more than one.
fn heads(input: &[u8]) -> usize {
    if input.starts_with(b"PRI * HTTP/2.0") {
        // A header block each: at least a frame's nine bytes.
        return input.len() / 9;
    }
    input.windows(6).filter(|it| it == b"HTTP/1").count()
}

/// Whatever an upstream says is the answer to one request; the next one has its own.
fn answered(setting: &mut Setting, input: &[u8]) {
    let (method, body) = match input.len() % 3 {
        0 => ("GET", ""),
        1 => ("HEAD", ""),
        _ => ("POST", "hello"),
    };
    let length = body.len();
    let requests = format!(
        "{method} /raw HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{body}\
         GET /then HTTP/1.1\r\nhost: a\r\n\r\n"
    );
    let conversation = setting.converse(requests.as_bytes(), input);
    let seen = conversation.seen;
    assert!(seen.iter().filter(|it| it.target == "/raw").count() <= 1, "sent twice");
    let methods = [method.to_owned(), "GET".to_owned()];
    let responses = Response::read_all(&conversation.received, &methods);
    let mut last = responses.iter().filter(|it| it.status >= 200);
    last.next();
    if let Some(next) = last.next() {
        let own = seen.iter().any(|it| it.target == "/then" && Some(it.id) == next.id);
        assert!(own && next.body == b"ok", "the answer to another request: {next:?}");
    }
    assert!(last.next().is_none(), "more answers than requests");
}
