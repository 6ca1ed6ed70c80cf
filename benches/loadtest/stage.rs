//! A private PostgreSQL with a database for each measurement, and Rowbell as a process on it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions, StopMode};
use rowbell::pg::link::Link;

use crate::process::{Process, on_core};

/// The program that is measured; `ROWBELL_BENCH_PROGRAM` names another, to compare two of them.
fn program() -> PathBuf {
    std::env::var_os("ROWBELL_BENCH_PROGRAM")
        .map_or_else(|| env!("CARGO_BIN_EXE_rowbell").into(), PathBuf::from)
}

/// The server all databases are on.
pub struct Stage {
    cluster: Cluster,
    directory: PathBuf,
}

/// One database with Rowbell's schema.
pub struct Database {
    pub url: String,
    connector: Connector,
}

/// Rowbell as a process.
pub struct Rowbell {
    pub process: Process,
    pub address: SocketAddr,
}

impl Stage {
    pub async fn open() -> Self {
        let directory = std::env::temp_dir().join(format!("rowbell-bench-{}-loadtest", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let settings = vec![("max_connections".to_owned(), "400".to_owned())];
        let options =
            ClusterOptions { directory: directory.join("pg"), settings, ..ClusterOptions::default() };
        Self { cluster: Cluster::open(&options).await.expect("a server"), directory }
    }

    /// A new database with these tables.
    pub async fn database(&self, name: &str, tables: &str) -> Database {
        let url = self.cluster.url();
        let main = Connector::parse(&url).expect("a URL").connect("bench").await.expect("connects");
        main.client.batch_execute(&format!("create database {name}")).await.expect("a database");
        let base = url.strip_suffix("/rowbell").expect("the database comes last");
        let url = format!("{base}/{name}");
        let connector = Connector::parse(&url).expect("a URL");
        let migrated = Command::new(program()).args(["migrate", "up", "--database-url", &url]).output();
        assert!(migrated.is_ok_and(|output| output.status.success()), "{name} was not migrated");
        let database = Database { url, connector };
        database.run(tables).await;
        database
    }

    /// A directory for whoever needs one.
    pub fn directory(&self) -> &PathBuf {
        &self.directory
    }

    pub async fn end(self) {
        self.cluster.stop(StopMode::Immediate).await.expect("stops");
        // Left over, it lies in the directory for temporary files.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Database {
    pub async fn link(&self) -> Link {
        self.connector.connect("bench").await.expect("connects")
    }

    pub async fn links(&self, count: usize) -> Vec<Link> {
        let mut links = Vec::with_capacity(count);
        for _ in 0..count {
            links.push(self.link().await);
        }
        links
    }

    pub async fn run(&self, statements: &str) {
        self.link().await.client.batch_execute(statements).await.expect("runs");
    }

    /// Rowbell on it, on all cores or on one.
    pub fn serve(&self, core: Option<usize>) -> Rowbell {
        let mut command = core.map_or_else(|| Command::new(program()), |core| on_core(core, program()));
        command.args(["serve", "--port", "0", "--database-url", &self.url]).env("RUST_LOG", "warn");
        let (process, address) = Process::start(command);
        Rowbell { process, address }
    }
}

/// A table of the kind most measurements write to: `k` names the write, and stands in every frame about it.
pub fn table(name: &str) -> String {
    format!(
        "create table {name} (id bigserial primary key, k bigint not null, note text, at timestamptz default now());"
    )
}
