//! The PostgreSQL all tests of one process share.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions};
use tokio::sync::OnceCell;

use super::scratch::Scratch;

/// The shared server. It listens to TCP as well, without TLS, and asks for passwords there.
pub struct Shared {
    pub cluster: Cluster,
    /// Of `127.0.0.1`.
    pub port: u16,
    scratch: Scratch,
}

impl Shared {
    /// The server's log.
    pub fn log(&self) -> PathBuf {
        self.scratch.join("pg/postgres.log")
    }
}

/// Starts it at the first call. Its guardian stops it when the process is gone.
pub async fn shared() -> &'static Shared {
    static SHARED: OnceCell<Shared> = OnceCell::const_new();
    SHARED
        .get_or_init(async || {
            let scratch = Scratch::new("shared");
            let port = free_port();
            let mut options = fast_options(&scratch);
            options.settings.push(("listen_addresses".into(), "127.0.0.1".into()));
            options.settings.push(("port".into(), port.to_string()));
            let cluster = Cluster::open(&options).await.expect("the shared cluster starts");
            Shared { cluster, port, scratch }
        })
        .await
}

/// A new, empty database on the shared server.
pub async fn database() -> Connector {
    database_from("template0").await
}

/// A new database that is a copy of another one nobody is connected to.
pub async fn database_from(template: &str) -> Connector {
    static NUMBER: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    let admin = Connector::parse(&shared().await.cluster.url()).expect("a good URL");
    let link = admin.connect("test").await.expect("connects");
    let made = link.client.batch_execute(&format!("create database {name} template {template}")).await;
    made.expect("the database is made");
    admin.with_database(&name)
}

/// A cluster in `scratch` that writes nothing safely, since nobody wants it back.
pub fn fast_options(scratch: &Scratch) -> ClusterOptions {
    // Commits stay synchronous: the feed waits for those that are not.
    let settings = [
        ("shared_preload_libraries", "pg_stat_statements"),
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("max_connections", "300"),
        ("max_prepared_transactions", "5"),
    ];
    ClusterOptions {
        directory: scratch.join("pg"),
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
        ..ClusterOptions::default()
    }
}

/// A port nobody had a moment ago.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
