//! One frame to many sockets: Rowbell, a bare loop, tokio-tungstenite, Nchan.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::Scale;
use crate::peers::{self, nchan};
use crate::process::{Process, settle};
use crate::readers::{Crowd, Look, Socket};
use crate::report::{Report, figure, median};
use crate::stage::{Database, Stage, table};
use crate::writers::Writers;

/// About what Rowbell's frame of one insert has.
const BYTES: usize = 400;

/// Who makes a frame go out.
enum Publisher {
    /// By a commit.
    Rowbell(Writers),
    /// By a byte.
    Peer(TcpStream),
    /// By a request.
    Nchan(TcpStream),
}

struct Contestant {
    name: &'static str,
    process: Process,
    crowd: Crowd,
    publisher: Publisher,
    sent: usize,
    /// CPU seconds for a million frames, round by round.
    cpu: Vec<f64>,
}

impl Contestant {
    async fn peer(name: &'static str, peer: &str, subscribers: usize) -> Self {
        let (process, address) = Process::start(peers::command(peer, BYTES));
        let crowd = Crowd::connected(address, "/feed", subscribers, Look::Frames).await;
        let tcp = publisher(address).await;
        Self { name, process, crowd, publisher: Publisher::Peer(tcp), sent: 0, cpu: Vec::new() }
    }

    async fn nchan(stage: &Stage, subscribers: usize) -> Option<Self> {
        let (command, address) = nchan::command(stage.directory())?;
        let process = Process::spawn(command);
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let crowd = Crowd::connected(address, "/feed", subscribers, Look::Frames).await;
        let tcp = TcpStream::connect(address).await.expect("connects");
        Some(Self {
            name: "Nchan",
            process,
            crowd,
            publisher: Publisher::Nchan(tcp),
            sent: 0,
            cpu: Vec::new(),
        })
    }

    async fn rowbell(database: &Database, subscribers: usize, core: Option<usize>) -> Self {
        let rowbell = database.serve(core);
        let crowd = Crowd::subscribed(rowbell.address, "watched", subscribers, Look::Writes).await;
        let writers = Writers::of(database.links(4).await, "watched").await;
        Self {
            name: "Rowbell",
            process: rowbell.process,
            crowd,
            publisher: Publisher::Rowbell(writers),
            sent: 0,
            cpu: Vec::new(),
        }
    }

    /// Publishes at a pace and waits until everyone has everything.
    async fn round(&mut self, rate: usize, time: Duration, subscribers: usize) {
        let count = (rate as f64 * time.as_secs_f64()) as usize;
        let (frames, cpu) = (self.crowd.counts.frames.get(), self.process.cpu());
        match &mut self.publisher {
            Publisher::Rowbell(writers) => drop(writers.pace(self.sent, count, rate).await),
            Publisher::Peer(tcp) => {
                pace(count, rate, async || tcp.write_all(b"x").await.expect("is sent")).await
            }
            Publisher::Nchan(tcp) => pace(count, rate, async || nchan::publish(tcp, BYTES).await).await,
        }
        self.sent += count;
        let counts = &self.crowd.counts;
        // A frame of Rowbell's may carry more than one commit.
        let (told, goal) = match self.publisher {
            Publisher::Rowbell(_) => (&counts.writes, self.sent),
            Publisher::Peer(_) | Publisher::Nchan(_) => (&counts.frames, self.sent),
        };
        let whole = counts.reach(told, goal * subscribers, Duration::from_secs(5)).await;
        let delivered = counts.frames.get() - frames;
        if !whole {
            println!("({}: {delivered} of {} frames)", self.name, count * subscribers);
        }
        self.cpu.push((self.process.cpu() - cpu) / delivered as f64 * 1e6);
    }
}

async fn publisher(address: SocketAddr) -> TcpStream {
    let mut tcp = TcpStream::connect(address).await.expect("connects");
    tcp.set_nodelay(true).expect("is set");
    let request = "GET /publish HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    tcp.write_all(request.as_bytes()).await.expect("is sent");
    settle().await;
    tcp
}

async fn pace(count: usize, rate: usize, mut publish: impl AsyncFnMut()) {
    let begun = Instant::now();
    for turn in 0..count {
        let due = begun + Duration::from_secs_f64(turn as f64 / rate as f64);
        tokio::time::sleep_until(due.into()).await;
        publish().await;
    }
}

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let subscribers = scale.pick(1000, 20);
    let database =
        stage.database("fan_out", &format!("{}select rowbell.watch('watched');", table("watched"))).await;
    let mut all = vec![
        Contestant::rowbell(&database, subscribers, None).await,
        Contestant::peer("bare loop over sockets", "sockets", subscribers).await,
        Contestant::peer("tokio-tungstenite", "broadcast", subscribers).await,
    ];
    all.extend(Contestant::nchan(stage, subscribers).await);
    settle().await;
    for _ in 0..scale.rounds {
        for contestant in &mut all {
            contestant.round(50, scale.round, subscribers).await;
        }
    }
    let ours = median(&all[0].cpu);
    let figures: Vec<(String, f64)> = all.iter().map(|one| (one.name.to_owned(), median(&one.cpu))).collect();
    let rows: Vec<_> =
        figures.iter().map(|(name, cpu)| vec![name.clone(), figure(*cpu), figure(ours / cpu)]).collect();
    let head =
        [&*format!("{subscribers} subscribers × 50 frames/s"), "CPU s a million frames", "Rowbell's / this"];
    report.table(&head, &rows);
    report.bars("fan-out", "Server's CPU seconds a million frames", &figures);
    drop(all);
    one_core(&database, scale, report).await;
}

/// 300,000 frames a second are offered to a server on one core.
async fn one_core(database: &Database, scale: Scale, report: &mut Report) {
    let (subscribers, rate) = (scale.pick(1000, 20), 300);
    let rowbell = database.serve(Some(0));
    let mut crowd = Crowd::default();
    for _ in 0..subscribers {
        crowd.join(Socket::subscribe(rowbell.address, "watched").await, Look::Writes);
    }
    let writers = Writers::of(database.links(4).await, "watched").await;
    let mut rates = Vec::new();
    let mut together = Vec::new();
    for _ in 0..scale.rounds {
        let count = (f64::from(rate) * scale.round.as_secs_f64()) as usize;
        let counts = &crowd.counts;
        let (frames, before, begun) = (counts.frames.get(), counts.writes.get(), Instant::now());
        writers.pace(0, count, rate as usize).await;
        counts.reach(&counts.writes, before + count * subscribers, Duration::from_secs(10)).await;
        let (writes, frames) = (counts.writes.get() - before, counts.frames.get() - frames);
        rates.push(writes as f64 / begun.elapsed().as_secs_f64());
        together.push(writes as f64 / frames as f64);
    }
    let row =
        vec![figure(f64::from(rate) * subscribers as f64), figure(median(&rates)), figure(median(&together))];
    report.table(&["changes/s offered, server on one core", "delivered", "changes a frame"], &[row]);
}
