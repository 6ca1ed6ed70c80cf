//! What the tests share.

pub mod api;
pub mod books;
pub mod cluster;
pub mod database;
pub mod events;
pub mod feed;
pub mod mirror;
pub mod program;
pub mod proxy;
pub mod scratch;
pub mod socket;

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

/// Waits for something that must happen soon; if it does not, the panic names the line that waited.
#[track_caller]
pub fn soon<F: Future>(event: F) -> impl Future<Output = F::Output> {
    soon_at(Location::caller(), event)
}

/// The same for a line further up.
pub async fn soon_at<F: Future>(line: &'static Location<'static>, event: F) -> F::Output {
    // Long, because two cores are shared with other builds; a good run never comes near it.
    match tokio::time::timeout(Duration::from_secs(30), event).await {
        Ok(output) => output,
        Err(_) => panic!("nothing happened in 30 s at {line}"),
    }
}
