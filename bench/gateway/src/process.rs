//! A proxy that runs as a process of its own: what it has used, and how it is ended.

use crate::ports::Ports;
use rustix::process::{Pid, Signal, kill_process};
use std::io;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

/// A running proxy. It ends with this.
pub struct Process {
    pub name: &'static str,
    pub ports: Ports,
    child: Child,
}

impl Process {
    /// Starts it, and waits until it accepts connections.
    pub fn start(name: &'static str, ports: Ports, command: &mut Command) -> io::Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut process = Self { name, ports, child };
        let last = Instant::now() + Duration::from_secs(60);
        while TcpStream::connect(("127.0.0.1", ports.http1)).is_err()
            || TcpStream::connect(("127.0.0.1", ports.http2)).is_err()
        {
            if Instant::now() > last || process.child.try_wait()?.is_some() {
                return Err(io::Error::other(format!("{name} did not start")));
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(process)
    }

    /// The time that its threads have spent on a processor.
    pub fn cpu(&self) -> io::Result<Duration> {
        let mut nanos = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            // To the nanosecond, where `stat` counts hundredths of a second.
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let first = text.split_whitespace().next().and_then(|it| it.parse::<u64>().ok());
            nanos += first.ok_or_else(|| io::Error::other("schedstat holds no number"))?;
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Its memory now, in MB.
    pub fn resident(&self) -> io::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        Ok(kilobytes.ok_or_else(|| io::Error::other("no VmRSS"))? / 1024.0)
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        self.child.wait().map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // What has ended already cannot be ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
