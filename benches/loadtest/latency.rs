//! From a commit's acknowledgement to the frame: Rowbell, the usual gateway, and a bare LISTEN.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::peers::{gateway, listen};
use crate::process::Process;
use crate::readers::{Crowd, Look, Socket};
use crate::report::{Report, figure, median, micros, percentile};
use crate::stage::{Database, Rowbell, Stage, table};
use crate::writers::Writers;

/// The numbers of one round.
#[derive(Debug, Clone, Copy)]
struct Times {
    half: f64,
    most: f64,
}

/// Everyone who takes part, all there at once and asked in turn.
struct Contest {
    database: Database,
    rowbell: Rowbell,
    gateway: Option<(Process, std::net::SocketAddr)>,
}

impl Contest {
    async fn open(stage: &Stage, name: &str) -> Self {
        let tables = [table("watched"), table("gateway"), table("bare")].concat();
        let tables =
            format!("{tables}{}{}select rowbell.watch('watched');", gateway::TRIGGER, listen::TRIGGER);
        let database = stage.database(name, &tables).await;
        let rowbell = database.serve(None);
        let gateway = gateway::command(&database.url).map(Process::start);
        Self { database, rowbell, gateway }
    }

    async fn rowbell(&self, subscribers: usize) -> Contestant {
        let mut crowd = Crowd::default();
        for _ in 0..subscribers {
            crowd.join(Socket::subscribe(self.rowbell.address, "watched").await, Look::Arrivals);
        }
        Contestant { crowd, writers: self.writers("watched").await, next: 0, subscribers }
    }

    async fn gateway(&self, subscribers: usize) -> Option<Contestant> {
        let (_, address) = self.gateway.as_ref()?;
        let crowd = Crowd::connected(*address, "/", subscribers, Look::Arrivals).await;
        Some(Contestant { crowd, writers: self.writers("gateway").await, next: 0, subscribers })
    }

    async fn writers(&self, table: &str) -> Writers {
        Writers::of(self.database.links(4).await, table).await
    }
}

/// Subscribers and those who write what they get.
struct Contestant {
    crowd: Crowd,
    writers: Writers,
    next: usize,
    subscribers: usize,
}

impl Contestant {
    /// Writes at a pace; none where not everything arrives in time.
    async fn round(&mut self, rate: usize, time: Duration) -> Option<Times> {
        let (first, count) = (self.next, (rate as f64 * time.as_secs_f64()).max(10.0) as usize);
        self.next += count;
        let counts = &self.crowd.counts;
        counts.arrivals.borrow_mut().clear();
        let before = counts.writes.get();
        let answered = self.writers.pace(first, count, rate).await;
        let all = before + count * self.subscribers;
        if !counts.reach(&counts.writes, all, Duration::from_secs(5)).await {
            return None;
        }
        Some(times(&counts.arrivals.borrow(), first, &answered))
    }
}

fn times(arrivals: &[(usize, Instant)], first: usize, answered: &[Instant]) -> Times {
    let waited = |(k, at): &(usize, Instant)| {
        let answered = answered[k - first];
        // A frame may be there before the answer is.
        micros(at.saturating_duration_since(answered)) - micros(answered.saturating_duration_since(*at))
    };
    let mut all: Vec<f64> = arrivals.iter().map(waited).collect();
    all.sort_by(f64::total_cmp);
    Times { half: percentile(&all, 0.5), most: percentile(&all, 0.99) }
}

fn middle(rounds: &[Times]) -> [f64; 2] {
    let of = |part: fn(&Times) -> f64| median(&rounds.iter().map(part).collect::<Vec<_>>());
    [of(|times| times.half), of(|times| times.most)]
}

/// 200 commits a second, 1 and 100 subscribers: rounds of all contestants in turn.
pub async fn goals(stage: &Stage, scale: Scale, report: &mut Report) {
    let contest = Contest::open(stage, "latency").await;
    let mut rows = Vec::new();
    let mut bars = Vec::new();
    for subscribers in [1, scale.pick(100, 5)] {
        let mut rowbell = contest.rowbell(subscribers).await;
        let mut gateway = contest.gateway(subscribers).await;
        let (mut ours, mut theirs, mut floor) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            ours.extend(rowbell.round(200, scale.round).await);
            if let Some(gateway) = &mut gateway {
                theirs.extend(gateway.round(200, scale.round).await);
            }
            if subscribers == 1 {
                floor.push(bare(&contest, 200, scale.round).await);
            }
        }
        for (name, rounds) in
            [("Rowbell", &ours), ("Node gateway", &theirs), ("bare LISTEN and SELECT", &floor)]
        {
            if rounds.is_empty() {
                continue;
            }
            let ([half, most], [our_half, our_most]) = (middle(rounds), middle(&ours));
            let ratios = [our_half / half, our_most / most].map(figure);
            rows.push(
                [name.to_owned(), subscribers.to_string(), figure(half), figure(most)]
                    .into_iter()
                    .chain(ratios)
                    .collect(),
            );
            bars.push((format!("{name}, {subscribers}, p50"), half));
            bars.push((format!("{name}, {subscribers}, p99"), most));
        }
    }
    let head =
        ["200 commits/s", "subscribers", "p50 µs", "p99 µs", "Rowbell's p50 / this", "Rowbell's p99 / this"];
    report.table(&head, &rows);
    report.bars("latency", "Commit's answer to frame, µs, 200 commits/s", &bars);
}

/// One round of a bare listener; it is there for that round only.
async fn bare(contest: &Contest, rate: usize, time: Duration) -> Times {
    contest.database.run("truncate bare restart identity").await;
    let listener = listen::Listener::start(contest.database.link().await).await;
    let writers = contest.writers("bare").await;
    let count = (rate as f64 * time.as_secs_f64()).max(10.0) as usize;
    let answered = writers.pace(0, count, rate).await;
    let deadline = Instant::now() + Duration::from_secs(5);
    while listener.arrivals.borrow().len() < count && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    times(&listener.arrivals.borrow(), 0, &answered)
}

/// Many subscribers and many commits, one round each.
pub async fn grid(stage: &Stage, scale: Scale, report: &mut Report) {
    let contest = Contest::open(stage, "grid").await;
    let mut rows = Vec::new();
    for subscribers in scale.pick(vec![1, 100, 1000], vec![1, 5]) {
        let mut rowbell = contest.rowbell(subscribers).await;
        let mut gateway = contest.gateway(subscribers).await;
        for rate in scale.pick(vec![1, 100, 1000, 5000], vec![50]) {
            let time = if rate == 1 { scale.round * 4 } else { scale.round };
            let ours = rowbell.round(rate, time).await;
            let theirs = match &mut gateway {
                // More than it can send piles up in its memory, and the next round would still wait for it.
                Some(gateway) if subscribers * rate <= 100_000 => gateway.round(rate, time).await,
                _ => None,
            };
            let words = |times: Option<Times>| {
                times.map_or(["–".to_owned(), "–".to_owned()], |times| {
                    [times.half, times.most].map(figure)
                })
            };
            rows.push(
                [subscribers.to_string(), rate.to_string()]
                    .into_iter()
                    .chain(words(ours))
                    .chain(words(theirs))
                    .collect(),
            );
        }
    }
    let head =
        ["subscribers", "commits/s offered", "Rowbell p50 µs", "p99 µs", "Node gateway p50 µs", "p99 µs"];
    report.table(&head, &rows);
}
