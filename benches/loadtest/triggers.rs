//! What each part of a watched table's triggers costs one writer, beside the same table without it.

use crate::Scale;
use crate::report::{Report, figure, median};
use crate::stage::{Stage, table};
use crate::writers::Writers;

/// The tables, each with a little more on it than the one before.
const TABLES: [(&str, &str); 8] = [
    ("bare", "unwatched"),
    ("nothing", "a trigger that does nothing, security definer"),
    ("settings", "the same with a pinned search_path and the settings that pin an image's text"),
    ("flat", "one insert into a log without partitions and indexes, nothing pinned"),
    ("indexed", "the same with the log's two indexes"),
    ("ring", "the log itself, and the look at the bell"),
    ("feed_only", "Rowbell, feed-only"),
    ("watched", "Rowbell, with the version"),
];

/// One writer in a closed loop on each table in turn, who does not wait for the disk: what is left is work.
pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let tables: String = TABLES.iter().map(|(name, _)| table(name)).collect();
    let database = stage.database("triggers", &format!("{tables}{}", include_str!("triggers.sql"))).await;
    let mut writers = Vec::new();
    for (name, _) in TABLES {
        let links = database.links(1).await;
        links[0].client.batch_execute("set synchronous_commit = off").await.expect("is set");
        writers.push(Writers::of(links, name).await);
    }
    let mut times = TABLES.map(|_| Vec::new());
    for _ in 0..2 * scale.rounds {
        for (writers, times) in writers.iter().zip(&mut times) {
            times.push(1e6 / writers.spurt(0, scale.round / 4).await.rate());
        }
    }
    let times = times.map(|times| median(&times));
    let rows: Vec<_> = TABLES
        .iter()
        .zip(times)
        .map(|((_, title), time)| vec![(*title).to_owned(), figure(time), figure(time - times[0])])
        .collect();
    report.table(&["one row a transaction", "µs", "more than unwatched"], &rows);
}
