//! The command line: what it does, and what it says when it cannot.

use std::net::TcpListener;

use crate::support::cluster::{database, shared};
use crate::support::database::{Database, url_of};
use crate::support::program::{Running, Said, rowbell, run};
use crate::support::scratch::Scratch;

async fn on(url: &str, arguments: &[&str]) -> Said {
    let mut command = rowbell(arguments);
    command.env("DATABASE_URL", url);
    run(command).await
}

/// A command that must fail: its one line.
async fn fails(url: &str, arguments: &[&str], status: i32) -> String {
    let said = on(url, arguments).await;
    assert_eq!(said.status, status, "{arguments:?}: {}{}", said.out, said.err);
    assert_eq!(said.err.trim_end().lines().count(), 1, "{}", said.err);
    said.err.trim_end().to_owned()
}

#[tokio::test]
async fn from_nothing_to_a_followed_table_and_back() {
    let connector = database().await;
    let url = url_of(&connector).await;
    let said = on(&url, &["migrate", "status"]).await;
    assert!(said.status == 0 && said.out.starts_with("schema is at 0, needs "), "{}", said.out);
    assert!(said.out.contains("missing V1__installation"), "{}", said.out);
    assert!(on(&url, &["migrate"]).await.out.contains("applied V1__installation"));
    assert!(!on(&url, &["migrate", "up"]).await.out.contains("applied"));
    assert_eq!(on(&url, &["channels"]).await.out, "nothing is watched; rowbell watch TABLE begins\n");

    let link = connector.connect("test").await.unwrap();
    let tables =
        "create schema shop; create table shop.\"Order Lines\" (id int primary key, note text, secret text)";
    link.client.batch_execute(tables).await.unwrap();
    let said = on(&url, &["watch", "shop.\"Order Lines\"", "--omit", "secret", "--notify", "always"]).await;
    assert_eq!(said.status, 0, "{}", said.err);
    assert!(
        said.out.contains("added column version (bigint not null default 0) to shop.\"Order Lines\""),
        "{}",
        said.out
    );
    assert!(said.out.ends_with("watching shop.\"Order Lines\" as channel order-lines\n"), "{}", said.out);
    let listed = "order-lines  shop.\"Order Lines\"; key id; without secret; notify always\n";
    assert_eq!(on(&url, &["channels"]).await.out, listed);

    let mut command = rowbell(&["tail", "order-lines"]);
    command.env("DATABASE_URL", &url).env("RUST_LOG", "rowbell=info");
    let mut tail = Running::start(command);
    while !tail.err.next_line().await.unwrap().expect("it follows").contains("following") {}
    link.client
        .batch_execute(
            "set rowbell.actor = 'anna'; insert into shop.\"Order Lines\" values (7, 'hello', 'x')",
        )
        .await
        .unwrap();
    let line = tail.out_with("insert").await;
    assert!(line.ends_with("order-lines  insert    7  id: 7, note: \"hello\"  by anna"), "{line}");
    tail.signal(nix::sys::signal::Signal::SIGINT);
    assert_eq!(tail.end().await, Some(0));

    let said = on(&url, &["unwatch", "shop.\"Order Lines\""]).await;
    assert!(said.out.contains("removed column version"), "{}{}", said.out, said.err);
    assert!(on(&url, &["channels"]).await.out.starts_with("nothing is watched"));
}

#[tokio::test]
async fn from_nothing_to_a_shop_chain() {
    let connector = database().await;
    let url = url_of(&connector).await;
    let line = fails(&url, &["seed"], 1).await;
    assert!(line.contains("schema is at 0") && line.contains("run rowbell migrate"), "{line}");
    on(&url, &["migrate"]).await;
    assert!(!on(&url, &["migrate", "status"]).await.out.contains("business"));
    let line = fails(&url, &["seed"], 1).await;
    assert!(line.ends_with("not in this database; rowbell migrate --business makes them"), "{line}");

    let said = on(&url, &["migrate", "up", "--business"]).await;
    assert!(
        said.status == 0 && said.out.contains("applied business V1__branches_and_people\n"),
        "{}",
        said.err
    );
    assert!(said.out.ends_with("\nbusiness schema is at 5\n"), "{}", said.out);
    assert!(!on(&url, &["migrate", "--business"]).await.out.contains("applied"));
    assert!(on(&url, &["migrate", "status"]).await.out.ends_with("\nbusiness schema is at 5, needs 5\n"));

    let said = on(&url, &["seed"]).await;
    assert_eq!((said.status, said.out.lines().count()), (0, 16), "{}{}", said.out, said.err);
    assert!(said.out.starts_with("branches             4 rows\n"), "{}", said.out);
    assert!(said.out.lines().last().is_some_and(|line| line.starts_with("seeded 8")), "{}", said.out);
    let line = fails(&url, &["seed"], 1).await;
    assert!(line.contains("nothing was changed: there are rows already in branches, "), "{line}");
}

#[tokio::test]
async fn tables_in_the_way_are_told_in_one_line() {
    let connector = database().await;
    let url = url_of(&connector).await;
    let link = connector.connect("test").await.unwrap();
    link.client.batch_execute("create table clients (id int); create table leave (id int)").await.unwrap();
    for arguments in [&["migrate", "--business"][..], &["migrate", "up", "--business"]] {
        let line = fails(&url, arguments, 1).await;
        assert!(line.contains("are public.clients, public.leave; give them a database"), "{line}");
    }
    assert!(on(&url, &["migrate", "status"]).await.out.starts_with("schema is at 0, "));
}

#[tokio::test]
async fn a_migration_that_differs_is_told_with_its_name() {
    let other = Database::new().await;
    other.run("update rowbell.migration set checksum = '1' where version = 3").await;
    let line = fails(&other.url, &["migrate"], 1).await;
    assert!(line.contains("could not bring schema rowbell up to date"), "{line}");
    assert!(line.contains("V3__bell is different") && line.contains("another build"), "{line}");
    let empty = database().await;
    let link = empty.connect("test").await.unwrap();
    link.client.batch_execute("create schema rowbell; create view rowbell.tick as select 1").await.unwrap();
    let line = fails(&url_of(&empty).await, &["migrate"], 1).await;
    assert!(line.contains("could not apply migration V1__installation of schema rowbell"), "{line}");
    assert!(line.contains("relation \"tick\" already exists (42P07)"), "{line}");
}

#[tokio::test]
async fn tail_continues_from_the_cursor_of_an_earlier_one() {
    let database = Database::new().await;
    database.run("create table notes (id int primary key); select rowbell.watch('notes')").await;
    let tail = async |since: Option<String>, sql: &str| -> serde_json::Value {
        let mut arguments = vec!["tail", "notes", "--json"];
        arguments.extend(since.as_deref().map(|cursor| ["--since", cursor]).into_iter().flatten());
        let mut command = rowbell(&arguments);
        command.env("DATABASE_URL", &database.url).env("RUST_LOG", "rowbell=info");
        let mut tail = Running::start(command);
        while !tail.err.next_line().await.unwrap().expect("it follows").contains("following") {}
        database.run(sql).await;
        serde_json::from_str(&tail.out_with("commits").await).expect("a frame a line")
    };
    let first = tail(None, "insert into notes values (1)").await;
    database.run("insert into notes values (2)").await;
    let next = tail(first["cursor"].as_str().map(str::to_owned), "select 1").await;
    assert_eq!(next["commits"][0]["changes"][0]["id"], "2");
}

#[tokio::test]
async fn history_tells_what_became_of_a_row() {
    let database = Database::new().await;
    database
        .run(
            "create table notes (id int primary key, body text); select rowbell.watch('notes');
             set rowbell.actor = 'anna'; set rowbell.branch = 'north';
             insert into notes values (7, 'a'); update notes set body = E'b\\u001b[2J'; delete from notes",
        )
        .await;
    let said = on(&database.url, &["history", "notes", "7"]).await;
    let lines: Vec<_> = said.out.lines().collect();
    assert_eq!((said.status, lines.len()), (0, 3), "{}{}", said.out, said.err);
    assert!(lines[0].contains("  delete    ") && lines[0].ends_with("  by anna  in north"), "{}", lines[0]);
    assert!(lines[1].contains("  body: \"a\" -> \"b\\u001b[2J\"  by anna"), "{}", lines[1]);
    assert!(lines[2].contains("  insert    ") && lines[2].contains("id: 7, body: \"a\""), "{}", lines[2]);
    let said = on(&database.url, &["history", "notes", "7", "--json", "--limit", "2"]).await;
    let changes: Vec<serde_json::Value> =
        said.out.lines().map(|line| serde_json::from_str(line).expect("a change a line")).collect();
    assert_eq!(
        (changes.len(), &changes[1]["op"], &changes[1]["old"]["body"]),
        (2, &"update".into(), &"a".into())
    );
    let before = changes[1]["version"].to_string();
    let said = on(&database.url, &["history", "notes", "7", "--before", &before]).await;
    assert_eq!(said.out.lines().collect::<Vec<_>>(), lines[2..]);
    for (arguments, status, words) in [
        (["history", "notes", "8"], 1, "nothing is known of a row 8 in channel notes"),
        (["history", "nothing", "7"], 1, "there is no channel nothing"),
        (["history", "notes", "x"], 2, "\"id\" takes integer"),
    ] {
        let line = fails(&database.url, &arguments, status).await;
        assert!(line.contains(words), "{line}");
    }
}

#[tokio::test]
async fn what_cannot_be_is_told_in_one_line() {
    let database = Database::new().await;
    database.run("create table t (id int primary key); create view v as select 1 as id; create table batch (id int primary key)").await;
    let url = database.url.as_str();
    for (arguments, status, words) in [
        (&["watch", "nowhere"][..], 1, "nowhere"),
        (&["watch", "v"], 1, "v is a view, not a table; watch the tables its rows come from"),
        (&["watch", "batch"], 1, "--channel NAME"),
        (&["watch", "t", "--omit", "nme"], 1, "has no column nme to omit; check the spelling"),
        (&["watch", "t", "--channel", "Bad Name"], 1, "cannot be a channel name"),
        (&["unwatch", "t"], 1, "t is not watched; rowbell channels lists what is"),
        (&["tail", "nothing"], 1, "there is no channel nothing"),
        (&["tail", "Bad Name"], 2, "is not a channel name"),
        (&["tail", "t", "--since", "AAAA"], 2, "--since is not a cursor"),
        (&["serve", "--port", "0", "--host", "0.0.0.0"], 2, "ROWBELL_TOKEN"),
        (&["serve", "--port", "0", "--host", "no.such.host.invalid"], 2, "--host"),
    ] {
        let line = fails(url, arguments, status).await;
        assert!(line.contains(words), "{arguments:?}: {line}");
    }
}

#[tokio::test]
async fn a_database_that_does_not_fit_is_told_in_one_line() {
    let empty = database().await;
    let url = url_of(&empty).await;
    let needs = "needs 9: run rowbell migrate";
    for arguments in [&["serve", "--port", "0"][..], &["tail", "t"], &["watch", "t"], &["channels"]] {
        let line = fails(&url, arguments, 1).await;
        assert!(line.contains("schema is at 0") && line.contains(needs), "{line}");
    }
    let port = shared().await.port;
    let link = empty.connect("test").await.unwrap();
    let role = format!("weak_{}", empty.database());
    link.client.batch_execute(&format!("create role {role} login password 'right'")).await.unwrap();
    let tcp = |password: &str, port: u16, database: &str| {
        format!("postgresql://{role}:{password}@127.0.0.1:{port}/{database}")
    };
    let line = fails(&tcp("wrong", port, empty.database()), &["migrate"], 1).await;
    assert!(line.contains("password") && !line.contains("wrong@"), "{line}");
    let line = fails(&tcp("right", port, empty.database()), &["migrate"], 1).await;
    assert!(
        line.contains("could not create schema rowbell") && line.contains("grant create on database"),
        "{line}"
    );
    assert!(
        fails(&tcp("right", port, "no_such_database"), &["migrate"], 1).await.contains("no_such_database")
    );
    assert!(fails(&tcp("right", 1, "x"), &["migrate"], 1).await.contains("127.0.0.1:1"));
    assert!(fails("postgresql://me@[bad/x", &["migrate"], 2).await.contains("URL"));
    assert!(fails("mysql://me@x/y", &["serve", "--port", "0"], 2).await.contains("URL"));
}

#[tokio::test]
async fn wrong_use_is_status_2_and_help_has_examples() {
    for arguments in [
        &[][..],
        &["serve", "--prot", "1"],
        &["watch"],
        &["serve", "--port", "99999"],
        &["serve", "--pool", "0"],
        &["migrate", "down"],
        &["migrate", "status", "--business"],
        &["migrate", "--business", "status"],
        &["seed", "orders"],
        &["history", "orders"],
        &["history", "orders", "7", "--limit", "1001"],
    ] {
        assert_eq!(run(rowbell(arguments)).await.status, 2, "{arguments:?}");
    }
    for command in ["serve", "migrate", "seed", "watch", "unwatch", "channels", "tail", "history", "prune"] {
        let said = run(rowbell(&[command, "--help"])).await;
        assert!(
            said.status == 0 && said.out.contains("Example") && said.out.contains("DATABASE_URL"),
            "{}",
            said.out
        );
    }
    let scratch = Scratch::new("nowhere");
    let mut command = rowbell(&["channels"]);
    command.current_dir(scratch.path());
    let said = run(command).await;
    assert!(said.status == 2 && said.err.contains("set DATABASE_URL"), "{}", said.err);
}

#[tokio::test]
async fn a_port_in_use_is_told_before_anything_starts() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let scratch = Scratch::new("port");
    let mut command = rowbell(&["serve", "--port", &port]);
    command.current_dir(scratch.path());
    let said = run(command).await;
    assert_eq!(said.status, 1);
    assert!(
        said.err.contains("could not listen on 127.0.0.1:") && said.err.contains("--port"),
        "{}",
        said.err
    );
    assert!(!scratch.join(".rowbell").exists());
}
