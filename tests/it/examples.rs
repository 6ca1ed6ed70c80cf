//! The examples do what they say, against a running server.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::{ChildStdin, Command};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

use crate::support::database::Database;
use crate::support::program::{Running, example, rowbell, run};
use crate::support::scratch::Scratch;
use crate::support::soon;

const NOTES: &str = "create table notes (id integer primary key, body text);
    insert into notes values (1, 'one'), (2, 'two'), (3, 'three'); select rowbell.watch('notes');";

/// The two programs that follow a channel, which are to behave alike.
#[derive(Debug, Clone, Copy)]
enum Follower {
    Rust,
    Node,
}

impl Follower {
    fn scratch(self, name: &str) -> Scratch {
        Scratch::new(&format!("{name}-{self:?}"))
    }

    async fn start(self, directory: &Path, port: u16) -> Running {
        let mut command = match self {
            Self::Rust => example("follow", &["notes", "kept.json"]),
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(node().await.join("follow.mjs")).args(["notes", "kept.json"]).kill_on_drop(true);
                command
            }
        };
        command.current_dir(directory).env("ROWBELL_URL", format!("http://127.0.0.1:{port}"));
        Running::start(command)
    }
}

/// The Node example with its packages, in a directory of its own: nothing is left in the project's.
async fn node() -> PathBuf {
    static INSTALLED: OnceCell<Scratch> = OnceCell::const_new();
    let install = async || {
        let scratch = Scratch::new("node");
        for name in ["package.json", "package-lock.json", "follow.mjs"] {
            let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/node").join(name);
            std::fs::copy(source, scratch.join(name)).expect("copied");
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--no-audit", "--no-fund", "--prefer-offline"]).current_dir(scratch.path());
        let said = soon(npm.output()).await.expect("npm is there (./check installs it)");
        assert!(said.status.success(), "npm ci: {}", String::from_utf8_lossy(&said.stderr));
        scratch
    };
    INSTALLED.get_or_init(install).await.path().to_owned()
}

/// The next line, whole.
#[track_caller]
fn line(program: &mut Running) -> impl Future<Output = String> {
    soon(async {
        match program.out.next_line().await.expect("readable") {
            Some(line) => line,
            None => panic!("ended: {:?}", program.err.next_line().await),
        }
    })
}

async fn lines(program: &mut Running, expected: &[&str]) {
    for start in expected {
        let said = line(program).await;
        assert!(said.starts_with(start), "{said}, not {start}");
    }
}

async fn ask(database: &Database, sql: &str) -> String {
    database.link().await.client.query_one(sql, &[]).await.expect("an answer").get(0)
}

/// The file holds the table's rows, no more and no less.
async fn assert_kept(directory: &Path, database: &Database) {
    let kept = std::fs::read(directory.join("kept.json")).expect("a file");
    let kept: Value = serde_json::from_slice(&kept).expect("JSON");
    let sql = "select coalesce(json_object_agg(id, row_to_json(n)), '{}')::text from notes n";
    let rows: Value = serde_json::from_str(&ask(database, sql).await).expect("JSON");
    assert_eq!(kept["rows"], rows);
}

async fn patch(port: u16, id: &str, body: Value) -> Value {
    let url = format!("http://127.0.0.1:{port}/api/notes/{id}");
    let http = reqwest::Client::new();
    let read = soon(http.get(&url).send()).await.expect("read");
    let tag = read.headers()["etag"].clone();
    let written = soon(http.patch(&url).header("if-match", tag).json(&body).send()).await.expect("written");
    assert_eq!(written.status(), 200);
    written.json().await.expect("a row")
}

async fn follows_across_restarts(follower: Follower) {
    let (scratch, database) = (follower.scratch("follow"), Database::new().await);
    database.run(NOTES).await;
    let (mut server, port) = Running::serve(scratch.path(), Some(&database.url)).await;
    let mut program = follower.start(scratch.path(), port).await;
    lines(&mut program, &["list      3 rows", "following notes"]).await;
    database.run("insert into notes values (4, 'by sql')").await;
    lines(&mut program, &[r#"insert    4 {"id":4,"body":"by sql""#]).await;
    patch(port, "1", json!({"body": "by rest"})).await;
    lines(&mut program, &[r#"update    1 {"id":1,"body":"by rest""#]).await;

    program.child.kill().await.expect("killed");
    database.run("begin; insert into notes values (5, 'away'); delete from notes where id = 2; commit").await;
    let mut program = follower.start(scratch.path(), port).await;
    lines(&mut program, &["resume    4 rows", "following notes", "insert    5", "delete    2"]).await;

    server.child.kill().await.expect("killed");
    while !soon(program.err.next_line()).await.unwrap().expect("it says so").contains("trying again") {}
    database.run("insert into notes values (6, 'no server')").await;
    let (_server, _) = Running::serve_at(port, scratch.path(), Some(&database.url)).await;
    lines(&mut program, &["following notes", "insert    6"]).await;
    assert_kept(scratch.path(), &database).await;

    database.run("truncate notes; insert into notes values (7, 'after')").await;
    lines(&mut program, &["truncate", "insert    7"]).await;
    database.run("select rowbell.resync('notes')").await;
    lines(&mut program, &["reset     schema", "list      1 rows", "following notes"]).await;
    database.run("update notes set body = 'x'").await;
    lines(&mut program, &["update    7"]).await;
    assert_kept(scratch.path(), &database).await;

    database.run("select rowbell.unwatch('notes')").await;
    let told = soon(program.err.next_line()).await.unwrap().expect("it says why");
    assert_eq!(told, "follow: notes is not watched any more");
    assert_eq!(program.end().await, Some(1));
}

#[tokio::test]
async fn follow_resumes_across_restarts_of_either_side() {
    follows_across_restarts(Follower::Rust).await;
}

#[tokio::test]
async fn node_follow_resumes_across_restarts_of_either_side() {
    follows_across_restarts(Follower::Node).await;
}

/// A list of several pages, a frame in parts, a row that does not fit into one.
async fn follows_what_is_large(follower: Follower) {
    let (scratch, database) = (follower.scratch("large"), Database::new().await);
    database.run("create table notes (id integer primary key, body text)").await;
    database.run("insert into notes select n, repeat('x', 60) from generate_series(1, 20001) n").await;
    database.run("select rowbell.watch('notes')").await;
    let (_server, port) = Running::serve(scratch.path(), Some(&database.url)).await;
    let mut program = follower.start(scratch.path(), port).await;
    lines(&mut program, &["list      20001 rows", "following notes"]).await;
    database.run("update notes set body = repeat('y', 60)").await;
    database.run("update notes set body = repeat('z', 2000000) where id = 7").await;
    database.run("insert into notes values (0, 'the end')").await;
    program.out_with("insert    0").await;
    assert_kept(scratch.path(), &database).await;
}

#[tokio::test]
async fn follow_takes_pages_parts_and_large_rows() {
    follows_what_is_large(Follower::Rust).await;
}

#[tokio::test]
async fn node_follow_takes_pages_parts_and_large_rows() {
    follows_what_is_large(Follower::Node).await;
}

/// Killed in the middle of whatever it does, again and again, while others write.
async fn loses_and_repeats_nothing(follower: Follower) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (scratch, database) = (follower.scratch("killed-again"), Database::new().await);
    database.run(NOTES).await;
    let (_server, port) = Running::serve(scratch.path(), Some(&database.url)).await;
    let link = database.link().await;
    let enough = CancellationToken::new();
    let stop = enough.clone();
    let writer = tokio::spawn(async move {
        for number in (0u64..).take_while(|_| !stop.is_cancelled()) {
            let sql = format!(
                "insert into notes values ({number} % 40, '{number}') on conflict (id) do update set body = excluded.body;
                 delete from notes where id = ({number} * 7) % 40 and {number} % 3 = 0"
            );
            link.client.batch_execute(&sql).await.expect("written");
        }
    });
    let mut said: Vec<String> = Vec::new();
    for _ in 0..5 {
        let mut program = follower.start(scratch.path(), port).await;
        for _ in 0..random.random_range(5..80) {
            said.push(line(&mut program).await);
        }
        program.signal(Signal::SIGKILL);
        while let Some(line) = soon(program.out.next_line()).await.expect("readable") {
            said.push(line);
        }
    }
    enough.cancel();
    writer.await.expect("wrote");
    database.run("insert into notes values (1000, 'the end')").await;
    let mut program = follower.start(scratch.path(), port).await;
    while !said.last().is_some_and(|line| line.starts_with("insert    1000")) {
        said.push(line(&mut program).await);
    }
    assert_kept(scratch.path(), &database).await;
    // What is kept comes before what is said, so a change that was said is never said again.
    let mut changes: Vec<_> = said.iter().filter(|line| line.contains(r#""version""#)).collect();
    let count = changes.len();
    changes.sort();
    changes.dedup();
    assert!(count > 20 && changes.len() == count, "{count} changes, {} of them different", changes.len());
}

#[tokio::test]
async fn follow_loses_and_repeats_nothing_however_often_it_is_killed() {
    loses_and_repeats_nothing(Follower::Rust).await;
}

#[tokio::test]
async fn node_follow_loses_and_repeats_nothing_however_often_it_is_killed() {
    loses_and_repeats_nothing(Follower::Node).await;
}

/// `retry` on row 1 of `notes`, to be let go by a line of input.
fn retry(port: u16, changes: &[&str]) -> (Running, ChildStdin) {
    let mut command = example("retry", &[&["notes", "1"], changes].concat());
    command.env("ROWBELL_URL", format!("http://127.0.0.1:{port}")).stdin(Stdio::piped());
    let mut running = Running::start(command);
    let input = running.child.stdin.take().expect("piped");
    (running, input)
}

#[tokio::test]
async fn two_that_retry_on_one_row_both_get_through() {
    let (scratch, database) = (Scratch::new("retry"), Database::new().await);
    database.run(NOTES).await;
    database.run("alter table notes add n1 int, add n2 int, add n3 int, add n4 int").await;
    let (_server, port) = Running::serve(scratch.path(), Some(&database.url)).await;
    let (mut first, mut go_first) = retry(port, &["body=mine", "n1=1"]);
    let (mut second, mut go_second) = retry(port, &["n2=2", "n3=null"]);
    first.out_with("Enter writes").await;
    second.out_with("Enter writes").await;
    go_first.write_all(b"\n").await.unwrap();
    first.out_with("written").await;
    go_second.write_all(b"\n").await.unwrap();
    lines(&mut second, &["409", "written version"]).await;
    assert_eq!((first.end().await, second.end().await), (Some(0), Some(0)));
    let sql = "select concat_ws(' ', body, n1, n2, coalesce(n3::text, '-')) from notes where id = 1";
    assert_eq!(ask(&database, sql).await, "mine 1 2 -");

    // The same column twice is for people to settle.
    let (mut third, mut go) = retry(port, &["n1=3"]);
    third.out_with("Enter writes").await;
    database.run("update notes set n1 = 7 where id = 1").await;
    go.write_all(b"\n").await.unwrap();
    third.out_with("409").await;
    let told = soon(third.err.next_line()).await.unwrap().expect("it says why");
    assert_eq!(told, "retry: both changed n1: it is 7 now, and 3 was to be written");
    assert_eq!(third.end().await, Some(1));

    let together = ["n1=11", "n2=12", "n3=13", "n4=14"].map(|change| {
        let mut command = example("retry", &["notes", "1", change]);
        command.env("ROWBELL_URL", format!("http://127.0.0.1:{port}"));
        run(command)
    });
    for said in futures::future::join_all(together).await {
        assert_eq!(said.status, 0, "{}", said.err);
    }
    let sql = "select (n1 + n2 + n3 + n4)::text from notes where id = 1";
    assert_eq!(ask(&database, sql).await, "50");
}

#[tokio::test]
async fn examples_say_what_is_wrong() {
    let (scratch, database) = (Scratch::new("wrong"), Database::new().await);
    database.run(NOTES).await;
    let mut command = rowbell(&["serve", "--port", "0"]);
    command.current_dir(scratch.path()).env("DATABASE_URL", &database.url).env("ROWBELL_TOKEN", "secret");
    let mut server = Running::start(command);
    let line = server.out_with("http://").await;
    let url = line.split_whitespace().find_map(|word| word.split_once("/api")).expect("a URL").0;
    std::fs::write(scratch.join("broken.json"), "{").unwrap();
    std::fs::write(scratch.join("strange.json"), r#"{"cursor":"AAAA","rows":{}}"#).unwrap();
    let follow = node().await.join("follow.mjs");
    for (program, arguments, token, words) in [
        ("follow", &[][..], "secret", "usage: "),
        ("follow", &["nothing"], "secret", "rowbell channels lists them"),
        ("follow", &["notes"], "wrong", "send Authorization: Bearer"),
        ("follow", &["notes", "broken.json"], "secret", "broken.json: "),
        ("follow", &["notes", "strange.json"], "secret", "bad_value: "),
        ("retry", &["notes", "1"], "secret", "usage: retry"),
        ("retry", &["notes", "9", "body=x"], "secret", "404 Not Found: there is no row"),
        ("retry", &["notes", "1", "text=x"], "secret", "400 Bad Request: this channel has no column"),
        ("retry", &["notes", "1", "body=x"], "wrong", "401 Unauthorized: send Authorization: Bearer"),
    ] {
        let mut commands = vec![example(program, arguments)];
        if program == "follow" {
            let mut command = Command::new("node");
            command.arg(&follow).args(arguments).kill_on_drop(true);
            commands.push(command);
        }
        for mut command in commands {
            command.current_dir(scratch.path()).env("ROWBELL_URL", url).env("ROWBELL_TOKEN", token);
            let said = run(command).await;
            assert!(said.status == 1 && said.err.contains(words), "{program} {arguments:?}: {}", said.err);
            assert_eq!(said.err.trim_end().lines().count(), 1, "{}", said.err);
        }
    }
    let mut command = example("retry", &["notes", "1", "body=x"]);
    command.env("ROWBELL_URL", "http://127.0.0.1:1");
    let said = run(command).await;
    assert!(said.status == 1 && said.err.contains("Connection refused"), "{}", said.err);
}
