//! Connecting, what goes wrong then, and what a link hears.

use std::collections::HashMap;
use std::os::unix::fs::PermissionsExt;

use rowbell::pg::connect::Connector;
use rowbell::pg::conninfo::Surroundings;
use rowbell::pg::fault::{database_error, sqlstate};
use rowbell::pg::link::{Link, Message};
use rowbell::words::Error;

use crate::support::cluster::{database, free_port, shared};
use crate::support::scratch::Scratch;
use crate::support::soon;

/// A connector that sees nothing of the environment the tests run in.
fn connector(text: &str) -> Connector {
    Connector::parse_in(text, &Surroundings::default()).expect("a good connection string")
}

async fn refusal(text: &str) -> Error {
    soon(connector(text).connect("test")).await.err().expect("no connection")
}

/// The shared server by TCP, as a user of this test with the password `right`.
async fn by_tcp(user: &str) -> String {
    let (shared, admin) = (shared().await, database().await);
    let link = admin.connect("test").await.expect("connects");
    link.client.batch_execute(&format!("create role {user} login password 'right'")).await.expect("a role");
    format!("host=127.0.0.1 port={} user={user} dbname=rowbell", shared.port)
}

#[tokio::test]
async fn a_wrong_password_is_refused_with_a_hint() {
    let text = by_tcp("wrong_password").await;
    assert!(soon(connector(&format!("{text} password=right")).connect("test")).await.is_ok());
    for mode in ["disable", "allow", "prefer"] {
        let error = refusal(&format!("{text} password=hunter2 sslmode={mode}")).await;
        assert!(
            error.is_refused() && error.hint().is_some_and(|hint| hint.contains("PGPASSWORD")),
            "{error:?}"
        );
        assert_eq!(sqlstate(&error), Some("28P01"));
        assert!(!error.report().contains("hunter2"));
    }
    let error = refusal(&text).await;
    assert!(error.is_refused() && error.report().contains("asks for a password"), "{error:?}");
}

#[tokio::test]
async fn the_password_comes_from_the_environment_or_the_password_file() {
    let (text, scratch) = (by_tcp("pass_file").await, Scratch::new("passfile"));
    let variables = HashMap::from([("PGPASSWORD".to_owned(), "right".to_owned())]);
    let surroundings = Surroundings { variables, ..Surroundings::default() };
    let by_variable = Connector::parse_in(&text, &surroundings).expect("good");
    assert!(soon(by_variable.connect("test")).await.is_ok());

    let file = scratch.join(".pgpass");
    std::fs::write(&file, "127.0.0.1:*:rowbell:pass_file:right\n").expect("written");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode set");
    let home = Some(scratch.path().to_owned());
    let by_file =
        Connector::parse_in(&text, &Surroundings { home, ..Surroundings::default() }).expect("good");
    assert!(soon(by_file.connect("test")).await.is_ok());
    // Its line names one database, so another one has no password.
    let error = soon(by_file.with_database("postgres").connect("test")).await.err().expect("refused");
    assert!(error.report().contains("asks for a password"), "{error:?}");
}

#[tokio::test]
async fn a_database_role_or_rule_that_is_missing_is_named() {
    let database = database().await;
    let error = soon(database.with_database("nowhere").connect("test")).await.err().expect("refused");
    assert!(
        error.is_refused() && error.to_string().contains("could not connect to nowhere on /"),
        "{error:?}"
    );
    assert!(error.report().contains("(socket): database \"nowhere\" does not exist"), "{error:?}");

    let url = shared().await.cluster.url();
    let error = refusal(&url.replace("postgres@", "nobody_here@")).await;
    assert!(
        error.is_refused() && error.report().contains("role \"nobody_here\" does not exist"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_unreachable_server_is_unavailable() {
    let error = refusal(&format!("host=127.0.0.1 port={} user=x", free_port())).await;
    assert!(error.is_unavailable() && error.hint().is_some_and(|hint| hint.contains("running")), "{error:?}");
    let error = refusal("host=/nowhere user=x").await;
    assert!(error.is_unavailable() && error.report().contains("/nowhere (socket)"), "{error:?}");
    let error = refusal("host=no-such-host.invalid user=x").await;
    assert!(error.is_unavailable() && error.report().contains("host's name"), "{error:?}");
}

#[tokio::test]
async fn a_silent_server_is_given_up_and_the_next_host_tried() {
    // The kernel accepts for it, and nobody ever answers.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
    let port = listener.local_addr().expect("an address").port();
    let error = refusal(&format!("host=127.0.0.1 port={port} user=x connect_timeout=1")).await;
    assert!(error.is_unavailable() && error.report().contains("no answer in time"), "{error:?}");

    let text = by_tcp("next_host").await.replace("host=127.0.0.1", "host=127.0.0.1,127.0.0.1,127.0.0.1");
    let ports = format!("port={port},{},{}", free_port(), shared().await.port);
    let text = text.replace(&format!("port={}", shared().await.port), &ports);
    let link = soon(connector(&format!("{text} password=right connect_timeout=1")).connect("test")).await;
    assert!(link.is_ok(), "{:?}", link.err());
}

#[tokio::test]
async fn sessions_are_pinned_and_named() {
    let database = database().await;
    let name = database.database();
    let link = database.connect("test").await.expect("connects");
    let odd = format!(
        "alter database {name} set timezone = 'Asia/Tokyo'; alter database {name} set datestyle = 'German';
         alter database {name} set statement_timeout = '9s'; alter database {name} set bytea_output = 'escape';
         alter database {name} set default_transaction_isolation = 'serializable'"
    );
    link.client.batch_execute(&odd).await.expect("set");
    let link = database.connect("listen").await.expect("connects");
    for (setting, value) in [
        ("timezone", "UTC"),
        ("datestyle", "ISO, YMD"),
        ("statement_timeout", "0"),
        ("bytea_output", "hex"),
        ("default_transaction_isolation", "read committed"),
        ("intervalstyle", "iso_8601"),
        ("application_name", "rowbell listen"),
    ] {
        let row = link.client.query_one("select current_setting($1)", &[&setting]).await.expect("answers");
        assert_eq!(row.get::<_, String>(0), value, "{setting}");
    }
    assert!(database.describe().starts_with(&format!("{name} on /")), "{}", database.describe());
}

#[tokio::test]
async fn bells_and_notices_are_heard() {
    let database = database().await;
    let mut link = database.connect("listen").await.expect("connects");
    link.client.batch_execute(r#"listen "rowbell:orders""#).await.expect("listens");
    let other = database.connect("test").await.expect("connects");
    other.client.batch_execute(r#"notify "rowbell:orders""#).await.expect("rings");
    let bell = Message::Bell { topic: "rowbell:orders".into() };
    assert_eq!(soon(link.messages.recv()).await, Some(bell));

    let warn = "do $$ begin raise warning 'careful' using hint = 'look'; end $$";
    link.client.batch_execute(warn).await.expect("warns");
    let notice =
        Message::Notice { severity: "WARNING".into(), text: "careful".into(), hint: Some("look".into()) };
    assert_eq!(soon(link.messages.recv()).await, Some(notice));
}

#[tokio::test]
async fn a_full_queue_drops_bells_and_nothing_else() {
    let mut link = database().await.connect("listen").await.expect("connects");
    let many =
        "listen a; do $$ begin for i in 1..1000 loop perform pg_notify('a', i::text); end loop; end $$";
    link.client.batch_execute(many).await.expect("rings");
    // One statement later every bell has passed the driver.
    link.client.batch_execute("select 1").await.expect("still works");
    let mut heard = 0;
    while link.messages.try_recv().is_ok() {
        heard += 1;
    }
    assert_eq!(heard, 256);
}

async fn backend_of(link: &Link) -> i32 {
    link.client.query_one("select pg_backend_pid()", &[]).await.expect("answers").get(0)
}

#[tokio::test]
async fn the_queue_closes_when_the_backend_is_terminated() {
    let database = database().await;
    let (mut link, second) =
        (database.connect("a").await.expect("a"), database.connect("b").await.expect("b"));
    let other = database.connect("test").await.expect("connects");
    let pids = [backend_of(&link).await, backend_of(&second).await];
    assert!(!link.is_closed());
    let terminate = "select pg_terminate_backend(pid) from unnest($1::int[]) as pid";
    other.client.execute(terminate, &[&pids.as_slice()]).await.expect("terminates");
    assert_eq!(soon(link.messages.recv()).await, None);
    assert!(link.is_closed());
    let error = soon(second.closed()).await;
    assert!(error.is_unavailable() && sqlstate(&error) == Some("57P01"), "{error:?}");
    let error = link.client.batch_execute("select 1").await.expect_err("closed");
    assert!(database_error("could not count", error).is_unavailable());
}

#[tokio::test]
async fn dropping_a_link_ends_its_backend_even_in_a_long_statement() {
    let database = database().await;
    let (link, other) = (database.connect("a").await.expect("a"), database.connect("b").await.expect("b"));
    let pid = backend_of(&link).await;
    let lock = "select pg_advisory_lock(7)";
    other.client.batch_execute(lock).await.expect("locks");
    // The backend waits for the lock, so it learns of the closed socket only once it has it.
    let waiting = tokio::spawn(async move { soon(link.client.batch_execute(lock)).await });
    let there = "select count(*) from pg_stat_activity where pid = $1";
    waiting.abort();
    assert!(soon(waiting).await.is_err_and(|error| error.is_cancelled()));
    other.client.batch_execute("select pg_advisory_unlock(7)").await.expect("unlocks");
    soon(async {
        while other.client.query_one(there, &[&pid]).await.expect("answers").get::<_, i64>(0) > 0 {}
    })
    .await;
}

#[tokio::test]
async fn errors_after_connecting_are_told_apart_and_quote_no_row() {
    let link = database().await.connect("test").await.expect("connects");
    let fails = async |sql: &str| {
        let error = link.client.batch_execute(sql).await.expect_err("fails");
        database_error("could not try", error)
    };
    link.client
        .batch_execute("create table t (id int primary key, w text); create role weak")
        .await
        .expect("made");
    let error = fails("insert into t values (4711), (4711)").await;
    assert!(!error.is_refused() && !error.is_unavailable() && sqlstate(&error) == Some("23505"), "{error:?}");
    assert!(error.report().contains("t_pkey") && !error.report().contains("4711"), "{error:?}");

    let error = fails("set role weak; select * from t").await;
    assert!(error.is_refused() && error.hint().is_some_and(|hint| hint.contains("privilege")), "{error:?}");
    let ours = "do $$ begin raise exception 'no such channel' using errcode = 'RB001', hint = 'watch it', detail = 'row'; end $$";
    let error = fails(ours).await;
    assert!(error.is_refused());
    assert_eq!(error.report(), "no such channel; watch it");
}
