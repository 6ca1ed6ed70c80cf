//! Ten times of everything: what latency and writes make of it.

use std::time::Duration;

use crate::Scale;
use crate::readers::{Crowd, Look};
use crate::report::{Report, figure, median, micros, percentile};
use crate::stage::{Database, Rowbell, Stage, table};
use crate::writers::Writers;

/// How much of what.
#[derive(Debug, Clone, Copy)]
struct Size {
    name: &'static str,
    channels: usize,
    log: usize,
    sessions: usize,
}

/// One size, ready to be measured.
struct Grown {
    size: Size,
    rowbell: Rowbell,
    writers: Writers,
    /// Sessions with nothing to do, on a channel nobody writes to.
    _idle: Crowd,
    _database: Database,
    half: Vec<f64>,
    most: Vec<f64>,
    rate: Vec<f64>,
}

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let base = Size {
        name: "base",
        channels: scale.pick(10, 3),
        log: scale.pick(50_000, 500),
        sessions: scale.pick(300, 5),
    };
    let sizes = [
        base,
        Size { name: "channels", channels: base.channels * 10, ..base },
        Size { name: "log", log: base.log * 10, ..base },
        Size { name: "sessions", sessions: base.sessions * 10, ..base },
    ];
    let mut all = Vec::new();
    for size in sizes {
        all.push(Grown::new(stage, size).await);
    }
    for _ in 0..scale.rounds {
        for grown in &mut all {
            grown.round(scale.round / 2).await;
        }
    }
    let of = |grown: &Grown| [median(&grown.half), median(&grown.most), median(&grown.rate)];
    let base = of(&all[0]);
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|grown| {
            let Size { name, channels, log, sessions } = grown.size;
            let [half, most, rate] = of(grown);
            let sizes = [channels, log, sessions].map(|number| figure(number as f64));
            let ratios = [half / base[0], most / base[1], base[2] / rate].map(figure);
            [name.to_owned()]
                .into_iter()
                .chain(sizes)
                .chain([half, most, rate].map(figure))
                .chain(ratios)
                .collect()
        })
        .collect();
    let head = [
        "10 ×",
        "channels",
        "log rows",
        "idle sessions",
        "p50 µs",
        "p99 µs",
        "commits/s of 8 writers",
        "p50 / base",
        "p99 / base",
        "cost of a write / base",
    ];
    report.table(&head, &rows);
    report.bars("growth", "Ten times of one thing, beside the same without", &bars(&all));
}

fn bars(all: &[Grown]) -> Vec<(String, f64)> {
    let of = |grown: &Grown| {
        let name = if grown.size.name == "base" { "" } else { "10 × " }.to_owned() + grown.size.name;
        [
            (format!("Rowbell p50 µs, {name}"), median(&grown.half)),
            (format!("Rowbell p99 µs, {name}"), median(&grown.most)),
            (format!("Rowbell µs a write, {name}"), 1e6 / median(&grown.rate)),
        ]
    };
    all.iter().flat_map(of).collect()
}

impl Grown {
    async fn new(stage: &Stage, size: Size) -> Self {
        let mut tables = table("watched") + "select rowbell.watch('watched');";
        for number in 1..size.channels {
            let name = format!("other_{number}");
            tables += &format!("{}select rowbell.watch('{name}');", table(&name));
        }
        let database = stage.database(&format!("growth_{}", size.name), &tables).await;
        let fill = format!(
            "insert into other_1 (k, note) select n, 'a row of the log' from generate_series(1, {}) n",
            size.log
        );
        database.run(&fill).await;
        database.run("checkpoint").await;
        let rowbell = database.serve(None);
        let idle = Crowd::subscribed(rowbell.address, "other-2", size.sessions, Look::Frames).await;
        let writers = Writers::of(database.links(8).await, "watched").await;
        Self {
            size,
            rowbell,
            writers,
            _idle: idle,
            _database: database,
            half: Vec::new(),
            most: Vec::new(),
            rate: Vec::new(),
        }
    }

    /// Latency with one subscriber to all channels, then writes as fast as they go.
    async fn round(&mut self, time: Duration) {
        let crowd = Crowd::subscribed(self.rowbell.address, "*", 1, Look::Arrivals).await;
        let count = (200.0 * time.as_secs_f64()) as usize;
        let answered = self.writers.pace(0, count, 200).await;
        assert!(
            crowd.counts.reach(&crowd.counts.writes, count, Duration::from_secs(5)).await,
            "not all arrived"
        );
        let mut waited: Vec<f64> = crowd
            .counts
            .arrivals
            .borrow()
            .iter()
            .map(|(k, at)| micros(at.saturating_duration_since(answered[*k])))
            .collect();
        waited.sort_by(f64::total_cmp);
        self.half.push(percentile(&waited, 0.5));
        self.most.push(percentile(&waited, 0.99));
        self.rate.push(self.writers.spurt(count, time).await.rate());
    }
}
