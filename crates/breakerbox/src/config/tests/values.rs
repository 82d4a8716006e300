//! What each kind of value reads, and every way in which it refuses one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::Value as Json;

use super::super::*;
use super::summary;

config_table! {
    /// One key of each kind.
    struct Sample {
        /// A duration.
        pause: Duration = duration(), optional;
        /// A duration that is not zero.
        limit: Duration = duration().above_zero(), optional;
        /// A rate.
        rate: f64 = rate(), optional;
        /// An integer.
        count: u16 = integer(1..=100), optional;
        /// A number.
        factor: f64 = number(1.0..=10.0), optional;
        /// True or false.
        on: bool = boolean(), optional;
        /// A string.
        title: String = text(), optional;
        /// One of some strings.
        order: u8 = one_of(&[("fifo", 1), ("adaptive_lifo", 2)]), optional;
        /// A socket address.
        listen: SocketAddr = socket_address(), optional;
        /// A host.
        host: String = host_name(), optional;
        /// A URL.
        url: HttpUrl = http_url(), optional;
        /// A path.
        path: String = http_path(), optional;
        /// A status.
        status: u16 = http_status(), optional;
        /// Headers.
        headers: Vec<(String, String)> = header_map(), optional;
        /// Any value.
        json: Json = any_json(), optional;
        /// A list.
        list: Vec<Located<Duration>> = list(duration()).not_empty(), optional;
        /// Named entries.
        named: BTreeMap<String, Located<u8>> = named(integer(1..=9)).not_empty(), optional;
        /// A number, or a comparison in a string.
        r#for: String = either(text(), integer(0..=9).map(|count: u8| count.to_string())), optional;
    }
}

fn refusals(text: &str) -> Vec<String> {
    summary(text, &table::<Sample>())
}

#[test]
fn every_kind_reads_its_values() {
    let text = r#"
        pause = "1d2h3m4.5s6ms7us8ns"
        limit = "365d"
        rate = 0.25
        count = 0x64
        factor = 10
        on = true
        title = "\u00e9"
        order = "adaptive_lifo"
        listen = "[::1]:80"
        host = "API.example.com"
        url = "http://A.de/x%20y"
        path = "/a"
        status = 599
        headers = { B = "1", a = "" }
        json = [9223372036854775807, 18446744073709551615, -1, 0.5, {}]
        list = ["0s", "1s"]
        named = { b-1 = 9, "A.z_" = 1 }
        for = 3
    "#;
    let (sample, warnings) = read_file("f.toml", text, &table::<Sample>()).unwrap();
    assert_eq!(warnings, []);
    let pause = Duration::new(26 * 3600 + 3 * 60 + 4, 506_007_008);
    assert_eq!(sample.pause.value(), Some(&pause));
    assert_eq!(sample.limit.value(), Some(&MAX_DURATION));
    assert_eq!(sample.rate.value(), Some(&0.25));
    assert_eq!(sample.count.value(), Some(&100));
    assert_eq!(sample.factor.value(), Some(&10.0));
    assert_eq!(sample.on.value(), Some(&true));
    assert_eq!(sample.title.value().unwrap(), "é");
    assert_eq!(sample.order.value(), Some(&2));
    assert_eq!(sample.listen.value(), Some(&"[::1]:80".parse().unwrap()));
    assert_eq!(sample.host.value().unwrap(), "api.example.com");
    let url = HttpUrl { host: "a.de".to_owned(), port: 80, path: "/x%20y".to_owned() };
    assert_eq!(sample.url.value(), Some(&url));
    assert_eq!(sample.path.value().unwrap(), "/a");
    assert_eq!(sample.status.value(), Some(&599));
    let headers = [("b", "1"), ("a", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(sample.headers.value().unwrap(), &headers);
    let json = sample.json.value().unwrap().to_string();
    assert_eq!(json, "[9223372036854775807,18446744073709551615,-1,0.5,{}]");
    let list: Vec<_> = sample.list.value().unwrap().iter().map(|entry| entry.value).collect();
    assert_eq!(list, [Duration::ZERO, Duration::from_secs(1)]);
    let named: Vec<_> = sample.named.value().unwrap().iter().collect();
    assert_eq!((named[0].0.as_str(), named[0].1.value), ("A.z_", 1));
    assert_eq!((named[1].0.as_str(), named[1].1.value), ("b-1", 9));
    assert_eq!(sample.r#for.value().unwrap(), "3");
}

#[test]
fn values_know_their_places() {
    let text = "named.ab = 3\nlist = ['1s']";
    let (sample, _) = read_file("f.toml", text, &table::<Sample>()).unwrap();
    let text_at = |span: Span| &text[span.start..span.end];
    let named = sample.named.located().unwrap();
    assert_eq!(text_at(named.key), "named");
    assert_eq!(text_at(named.value["ab"].key), "ab");
    assert_eq!(text_at(named.value["ab"].span), "3");
    assert_eq!(text_at(sample.list.span().unwrap()), "['1s']");
    assert_eq!(text_at(sample.list.value().unwrap()[0].span), "'1s'");
}

/// Each file has this one thing wrong with it.
fn check(cases: &[(&str, &str)]) {
    for (file, expected) in cases {
        assert_eq!(refusals(file), [*expected], "{file}");
    }
}

#[test]
fn durations() {
    let cases = [
        (
            "pause = 5",
            r#"1:9 error: `pause` is a number without a unit; write `pause = "5s"` for seconds or `pause = "5ms"` for milliseconds"#,
        ),
        ("pause = -5", r#"1:9 error: `pause` is negative; give a duration, such as `"3s"`"#),
        (
            "pause = 1.5",
            r#"1:9 error: `pause` is a number without a unit; write `pause = "1.5s"` for seconds or `pause = "1.5ms"` for milliseconds"#,
        ),
        (
            "pause = nan",
            r#"1:9 error: `pause` must be a duration, but it is a decimal number; write for example `pause = "3s"`"#,
        ),
        (
            "pause = 0x10",
            r#"1:9 error: `pause` must be a duration, but it is an integer; write for example `pause = "3s"`"#,
        ),
        (
            "pause = true",
            r#"1:9 error: `pause` must be a duration, but it is a boolean; write for example `pause = "3s"`"#,
        ),
        (
            "pause = '5'",
            "1:9 error: `pause` is `5`, which has no unit; write `5s` for seconds or `5ms` for milliseconds",
        ),
        (
            "pause = '1m5'",
            "1:9 error: `pause` is `1m5`, which has no unit; write `1m5s` for seconds or `1m5ms` for milliseconds",
        ),
        (
            "pause = '-5s'",
            "1:9 error: `pause` is `-5s`, which is negative; write `5s` without the sign",
        ),
        (
            "pause = '-x'",
            "1:9 error: `pause` is `-x`, which is negative; give a duration, such as `3s`",
        ),
        (
            "pause = ''",
            r#"1:9 error: `pause` is `""`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`"#,
        ),
        (
            "pause = '5 s'",
            "1:9 error: `pause` is `5 s`, which has a space in it; write the number and its unit together, as in `1m30s`",
        ),
        (
            "pause = '5sec'",
            "1:9 error: `pause` is `5sec`, with the unknown unit `sec`; did you mean `5s`?",
        ),
        (
            "pause = '2 minutes'",
            "1:9 error: `pause` is `2 minutes`, which has a space in it; write the number and its unit together, as in `1m30s`",
        ),
        (
            "pause = '2minutes'",
            "1:9 error: `pause` is `2minutes`, with the unknown unit `minutes`; did you mean `2m`?",
        ),
        (
            "pause = '5µs'",
            "1:9 error: `pause` is `5µs`, with the unknown unit `µs`; did you mean `5us`?",
        ),
        (
            "pause = '5S'",
            "1:9 error: `pause` is `5S`, with the unknown unit `S`; did you mean `5s`?",
        ),
        (
            "pause = '5x'",
            "1:9 error: `pause` is `5x`, with the unknown unit `x`; use one of the units ns, us, ms, s, m, h, d",
        ),
        (
            "pause = '30s1m'",
            "1:9 error: `pause` is `30s1m`, whose units are out of order; write each unit once, larger ones first, as in `1m30s`",
        ),
        (
            "pause = '1s1s'",
            "1:9 error: `pause` is `1s1s`, whose units are out of order; write each unit once, larger ones first, as in `1m30s`",
        ),
        (
            "pause = '400d'",
            "1:9 error: `pause` is `400d`, which is longer than 365 days; give at most `365d`",
        ),
        (
            "pause = '364d25h'",
            "1:9 error: `pause` is `364d25h`, which is longer than 365 days; give at most `365d`",
        ),
        (
            "pause = '9999999999999999999999999999999999999999d'",
            "1:9 error: `pause` is `9999999999999999999999999999999999999999d`, which is longer than 365 days; give at most `365d`",
        ),
        (
            "pause = '0.0000000001s'",
            "1:9 error: `pause` is `0.0000000001s`, which is finer than a nanosecond; give it with fewer decimals",
        ),
        (
            "pause = '0.00000000000000000000000000000000000000000000001s'",
            "1:9 error: `pause` is `0.00000000000000000000000000000000000000000000001s`, which is finer than a nanosecond; give it with fewer decimals",
        ),
        (
            "pause = '.5s'",
            "1:9 error: `pause` is `.5s`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`",
        ),
        (
            "pause = '5.s'",
            "1:9 error: `pause` is `5.s`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`",
        ),
        (
            "pause = '1.2.3s'",
            "1:9 error: `pause` is `1.2.3s`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`",
        ),
        (
            "pause = '5.'",
            "1:9 error: `pause` is `5.`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`",
        ),
        (
            "pause = 's'",
            "1:9 error: `pause` is `s`, which is not a duration; write a number and a unit, as in `250ms`, `3s` or `1m30s`",
        ),
        (
            "limit = '0s'",
            "1:9 error: `limit` is zero; give a duration above zero, or leave the key out",
        ),
        (
            "limit = '0m0.0s'",
            "1:9 error: `limit` is zero; give a duration above zero, or leave the key out",
        ),
    ];
    check(&cases);
}

#[test]
fn rates() {
    let cases = [
        ("rate = 50", "1:8 error: `rate` is 50; rates are fractions: write 0.5"),
        ("rate = 1.5", "1:8 error: `rate` is 1.5; give a fraction above 0, at most 1"),
        ("rate = 33.3", "1:8 error: `rate` is 33.3; rates are fractions: write 0.333"),
        (
            "rate = '150%'",
            "1:8 error: `rate` must be a fraction, but it is a string; write for example `rate = 0.5`",
        ),
        ("rate = '50%'", "1:8 error: `rate` is a percentage; rates are fractions: write 0.5"),
        (
            "rate = '0.5'",
            "1:8 error: `rate` must be a fraction, but it is a string; leave out the quotes: `rate = 0.5`",
        ),
        (
            "rate = 'half'",
            "1:8 error: `rate` must be a fraction, but it is a string; write for example `rate = 0.5`",
        ),
        ("rate = 0", "1:8 error: `rate` is 0; give a fraction above 0, at most 1"),
        ("rate = -0.5", "1:8 error: `rate` is -0.5; give a fraction above 0, at most 1"),
        ("rate = 1000", "1:8 error: `rate` is 1000; give a fraction above 0, at most 1"),
        ("rate = nan", "1:8 error: `rate` is NaN; give a fraction above 0, at most 1"),
        ("rate = inf", "1:8 error: `rate` is inf; give a fraction above 0, at most 1"),
        (
            "rate = true",
            "1:8 error: `rate` must be a fraction, but it is a boolean; write for example `rate = 0.5`",
        ),
    ];
    check(&cases);
}

#[test]
fn numbers() {
    let cases = [
        ("count = 0", "1:9 error: `count` is 0; give an integer from 1 to 100"),
        ("count = 101", "1:9 error: `count` is 101; give an integer from 1 to 100"),
        ("count = -1", "1:9 error: `count` is -1; give an integer from 1 to 100"),
        ("count = 70000", "1:9 error: `count` is 70000; give an integer from 1 to 100"),
        (
            "count = 99999999999999999999999999999999999999999",
            "1:9 error: `count` is out of range; give an integer from 1 to 100",
        ),
        (
            "count = 1.0",
            "1:9 error: `count` must be an integer, but it is a decimal number; write for example `count = 1`",
        ),
        (
            "count = '10'",
            "1:9 error: `count` must be an integer, but it is a string; leave out the quotes: `count = 10`",
        ),
        (
            "count = 'ten'",
            "1:9 error: `count` must be an integer, but it is a string; write for example `count = 1`",
        ),
        ("factor = 0.5", "1:10 error: `factor` is 0.5; give a number from 1 to 10"),
        ("factor = 11", "1:10 error: `factor` is 11; give a number from 1 to 10"),
        ("factor = inf", "1:10 error: `factor` is inf; give a number from 1 to 10"),
        ("factor = nan", "1:10 error: `factor` is NaN; give a number from 1 to 10"),
        (
            "factor = '2'",
            "1:10 error: `factor` must be a number, but it is a string; leave out the quotes: `factor = 2`",
        ),
        (
            "on = 1",
            "1:6 error: `on` must be true or false, but it is an integer; write for example `on = true`",
        ),
        (
            "on = 'true'",
            "1:6 error: `on` must be true or false, but it is a string; leave out the quotes: `on = true`",
        ),
        (
            "on = 'yes'",
            "1:6 error: `on` must be true or false, but it is a string; write for example `on = true`",
        ),
    ];
    check(&cases);
}

#[test]
fn strings() {
    let cases = [
        (
            "title = 1",
            r#"1:9 error: `title` must be a string, but it is an integer; write for example `title = "..."`"#,
        ),
        (
            "title = 1979-05-27",
            r#"1:9 error: `title` must be a string, but it is a date or time; write for example `title = "..."`"#,
        ),
        (
            "order = 'lifo'",
            r#"1:9 error: `order` cannot be `lifo`; did you mean "fifo"? it is one of "fifo", "adaptive_lifo""#,
        ),
        (
            "order = 'fifoo'",
            r#"1:9 error: `order` cannot be `fifoo`; did you mean "fifo"? it is one of "fifo", "adaptive_lifo""#,
        ),
        (
            "order = ''",
            r#"1:9 error: `order` cannot be `""`; it is one of "fifo", "adaptive_lifo""#,
        ),
        (
            "order = 1",
            r#"1:9 error: `order` must be one of "fifo", "adaptive_lifo", but it is an integer; write for example `order = "fifo"`"#,
        ),
    ];
    check(&cases);
}

#[test]
fn addresses() {
    let cases = [
        (
            "listen = 'localhost:3000'",
            "1:10 error: `listen` is `localhost:3000`, which has a name, not an IP address; write `127.0.0.1:3000`",
        ),
        (
            "listen = ':3000'",
            "1:10 error: `listen` is `:3000`, which has no IP address; write `127.0.0.1:3000` for this machine, `0.0.0.0:3000` for all",
        ),
        (
            "listen = '127.0.0.1'",
            "1:10 error: `listen` is `127.0.0.1`, which has no port; add a port: `127.0.0.1:3000`",
        ),
        (
            "listen = '::1'",
            "1:10 error: `listen` is `::1`, which has no port; add a port: `[::1]:3000`",
        ),
        (
            "listen = '127.0.0.1:70000'",
            "1:10 error: `listen` is `127.0.0.1:70000`, which is not an IP address with a port; write an IP address and a port, as in `127.0.0.1:3000` or `[::1]:3000`",
        ),
        (
            "listen = 3000",
            r#"1:10 error: `listen` must be an IP address with a port, but it is an integer; write for example `listen = "127.0.0.1:3000"`"#,
        ),
        (
            "host = 'http://a.de'",
            "1:8 error: `host` is `http://a.de`, which is more than a host; give the host alone, as in `api.example.com`",
        ),
        (
            "host = 'a.de:80'",
            "1:8 error: `host` is `a.de:80`, which has a port; leave out the port: any port of the host is meant",
        ),
        (
            "host = '*.a.de'",
            "1:8 error: `host` is `*.a.de`, but wildcards are not supported; give each host a route of its own",
        ),
        (
            "host = 'a..b'",
            "1:8 error: `host` is `a..b`, which is not a host; write a host, as in `api.example.com`",
        ),
        (
            "host = ''",
            r#"1:8 error: `host` is `""`, which is not a host; write a host, as in `api.example.com`"#,
        ),
        (
            "host = 'a b'",
            "1:8 error: `host` is `a b`, which is not a host; write a host, as in `api.example.com`",
        ),
        (
            "host = '::1'",
            "1:8 error: `host` is `::1`, which is not a host; write a host, as in `api.example.com`",
        ),
        (
            "host = 5",
            r#"1:8 error: `host` must be a host, but it is an integer; write for example `host = "api.example.com"`"#,
        ),
    ];
    check(&cases);
}

#[test]
fn urls_and_paths() {
    let cases = [
        (
            "url = 'https://a.de'",
            "1:7 error: `url` is `https://a.de`, but TLS to upstreams is not supported yet; give an endpoint that speaks plain HTTP, such as `http://127.0.0.1:9001`",
        ),
        (
            "url = 'ftp://a.de'",
            "1:7 error: `url` is `ftp://a.de`, which has another scheme than http; write `http://a.de`",
        ),
        (
            "url = 'a.de:80'",
            "1:7 error: `url` is `a.de:80`, which has no scheme; write `http://a.de:80`",
        ),
        (
            "url = ''",
            r#"1:7 error: `url` is `""`, which has no scheme; write for example `http://127.0.0.1:9001`"#,
        ),
        (
            "url = 'http://a.de?x=1'",
            "1:7 error: `url` is `http://a.de?x=1`, which has a query or a fragment; leave it out",
        ),
        (
            "url = 'http://me@a.de'",
            "1:7 error: `url` is `http://me@a.de`, which has a user; leave out what stands before the `@`",
        ),
        (
            "url = 'http://a.de:0'",
            "1:7 error: `url` is `http://a.de:0`, which has no valid port; give a port from 1 to 65535",
        ),
        (
            "url = 'http://a.de:+1'",
            "1:7 error: `url` is `http://a.de:+1`, which has no valid port; give a port from 1 to 65535",
        ),
        (
            "url = 'http://a.de:65536'",
            "1:7 error: `url` is `http://a.de:65536`, which has no valid port; give a port from 1 to 65535",
        ),
        (
            "url = 'http://'",
            "1:7 error: `url` is `http://`, which has no valid host; write for example `http://127.0.0.1:9001` or `http://posts.internal`",
        ),
        (
            "url = 'http://127.0.0.300'",
            "1:7 error: `url` is `http://127.0.0.300`, which has no valid host; write for example `http://127.0.0.1:9001` or `http://posts.internal`",
        ),
        (
            "url = 'http://[::1'",
            "1:7 error: `url` is `http://[::1`, which has no valid host; write for example `http://127.0.0.1:9001` or `http://posts.internal`",
        ),
        (
            "url = 'http://a.de/ä'",
            "1:7 error: `url` is `http://a.de/ä`, whose path is `/ä`, which has characters that a path cannot have; percent-encode what is not visible ASCII: a space is `%20`",
        ),
        (
            "url = 80",
            r#"1:7 error: `url` must be a URL, but it is an integer; write for example `url = "http://127.0.0.1:9001"`"#,
        ),
        ("path = 'a'", "1:8 error: `path` is `a`, which does not begin with `/`; write `/a`"),
        ("path = ''", r#"1:8 error: `path` is `""`, which does not begin with `/`; write `/`"#),
        (
            "path = '/a?b=1'",
            "1:8 error: `path` is `/a?b=1`, which has a query or a fragment; give the path alone",
        ),
        (
            "path = '/ä b'",
            "1:8 error: `path` is `/ä b`, which has characters that a path cannot have; percent-encode what is not visible ASCII: a space is `%20`",
        ),
        (
            "path = 1",
            r#"1:8 error: `path` must be a path, but it is an integer; write for example `path = "/"`"#,
        ),
    ];
    check(&cases);
}

#[test]
fn http() {
    let cases = [
        ("status = 100", "1:10 error: `status` is 100; give an integer from 200 to 599"),
        ("status = 600", "1:10 error: `status` is 600; give an integer from 200 to 599"),
        (
            "status = '200'",
            "1:10 error: `status` must be an integer, but it is a string; leave out the quotes: `status = 200`",
        ),
        (
            "headers = 1",
            r#"1:11 error: `headers` must be a table of headers, but it is an integer; write for example `headers = { cache-control = "no-store" }`"#,
        ),
        (
            "headers = { 'a b' = '1' }",
            "1:13 error: `a b` is not the name of a header; use letters, digits and `-`, as in `retry-after`",
        ),
        (
            "headers = { '' = '1' }",
            r#"1:13 error: `""` is not the name of a header; use letters, digits and `-`, as in `retry-after`"#,
        ),
        (
            "headers = { Content-Length = '3' }",
            "1:13 error: `Content-Length` is a header that is set by itself; leave it out",
        ),
        (
            "headers = { a = 'ü' }",
            "1:17 error: the value of `a` has characters that a header cannot have; use visible ASCII, spaces and tabs",
        ),
        (
            "headers = { a = \"x\\ny\" }",
            "1:17 error: the value of `a` has characters that a header cannot have; use visible ASCII, spaces and tabs",
        ),
        (
            "headers = { a = '1', A = '2' }",
            "1:22 error: `A` is given twice: upper and lower case are the same; keep one of them",
        ),
        (
            "headers = { a = 3 }",
            r#"1:17 error: `a` must be a string, but it is an integer; write for example `a = "..."`"#,
        ),
    ];
    check(&cases);
}

#[test]
fn json_values() {
    let cases = [
        (
            "json = { a = 1979-05-27 }",
            "1:8 error: `json` holds a date or time, which JSON does not have; write it as a string",
        ),
        (
            "json = [inf]",
            "1:8 error: `json` holds a number that is not finite, which JSON does not have; write it as a string",
        ),
        (
            "json = 18446744073709551616",
            "1:8 error: `json` holds an integer of more than 64 bits, which JSON does not have; write it as a string",
        ),
        (
            "json.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a = 1",
            "1:1 error: `json` is more than 32 lists and tables deep; give it with fewer levels",
        ),
    ];
    check(&cases);
}

#[test]
fn collections() {
    let cases = [
        (
            "list = []",
            r#"1:8 error: `list` is empty; give at least one entry, for example `list = ["3s"]`"#,
        ),
        (
            "list = ['1s', 2]",
            r#"1:15 error: `list[1]` is a number without a unit; write `"2s"` for seconds or `"2ms"` for milliseconds"#,
        ),
        (
            "list = ['1s', '3']",
            "1:15 error: `list[1]` is `3`, which has no unit; write `3s` for seconds or `3ms` for milliseconds",
        ),
        (
            "list = 1",
            r#"1:8 error: `list` must be a list, but it is an integer; write for example `list = ["3s"]`"#,
        ),
        (
            "named = {}",
            "1:9 error: `named` is empty; give at least one entry, for example `named = { NAME = 1 }`",
        ),
        (
            "named = { 'a b' = 1 }",
            "1:11 error: `a b` cannot be a name; use 1 to 100 letters, digits, `_`, `-` and `.`",
        ),
        (
            "named = { '' = 1 }",
            r#"1:11 error: `""` cannot be a name; use 1 to 100 letters, digits, `_`, `-` and `.`"#,
        ),
        ("named = { a = 10 }", "1:15 error: `a` is 10; give an integer from 1 to 9"),
        (
            "named = 1",
            "1:9 error: `named` must be a table of named entries, but it is an integer; write for example `named = { NAME = 1 }`",
        ),
        (
            "for = true",
            r#"1:7 error: `for` must be a string or an integer, but it is a boolean; write for example `for = "..."`"#,
        ),
        ("for = 10", "1:7 error: `for` is 10; give an integer from 0 to 9"),
        (
            r#""for" = 1.5"#,
            r#"1:9 error: `for` must be a string or an integer, but it is a decimal number; write for example `for = "..."`"#,
        ),
    ];
    check(&cases);
}
