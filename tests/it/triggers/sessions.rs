//! Who writes, and with which settings.

use rowbell::words::Commit;

use crate::support::mirror::Mirror;

async fn item() -> Mirror {
    Mirror::of("create table item (id integer primary key, note text); select rowbell.watch('item')").await
}

#[tokio::test]
async fn the_same_text_whatever_the_session_says() {
    let types = "at timestamptz, d date, span interval, bytes bytea, f float8, r float4, m money, ts timestamp, x xml";
    let values = "'2020-02-03 04:05:06.7+00', '2020-02-03', '1 year 2 days -03:04', '\\x00ff', 0.1, 0.1, 12.5, '2020-02-03 04:05', '<a/>'";
    let mut odd = Mirror::of(&format!(
        "create table odd (id integer primary key, {types}); select rowbell.watch('odd');
         create table twice (id timestamptz primary key, {types}); select rowbell.watch('twice', omit => '{{f}}')"
    ))
    .await;
    let write = format!(
        "set datestyle = 'ISO, YMD'; set lc_monetary = 'C'; insert into odd values (1, {values}); insert into twice values (timestamptz 'epoch', {values});"
    );
    odd.write(&write).await;
    odd.tell().await;
    odd.write("truncate odd, twice").await;
    odd.write(
        "set timezone = 'Asia/Kathmandu'; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard';
         set bytea_output = 'escape'; set extra_float_digits = -5; set search_path = pg_catalog;
         set standard_conforming_strings = off; set escape_string_warning = off; set xmlbinary = hex; set quote_all_identifiers = on; set backslash_quote = on",
    )
    .await;
    let rows = "'2020-02-03 04:05:06.7+00', date '2020-02-03', interval '1 year 2 days', decode('00ff', 'hex'), 0.1, 0.1, 12.5::money, timestamp '2020-02-03 04:05', '<a/>'";
    odd.write(&format!("insert into public.odd values (1, {rows}); insert into public.twice values (timestamptz 'epoch', {rows})")).await;
    odd.write("update public.odd set span = interval '1 year 2 days' - interval '3 hours 4 minutes'; update public.twice set span = interval '1 year 2 days' - interval '3 hours 4 minutes'").await;
    odd.tell().await;
    let same = "select count(distinct (row::jsonb - '{version,last_synced_at}'::text[])::text || row_id) from rowbell.sync_log
         where row is not null and row ->> 'span' like '%-3H-4M'  and channel = $1";
    for channel in ["odd", "twice"] {
        let count: i64 = odd.reader.link.client.query_one(same, &[&channel]).await.unwrap().get(0);
        assert_eq!(count, 1, "{channel}");
    }
}

fn by(commits: &[Commit]) -> Vec<(Option<&str>, Option<&str>)> {
    commits.iter().map(|commit| (commit.head.actor.as_deref(), commit.head.branch.as_deref())).collect()
}

#[tokio::test]
async fn actor_and_branch_go_with_their_transaction() {
    let mut item = item().await;
    item.write("begin; set local rowbell.actor = 'ann'; set local rowbell.branch = 'b\"1'; insert into item values (1); commit").await;
    item.write("begin; insert into item values (2); commit").await;
    item.write("begin; set local rowbell.actor = 'bob'; truncate item; commit").await;
    let commits = item.reader.drain().await;
    assert_eq!(by(&commits), [(Some("ann"), Some("b\"1")), (None, None), (Some("bob"), None)]);
}

#[tokio::test]
async fn a_writer_needs_no_right_in_our_schema() {
    let mut item = item().await;
    let role = format!("writer_{}", item.database.connector.database());
    item.write(&format!(
        "create role {role}; grant select, insert, update, delete, truncate on item to {role}; set role {role}"
    ))
    .await;
    assert_eq!(item.refused("select 1 from rowbell.sync_log").await, "42501");
    let all = "insert into item values (1, 'a'); update item set note = 'b'; update item set id = 2; delete from item; truncate item";
    assert_eq!(item.told(all).await.len(), 6);
    // Nor when the trigger no longer fits its table.
    item.write("reset role; alter table item rename id to number").await;
    item.write(&format!("set role {role}; insert into item values (1, 'a'); update item set note = 'b'"))
        .await;
    assert_eq!(
        item.tell().await,
        [r#"insert 1 {"note":"a","number":1}"#, r#"update 1 {"note":"b","number":1}"#]
    );
    item.write(&format!("reset role; drop owned by {role}; drop role {role}")).await;
}

#[tokio::test]
async fn objects_in_the_way_of_our_names_change_nothing() {
    let mut item = item().await;
    item.write(
        "create schema evil; create function evil.nextval(regclass) returns bigint language sql as 'select -1';
         create function evil.row_to_json(record) returns json language plpgsql as 'begin return null; end';
         create temp table sync_log (a integer); create temp table pg_class (a integer);
         set search_path = evil, pg_temp, public, pg_catalog",
    )
    .await;
    assert_eq!(item.told("insert into item values (1, 'a')").await, [r#"insert 1 {"id":1,"note":"a"}"#]);
    assert_eq!(item.told("update item set note = 'b'").await.len(), 1);
}

#[tokio::test]
async fn replicated_rows_are_told_where_asked_for() {
    let leaves = "create table whole (id integer primary key) partition by range (id);
         create table low partition of whole for values from (0) to (10);
         select rowbell.watch('whole', replica => true);
         create table high partition of whole for values from (10) to (20);
         create table item (id integer primary key, note text);";
    for (replica, expected) in [("true", 4), ("false", 2)] {
        let sql = format!("{leaves} select rowbell.watch('item', replica => {replica})");
        let mut both = Mirror::of(&sql).await;
        both.write("set session_replication_role = replica; insert into whole values (1), (11)").await;
        both.write("insert into item values (1, 'a'); update item set note = 'b'").await;
        assert_eq!(both.unchecked().await.len(), expected, "replica => {replica}");
    }
}

#[tokio::test]
async fn what_was_not_flushed_is_marked() {
    let mut item = item().await;
    item.write("insert into item values (1)").await;
    item.write("set synchronous_commit = off; insert into item values (2); set synchronous_commit = local; insert into item values (3)").await;
    item.write("begin; set local synchronous_commit = off; delete from item where id = 1; commit").await;
    item.tell().await;
    let sql = "select array_agg(durable order by seq) from rowbell.sync_log where op <> 'resync'";
    let durable: Vec<bool> = item.reader.link.client.query_one(sql, &[]).await.unwrap().get(0);
    // The second write shares its transaction with the third, which ended synchronously: each row knows its own moment.
    assert_eq!(durable, [true, false, true, false]);
}
