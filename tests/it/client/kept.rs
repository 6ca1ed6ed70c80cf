//! A copy of a channel that is kept, against the table it is a copy of.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use rowbell::client::{Collection, Event, Update};
use serde_json::Value;

use super::consumer::{client, shop};
use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::proxy::Proxy;
use crate::support::soon;

async fn real(database: &Database, table: &str) -> BTreeMap<String, Value> {
    let sql = format!("select row_to_json(t)::text from {table} t");
    let link = database.link().await;
    let rows = link.client.query(&sql, &[]).await.expect("rows");
    rows.iter()
        .map(|row| serde_json::from_str::<Value>(row.get(0)).unwrap())
        .map(|row| (row.to_string(), row))
        .collect()
}

fn copied(collection: &Collection) -> BTreeMap<String, Value> {
    let rows = collection.iter().map(|(_, entry)| entry.read_as::<Value>().unwrap().unwrap());
    rows.map(|row| (row.to_string(), row)).collect()
}

/// Follows until the copy is the table; what was told on the way.
#[track_caller]
fn settle<'a>(
    collection: &'a mut Collection,
    database: &'a Database,
    table: &'a str,
) -> impl Future<Output = Vec<Update>> + 'a {
    soon(async move {
        let mut told = Vec::new();
        let real = real(database, table).await;
        while copied(collection) != real {
            told.push(collection.next().await.expect("no error").expect("no end"));
        }
        told
    })
}

#[tokio::test]
async fn a_copy_follows_every_kind_of_change() {
    let shop = shop().await;
    shop.run("insert into orders select n, 'x' from generate_series(1, 9000) n").await;
    let api = Api::on(&shop.url).await;
    let client = client(&format!("http://{}", api.address));
    let mut orders = soon(client.follow("orders").open()).await.unwrap();
    assert_eq!(orders.len(), 9000);
    let entry = orders.get("7").expect("a row");
    assert_eq!(entry.read_as::<Value>().unwrap().unwrap()["version"].as_i64(), entry.version);
    for sql in [
        "update orders set n = n + 1 where id < 100",
        "update orders set id = id + 10000 where id between 200 and 300",
        "delete from orders where id < 50",
        "begin; truncate orders; insert into orders values (1, 'new'); commit",
        "truncate orders",
        "insert into orders select n, repeat('x', 1000) from generate_series(1, 4000) n",
    ] {
        shop.run(sql).await;
        let told = settle(&mut orders, &shop, "orders").await;
        assert!(told.iter().all(|update| matches!(update, Update::Changed(_))), "{sql}");
    }
    // A row that is read can be written with the version it was read at.
    let version = orders.get("3").unwrap().version.unwrap();
    let columns = serde_json::json!({"note": "written"});
    client.patch("orders", "3", version, &columns).await.unwrap().done().unwrap();
    settle(&mut orders, &shop, "orders").await;

    shop.run("select rowbell.resync('orders')").await;
    shop.run("insert into orders values (0, 'after')").await;
    let told = settle(&mut orders, &shop, "orders").await;
    assert!(told.iter().any(|update| matches!(update, Update::StartedOver(Some(_)))), "{told:?}");
    // Once this has come, the new subscription is held.
    shop.run("insert into orders values (-1, 'held')").await;
    settle(&mut orders, &shop, "orders").await;
    shop.run("select rowbell.unwatch('orders')").await;
    assert!(soon(orders.next()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_large_table_is_read_in_one_snapshot_while_it_changes_and_the_line_breaks() {
    let shop = shop().await;
    shop.run("insert into orders select n, repeat('x', 200) from generate_series(1, 30000) n").await;
    let api = Api::on(&shop.url).await;
    let proxy = Proxy::to(api.address).await;
    let client = client(&proxy.url());
    // In the middle of about 9 MB; whoever starts is told.
    proxy.cut_after(3_000_000);
    assert!(soon(client.follow("orders").open()).await.unwrap_err().is_unreachable());
    let (opened, ()) = tokio::join!(soon(client.follow("orders").open()), async {
        for round in 0..20 {
            shop.run(&format!("update orders set n = n + 1 where id % 20 = {round}")).await;
        }
    });
    let mut orders = opened.unwrap();
    settle(&mut orders, &shop, "orders").await;
    // Read anew over a line that breaks, the copy stays as it was until the new one is whole.
    proxy.cut_after(3_000_000);
    shop.run("select rowbell.resync('orders'); delete from orders where id > 20000").await;
    let told = settle(&mut orders, &shop, "orders").await;
    assert!(told.iter().any(|update| matches!(update, Update::Disconnected(_))), "{told:?}");
    assert!(told.iter().any(|update| matches!(update, Update::StartedOver(Some(_)))), "{told:?}");
    assert_eq!(orders.len(), 20000);
}

#[tokio::test]
async fn rows_of_several_channels_come_in_one_snapshot() {
    let shop = shop().await;
    shop.run(
        "create table clients (id integer primary key); select rowbell.watch('clients');
            insert into clients select generate_series(1, 3); insert into orders values (1, 'a')",
    )
    .await;
    let api = Api::on(&shop.url).await;
    let mut events = client(&format!("http://{}", api.address)).subscribe("*").snapshot().events();
    assert!(matches!(soon(events.next()).await, Some(Ok(Event::SnapshotBegins))));
    let mut counts = BTreeMap::new();
    let cursor = loop {
        let Some(Ok(Event::Rows(rows))) = soon(events.next()).await else { panic!() };
        *counts.entry(rows.channel).or_insert(0) += rows.rows.len();
        if let Some(cursor) = rows.cursor {
            break cursor;
        }
    };
    assert_eq!(counts, BTreeMap::from([("clients".to_owned(), 3), ("orders".to_owned(), 1)]));
    assert!(!cursor.is_empty());
    shop.run("insert into clients values (4)").await;
    let change = soon(async {
        loop {
            if let Some(Ok(Event::Commits(frame))) = events.next().await
                && let Some(commit) = frame.commits.first()
            {
                break commit.changes[0].id.clone();
            }
        }
    });
    assert_eq!(change.await.as_deref(), Some("4"));
}

#[tokio::test]
async fn a_row_over_a_mebibyte_is_whole_in_the_snapshot_and_named_in_a_change() {
    let shop = shop().await;
    shop.run("insert into orders values (1, repeat('x', 20000000))").await;
    let api = Api::on(&shop.url).await;
    let client = client(&format!("http://{}", api.address));
    let mut orders = soon(client.follow("orders").open()).await.unwrap();
    assert!(orders.get("1").unwrap().json.as_ref().unwrap().get().len() > 20_000_000);
    shop.run("update orders set n = 7").await;
    assert!(matches!(soon(orders.next()).await.unwrap(), Some(Update::Changed(ids)) if ids == ["1"]));
    let entry = orders.get("1").unwrap();
    assert!(entry.json.is_none());
    let row = client.read("orders", "1").await.unwrap().expect("a row");
    assert_eq!(row.version, entry.version);
}

#[tokio::test]
async fn a_server_that_is_too_slow_for_a_snapshot_is_asked_for_a_list() {
    let shop = shop().await;
    shop.run("insert into orders select n, 'x' from generate_series(1, 9999) n").await;
    let api = Api::with(&shop.url, |config| config.feed.snapshot_patience = Duration::ZERO).await;
    let client = client(&format!("http://{}", api.address));
    let mut orders = soon(client.follow("orders").open()).await.unwrap();
    shop.run("update orders set n = 7 where id < 100; select rowbell.resync('orders'); delete from orders where id = 1").await;
    settle(&mut orders, &shop, "orders").await;
    shop.run("insert into orders select n, 'x' from generate_series(20000, 21000) n").await;
    settle(&mut orders, &shop, "orders").await;
    let error = soon(client.follow("orders").open()).await.unwrap_err();
    assert!(error.is_too_large(), "{error:?}");
}

#[tokio::test]
async fn a_copy_of_some_rows_holds_those_that_pass() {
    let shop = shop().await;
    shop.run("insert into orders (id, note, n) select n, 'x', n % 3 from generate_series(1, 300) n").await;
    let passing = "(select * from orders where n = 1 and note <> 'gone')";
    // Both ways to read the rows: with the subscription, and by a list.
    for patience in [Duration::from_secs(30), Duration::ZERO] {
        let api = Api::with(&shop.url, |config| config.feed.snapshot_patience = patience).await;
        let client = client(&format!("http://{}", api.address));
        let mut orders = soon(client.follow("orders?n=eq.1&note=neq.gone").open()).await.unwrap();
        assert_eq!(copied(&orders), real(&shop, passing).await);
        let mut changed = async |sql: &str| {
            shop.run(sql).await;
            let mut ids = Vec::new();
            for update in settle(&mut orders, &shop, passing).await {
                let Update::Changed(some) = update else { panic!("{sql}: {update:?}") };
                ids.extend(some);
            }
            ids
        };
        assert_eq!(changed("update orders set n = 1 where id = 3").await, ["3"], "enters");
        assert_eq!(changed("update orders set n = 2 where id = 1").await, ["1"], "leaves");
        assert_eq!(changed("update orders set note = 'y' where id in (1, 4)").await, ["4"], "stays");
        assert_eq!(changed("update orders set note = 'gone' where id = 3").await, ["3"], "leaves");
        assert_eq!(changed("delete from orders where id in (2, 7)").await, ["7"], "is deleted");
        assert_eq!(
            changed("update orders set id = 1000 where id = 10").await,
            ["10", "1000"],
            "is named anew"
        );
        let around =
            "begin; update orders set n = 2 where id = 13; update orders set n = 1 where id = 13; commit";
        assert_eq!(changed(around).await, ["13"], "is there again");
        changed("truncate orders; insert into orders (id, note, n) select n, 'x', n % 3 from generate_series(1, 300) n").await;
        shop.run("select rowbell.resync('orders'); update orders set n = 1 where id = 2").await;
        let told = settle(&mut orders, &shop, passing).await;
        assert!(told.iter().any(|update| matches!(update, Update::StartedOver(Some(_)))), "{told:?}");
        shop.run("update orders set n = id % 3").await;
    }
}

#[tokio::test]
async fn keys_of_several_columns_and_of_text() {
    let database = Database::new().await;
    database
        .run("create table stock (branch text, product integer, n integer default 0, primary key (branch, product));
            insert into stock values ('a \"b\"', 1), ('ä', 2); select rowbell.watch('stock');
            create table tags (tag varchar(20) primary key); insert into tags values ('x \\ y'); select rowbell.watch('tags')")
        .await;
    let api = Api::on(&database.url).await;
    let client = client(&format!("http://{}", api.address));
    let mut stock = soon(client.follow("stock").key(["branch", "product"]).open()).await.unwrap();
    assert!(stock.get(r#"["a \"b\"",1]"#).is_some());
    database
        .run("update stock set n = 7; insert into stock values ('c', 3); delete from stock where product = 2")
        .await;
    settle(&mut stock, &database, "stock").await;
    let mut tags = soon(client.follow("tags").key(["tag"]).open()).await.unwrap();
    assert!(tags.get(r"x \ y").is_some());
    database.run("update tags set tag = 'z'").await;
    settle(&mut tags, &database, "tags").await;
    let error = soon(client.follow("stock").open()).await.unwrap_err();
    assert!(error.is_usage(), "{error:?}");
}

#[tokio::test]
async fn a_copy_survives_a_network_that_breaks() {
    let shop = shop().await;
    shop.run("insert into orders select n, 'x' from generate_series(1, 100) n").await;
    let api = Api::on(&shop.url).await;
    let proxy = Proxy::to(api.address).await;
    let mut orders = soon(client(&proxy.url()).follow("orders").open()).await.unwrap();
    let mut losses = 0;
    for round in 0..5 {
        proxy.cut_after(5000);
        proxy.cut();
        shop.run(
            "update orders set n = n + 1, note = repeat('x', 500); delete from orders where id % 50 = n % 50",
        )
        .await;
        if round == 3 {
            // Read anew while the server cannot be reached.
            proxy.refuse();
            shop.run("select rowbell.resync('orders')").await;
            tokio::time::sleep(Duration::from_millis(100)).await;
            proxy.accept();
        }
        let told = settle(&mut orders, &shop, "orders").await;
        losses += told.iter().filter(|update| matches!(update, Update::Disconnected(_))).count();
    }
    assert!(losses >= 5, "{losses}");
}
