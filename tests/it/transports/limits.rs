//! The limit of a long poll cuts between commits, and the cursor after a part is exact.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use rowbell::pg::link::Link;
use serde_json::Value;

use super::Poller;
use crate::support::api::Api;
use crate::support::books::{Books, ITEM, write};
use crate::support::database::Database;

fn ids(commits: &Value) -> Vec<&str> {
    let changes = commits.as_array().expect("commits").iter();
    changes.flat_map(|commit| commit["changes"].as_array().expect("changes")).map(id).collect()
}

fn id(change: &Value) -> &str {
    change["id"].as_str().expect("an id")
}

async fn run(session: &Link, sql: &str) {
    session.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
}

#[tokio::test]
async fn whatever_the_limit_the_answers_are_one_read() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let begun = Poller::now(&api, "item").await;
    futures::future::join_all((0..6).map(|writer| write(&database, seed ^ writer, 40))).await;
    let all = begun.after(&begun.cursor).all(10_000).await;
    assert!(all.len() > 80, "too few to say anything");
    let mut random = StdRng::seed_from_u64(seed);
    for limit in [1, 2, 3].into_iter().chain((0..5).map(|_| random.random_range(4..200))) {
        let mut poller = begun.after(&begun.cursor);
        assert_eq!(poller.all(limit).await, all, "limit {limit}");
        assert_eq!(poller.all(1).await, [] as [Value; 0]);
    }
    // The other transports say the same from where a part ends.
    let mut part = begun.after(&begun.cursor);
    let first = part.poll("limit=20").await["commits"].as_array().unwrap().len();
    assert_eq!(begun.after(&part.cursor).all(10_000).await, all[first..]);
}

#[tokio::test]
async fn transactions_that_cross_a_cut_come_once() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let mut poller = Poller::now(&api, "item").await;
    let (old, slow) = (database.link().await, database.link().await);
    run(&old, "begin; insert into item values (101, 0)").await;
    run(&slow, "begin; insert into item values (102, 0)").await;
    database.run("insert into item values (103, 0)").await;
    database.run("insert into other values (1)").await;
    database.run("insert into item values (104, 0)").await;
    // The oldest transaction commits last of three, so the cut leaves it below what was taken.
    run(&old, "insert into item values (105, 0); commit").await;
    let first = poller.poll("limit=1").await;
    assert_eq!((ids(&first["commits"]), &first["more"]), (vec!["103"], &Value::Bool(true)));
    // Meanwhile a transaction from before the cut commits, and one from after it.
    run(&slow, "commit").await;
    database.run("insert into item values (106, 0)").await;
    let second = poller.poll("limit=1").await;
    // Its last change was logged before those that are left.
    assert_eq!(ids(&second["commits"]), ["102"]);
    let rest: Vec<Value> = poller.all(1).await;
    assert_eq!(ids(&Value::Array(rest)), ["104", "101", "105", "106"]);
}

#[tokio::test]
async fn cuts_under_writers_lose_and_repeat_nothing() {
    let seed = rand::random::<u64>();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::on(&database.url).await;
    let mut poller = Poller::now(&api, "item").await;
    let mut books = Books::of(&database).await;
    let writing = async {
        futures::future::join_all((0..6).map(|writer| write(&database, seed ^ writer, 60))).await;
        database.run("insert into item values (-1, 0)").await;
    };
    let mut answers = 0;
    let reading = async {
        loop {
            let query = format!("wait=10&limit={}", random.random_range(1..8));
            let answer = poller.poll(&query).await;
            answers += 1;
            books.apply(&answer["commits"]);
            if ids(&answer["commits"]).contains(&"-1") && answer["more"] == false {
                return;
            }
        }
    };
    tokio::join!(writing, reading);
    println!("{} changes in {answers} answers", books.seqs.len());
    assert!(books.seqs.len() > 200);
    books.compare(&database).await;
}

#[tokio::test]
async fn a_giant_commit_is_one_answer_and_bytes_have_a_limit_too() {
    let database = Database::new().await;
    database.run(ITEM).await;
    let api = Api::with(&database.url, |config| config.feed.drain_limit = 100_000).await;
    let mut poller = Poller::now(&api, "item").await;
    let begun = poller.cursor.clone();
    let giant =
        "insert into item select g, 0, to_json(repeat('x', 1000)) from generate_series(1000, 10999) g";
    database.run(giant).await;
    database.run("insert into item values (-1, 0)").await;
    let answer = poller.poll("limit=1").await;
    let commits = answer["commits"].as_array().unwrap();
    assert_eq!((commits.len(), commits[0]["changes"].as_array().unwrap().len()), (1, 10_000));
    assert_eq!(answer["more"], true);
    assert_eq!(ids(&poller.poll("limit=1").await["commits"]), ["-1"]);
    // Commits of about 20 kB: an answer ends once it is over its bytes, whatever its limit.
    for id in 20_000..20_020 {
        database.run(&format!("insert into item values ({id}, 0, to_json(repeat('x', 20000)))")).await;
    }
    let mut sizes = Vec::new();
    let mut told = Vec::new();
    loop {
        let answer = poller.poll("wait=0&limit=10000").await;
        let commits = answer["commits"].as_array().unwrap();
        sizes.push(commits.len());
        told.extend(ids(&answer["commits"]).into_iter().map(str::to_owned));
        if answer["more"] == false {
            break;
        }
    }
    assert_eq!((sizes, told), (vec![5, 5, 5, 5], (20_000..20_020).map(|id| id.to_string()).collect()));
    assert_eq!(poller.after(&begun).all(1).await.len(), 22);
}
