//! Writers: at a pace, or each as fast as it gets its answer.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rowbell::pg::link::Link;
use tokio_postgres::Statement;

/// Connections with the insert prepared.
pub struct Writers {
    writers: Vec<(Link, Statement)>,
}

/// What writers did as fast as they could.
pub struct Spurt {
    pub commits: usize,
    pub last: Instant,
    pub elapsed: Duration,
}

impl Spurt {
    pub fn rate(&self) -> f64 {
        self.commits as f64 / self.elapsed.as_secs_f64()
    }
}

impl Writers {
    /// Ready to insert into a table that `stage::table` made.
    pub async fn of(links: Vec<Link>, table: &str) -> Self {
        let insert =
            format!("insert into {table} (k, note) values ($1, 'one of the notes that are written all day')");
        let mut writers = Vec::new();
        for link in links {
            let statement = link.client.prepare(&insert).await.expect("prepares");
            writers.push((link, statement));
        }
        Self { writers }
    }

    /// Writes `count` rows at so many a second, whatever the answers take; when each was answered.
    pub async fn pace(&self, first: usize, count: usize, rate: usize) -> Vec<Instant> {
        let begun = Instant::now();
        let answered = RefCell::new(vec![begun; count]);
        let turns = self.writers.iter().enumerate().map(|(place, (link, statement))| {
            let answered = &answered;
            async move {
                for turn in (place..count).step_by(self.writers.len()) {
                    let due = begun + Duration::from_secs_f64(turn as f64 / rate as f64);
                    tokio::time::sleep_until(due.into()).await;
                    insert(link, statement, first + turn).await;
                    answered.borrow_mut()[turn] = Instant::now();
                }
            }
        });
        join_all(turns).await;
        answered.into_inner()
    }

    /// Everyone writes one row after the other for that long.
    pub async fn spurt(&self, first: usize, time: Duration) -> Spurt {
        let begun = Instant::now();
        let (next, last) = (Cell::new(first), Cell::new(begun));
        let turns = self.writers.iter().map(|(link, statement)| {
            let (next, last) = (&next, &last);
            async move {
                while begun.elapsed() < time {
                    let k = next.replace(next.get() + 1);
                    insert(link, statement, k).await;
                    last.set(Instant::now());
                }
            }
        });
        join_all(turns).await;
        Spurt { commits: next.get() - first, last: last.get(), elapsed: last.get() - begun }
    }
}

async fn insert(link: &Link, statement: &Statement, k: usize) {
    let k = i64::try_from(k).expect("a small number");
    link.client.execute(statement, &[&k]).await.expect("writes");
}
