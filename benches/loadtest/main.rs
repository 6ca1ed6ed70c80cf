//! What criterion cannot measure: many clients, whole processes, their CPU and their memory.
//!
//! `cargo bench --bench loadtest -- [--test] [--plots DIR] [NAME…]` measures what is named, or everything, each beside
//! its floor or rival, round by round in turn, and prints medians over the rounds. Rowbell and every rival run as
//! processes of their own; PostgreSQL is a private one with default settings. `--test` makes one short round of each.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "a bench that cannot go on has nothing to say, and its figures are rounded"
)]

mod catch_up;
mod fan_out;
mod growth;
#[path = "../http/mod.rs"]
mod http;
mod idle;
mod latency;
#[path = "../peers/mod.rs"]
mod peers;
mod process;
mod pull;
mod readers;
mod report;
mod requests;
mod stage;
mod triggers;
mod writers;
mod writes;

use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use report::Report;
use stage::Stage;

/// How much of everything one run does.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    /// Rounds of each contestant.
    pub rounds: usize,
    /// How long one round lasts.
    pub round: Duration,
    /// True for the short run that only shows that everything works.
    pub short: bool,
}

impl Scale {
    const FULL: Self = Self { rounds: 5, round: Duration::from_secs(2), short: false };
    const SHORT: Self = Self { rounds: 1, round: Duration::from_millis(200), short: true };

    /// The full number, or the one of the short run.
    pub fn pick<T>(self, full: T, short: T) -> T {
        if self.short { short } else { full }
    }
}

const ALL: [&str; 10] = [
    "latency",
    "latency-grid",
    "triggers",
    "writes",
    "fan-out",
    "pull",
    "idle",
    "catch-up",
    "requests",
    "growth",
];

fn main() {
    let mut arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "peer") {
        return peers::run(&arguments[1..]);
    }
    let short = take(&mut arguments, "--test");
    let plots = arguments.iter().position(|argument| argument == "--plots").map(|at| {
        arguments.remove(at);
        PathBuf::from(arguments.remove(at))
    });
    if let Some(unknown) = arguments.iter().find(|name| !ALL.contains(&name.as_str())) {
        panic!("there is no measurement {unknown:?}: choose from {}", ALL.join(", "));
    }
    let names: Vec<&str> =
        if arguments.is_empty() { ALL.to_vec() } else { arguments.iter().map(String::as_str).collect() };
    let scale = if short { Scale::SHORT } else { Scale::FULL };
    // One thread, as a load generator of its own would have: what it takes is the same for every contestant.
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    LocalSet::new().block_on(&runtime, async {
        let stage = Stage::open().await;
        let mut report = Report::new(plots);
        for name in names {
            report.begin(name);
            measure(name, &stage, scale, &mut report).await;
        }
        stage.end().await;
    });
}

fn take(arguments: &mut Vec<String>, flag: &str) -> bool {
    let before = arguments.len();
    arguments.retain(|argument| argument != flag);
    arguments.len() < before
}

async fn measure(name: &str, stage: &Stage, scale: Scale, report: &mut Report) {
    match name {
        "latency" => latency::goals(stage, scale, report).await,
        "latency-grid" => latency::grid(stage, scale, report).await,
        "triggers" => triggers::measure(stage, scale, report).await,
        "writes" => writes::measure(stage, scale, report).await,
        "fan-out" => fan_out::measure(stage, scale, report).await,
        "pull" => pull::measure(stage, scale, report).await,
        "idle" => idle::measure(stage, scale, report).await,
        "catch-up" => catch_up::measure(stage, scale, report).await,
        "requests" => requests::measure(stage, scale, report).await,
        _ => growth::measure(stage, scale, report).await,
    }
}
