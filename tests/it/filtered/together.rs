//! By luck: a filtered list and its filtered feed lead to the list as it is later, whatever the filter and the writes.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use rowbell::feed::Start;
use rowbell::words::{Cursor, FeedConfig};
use serde_json::Value;

use crate::support::api::Api;
use crate::support::database::Database;
use crate::support::feed::{Reader, RunningFeed};

const TABLE: &str = "create type mood as enum ('sad', 'ok', 'glad');
    create domain short as varchar(5) collate \"C\";
    create table things (id integer primary key, n integer, x numeric(8,2), f float8, s text, c char(3), w short, b boolean,
        mood mood, tags text[], data jsonb, raw json, at timestamptz, day date, span int4range, twice integer generated always as (n * 2) stored);
    select rowbell.watch('things');";

/// Columns, each with SQL values, and values as a filter spells them.
const COLUMNS: [(&str, &[&str], &[&str]); 14] = [
    ("n", &["0", "1", "2", "-1", "null"], &["0", "1", "2", "-1"]),
    ("x", &["0", "1.50", "-0.01", "'NaN'", "null"], &["0", "1.5", "NaN", "-0.010"]),
    ("f", &["0", "1e300", "'-Infinity'", "0.1", "null"], &["0", "0.1", "Infinity", "-1e-5"]),
    ("s", &["''", "'a'", "'A b'", "'a,b'", "'\u{e9}%'", "null"], &["", "a", "A b", "\"a,b\"", "B"]),
    ("c", &["'a'", "'ab '", "'abc'", "null"], &["a", "ab", "abc  "]),
    ("w", &["'a'", "'B'", "'b'", "null"], &["a", "B", "b"]),
    ("b", &["true", "false", "null"], &["true", "false"]),
    ("mood", &["'sad'", "'ok'", "'glad'", "null"], &["sad", "ok", "glad"]),
    ("tags", &["'{}'", "'{a}'", "'{a,\"b,c\",null}'", "null"], &["{}", "{a}"]),
    ("data", &["'{\"a\":1}'", "'[1,2]'", "'null'", "'1e30'", "null"], &["{\"a\":1}", "[1]", "null"]),
    ("raw", &["'{\"a\":\"\\u0000\"}'", "' null'", "null"], &[]),
    ("at", &["'2026-01-01 00:00+01'", "'infinity'", "null"], &["2025-12-31T23:00:00Z", "2026-01-01"]),
    ("day", &["'2026-01-01'", "'-infinity'", "null"], &["2026-01-01", "infinity"]),
    ("span", &["'[1,5)'", "'empty'", "null"], &["\"[1,3)\"", "empty"]),
];

fn condition(random: &mut StdRng, grouped: bool) -> (String, String) {
    let (column, _, values) = COLUMNS.choose(random).expect("some");
    let not = if random.random_bool(0.3) { "not." } else { "" };
    let value = |random: &mut StdRng| {
        let value = *values.choose(random).unwrap_or(&"");
        match value.trim_matches('"') {
            plain if !grouped => plain.to_owned(),
            plain if value.is_empty() || plain.contains(['{', '[', ',']) => {
                format!("\"{}\"", plain.replace('"', "\\\""))
            }
            plain => plain.to_owned(),
        }
    };
    let asked = match random.random_range(0..12) {
        _ if values.is_empty() => "is.null".to_owned(),
        0 => "is.null".to_owned(),
        1 if *column == "b" => "is.true".to_owned(),
        2 | 10 | 11 if matches!(*column, "s" | "c" | "w") => {
            let word = ["like", "ilike"].choose(random).expect("some");
            let patterns = ["*a*", "*b*", r"*\**", "a*", "A_b", "*\u{e9}\\%", "_", "*"];
            let pattern = patterns.choose(random).expect("some");
            // In quotes a backslash stands for what follows it.
            let quoted = format!("\"{}\"", pattern.replace('\\', r"\\"));
            format!("{word}.{}", if grouped { &quoted } else { *pattern })
        }
        3 | 4 if matches!(*column, "tags" | "data" | "span") => format!("cs.{}", value(random)),
        5 | 6 => {
            let count = random.random_range(1..4);
            let some = (0..count).map(|_| values.choose(random).expect("some").trim_matches('"'));
            let some: Vec<_> = some.map(|one| format!("\"{}\"", one.replace('"', "\\\""))).collect();
            format!("in.({})", some.join(","))
        }
        other => {
            let word = ["eq", "neq", "gt", "gte", "lt", "lte"][other % 6];
            format!("{word}.{}", value(random))
        }
    };
    ((*column).to_owned(), format!("{not}{asked}"))
}

fn group(random: &mut StdRng, depth: u32) -> String {
    let members: Vec<_> = (0..random.random_range(2..4))
        .map(|_| {
            if depth < 2 && random.random_bool(0.3) {
                let word = ["and", "or", "not.and", "not.or"].choose(random).expect("some");
                return format!("{word}{}", group(random, depth + 1));
            }
            let (column, asked) = condition(random, true);
            format!("{column}.{asked}")
        })
        .collect();
    format!("({})", members.join(","))
}

fn filter(random: &mut StdRng) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    for _ in 0..random.random_range(1..3) {
        if random.random_bool(0.5) {
            let (column, asked) = condition(random, false);
            query.append_pair(&column, &asked);
        } else {
            query.append_pair(["or", "not.and"].choose(random).expect("some"), &group(random, 0));
        }
    }
    query.finish()
}

fn write(random: &mut StdRng) -> String {
    let id = random.random_range(1..12);
    let some = |random: &mut StdRng| -> Vec<(&str, &str)> {
        let count = random.random_range(1..6);
        let chosen: BTreeMap<_, _> = (0..count)
            .map(|_| {
                let (column, values, _) = COLUMNS.choose(random).expect("some");
                (*column, *values.choose(random).expect("some"))
            })
            .collect();
        chosen.into_iter().collect()
    };
    match random.random_range(0..40) {
        0 => "truncate things".to_owned(),
        1..6 => format!("delete from things where id = {id}"),
        6..9 => format!(
            "update things set id = {} where id = {id} and not exists (select from things where id = 50)",
            50
        ),
        9..12 => {
            "update things set id = id - 40 where id = 50 and not exists (select from things where id = 10)"
                .to_owned()
        }
        12..24 => {
            let pairs = some(random);
            let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
            let values: Vec<_> = pairs.iter().map(|(_, value)| *value).collect();
            format!(
                "insert into things (id, {}) values ({id}, {}) on conflict (id) do nothing",
                names.join(", "),
                values.join(", ")
            )
        }
        _ => {
            let sets: Vec<_> = some(random).iter().map(|(name, value)| format!("{name} = {value}")).collect();
            format!(
                "update things set {} where id in ({id}, {})",
                sets.join(", "),
                random.random_range(1..12)
            )
        }
    }
}

async fn scribble(database: std::sync::Arc<Database>, mut random: StdRng, rounds: usize) {
    let link = database.link().await;
    for _ in 0..rounds {
        let writes: Vec<_> = (0..random.random_range(1..4)).map(|_| write(&mut random)).collect();
        let end = if random.random_bool(0.1) { "rollback" } else { "commit" };
        let done = link.client.batch_execute(&format!("begin; {}; {end}", writes.join("; "))).await;
        if let Err(error) = done {
            // Two writers in one another's way, or a key that another took first.
            let code = error.code().map_or("", |code| code.code()).to_owned();
            assert!(matches!(&*code, "40P01" | "23505"), "{writes:?}: {error:?}");
            link.client.batch_execute("rollback").await.expect("rolls back");
        }
    }
}

/// However much was deleted, there are rows to pass.
async fn fill(database: &Database, random: &mut StdRng) {
    for id in 100..130 {
        let pairs: Vec<_> =
            COLUMNS.iter().map(|(name, values, _)| (*name, *values.choose(random).expect("some"))).collect();
        let names: Vec<_> = pairs.iter().map(|(name, _)| *name).collect();
        let values: Vec<_> = pairs.iter().map(|(_, value)| *value).collect();
        database
            .run(&format!(
                "insert into things (id, {}) values ({id}, {})",
                names.join(", "),
                values.join(", ")
            ))
            .await;
    }
}

struct Follower {
    topic: String,
    since: Cursor,
    rows: BTreeMap<String, Value>,
    live: Option<Reader>,
}

fn keyed(list: &Value) -> BTreeMap<String, Value> {
    list.as_array().expect("rows").iter().map(|row| (row["id"].to_string(), row.clone())).collect()
}

impl Follower {
    async fn settle(mut self, feed: &RunningFeed, end: &Cursor) -> BTreeMap<String, Value> {
        let mut reader = match self.live.take() {
            Some(live) => live,
            None => Reader::open(feed, &self.topic, Start::After(self.since.clone())).await,
        };
        while !reader.cursor.snapshot.covers_all_of(&end.snapshot) {
            let told = reader.step().await;
            assert!(matches!(told, Some(rowbell::feed::Delivery::Frame(_))), "{}: {told:?}", self.topic);
        }
        for change in &reader.changes {
            let id = change["id"].as_str().unwrap_or_default().to_owned();
            let known = self.rows.contains_key(&id);
            let expected = match change["op"].as_str().expect("an op") {
                "truncate" => {
                    self.rows.clear();
                    continue;
                }
                "delete" | "leave" => self.rows.remove(&id).is_some(),
                "insert" | "enter" => self.rows.insert(id, change["row"].clone()).is_none(),
                _ => self.rows.insert(id, change["row"].clone()).is_some() && known,
            };
            assert!(expected, "{}: no such thing could happen to {change}", self.topic);
        }
        self.rows
    }
}

#[tokio::test]
async fn a_list_and_its_feed_never_disagree() {
    let seed = std::env::var("ROWBELL_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = seed.unwrap_or_else(rand::random::<u32>);
    println!("ROWBELL_SEED={seed}");
    let mut random = StdRng::seed_from_u64(seed.into());
    let database = std::sync::Arc::new(Database::new().await);
    database.run(TABLE).await;
    let api = Api::on(&database.url).await;
    let quick = std::time::Duration::from_millis(100);
    let config =
        FeedConfig { quiet: quick, heartbeat_drain: quick, step: 40, chunk: 2000, ..FeedConfig::default() };
    let feed = RunningFeed::new(&database.connector, config);
    let writers: Vec<_> = (1..=3)
        .map(|writer| {
            tokio::spawn(scribble(
                database.clone(),
                StdRng::seed_from_u64(u64::from(seed) ^ (writer << 40)),
                150,
            ))
        })
        .collect();
    let mut followers = Vec::new();
    for number in 0..40 {
        let filter = filter(&mut random);
        let topic = format!("things?{filter}");
        let list = api.get(&format!("/api/{topic}&limit=10000")).await.expect(200);
        let since = Cursor::parse(list.header("rowbell-cursor")).expect("a cursor");
        let live = match number % 2 {
            0 => Some(Reader::open(&feed, &topic, Start::After(since.clone())).await),
            _ => None,
        };
        followers.push(Follower { topic, since, rows: keyed(&list.json()), live });
    }
    for writer in writers {
        writer.await.expect("writes");
    }
    fill(&database, &mut random).await;
    let end = api.get("/api/things?limit=10000").await.expect(200);
    let end = Cursor::parse(end.header("rowbell-cursor")).expect("a cursor");
    let mut matched = 0;
    for follower in followers {
        let topic = follower.topic.clone();
        let kept = follower.settle(&feed, &end).await;
        let list = api.get(&format!("/api/{topic}&limit=10000")).await.expect(200);
        let expected = keyed(&list.json());
        matched += expected.len();
        assert_eq!(kept, expected, "{topic}");
    }
    assert!(matched > 40, "only {matched} rows passed any filter");
}
