//! What is measured, and the tables.

use crate::load::{Client, SHAPES, Shape, at_rate, requests_of, round};
use crate::ports::Ports;
use crate::process::Process;
use crate::proxies::{self, BARE, OFF, ON};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use std::{env, fs};

type Failure = Box<dyn Error>;

const ROUNDS: usize = 21;
const CONNECTIONS: usize = 1_000;
const PER_SECOND: u32 = 500;
const AT_RATE: Duration = Duration::from_secs(4);
/// The gateway with its policies may cost so many times the bare proxy.
const GOAL: f64 = 1.15;

/// Measures and prints everything, or instructions alone, which do not depend on what else the machine does.
pub async fn print(instructions_alone: bool) -> Result<(), Failure> {
    let folder = env::temp_dir().join(format!("breakerbox-bench-gateway-{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let printed = if instructions_alone {
        instructions(proxies::upstream()?.ports, &folder).await
    } else {
        print_in(&folder).await
    };
    fs::remove_dir_all(&folder)?;
    printed
}

/// So many rounds of one shape, measured by somebody else.
pub async fn load(ports: Ports, shape: usize, rounds: usize) -> Result<(), Failure> {
    let shape = *SHAPES.get(shape).ok_or("there is no such shape")?;
    let mut clients = Client::connect_all(ports, shape.http2).await?;
    for _ in 0..rounds {
        round(&mut clients, shape).await?;
    }
    Ok(())
}

async fn print_in(folder: &Path) -> Result<(), Failure> {
    let upstream = proxies::upstream()?;
    let mut all = proxies::ours(upstream.ports, folder, &[])?;
    all.extend(proxies::others(upstream.ports, folder)?);
    let idle: Vec<f64> = all.iter().map(Process::resident).collect::<Result<_, _>>()?;
    processor_time(&all).await?;
    latencies(&all, &upstream).await?;
    memory(&all, &idle).await?;
    drop(all);
    instructions(upstream.ports, folder).await
}

/// Processor time of each request, the candidates in turn, medians of the rounds.
async fn processor_time(all: &[Process]) -> Result<(), Failure> {
    print!("{:<40}", "CPU microseconds per request");
    SHAPES.iter().for_each(|shape| print!(" {:>18}", shape.name));
    println!();
    let mut figures = HashMap::new();
    for shape in SHAPES {
        let mut clients = Vec::new();
        for process in all {
            let mut own = Client::connect_all(process.ports, shape.http2).await?;
            round(&mut own, shape).await?;
            clients.push(own);
        }
        let mut taken = vec![Vec::new(); all.len()];
        for _ in 0..ROUNDS {
            for ((process, clients), taken) in all.iter().zip(&mut clients).zip(&mut taken) {
                let before = process.cpu()?;
                round(clients, shape).await?;
                let spent = (process.cpu()? - before).as_nanos() as f64 / 1e3;
                taken.push(spent / requests_of(shape) as f64);
            }
        }
        for (process, taken) in all.iter().zip(&mut taken) {
            figures.insert((process.name, shape.name), median(taken));
        }
    }
    for process in all {
        print!("{:<40}", process.name);
        SHAPES.iter().for_each(|shape| print!(" {:>18.2}", figures[&(process.name, shape.name)]));
        println!();
    }
    goals(|name, shape| figures[&(name, shape.name)], &SHAPES);
    Ok(())
}

/// Against the bare proxy.
fn goals(figure: impl Fn(&'static str, &Shape) -> f64, shapes: &[Shape]) {
    for name in [OFF, ON] {
        print!("{:<40}", format!("  {name} / bare"));
        shapes
            .iter()
            .for_each(|shape| print!(" {:>18.2}", figure(name, shape) / figure(BARE, shape)));
        println!();
    }
    print!("{:<40}", format!("  goal: at most {GOAL} x bare"));
    for shape in shapes {
        let met = figure(ON, shape) <= GOAL * figure(BARE, shape);
        print!(" {:>18}", if met { "met" } else { "not met" });
    }
    println!("\n");
}

async fn latencies(all: &[Process], upstream: &Process) -> Result<(), Failure> {
    let title = format!("milliseconds at {PER_SECOND} requests per second");
    let names = ["HTTP/1.1 p50", "p99", "HTTP/2 p50", "p99"];
    print!("{title:<40}");
    names.iter().for_each(|name| print!(" {name:>18}"));
    println!();
    for process in std::iter::once(upstream).chain(all) {
        let name = if process.name == upstream.name { "the upstream itself" } else { process.name };
        print!("{name:<40}");
        for http2 in [false, true] {
            let sorted = at_rate(process.ports, http2, PER_SECOND, AT_RATE).await?;
            for percent in [50, 99] {
                let latency = sorted[(sorted.len() - 1) * percent / 100];
                print!(" {:>18.3}", latency.as_secs_f64() * 1e3);
            }
        }
        println!();
    }
    println!();
    Ok(())
}

async fn memory(all: &[Process], idle: &[f64]) -> Result<(), Failure> {
    println!(
        "{:<40} {:>18} {:>18} {:>18}",
        "memory, MB", "at the start", "after load", "1,000 connections"
    );
    for (process, idle) in all.iter().zip(idle) {
        let after = process.resident()?;
        let mut open = Vec::new();
        for _ in 0..CONNECTIONS {
            let mut client = Client::connect(process.ports, false).await?;
            client.get("/").await?;
            open.push(client);
        }
        let full = process.resident()?;
        println!("{:<40} {idle:>18.1} {after:>18.1} {full:>18.1}", process.name);
    }
    println!();
    Ok(())
}

/// Instructions of each request in the program itself, as callgrind counts them: of a process that answers
/// so many requests, and of one that answers twice as many.
async fn instructions(upstream: Ports, folder: &Path) -> Result<(), Failure> {
    let mut valgrind = Command::new("valgrind");
    valgrind.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !valgrind.status().is_ok_and(|status| status.success()) {
        println!("skipped: valgrind is not installed");
        return Ok(());
    }
    let shapes = [Shape { requests: 800, ..SHAPES[0] }, Shape { requests: 800, ..SHAPES[2] }];
    let mut figures = HashMap::new();
    for shape in shapes {
        let once = counted(upstream, folder, shape, 1).await?;
        let twice = counted(upstream, folder, shape, 2).await?;
        for (name, first) in once {
            figures.insert((name, shape.name), (twice[name] - first) / requests_of(shape) as f64);
        }
    }
    print!("{:<40}", "instructions per request");
    shapes.iter().for_each(|shape| print!(" {:>18}", shape.name));
    println!();
    for name in [BARE, OFF, ON] {
        print!("{name:<40}");
        shapes.iter().for_each(|shape| print!(" {:>18.0}", figures[&(name, shape.name)]));
        println!();
    }
    goals(|name, shape| figures[&(name, shape.name)], &shapes);
    Ok(())
}

async fn counted(
    upstream: Ports,
    folder: &Path,
    shape: Shape,
    rounds: usize,
) -> Result<HashMap<&'static str, f64>, Failure> {
    let out = |short: &str| folder.join(format!("{short}.{rounds}.{}", shape.http2));
    let file = format!("--callgrind-out-file={}", out("NAME").display());
    let valgrind = ["valgrind", "--tool=callgrind", "--quiet", &file].map(str::to_owned);
    let processes = proxies::ours(upstream, folder, &valgrind)?;
    let mut counts = HashMap::new();
    for (process, short) in processes.into_iter().zip(["bare", "off", "on"]) {
        let name = process.name;
        let mut clients = Client::connect_all(process.ports, shape.http2).await?;
        for _ in 0..=rounds {
            round(&mut clients, shape).await?;
        }
        process.end()?;
        let text = fs::read_to_string(out(short))?;
        let total = text.lines().filter_map(|line| line.strip_prefix("totals: ")).next_back();
        let total = total.and_then(|total| total.trim().parse().ok());
        counts.insert(name, total.ok_or("callgrind wrote no totals")?);
    }
    Ok(counts)
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
