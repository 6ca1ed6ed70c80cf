//! A client that was away for long: how fast it gets what it missed, and what that takes of memory.

use std::pin::pin;
use std::time::Instant;

use futures::TryStreamExt;

use crate::Scale;
use crate::process::settle;
use crate::readers::{Socket, each_k};
use crate::report::{Report, figure, median};
use crate::stage::{Database, Stage, table};

const READ: &str = "select l.xid::text, l.seq, l.channel, l.op, l.row_id, l.version, l.row::text, l.logged_at
    from rowbell.sync_log l order by l.xid, l.seq";

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let commits = scale.pick(300_000_usize, 2_000);
    let database =
        stage.database("catch_up", &format!("{}select rowbell.watch('watched');", table("watched"))).await;
    let rowbell = database.serve(None);
    let cursor = position(&rowbell).await;
    // One transaction each.
    let fill = format!(
        "do $$ begin for k in 1..{commits} loop
            insert into watched (k, note) values (k, 'one of the notes that are written all day'); commit;
        end loop; end $$"
    );
    let link = database.link().await;
    for statement in ["set synchronous_commit = off", &fill] {
        link.client.batch_execute(statement).await.expect("fills the log");
    }
    database.run("checkpoint").await;
    settle().await;
    let (mut ours, mut floor) = (Vec::new(), Vec::new());
    let before = rowbell.process.peak();
    for _ in 0..scale.pick(3, 1) {
        let begun = Instant::now();
        let mut socket = Socket::from(rowbell.address, "watched", Some(&cursor)).await;
        let mut last = 0;
        let mut seen = 0;
        while seen < commits {
            socket
                .read(|frame| {
                    each_k(frame, |k| {
                        assert_eq!(k, last + 1, "a commit is missing or out of order");
                        last = k;
                        seen += 1;
                    })
                })
                .await;
        }
        ours.push(commits as f64 / begun.elapsed().as_secs_f64());
        floor.push(read(&database).await);
    }
    let grown = rowbell.process.peak() - before;
    let (ours, floor) = (median(&ours), median(&floor));
    let row = vec![
        figure(commits as f64),
        figure(ours),
        figure(floor),
        figure(ours / floor),
        figure(grown / 1024.0),
    ];
    let head = [
        "commits missed",
        "Rowbell, changes/s",
        "bare SELECT of the log, rows/s",
        "ratio",
        "memory grown, KiB",
    ];
    report.table(&head, &[row]);
}

/// Where a client would be that goes away now.
async fn position(rowbell: &crate::stage::Rowbell) -> String {
    let mut socket = Socket::open(rowbell.address, "/feed/watched").await;
    let mut cursor = None;
    while cursor.is_none() {
        socket
            .read(|frame| {
                let frame: serde_json::Value = serde_json::from_slice(frame).expect("JSON");
                cursor = frame["cursor"].as_str().map(str::to_owned);
            })
            .await;
    }
    cursor.expect("a cursor")
}

/// The same rows by one prepared SELECT, in order, and nothing done with them.
async fn read(database: &Database) -> f64 {
    let link = database.link().await;
    let begun = Instant::now();
    let mut rows = pin!(link.client.query_raw(READ, Vec::<i32>::new()).await.expect("reads"));
    let mut count = 0_usize;
    while rows.try_next().await.expect("a row").is_some() {
        count += 1;
    }
    count as f64 / begun.elapsed().as_secs_f64()
}
