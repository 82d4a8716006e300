//! Redis hangs under its example, goes on, and is killed and started again.

use crate::running::Running;
use crate::server::{Server, command, folder, free_port, installed};
use rustix::process::Signal;
use std::path::PathBuf;

#[test]
fn a_cache_that_hangs_is_a_cache_that_misses_and_one_that_is_back_is_used_at_once() {
    let program = Some(PathBuf::from("/usr/bin/redis-server"));
    let Some(program) = installed(program, "redis-server", "redis-server") else { return };
    let (folder, as_nobody) = folder();
    let port = free_port();
    let mut redis = command(&program, as_nobody);
    redis.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"]);
    redis.arg(folder.path());
    let ready = |said: &str| said.contains("Ready to accept connections");
    let mut start = || Server::start(&mut redis, &folder.path().join("log"), ready);
    let server = start();

    let mut example =
        Running::start("redis_cache", "REDIS_URL", &format!("redis://127.0.0.1:{port}"));
    let before = example.until_asked("make the server hang");
    assert!(before.contains("post 7 from the cache, after "));

    server.freeze();
    example.enter();
    let during = example.until_asked("let the server go on");
    let opened = "-- closed to open, consecutive failures\n";
    let (waited, free) = during.split_once(opened).expect("the circuit opens");
    assert_eq!(waited.matches("post 7 from the source, without a cache, after ").count(), 4);
    // The fifth waits too, and tells after the circuit has opened. There may be probes among the others.
    assert!(free.matches("post 7 from the source, without a cache, after ").count() >= 4);

    server.signal(Signal::CONT);
    example.enter();
    let after = example.until_asked("end the server and start it again");
    assert!(after.contains("-- half_open to closed, probes succeeded\n"));
    assert!(after.contains("post 7 from the cache, after "));
    assert!(after.contains(" readers were not kept waiting for the cache\n"));

    // All 40 idle connections are dead now. The first that is used says so for all of them; with the others the
    // circuit would open, and stay open for as many probes.
    server.stop(Signal::KILL);
    let server = start();
    example.enter();
    let back = example.end();
    assert!(!back.contains("closed to open"), "{back}");
    assert!(back.contains("post 7 from the source, without a cache, after "), "{back}");
    assert!(back.contains("post 7 from the cache, after "));
    server.stop(Signal::TERM);
}
