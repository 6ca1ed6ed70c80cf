//! Watching and unwatching: what is refused, what is left, who waits.

use std::time::{Duration, Instant};

use rowbell::pg::link::{Link, Message};
use tokio_postgres::Client;

use crate::support::database::Database;
use crate::support::soon;

/// SQLSTATE, message and hint of a statement that is refused.
async fn refusal(client: &Client, sql: &str) -> (String, String, String) {
    let error = client.batch_execute(sql).await.expect_err(sql);
    let said = error.as_db_error().expect("the server refused");
    (said.code().code().to_owned(), said.message().to_owned(), said.hint().unwrap_or("").to_owned())
}

/// Everything a test table may be refused for, in one database.
const TABLES: &str = "
    create table plain (id integer primary key, note text, secret text);
    create table taken (id integer primary key);
    select rowbell.watch('taken');
    create view a_view as select * from plain;
    create materialized view a_matview as select * from plain;
    create sequence a_sequence;
    create extension file_fdw;
    create server files foreign data wrapper file_fdw;
    create foreign table a_foreign (id integer) server files options (filename '/dev/null');
    create unlogged table an_unlogged (id integer primary key);
    create table parts (id integer primary key) partition by range (id);
    create table part partition of parts for values from (0) to (9);
    create table heir (more text) inherits (plain);
    create table ancestor (id integer primary key);
    create table heir_of_ancestor () inherits (ancestor);
    create table mixed (id integer primary key) partition by range (id);
    create unlogged table mixed_part partition of mixed for values from (0) to (9);
    create table keyless (id integer unique not null);
    create table \"Größe\" (id integer primary key);
    create table \"9 lives\" (id integer primary key);
    create table batch (id integer primary key);
    create table edition (id integer primary key, version text);
    create table counted (id integer primary key, version bigint generated always as (id) stored);
    create table numbered (id integer primary key, version bigint generated always as identity);
    create table keyed (version bigint primary key);
    create table synced (id integer primary key, last_synced_at date);
    create table fine (id integer primary key, number bigint, secret text);
";

/// Arguments of watch, the refusal's message, and how its hint begins.
const REFUSED: &[(&str, &str, &str)] = &[
    ("null", "no such table", "name it with its schema"),
    ("'a_view'", "public.a_view is a view, not a table", "watch the tables its rows come from"),
    ("'a_matview'", "public.a_matview is a materialized view, not a table", "watch the tables"),
    ("'a_sequence'", "public.a_sequence is a sequence, not a table", "watch the tables"),
    ("'a_foreign'", "public.a_foreign is a foreign table, not a table", "watch the tables"),
    ("'plain_pkey'", "public.plain_pkey is an index, not a table", "watch the tables"),
    ("'a_temp'", "a_temp is a temporary table", "only its own session sees it"),
    (
        "'an_unlogged'",
        "public.an_unlogged is an unlogged table, which a crash empties without a trace",
        "make it permanent: alter table public.an_unlogged set logged",
    ),
    ("'part'", "public.part is a partition", "watch its root: public.parts"),
    (
        "'heir'",
        "public.heir is part of table inheritance, through which row triggers do not pass",
        "use declarative partitioning",
    ),
    (
        "'ancestor'",
        "public.ancestor is part of table inheritance, through which row triggers do not pass",
        "use declarative",
    ),
    ("'mixed'", "public.mixed has a foreign, temporary or unlogged partition", "detach it first"),
    ("'keyless'", "public.keyless has no primary key", "add one"),
    ("'rowbell.tick'", "rowbell.tick belongs to Rowbell", "watch a table of your own"),
    ("'rowbell.sync_log'", "rowbell.sync_log belongs to Rowbell", "watch a table of your own"),
    ("'pg_catalog.pg_class'", "pg_class belongs to PostgreSQL", "watch a table of your own"),
    ("'\"9 lives\"'", "'9-lives' cannot be a channel name", "choose one of a-z, 0-9 and -"),
    ("'batch'", "'batch' cannot be a channel name", "choose one of"),
    ("'fine', channel => 'batch'", "'batch' cannot be a channel name", "choose one of"),
    ("'fine', channel => ''", "'' cannot be a channel name", "choose one of"),
    ("'fine', channel => 'Fine'", "'Fine' cannot be a channel name", "choose one of"),
    ("'fine', channel => e'fine\\n'", "'fine\n' cannot be a channel name", "choose one of"),
    (
        "'fine', channel => repeat('x', 49)",
        "'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' cannot be a channel name",
        "choose one of",
    ),
    (
        "'fine', channel => 'taken'",
        "channel taken is taken by public.taken",
        "choose another name: --channel NAME",
    ),
    ("'taken', channel => 'other'", "public.taken is already watched as channel taken", "unwatch it first"),
    (
        "'fine', omit => '{nothing}'",
        "public.fine has no column nothing to omit",
        "check the spelling; case counts",
    ),
    ("'fine', omit => '{Secret}'", "public.fine has no column Secret to omit", "check the spelling"),
    ("'fine', omit => '{ctid}'", "public.fine has no column ctid to omit", "check the spelling"),
    (
        "'fine', as_text => '{nothing}'",
        "public.fine has no column nothing that can be sent as text",
        "choose columns that hold numbers",
    ),
    (
        "'fine', as_text => '{Secret}'",
        "public.fine has no column Secret that can be sent as text",
        "choose columns",
    ),
    (
        "'fine', as_text => '{secret}'",
        "public.fine has no column secret that can be sent as text",
        "choose columns that hold numbers",
    ),
    (
        "'fine', as_text => '{ctid}'",
        "public.fine has no column ctid that can be sent as text",
        "choose columns that hold numbers",
    ),
    (
        "'taken', as_text => '{version}'",
        "public.taken has no column version that can be sent as text",
        "choose columns",
    ),
    ("'fine', omit => '{id}'", "column id cannot be omitted", "keys and versions name the row"),
    ("'taken', omit => '{version}'", "column version cannot be omitted", "keys and versions"),
    ("'fine', notify => 'sometimes'", "notify cannot be 'sometimes'", "use auto, always or never"),
    ("'fine', notify => null", "notify cannot be NULL", "use auto"),
    (
        "'edition'",
        "public.edition already has a column version with another meaning",
        "name another column: --version-column",
    ),
    ("'counted'", "public.counted already has a column version with another meaning", "name another"),
    ("'numbered'", "public.numbered already has a column version with another meaning", "name another"),
    ("'keyed'", "public.keyed already has a column version with another meaning", "name another"),
    (
        "'fine', version_column => 'xmin'",
        "public.fine already has a column xmin with another meaning",
        "name another",
    ),
    (
        "'synced'",
        "public.synced already has a column last_synced_at with another meaning",
        "rename that column",
    ),
];

#[tokio::test]
async fn refusals_say_why_and_what_to_do() {
    let database = Database::new().await;
    database.run(TABLES).await;
    let link = database.link().await;
    link.client.batch_execute("create temp table a_temp (id integer primary key)").await.unwrap();
    for (arguments, message, hint) in REFUSED {
        let (code, said, advice) = refusal(&link.client, &format!("select rowbell.watch({arguments})")).await;
        assert_eq!((code.as_str(), said.as_str()), ("RB001", *message), "{arguments}");
        assert!(advice.starts_with(hint), "{arguments}: {advice}");
    }
    for (sql, message) in [
        ("select rowbell.unwatch('fine')", "public.fine is not watched"),
        ("select rowbell.resync('fine')", "channel 'fine' is not watched"),
        ("select rowbell.resync(null)", "channel NULL is not watched"),
    ] {
        let (code, said, advice) = refusal(&link.client, sql).await;
        assert_eq!((code.as_str(), said.as_str()), ("RB001", message));
        assert_eq!(advice, "rowbell channels lists what is");
    }
    // Nothing was touched on the way.
    let traces = "select count(*) from pg_trigger where tgname ~ 'rowbell' and tgrelid <> 'taken'::regclass";
    assert_eq!(number(&link, traces).await, 0);
    for fine in [
        "'edition', version_column => 'row_version'",
        "'counted', feed_only => true",
        "'synced', feed_only => true",
        "'Größe', channel => 'size'",
    ] {
        let quoted = fine.replace("'Größe'", "'\"Größe\"'");
        link.client.batch_execute(&format!("select rowbell.watch({quoted})")).await.unwrap();
    }
}

#[tokio::test]
async fn only_an_owner_may_watch() {
    let database = Database::new().await;
    let role = format!("stranger_{}", database.connector.database());
    let link = database.link().await;
    let rights = format!(
        "create table plain (id integer primary key); create role {role};
         grant usage on schema rowbell to {role}; grant execute on all functions in schema rowbell to {role}; set role {role}"
    );
    link.client.batch_execute(&rights).await.unwrap();
    let (code, said, hint) = refusal(&link.client, "select rowbell.watch('plain')").await;
    assert_eq!(code, "RB001");
    assert!(
        said.starts_with("public.plain belongs to ")
            && said.ends_with(&format!("and {role} may not alter it")),
        "{said}"
    );
    assert!(hint.starts_with("run watch as a member of "), "{hint}");
    link.client
        .batch_execute(&format!("reset role; alter table plain owner to {role}; set role {role}"))
        .await
        .unwrap();
    let (_, said, _) = refusal(&link.client, "select rowbell.watch('plain')").await;
    assert!(said.starts_with("schema rowbell belongs to "), "{said}");
    link.client.batch_execute(&format!("reset role; drop owned by {role}; drop role {role}")).await.unwrap();
}

fn notices(link: &mut Link) -> Vec<String> {
    std::iter::from_fn(|| link.messages.try_recv().ok())
        .filter_map(|message| match message {
            Message::Notice { text, .. } => Some(text),
            Message::Bell { .. } => None,
        })
        .collect()
}

async fn number(link: &Link, sql: &str) -> i64 {
    link.client.query_one(sql, &[]).await.unwrap().get(0)
}

/// Everything Rowbell can leave behind for a table.
const TRACES: &str = "select (select count(*) from pg_proc where pronamespace = 'rowbell'::regnamespace and prorettype = 'trigger'::regtype)
    + (select count(*) from pg_trigger where not tgisinternal) + (select count(*) from rowbell.watched) + (select count(*) from rowbell.channel)
    + (select count(*) from pg_attribute where attname in ('version', 'last_synced_at') and not attisdropped and attrelid = 'plain'::regclass)";

#[tokio::test]
async fn columns_are_announced_and_taken_away_again() {
    let database = Database::new().await;
    let mut link = database.link().await;
    link.client
        .batch_execute("create table plain (id integer primary key); insert into plain values (1)")
        .await
        .unwrap();
    assert_eq!(number(&link, TRACES).await, 0);
    link.client.batch_execute("select rowbell.watch('plain')").await.unwrap();
    assert_eq!(
        notices(&mut link),
        [
            "added column version (bigint not null default 0) to public.plain",
            "added column last_synced_at (timestamptz) to public.plain"
        ]
    );
    assert_eq!(number(&link, "select version from plain").await, 0);
    // Watched again with other options, it still knows what it added.
    link.client.batch_execute("select rowbell.watch('plain', feed_only => true)").await.unwrap();
    link.client.batch_execute("select rowbell.watch('plain')").await.unwrap();
    assert_eq!(notices(&mut link), [""; 0]);
    link.client.batch_execute("select rowbell.unwatch('plain')").await.unwrap();
    assert_eq!(
        notices(&mut link),
        ["removed column version from public.plain", "removed column last_synced_at from public.plain"]
    );
    assert_eq!(number(&link, TRACES).await, 0);
}

#[tokio::test]
async fn columns_of_the_users_own_or_in_a_view_stay() {
    let database = Database::new().await;
    let mut link = database.link().await;
    let sql = "create table plain (id integer primary key, last_synced_at timestamptz); select rowbell.watch('plain');
         create view shown as select id, version from plain; select rowbell.unwatch('plain')";
    link.client.batch_execute(sql).await.unwrap();
    assert_eq!(notices(&mut link)[1..], ["column version of public.plain stays: other objects depend on it"]);
    assert_eq!(number(&link, TRACES).await, 2);
    link.client.batch_execute("insert into plain values (1); select * from shown").await.unwrap();
}

#[tokio::test]
async fn watching_again_applies_other_options() {
    let database = Database::new().await;
    let link = database.link().await;
    let sql = "create table plain (id integer primary key, secret text); select rowbell.watch('plain', channel => 'first');
         select rowbell.watch('plain', omit => '{secret}', notify => 'never', version_column => 'edition', replica => true, as_text => '{id}')";
    link.client.batch_execute(sql).await.unwrap();
    let row = link.client.query_one("select row_to_json(c)::jsonb - 'watched_at' = $1::text::jsonb from rowbell.channel c", &[
        &r#"{"channel":"first","table":"plain","key_columns":["id"],"version_column":"edition","feed_only":false,"omit":["secret"],"notify":"never","replica":true,"as_text":["id"]}"#,
    ]);
    assert!(row.await.unwrap().get::<_, bool>(0));
    link.client.batch_execute("insert into plain values (1, 'x')").await.unwrap();
    assert_eq!(number(&link, "select count(*) from rowbell.sync_log l join plain p on p.edition = l.version where row::text not like '%secret%'").await, 1);
    assert_eq!(
        number(
            &link,
            "select count(*) from pg_trigger where tgrelid = 'plain'::regclass and tgenabled = 'A'"
        )
        .await,
        3
    );
    // Subscribers were told each time, once.
    assert_eq!(
        number(&link, "select count(*) from rowbell.sync_log where op = 'resync' and channel = 'first'")
            .await,
        2
    );
}

#[tokio::test]
async fn the_view_forgets_what_was_dropped() {
    let database = Database::new().await;
    let link = database.link().await;
    let sql = "create table plain (id integer primary key); create table gone (id integer primary key);
         select rowbell.watch('gone'); select rowbell.watch('plain'); drop table gone";
    link.client.batch_execute(sql).await.unwrap();
    assert_eq!(number(&link, "select count(*) from rowbell.channel").await, 1);
    link.client
        .batch_execute("select rowbell.watch('plain'); select rowbell.unwatch('plain')")
        .await
        .unwrap();
    assert_eq!(number(&link, TRACES).await, 0);
}

#[tokio::test]
async fn a_busy_table_is_not_waited_for_in_line() {
    let database = Database::new().await;
    database.run("create table plain (id integer primary key)").await;
    let (holder, writer, watcher) = (database.link().await, database.link().await, database.link().await);
    holder
        .client
        .batch_execute("set application_name = 'a slow job'; begin; insert into plain values (0)")
        .await
        .unwrap();
    let pid: i32 = holder.client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let mut slowest = Duration::ZERO;
    let watching = refusal(&watcher.client, "select rowbell.watch('plain')");
    let writing = async {
        for id in 1.. {
            let start = Instant::now();
            writer.client.execute("insert into plain values ($1)", &[&id]).await.unwrap();
            slowest = slowest.max(start.elapsed());
        }
    };
    let (code, said, hint) =
        tokio::select! { refused = soon(watching) => refused, () = writing => unreachable!() };
    assert_eq!(code, "RB002");
    assert!(
        said.contains(&format!("in use by pid {pid} (user "))
            && said.contains("a slow job, idle in transaction"),
        "{said}"
    );
    assert!(said.starts_with("could not lock public.plain within 10 seconds"), "{said}");
    assert_eq!(hint, "end that transaction, or try again when it is done");
    // One try holds the line for 100 ms; the rest is for a machine under load.
    assert!(slowest < Duration::from_secs(2), "an insert took {slowest:?}");
    assert!(slowest > Duration::from_millis(50), "nobody ever waited: {slowest:?}");
    holder.client.batch_execute("rollback").await.unwrap();
    watcher.client.batch_execute("select rowbell.watch('plain')").await.unwrap();
}
