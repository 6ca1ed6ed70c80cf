//! Processes under load: started, looked at, ended with the bench.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Clock ticks of a second in `/proc`.
const TICKS: f64 = 100.0;

/// A process that ends with its owner.
pub struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        // One that ended by itself needs no ending.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    /// Starts it and reads its first lines until one names an address.
    pub fn start(mut command: Command) -> (Self, SocketAddr) {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("starts");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert!(lines.read_line(&mut line).expect("reads") > 0, "it ended before it listened");
            if let Some(address) = address_in(&line) {
                break address;
            }
        };
        // What it still says must go somewhere.
        std::thread::spawn(move || std::io::copy(&mut lines, &mut std::io::sink()));
        (Self { child }, address)
    }

    /// Starts it without waiting for a word.
    pub fn spawn(mut command: Command) -> Self {
        Self { child: command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts") }
    }

    /// CPU seconds that it and its children have used.
    pub fn cpu(&self) -> f64 {
        family(self.child.id()).into_iter().map(cpu).sum()
    }

    /// Resident bytes.
    pub fn resident(&self) -> f64 {
        status(self.child.id(), "VmRSS:")
    }

    /// The most resident bytes there ever were.
    pub fn peak(&self) -> f64 {
        status(self.child.id(), "VmHWM:")
    }
}

/// A command that may run on this one core only.
pub fn on_core(core: usize, program: impl AsRef<Path>) -> Command {
    let mut command = Command::new("taskset");
    command.arg("-c").arg(core.to_string()).arg(program.as_ref());
    command
}

fn address_in(line: &str) -> Option<SocketAddr> {
    let at = line.find("127.0.0.1:")?;
    let text: String = line[at..].chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect();
    text.parse().ok()
}

/// A process and its direct children, such as the workers of nginx.
fn family(parent: u32) -> Vec<u32> {
    let children =
        std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap_or_default();
    let mut all = vec![parent];
    all.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
    all
}

fn cpu(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name, in parentheses, may hold blanks.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or(Vec::new(), |(_, rest)| rest.split_whitespace().collect());
    let ticks = |place: usize| fields.get(place).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / TICKS
}

fn status(pid: u32, name: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    line.split_whitespace()
        .next()
        .and_then(|number| number.parse::<f64>().ok())
        .map_or(f64::NAN, |kib| kib * 1024.0)
}

/// Lets everything settle after many connections.
pub async fn settle() {
    tokio::time::sleep(Duration::from_millis(300)).await;
}
