//! Retention at work: the log is emptied all the time, and now and then of what somebody has not read yet.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::pg::connect::Connector;
use rowbell::pg::keeper::{self, Outcome};
use rowbell::pg::link::Link;
use rowbell::pg::origin;
use rowbell::words::Result;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A leaf of the ring for every second, instead of ten at least.
pub const SHORT_SLOTS: &str = "update rowbell.retention set period = 1";

/// Empties the log again and again; the number of leaves it emptied.
pub fn start(connector: &Connector, seed: u64, stop: &CancellationToken) -> JoinHandle<usize> {
    let (connector, stop) = (connector.clone(), stop.clone());
    let mut random = StdRng::seed_from_u64(seed);
    tokio::spawn(async move {
        let mut emptied = 0;
        while !stop.is_cancelled() {
            // Mostly longer than anybody is away.
            let keep = if random.random_bool(0.1) { 2000 } else { 5000 };
            if let Ok(link) = connector.connect("prune").await {
                // While PostgreSQL comes and goes it is a try.
                emptied += prune(&link, Duration::from_millis(keep)).await.unwrap_or(0);
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(200..900))).await;
        }
        emptied
    })
}

/// What `rowbell prune --keep` does.
async fn prune(link: &Link, keep: Duration) -> Result<usize> {
    origin::open_origin(&link.client).await?;
    keeper::tick(&link.client).await?;
    keeper::turn(&link.client).await?;
    let outcomes = keeper::prune(&link.client, keep).await?.unwrap_or_default();
    Ok(outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Emptied(_))).count())
}
