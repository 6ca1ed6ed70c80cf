//! Many commits to many subscribers: what counts is changes, because frames carry many commits.

use std::time::{Duration, Instant};

use crate::Scale;
use crate::readers::{Crowd, Look};
use crate::report::{Report, figure, median};
use crate::stage::{Stage, table};
use crate::writers::Writers;

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let (subscribers, rate) = (scale.pick(1000, 20), scale.pick(5000, 500));
    let database =
        stage.database("pull", &format!("{}select rowbell.watch('watched');", table("watched"))).await;
    let rowbell = database.serve(None);
    let mut crowd = Crowd::subscribed(rowbell.address, "watched", subscribers - 1, Look::Frames).await;
    let checker = Crowd::subscribed(rowbell.address, "watched", 1, Look::Writes).await;
    crowd.join(crate::readers::Socket::subscribe(rowbell.address, "watched").await, Look::Frames);
    let writers = Writers::of(database.links(8).await, "watched").await;
    let (mut rates, mut offered, mut together, mut cpu) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        let count = (f64::from(rate) * scale.round.as_secs_f64()) as usize;
        let (frames, before, used) =
            (checker.counts.frames.get(), checker.counts.writes.get(), rowbell.process.cpu());
        let all = crowd.counts.frames.get();
        let begun = Instant::now();
        writers.pace(0, count, rate as usize).await;
        let wrote = begun.elapsed();
        let counts = &checker.counts;
        counts.reach(&counts.writes, before + count, Duration::from_secs(10)).await;
        let frames = counts.frames.get() - frames;
        // Everyone is on the same topic, so everyone gets the same frames.
        crowd
            .counts
            .reach(&crowd.counts.frames, all + frames * (subscribers - 1), Duration::from_secs(10))
            .await;
        let changes = (counts.writes.get() - before) as f64;
        rates.push(changes * subscribers as f64 / begun.elapsed().as_secs_f64());
        offered.push(count as f64 / wrote.as_secs_f64());
        together.push(changes / frames as f64);
        cpu.push((rowbell.process.cpu() - used) / (changes * subscribers as f64) * 1e6);
    }
    let row = vec![
        subscribers.to_string(),
        figure(median(&offered)),
        figure(median(&rates)),
        figure(median(&together)),
        figure(median(&cpu)),
    ];
    report.table(
        &[
            "subscribers",
            "commits/s written",
            "changes/s delivered",
            "changes a frame",
            "CPU s a million changes",
        ],
        &[row],
    );
}
