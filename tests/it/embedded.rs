//! The private PostgreSQL: made, found again, adopted, and what stands in its way.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, Uid};
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions, StopMode};

use crate::support::cluster::fast_options;
use crate::support::scratch::Scratch;
use crate::support::soon;

async fn open(options: &ClusterOptions) -> Cluster {
    soon(Cluster::open(options)).await.expect("a cluster")
}

async fn execute(url: &str, sql: &str) {
    let link = soon(Connector::parse(url).expect("a URL").connect("test")).await.expect("connects");
    link.client.batch_execute(sql).await.expect(sql);
}

/// Fails unless the table a test made is there.
async fn has_data(cluster: &Cluster) {
    execute(&cluster.url(), "select * from kept").await;
}

#[tokio::test]
async fn data_is_found_again_after_a_stop_and_after_a_crash() {
    let scratch = Scratch::new("again");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    execute(&cluster.url(), "create table kept (id int)").await;
    // Commits are asynchronous here, and one that was lost would be no fault.
    execute(&cluster.url(), "checkpoint").await;
    cluster.restart(StopMode::Immediate).await.expect("restarts after a crash");
    has_data(&cluster).await;
    cluster.stop(StopMode::Fast).await.expect("stops");
    assert_eq!(cluster.pid().expect("read"), None);
    cluster.stop(StopMode::Fast).await.expect("is stopped");
    assert_eq!(Cluster::find_running(&options.directory).await.expect("looked"), None);
    cluster.start().await.expect("starts");
    has_data(&cluster).await;
    drop(cluster);

    let (cluster, url) =
        (open(&options).await, Cluster::find_running(&options.directory).await.expect("looked"));
    assert_eq!(url, Some(cluster.url()));
    has_data(&cluster).await;
    let hint = cluster.psql_hint();
    assert_eq!(hint, format!("psql -h {} -U postgres rowbell", options.directory.join("run").display()));
}

#[tokio::test]
async fn nobody_else_may_read_it() {
    let scratch = Scratch::new("modes");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    assert!(cluster.pid().expect("read").is_some());
    for name in ["", "data", "run", "postgres.log", "lock"] {
        let mode = std::fs::metadata(options.directory.join(name)).expect(name).permissions().mode();
        assert_eq!(mode & 0o077, 0, "{name} {mode:o}");
    }
}

#[tokio::test]
async fn a_running_server_is_adopted() {
    let scratch = Scratch::new("adopt");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    execute(&cluster.url(), "create table kept (id int)").await;
    let pid = cluster.pid().expect("read");
    // As after a kill -9 of Rowbell: its lock is gone and its server is not.
    drop(cluster);
    let cluster = open(&options).await;
    assert!(pid.is_some() && cluster.pid().expect("read") == pid);
    has_data(&cluster).await;
}

#[tokio::test]
async fn a_killed_server_is_started_again() {
    let scratch = Scratch::new("killed");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    execute(&cluster.url(), "create table kept (id int)").await;
    // Commits are asynchronous here, and one that was lost would be no fault.
    execute(&cluster.url(), "checkpoint").await;
    // A backend that is busy takes a while to notice, and holds the shared memory until then.
    let link = Connector::parse(&cluster.url()).expect("a URL").connect("busy").await.expect("connects");
    let busy = tokio::spawn(async move {
        let _lost = link.client.batch_execute("select count(*) from generate_series(1, 3e6)").await;
    });
    let pid = cluster.pid().expect("read").expect("runs");
    drop(cluster);
    kill(Pid::from_raw(pid), Signal::SIGKILL).expect("killed");
    let cluster = open(&options).await;
    assert!(cluster.pid().expect("read").is_some_and(|now| now != pid));
    has_data(&cluster).await;
    soon(busy).await.expect("ends");
}

#[tokio::test]
async fn a_pid_file_with_somebody_elses_number_does_not_matter() {
    let scratch = Scratch::new("recycled");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    let file = options.directory.join("data/postmaster.pid");
    let text = std::fs::read_to_string(&file).expect("read");
    let pid = cluster.pid().expect("read").expect("runs").to_string();
    cluster.stop(StopMode::Fast).await.expect("stops");
    // A process of the same user, as PostgreSQL itself takes another user's for a stranger.
    let mut stranger = std::process::Command::new("sleep");
    let owner = std::fs::metadata(options.directory.join("data")).expect("there").uid();
    std::os::unix::process::CommandExt::uid(&mut stranger, owner);
    let mut stranger = stranger.arg("60").spawn().expect("a stranger");
    std::fs::write(&file, text.replacen(&pid, &stranger.id().to_string(), 1)).expect("written");
    std::os::unix::fs::chown(&file, Some(owner), None).expect("given");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode set");
    assert_eq!(Cluster::find_running(&options.directory).await.expect("looked"), None);
    soon(cluster.start()).await.expect("starts");
    assert!(cluster.pid().expect("read").is_some());
    stranger.kill().expect("killed");
    stranger.wait().expect("ended");
}

#[tokio::test]
async fn one_directory_has_one_rowbell() {
    let scratch = Scratch::new("lock");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    let error = Cluster::open(&options).await.expect_err("locked");
    let expected =
        format!("another rowbell serve (pid {}) uses {}", std::process::id(), options.directory.display());
    assert_eq!(error.to_string(), expected);
    drop(cluster);
    open(&options).await;
}

#[tokio::test]
async fn a_long_path_has_its_socket_elsewhere() {
    let scratch = Scratch::new("long");
    let mut options = fast_options(&scratch);
    options.directory = scratch.join(&"x".repeat(120));
    let cluster = open(&options).await;
    let hint = cluster.psql_hint();
    let sockets = PathBuf::from(hint.split(' ').nth(2).expect("a directory"));
    let _also = scratch.also(&sockets);
    assert!(sockets.starts_with("/tmp"), "{hint}");
    assert_eq!(std::fs::metadata(&sockets).expect("there").permissions().mode() & 0o077, 0);
    execute(&cluster.url(), "select 1").await;
    assert_eq!(Cluster::find_running(&options.directory).await.expect("looked"), Some(cluster.url()));
    cluster.stop(StopMode::Fast).await.expect("stops");
    std::fs::set_permissions(&sockets, std::fs::Permissions::from_mode(0o777)).expect("opened to all");
    let error = cluster.start().await.expect_err("the directory is anybody's");
    assert!(error.to_string().contains("alone"), "{error:?}");
}

#[tokio::test]
async fn a_path_with_a_space_and_a_quote_works() {
    let scratch = Scratch::new("odd");
    let mut options = fast_options(&scratch);
    options.directory = scratch.join("it's my shop");
    let cluster = open(&options).await;
    let sockets = cluster.psql_hint().split(' ').nth(2).map(PathBuf::from).expect("a directory");
    let _also = scratch.also(&sockets);
    execute(&cluster.url(), "select 1").await;
}

#[tokio::test]
async fn missing_programs_are_named() {
    let scratch = Scratch::new("programs");
    let options = ClusterOptions { programs: Some(scratch.path().to_owned()), ..fast_options(&scratch) };
    let error = Cluster::open(&options).await.expect_err("no programs");
    assert!(error.report().contains("initdb") && error.report().contains("ROWBELL_PG_BIN"), "{error:?}");
}

#[tokio::test]
async fn data_of_another_version_is_left_alone() {
    let scratch = Scratch::new("version");
    let options = fast_options(&scratch);
    let data = options.directory.join("data");
    std::fs::create_dir_all(&data).expect("made");
    std::fs::write(data.join("PG_VERSION"), "9\n").expect("written");
    if Uid::effective().is_root() {
        let postgres = nix::unistd::User::from_name("postgres").ok().flatten().expect("a user");
        std::os::unix::fs::chown(&options.directory, Some(postgres.uid.as_raw()), None).expect("given");
    }
    let error = Cluster::open(&options).await.expect_err("another version");
    assert!(
        error.report().contains("PostgreSQL 9 made") && error.report().contains("ROWBELL_PG_BIN"),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_start_that_fails_shows_the_log() {
    let scratch = Scratch::new("fails");
    let mut options = fast_options(&scratch);
    options.settings.push(("shared_buffers".into(), "nonsense".into()));
    let error = Cluster::open(&options).await.expect_err("does not start");
    assert!(
        error.report().contains("shared_buffers") && error.report().contains("postgres.log"),
        "{error:?}"
    );
    options.settings.pop();
    open(&options).await;
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let scratch = Scratch::new("half");
    let options = fast_options(&scratch);
    drop(Cluster::open(&ClusterOptions { programs: Some(scratch.path().into()), ..options.clone() }).await);
    std::fs::create_dir_all(options.directory.join("data.new/base")).expect("half a cluster");
    let cluster = open(&options).await;
    assert!(!options.directory.join("data.new").exists());
    execute(&cluster.url(), "select 1").await;
}

#[tokio::test]
async fn root_uses_another_directory_where_postgres_cannot_go() {
    let root_home = Path::new("/root");
    let closed = std::fs::metadata(root_home).is_ok_and(|meta| meta.mode() & 0o011 == 0);
    if !Uid::effective().is_root() || !closed {
        return;
    }
    let scratch = Scratch::below(root_home, "closed");
    let options = fast_options(&scratch);
    let cluster = open(&options).await;
    let data = std::fs::read_link(options.directory.join("data")).expect("a link");
    let _also = scratch.also(data.parent().expect("a parent"));
    assert!(data.starts_with("/var/lib/rowbell"), "{}", data.display());
    execute(&cluster.url(), "create table kept (id int)").await;
    assert_eq!(Cluster::find_running(&options.directory).await.expect("looked"), Some(cluster.url()));
    let error = Cluster::open(&options).await.expect_err("locked");
    assert!(error.to_string().contains("another rowbell serve"), "{error:?}");
    cluster.stop(StopMode::Fast).await.expect("stops");
    drop(cluster);
    has_data(&open(&options).await).await;
}
