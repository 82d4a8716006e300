//! The candidates: how each is started and configured.

use crate::ports::Ports;
use crate::process::Process;
use std::path::Path;
use std::process::{Command, Stdio};
use std::{env, fs, io};

pub const BARE: &str = "bare hyper proxy";
pub const OFF: &str = "breakerbox, policies off";
pub const ON: &str = "breakerbox, breaker + retry + timeouts";

const POLICIES: &str = r#"
deadline        = "10s"
attempt_timeout = "3s"
retry           = { attempts = 3 }
breaker         = { failure_rate = 0.5, window = "10s", min_calls = 20, open_for = "5s" }
"#;

/// Those of this program, in front of this upstream. `valgrind` is what they are run by, if anything.
pub fn ours(upstream: Ports, folder: &Path, valgrind: &[String]) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    let ports = Ports::free()?;
    let mut words = vec!["bare".to_owned()];
    words.extend(ports.words());
    words.extend(upstream.words());
    processes.push(Process::start(BARE, ports, itself(valgrind, "bare")?.args(words))?);
    for (name, short, policies) in [(OFF, "off", ""), (ON, "on", POLICIES)] {
        let ports = Ports::free()?;
        let file = folder.join(format!("{short}.toml"));
        fs::write(&file, gateway_file(ports, upstream, policies))?;
        let mut command = itself(valgrind, short)?;
        processes.push(Process::start(name, ports, command.arg("gateway").arg(file))?);
    }
    Ok(processes)
}

/// This program, run by `valgrind` if that is anything. `short` stands in the name of what it writes.
fn itself(valgrind: &[String], short: &str) -> io::Result<Command> {
    let program = env::current_exe()?;
    let Some((first, rest)) = valgrind.split_first() else { return Ok(Command::new(program)) };
    let mut command = Command::new(first);
    command.args(rest.iter().map(|word| word.replace("NAME", short))).arg(program);
    Ok(command)
}

/// The upstream.
pub fn upstream() -> io::Result<Process> {
    let ports = Ports::free()?;
    let mut command = Command::new(env::current_exe()?);
    Process::start("upstream", ports, command.arg("upstream").args(ports.words()))
}

/// nginx and HAProxy with one thread each, if they are installed.
pub fn others(upstream: Ports, folder: &Path) -> io::Result<Vec<Process>> {
    let mut processes = Vec::new();
    if is_installed("nginx", "-v") {
        let ports = Ports::free()?;
        let file = folder.join("nginx.conf");
        fs::write(&file, nginx_file(ports, upstream, folder))?;
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).arg("-p").arg(folder).stderr(Stdio::null());
        processes.push(Process::start("nginx (HTTP/1.1 to the upstream)", ports, &mut command)?);
    }
    if is_installed("haproxy", "-v") {
        let ports = Ports::free()?;
        let file = folder.join("haproxy.cfg");
        fs::write(&file, haproxy_file(ports, upstream))?;
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).stderr(Stdio::null());
        processes.push(Process::start("HAProxy", ports, &mut command)?);
    }
    Ok(processes)
}

fn is_installed(program: &str, version: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(version).stdout(Stdio::null()).stderr(Stdio::null());
    let installed = command.status().is_ok_and(|status| status.success());
    if !installed {
        println!("skipped: {program} is not installed");
    }
    installed
}

fn gateway_file(ports: Ports, upstream: Ports, policies: &str) -> String {
    let mut text = String::new();
    let pairs = [("http1", ports.http1, upstream.http1), ("http2", ports.http2, upstream.http2)];
    for (protocol, port, to) in pairs {
        text += &format!(
            r#"
[[listener]]
listen = "127.0.0.1:{port}"
routes = [{{ prefix = "/", upstream = "{protocol}" }}]
[upstream.{protocol}]
endpoints = ["http://127.0.0.1:{to}"]
protocol = "{protocol}"
"#
        );
        if !policies.is_empty() {
            text += &format!("[upstream.{protocol}.policy]{policies}");
        }
    }
    text
}

fn nginx_file(ports: Ports, upstream: Ports, folder: &Path) -> String {
    let (folder, Ports { http1, http2 }) = (folder.display(), ports);
    format!(
        r#"daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
worker_rlimit_nofile 8192;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000;
  client_body_temp_path {folder}; proxy_temp_path {folder}; fastcgi_temp_path {folder};
  uwsgi_temp_path {folder}; scgi_temp_path {folder};
  upstream bench {{ server 127.0.0.1:{}; keepalive 64; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{http1}; listen 127.0.0.1:{http2} http2;
    location / {{ proxy_pass http://bench; proxy_http_version 1.1; proxy_set_header Connection ""; }}
  }}
}}
"#,
        upstream.http1
    )
}

fn haproxy_file(ports: Ports, upstream: Ports) -> String {
    format!(
        r#"global
  nbthread 1
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
  http-reuse always
frontend one
  bind 127.0.0.1:{}
  default_backend one
backend one
  server upstream 127.0.0.1:{}
frontend two
  bind 127.0.0.1:{} proto h2
  default_backend two
backend two
  server upstream 127.0.0.1:{} proto h2
"#,
        ports.http1, upstream.http1, ports.http2, upstream.http2
    )
}
