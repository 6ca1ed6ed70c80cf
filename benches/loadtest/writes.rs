//! What a feed costs those who write.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::readers::{Crowd, Look};
use crate::report::{Report, figure, median};
use crate::stage::{Database, Rowbell, Stage, table};
use crate::writers::Writers;

/// The tables, by what happens when one writes to them.
const TABLES: [(&str, &str); 4] = [
    ("plain", "unwatched"),
    ("quiet", "watched, nobody subscribed"),
    ("always", "watched, NOTIFY in every commit"),
    ("live", "Rowbell, one live subscriber"),
];

/// What one number of writers came to.
struct Outcome {
    rates: [Vec<f64>; TABLES.len()],
    /// Milliseconds from the last commit's answer until the subscriber had everything.
    tail: Vec<f64>,
}

/// Writers in a closed loop on each table in turn; the live subscriber must get everything.
pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let tables: String = TABLES.iter().map(|(name, _)| table(name)).collect();
    let watch = "select rowbell.watch('quiet'); select rowbell.watch('always', notify => 'always'); select rowbell.watch('live');";
    let database = stage.database("writes", &format!("{tables}{watch}")).await;
    let rowbell = database.serve(None);
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for count in scale.pick(vec![1, 8, 32, 64], vec![1, 4]) {
        let outcome = contest(&database, &rowbell, count, scale).await;
        let rates = outcome.rates.each_ref().map(|rates| median(rates));
        let live = rates[3];
        let mut row = vec![count.to_string()];
        row.extend(rates.map(figure));
        row.extend([live / rates[1], live / rates[0], live / rates[2], median(&outcome.tail)].map(figure));
        rows.push(row);
        bars.extend(TABLES.iter().zip(rates).map(|((_, title), rate)| (format!("{title}, {count}"), rate)));
    }
    let head = [
        "writers",
        "unwatched /s",
        "watched, nobody /s",
        "NOTIFY always /s",
        "live subscriber /s",
        "live / nobody",
        "live / unwatched",
        "live / NOTIFY always",
        "all delivered after, ms",
    ];
    report.table(&head, &rows);
    report.bars("writes", "Commits a second, by number of writers", &bars);
}

async fn contest(database: &Database, rowbell: &Rowbell, count: usize, scale: Scale) -> Outcome {
    let mut writers = Vec::new();
    for (name, _) in TABLES {
        writers.push(Writers::of(database.links(count).await, name).await);
    }
    let mut outcome = Outcome { rates: Default::default(), tail: Vec::new() };
    for _ in 0..scale.rounds {
        for (place, (name, _)) in TABLES.iter().enumerate() {
            let time = scale.round / 2;
            let rate = if *name == "live" {
                let (rate, tail) = live(rowbell, &writers[place], time).await;
                outcome.tail.push(tail);
                rate
            } else {
                writers[place].spurt(0, time).await.rate()
            };
            outcome.rates[place].push(rate);
        }
    }
    outcome
}

/// The same with a subscriber, who comes for this round only, so that the other tables are measured without one.
async fn live(rowbell: &Rowbell, writers: &Writers, time: Duration) -> (f64, f64) {
    let crowd = Crowd::subscribed(rowbell.address, "live", 1, Look::Writes).await;
    let spurt = writers.spurt(0, time).await;
    let whole = crowd.counts.reach(&crowd.counts.writes, spurt.commits, Duration::from_secs(10)).await;
    let tail = Instant::now() - spurt.last;
    assert!(whole, "{} of {} writes arrived", crowd.counts.writes.get(), spurt.commits);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(crowd.counts.writes.get(), spurt.commits, "more arrived than was written");
    (spurt.rate(), tail.as_secs_f64() * 1000.0)
}
