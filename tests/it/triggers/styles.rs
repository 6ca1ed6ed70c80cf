//! Settings that change how values are written, and names that stand in the way of those a trigger uses.

use crate::support::mirror::Mirror;
use crate::support::soon;

/// A type and a value of it, as SQL.
const TYPES: &[(&str, &str)] = &[
    ("smallint", "1"),
    ("integer", "1"),
    ("bigint", "9007199254740993"),
    ("numeric", "1.10"),
    ("numeric(12, 3)", "1.1"),
    ("real", "1.23456789"),
    ("double precision", "0.1::float8 + 0.2::float8"),
    ("money", "12.5::numeric::money"),
    ("boolean", "true"),
    ("text", "'ä \"\\ b'"),
    ("varchar(9)", "'a'"),
    ("char(3)", "'a'"),
    ("\"char\"", "'a'"),
    ("name", "'a'"),
    ("uuid", "'0b8f7a3c-5a0e-4a53-8a5b-3f2c7d1e9a10'"),
    ("json", "'{\"a\" : 1.0}'"),
    ("jsonb", "'{\"a\" : 1.0}'"),
    ("date", "make_date(2020, 2, 3)"),
    ("time", "make_time(4, 5, 6.7)"),
    ("timetz", "timetz '04:05:06.7+05:45'"),
    ("timestamp", "make_timestamp(2020, 2, 3, 4, 5, 6.7)"),
    ("timestamptz", "to_timestamp(1580702706.7)"),
    ("timestamptz(0)", "to_timestamp(1580702706)"),
    ("interval", "make_interval(1, 0, 0, 2, -3, 4)"),
    ("bytea", "decode('00ff5c', 'hex')"),
    ("oid", "1"),
    ("inet", "'::1/64'"),
    ("cidr", "'10.0.0.0/8'"),
    ("macaddr", "'08:00:2b:01:02:03'"),
    ("bit(3)", "b'101'"),
    ("varbit", "b'101'"),
    ("tsvector", "'a b'"),
    ("xml", "'<a/>'"),
    ("point", "point(0.1::float8 + 0.2::float8, 0.2)"),
    ("int4range", "int4range(1, 2)"),
    ("daterange", "daterange(make_date(2020, 2, 3), null)"),
    ("tstzrange", "tstzrange(to_timestamp(0), to_timestamp(1))"),
    ("integer[]", "array[1, null]"),
    ("text[]", "array['a', null]"),
    ("date[]", "array[make_date(2020, 2, 3)]"),
    ("timestamptz[]", "array[to_timestamp(0)]"),
    ("double precision[]", "array[0.1::float8 + 0.2::float8]"),
    ("bytea[]", "array[decode('00ff', 'hex')]"),
    ("mood", "'fine'"),
    ("mood[]", "array['fine'::public.mood]"),
    ("money_of", "12.5::numeric::money"),
    ("moment", "to_timestamp(0)"),
    ("pair", "row(to_timestamp(0), 0.1::float8 + 0.2::float8)"),
];

const MADE: &str = "create type mood as enum ('fine'); create domain money_of as money;
    create domain moment as timestamptz; create type pair as (at timestamptz, f float8);";

/// What a session may have set; the first, nothing.
const SETTINGS: [&str; 6] = [
    "reset all",
    "set timezone = 'Asia/Kathmandu'",
    "set extra_float_digits = 0",
    "set extra_float_digits = -5; set timezone = 'Etc/UTC'",
    "set bytea_output = 'escape'",
    "set timezone = 'EST5EDT'; set datestyle = 'SQL, DMY'; set intervalstyle = 'sql_standard'; set bytea_output = 'escape';
     set extra_float_digits = -5; set search_path = pg_catalog; set xmlbinary = hex; set quote_all_identifiers = on",
];

#[tokio::test]
async fn every_type_is_told_alike() {
    let tables: String = TYPES
        .iter()
        .enumerate()
        .map(|(place, (name, _))| {
            format!(
                "create table t{place} (id integer primary key, n integer, v {name}); select rowbell.watch('t{place}');"
            )
        })
        .collect();
    let mut mirror = Mirror::of(&format!("{MADE}{tables}")).await;
    for (turn, settings) in SETTINGS.iter().enumerate() {
        mirror.write(settings).await;
        for (place, (_, value)) in TYPES.iter().enumerate() {
            mirror
                .write(&format!(
                    "insert into public.t{place} values ({turn}, 0, {value}), (-1, 0, {value});
                     update public.t{place} set n = n + 1; delete from public.t{place} where id = -1"
                ))
                .await;
        }
        // Compared with the rows as a session reads them that pins its settings.
        mirror.tell().await;
    }
}

#[tokio::test]
async fn keys_names_and_numbers_as_text_are_told_alike() {
    let mirror = Mirror::of(
        "create table moments (id timestamptz primary key, n integer); select rowbell.watch('moments');
         create table pairs (a float8, b timestamptz, n integer, primary key (a, b)); select rowbell.watch('pairs');
         create table blobs (id bytea primary key, n integer); select rowbell.watch('blobs');
         create table odd (id integer primary key, n numeric, f float8, fs float8[], i bigint);
         select rowbell.watch('odd', as_text => '{n,f,fs,i}');
         create table texts (f float8 primary key, n integer); select rowbell.watch('texts', as_text => '{f}');
         create table less (id integer primary key, at timestamptz, f float8, secret text);
         select rowbell.watch('less', omit => '{secret}');
         create table names (id regclass primary key, n regtype); select rowbell.watch('names');",
    )
    .await;
    for settings in SETTINGS {
        mirror.write(settings).await;
        mirror
            .write(
                "insert into public.moments values (to_timestamp(1), 1); insert into public.pairs values (0.1::float8 + 0.2::float8, to_timestamp(1.5), 1);
                 insert into public.blobs values (decode('00ff', 'hex'), 1); insert into public.odd values (1, 1.10, 0.1::float8 + 0.2::float8, array[0.1::float8 + 0.2::float8], 1);
                 insert into public.texts values (0.1::float8 + 0.2::float8, 1); insert into public.less values (1, to_timestamp(1), 0.1::float8 + 0.2::float8, 'x');
                 insert into public.names values ('public.odd', 'regclass');
                 update public.moments set n = 2; update public.pairs set n = 2; update public.blobs set n = 2;
                 update public.odd set i = 2; update public.texts set n = 2; update public.less set at = to_timestamp(2);
                 update public.names set n = 'text';
                 delete from public.moments; delete from public.pairs; delete from public.blobs; delete from public.odd;
                 delete from public.texts; delete from public.less; delete from public.names",
            )
            .await;
    }
    let told = "select l.channel, l.op, min(l.row_id), count(*),
            count(distinct concat_ws(' | ', l.row_id, l.row::jsonb - w.own, l.old::jsonb - w.own))
        from rowbell.sync_log l, (values ('{version,last_synced_at}'::text[])) w (own)
        where l.op in ('insert', 'update', 'delete') group by l.channel, l.op order by l.channel, l.op";
    let rows = mirror.reader.link.client.query(told, &[]).await.unwrap();
    assert_eq!(rows.len(), 7 * 3);
    for row in rows {
        let (channel, op, id): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let (all, distinct): (i64, i64) = (row.get(3), row.get(4));
        assert_eq!((usize::try_from(all), distinct), (Ok(SETTINGS.len()), 1), "{channel} {op} {id}");
    }
}

/// Writes, after which every row must be in the log as a session reads it that pins its settings.
async fn told_as_read(mirror: &Mirror, writes: &str) {
    mirror.write(writes).await;
    let sql = "select count(*), count(*) filter (where l.row::text = row_to_json(i.*)::text),
            min(l.row::text) filter (where l.row::text <> row_to_json(i.*)::text)
        from item i left join rowbell.sync_log l on l.channel = 'item' and l.row_id = i.id::text and l.version = i.version";
    let row = mirror.reader.link.client.query_one(sql, &[]).await.unwrap();
    let (all, same): (i64, i64) = (row.get(0), row.get(1));
    assert_eq!(all, same, "{writes}: {:?}", row.get::<_, Option<&str>>(2));
}

#[tokio::test]
async fn a_column_that_is_added_is_told_alike_by_those_who_wrote_before() {
    let mirror =
        Mirror::of("create table item (id serial primary key, n integer); select rowbell.watch('item')")
            .await;
    mirror
        .write(
            "set timezone = 'UTC'; set intervalstyle = 'postgres_verbose'; set extra_float_digits = 0;
             set bytea_output = 'escape'",
        )
        .await;
    const TO_ALL: &str = "insert into item (n) values (1); update item set n = n + 1;";
    for isolation in ["read committed", "repeatable read", "serializable"] {
        for column in [
            "interval default '1 day'",
            "float8 default 0.1::float8 + 0.2::float8",
            "bytea default '\\x00ff'",
            "money default 1",
        ] {
            told_as_read(&mirror, TO_ALL).await;
            // From a snapshot that is older than the column.
            mirror.write(&format!("begin isolation level {isolation}; select 1")).await;
            mirror.database.run(&format!("alter table item add added {column}")).await;
            told_as_read(&mirror, &format!("{TO_ALL} commit")).await;
            told_as_read(&mirror, TO_ALL).await;
            mirror.database.run("alter table item drop added").await;
        }
    }
    mirror.database.run("alter table item add changed text default '1 day'").await;
    told_as_read(&mirror, TO_ALL).await;
    let retype =
        "alter table item alter changed drop default, alter changed type interval using changed::interval";
    mirror.database.run(retype).await;
    told_as_read(&mirror, "update item set n = n + 1; insert into item (changed) values ('2 days')").await;
}

/// Everything by a name that the text of a trigger has, each noting that it was called.
const EVIL: &str = "create schema evil; create sequence evil.calls;
    create function evil.of_texts(text, text) returns boolean language plpgsql as 'begin perform nextval(''evil.calls''); return false; end';
    create function evil.of_numbers(bigint, bigint) returns boolean language plpgsql as 'begin perform nextval(''evil.calls''); return false; end';
    create function evil.of_small(integer, integer) returns boolean language plpgsql as 'begin perform nextval(''evil.calls''); return false; end';
    create function evil.of_times(timestamptz, timestamptz) returns boolean language plpgsql as 'begin perform nextval(''evil.calls''); return false; end';
    create operator evil.= (leftarg = text, rightarg = text, function = evil.of_texts);
    create operator evil.<> (leftarg = text, rightarg = text, function = evil.of_texts);
    create operator evil.= (leftarg = bigint, rightarg = bigint, function = evil.of_numbers);
    create operator evil.<> (leftarg = bigint, rightarg = bigint, function = evil.of_numbers);
    create operator evil.= (leftarg = integer, rightarg = integer, function = evil.of_small);
    create operator evil.<= (leftarg = integer, rightarg = integer, function = evil.of_small);
    create operator evil.= (leftarg = timestamptz, rightarg = timestamptz, function = evil.of_times);
    create function evil.of_records(record, record) returns boolean language plpgsql as 'begin perform nextval(''evil.calls''); return true; end';
    create operator evil.*= (leftarg = record, rightarg = record, function = evil.of_records);
    create function evil.of_json(json, text[]) returns text language plpgsql as 'begin perform nextval(''evil.calls''); return ''x''; end';
    create operator evil.#>> (leftarg = json, rightarg = text[], function = evil.of_json);
    create function evil.joined(text, text) returns text language plpgsql as 'begin perform nextval(''evil.calls''); return ''x''; end';
    create operator evil.|| (leftarg = text, rightarg = text, function = evil.joined);
    create function evil.nextval(regclass) returns bigint language plpgsql as 'begin perform pg_catalog.nextval(''evil.calls''); return -1; end';
    create function evil.row_to_json(record) returns json language plpgsql as 'begin perform nextval(''evil.calls''); return null; end';
    create function evil.to_json(anyelement) returns json language plpgsql as 'begin perform nextval(''evil.calls''); return null; end';
    create function evil.octet_length(text) returns integer language plpgsql as 'begin perform nextval(''evil.calls''); return 9999999; end';
    create function evil.current_setting(text) returns text language plpgsql as 'begin perform nextval(''evil.calls''); return ''x''; end';
    create function evil.current_setting(text, boolean) returns text language plpgsql as 'begin perform nextval(''evil.calls''); return ''x''; end';
    create function evil.clock_timestamp() returns timestamptz language plpgsql as 'begin perform nextval(''evil.calls''); return null; end';
    create function evil.now() returns timestamptz language plpgsql as 'begin perform nextval(''evil.calls''); return null; end';
    create function evil.pg_notify(text, text) returns void language plpgsql as 'begin perform nextval(''evil.calls''); end';
    create function evil.concat(variadic \"any\") returns text language internal as 'text_concat';
    create function evil.concat(text, text, text, text, text) returns text language plpgsql as 'begin perform nextval(''evil.calls''); return ''x''; end';
    create domain evil.text as integer; create domain evil.json as integer; create domain evil.regclass as integer; create domain evil.int8 as text;
    create table evil.sync_log (a integer); create table evil.pg_class (a integer);
    grant usage on schema evil to public;";

#[tokio::test]
async fn nothing_in_the_way_of_a_name_is_called() {
    let mut mirror = Mirror::of(&format!(
        "create table item (id integer primary key, note text, updated_at timestamptz, at timestamptz, twice integer generated always as (id * 2) stored);
         select rowbell.watch('item');
         create table pairs (a integer, b text, n integer, primary key (a, b)); select rowbell.watch('pairs', notify => 'always');
         create table flags (b boolean primary key, n integer); select rowbell.watch('flags', feed_only => true);
         create table shown (id integer primary key, n numeric, f float8, secret text); select rowbell.watch('shown', omit => '{{secret}}');
         {EVIL}"
    ))
    .await;
    mirror.write("create temp table pg_class (a integer); create temp table sync_log (a integer); create temp table watched (a integer)").await;
    for rest in ["", "set timezone = 'Asia/Kathmandu'; set extra_float_digits = 0;"] {
        mirror.write(&format!("{rest} set search_path = evil, pg_temp, public, pg_catalog")).await;
        mirror
            .write(
                "insert into public.item (id, note, at) values (1, 'a', pg_catalog.now()), (2, 'b', null); update public.item set note = 'b';
                 update public.item set note = note; update public.item set id = 3 where id operator(pg_catalog.=) 2;
                 insert into public.pairs values (1, 'x', 1); update public.pairs set n = 2; update public.pairs set b = 'y';
                 insert into public.flags values (true, 1); update public.flags set n = 2;
                 insert into public.shown values (1, 1.10, 0.1, 'x'); update public.shown set n = 2;",
            )
            .await;
        mirror.tell().await;
        mirror.write("delete from public.item; truncate public.pairs; delete from public.flags; delete from public.shown").await;
        mirror.tell().await;
    }
    let called = mirror.reader.link.client.query_one("select is_called from evil.calls", &[]).await;
    assert!(!called.unwrap().get::<_, bool>(0), "something of somebody else's was called with our rights");
}

#[tokio::test]
async fn a_cast_of_somebody_elses_runs_by_no_path_of_the_writers() {
    let mut mirror = Mirror::of(&format!(
        "create type state as enum ('open', 'done'); create table item (id integer primary key, state state); select rowbell.watch('item');
         create function helper() returns text language sql as $$ select 'mine' $$;
         create function as_json(state) returns json language plpgsql as $$ begin
             return to_json(coalesce(to_regproc('helper')::text, 'nothing')); end $$;
         create cast (state as json) with function as_json(state);
         {EVIL} create function evil.helper() returns text language plpgsql as $$ begin perform nextval('evil.calls'); return 'x'; end $$;"
    ))
    .await;
    mirror.write("set timezone = 'UTC'; set search_path = evil, public").await;
    mirror.write("insert into public.item values (1, 'open'); update public.item set state = 'done'").await;
    let commits = mirror.reader.drain().await;
    let rows: Vec<_> = commits
        .iter()
        .flat_map(|commit| &commit.changes)
        .filter_map(|change| change.row.as_deref())
        .collect();
    assert_eq!(rows.len(), 2);
    // Found by the pinned path alone, which has no such function.
    assert!(rows.iter().all(|row| row.contains("nothing")), "{rows:?}");
}

#[tokio::test]
async fn a_partition_is_written_while_its_parent_is_locked() {
    let mut mirror = Mirror::of(
        "create table whole (id integer primary key, n text) partition by range (id);
         create table low partition of whole for values from (0) to (10); select rowbell.watch('whole');",
    )
    .await;
    let other = mirror.database.link().await;
    other.client.batch_execute("insert into low values (0, 'a')").await.unwrap();
    // The session knows its tables, which PostgreSQL itself asks the parent for, and has not planned the trigger yet.
    mirror.write("set session_replication_role = replica; update low set n = 'b'; set session_replication_role = origin").await;
    other.client.batch_execute("begin; lock table only whole in access exclusive mode").await.unwrap();
    soon(mirror.write("update low set n = 'c'")).await;
    other.client.batch_execute("commit").await.unwrap();
    let told = mirror.reader.drain().await;
    assert!(told.iter().flat_map(|commit| &commit.changes).all(|change| change.row.is_some()));
}
