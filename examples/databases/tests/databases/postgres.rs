//! PostgreSQL is stopped and started under its example.

use crate::running::{Running, between};
use crate::server::{Server, command, folder, free_port, installed};
use rustix::process::Signal;
use std::fs;
use std::path::{Path, PathBuf};

/// Where Debian has the programs of the newest version.
fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let newest =
        versions.max_by_key(|entry| entry.file_name().to_string_lossy().parse::<u32>().ok())?;
    Some(newest.path().join("bin"))
}

fn start(programs: &Path, folder: &Path, as_nobody: bool, port: u16) -> Server {
    let mut server = command(&programs.join("postgres"), as_nobody);
    server.arg("-D").arg(folder.join("data")).arg("-p").arg(port.to_string()).args([
        "-c",
        "listen_addresses=127.0.0.1",
        "-c",
        "unix_socket_directories=",
        "-c",
        "fsync=off",
        "-c",
        "dynamic_shared_memory_type=mmap",
    ]);
    let ready = |said: &str| said.contains("database system is ready to accept connections");
    Server::start(&mut server, &folder.join("log"), ready)
}

#[test]
fn a_pool_of_connections_is_left_alone_while_its_database_is_down() {
    let initdb = programs().map(|it| it.join("initdb"));
    let Some(initdb) = installed(initdb, "postgres", "postgresql") else { return };
    let programs = initdb.parent().expect("it is in a folder");
    let (folder, as_nobody) = folder();
    let made = command(&initdb, as_nobody)
        .args(["-U", "me", "-A", "trust", "--no-sync", "--no-locale", "-E", "UTF8"])
        .arg(folder.path().join("data"))
        .current_dir(folder.path())
        .output()
        .expect("an installed program can be run");
    assert!(made.status.success(), "{made:?}");
    let port = free_port();
    let server = start(programs, folder.path(), as_nobody, port);

    let address = format!("postgres://me@127.0.0.1:{port}/postgres");
    let mut example = Running::start("postgres_pool", "DATABASE_URL", &address);
    let before = example.until_asked("stop the server");
    for line in [
        "item 1 is a lamp\n",
        "item 1 is a chair: unknown: error returned from database: duplicate key",
        "item 2 is unknown: no rows returned",
        "one taken with 2 attempts, the first was rolled back\n",
        "failures for the breaker: 0\n",
    ] {
        assert!(before.contains(line), "{line}");
    }
    // How many are done before the last has come is a matter of time, so there may be more.
    let served = between(&before, "of 20 callers at once ", " were served");
    assert!((12..=20).contains(&served.parse().expect("a number")), "{served}");

    // Connections that are open are ended with 57P01.
    server.stop(Signal::INT);
    example.enter();
    let during = example.until_asked("start the server again");
    assert!(during.contains("-- closed to open, consecutive failures\n"));
    assert!(during.contains("is open; it may admit a call in "));
    // At most one was a probe.
    let asked = between(&during, "\nthe pool was asked ", " times\n");
    assert!(["0", "1", "2"].contains(&asked), "{asked}");

    let server = start(programs, folder.path(), as_nobody, port);
    example.enter();
    let after = example.end();
    // A probe may have come before the server was there.
    assert!(after.starts_with("-- open to half_open, open duration elapsed\n"));
    assert!(after.ends_with("-- half_open to closed, probes succeeded\nitem 1 is a lamp\n"));
    server.stop(Signal::INT);
}
