//! What a session costs that has nothing to do.

use crate::Scale;
use crate::process::settle;
use crate::readers::Socket;
use crate::report::{Report, figure};
use crate::stage::{Stage, table};

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let sessions = scale.pick(10_000, 50);
    let database =
        stage.database("idle", &format!("{}select rowbell.watch('watched');", table("watched"))).await;
    let rowbell = database.serve(None);
    // The first ones pay for what all share.
    let mut open = Vec::with_capacity(sessions);
    open.push(Socket::subscribe(rowbell.address, "watched").await);
    settle().await;
    let before = rowbell.process.resident();
    while open.len() < sessions {
        open.push(Socket::subscribe(rowbell.address, "watched").await);
    }
    settle().await;
    let each = (rowbell.process.resident() - before) / (sessions - 1) as f64;
    let cpu = rowbell.process.cpu();
    tokio::time::sleep(scale.round).await;
    let busy = (rowbell.process.cpu() - cpu) / scale.round.as_secs_f64();
    let row = vec![sessions.to_string(), figure(each), figure(busy * 1000.0)];
    report.table(&["idle sessions", "resident bytes each", "CPU ms a second, all"], &[row]);
}
