//! Versioned writes by REST from many clients, against the bare prepared UPDATE.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::future::join_all;
use rowbell::pg::link::Link;
use tokio_postgres::Statement;

use crate::Scale;
use crate::http::Client;
use crate::report::{Report, figure, median};
use crate::stage::Stage;

const TABLE: &str = "create table items (id integer primary key, note text, qty integer, doc jsonb);
    select rowbell.watch('items');
    insert into items select id, 'a row', 0, '{\"a\": 1}' from generate_series(1, 200) id;";
const UPDATE: &str = "update items t set qty = $1 where id = $2 and version = $3
    returning version, row_to_json(t.*)::text, id::text, pg_current_xact_id()::text";

pub async fn measure(stage: &Stage, scale: Scale, report: &mut Report) {
    let database = stage.database("requests", TABLE).await;
    let rowbell = database.serve(None);
    let (mut rows, mut bars) = (Vec::new(), Vec::new());
    for clients in scale.pick(vec![1, 32], vec![2]) {
        let mut bare = Vec::new();
        for (place, link) in database.links(clients).await.into_iter().enumerate() {
            let update = link.client.prepare(UPDATE).await.expect("prepares");
            bare.push((link, update, 1 + place));
        }
        let (mut floor, mut ours) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            floor.push(updates(&bare, scale.round / 2).await);
            // Connected anew each time: the server closes those that ask for nothing.
            let clients = join_all((0..clients).map(|place| Client::new(rowbell.address, 101 + place))).await;
            ours.push(requests(clients, scale.round / 2).await);
        }
        let (floor, ours) = (median(&floor), median(&ours));
        rows.push(vec![clients.to_string(), figure(ours), figure(floor), figure(ours / floor)]);
        bars.extend([
            (format!("Rowbell, REST, {clients}"), ours),
            (format!("bare prepared UPDATE, {clients}"), floor),
        ]);
    }
    report.table(&["clients", "REST, versioned writes/s", "bare prepared UPDATE/s", "ratio"], &rows);
    report.bars("requests", "Versioned writes a second, by number of clients", &bars);
}

async fn updates(all: &[(Link, Statement, usize)], time: Duration) -> f64 {
    let (begun, done) = (Instant::now(), Cell::new(0));
    join_all(all.iter().map(|(link, update, id)| {
        let done = &done;
        async move {
            let id = i32::try_from(*id).expect("a small number");
            let row = link
                .client
                .query_one("select version from items where id = $1", &[&id])
                .await
                .expect("reads");
            let mut version: i64 = row.get(0);
            while begun.elapsed() < time {
                done.set(done.get() + 1);
                version = link
                    .client
                    .query_one(update, &[&done.get(), &id, &version])
                    .await
                    .expect("writes")
                    .get(0);
            }
        }
    }))
    .await;
    f64::from(done.get()) / begun.elapsed().as_secs_f64()
}

async fn requests(mut clients: Vec<Client>, time: Duration) -> f64 {
    let (begun, done) = (Instant::now(), Cell::new(0));
    join_all(clients.iter_mut().map(|client| {
        let done = &done;
        async move {
            while begun.elapsed() < time {
                done.set(done.get() + 1);
                client.write(done.get()).await;
            }
        }
    }))
    .await;
    f64::from(done.get()) / begun.elapsed().as_secs_f64()
}
