//! A private PostgreSQL with some tables, and a node that serves it.

use std::net::SocketAddr;
use std::path::PathBuf;

use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, ClusterOptions, StopMode};
use rowbell::pg::link::Link;
use rowbell::pg::migrate::migrate_up;
use rowbell::server;
use rowbell::words::{FeedConfig, KeeperConfig, RestConfig, ServeConfig};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Both, until `end`.
pub struct Node {
    pub connector: Connector,
    pub address: SocketAddr,
    cluster: Cluster,
    stop: CancellationToken,
    directory: PathBuf,
}

impl Node {
    /// Makes the tables and serves them.
    pub async fn with(name: &str, tables: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("rowbell-bench-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory");
        let options = ClusterOptions { directory: directory.join("pg"), ..ClusterOptions::default() };
        let cluster = Cluster::open(&options).await.expect("a server");
        let connector = Connector::parse(&cluster.url()).expect("a URL");
        migrate_up(&connector).await.expect("migrates");
        connector
            .connect("bench")
            .await
            .expect("connects")
            .client
            .batch_execute(tables)
            .await
            .expect("tables");
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = tcp.local_addr().expect("an address");
        let config = ServeConfig {
            database_url: cluster.url(),
            listen_url: None,
            address,
            token: None,
            allow_origin: vec![],
            feed: FeedConfig::default(),
            rest: RestConfig::default(),
            keeper: KeeperConfig::default(),
        };
        let server = server::Server::prepare(config).await.expect("a database that is fit");
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(tcp, stop.clone()));
        Self { connector, address, cluster, stop, directory }
    }

    /// A connection of its own.
    pub async fn link(&self) -> Link {
        self.connector.connect("bench").await.expect("connects")
    }

    pub async fn end(self) {
        self.stop.cancel();
        self.cluster.stop(StopMode::Immediate).await.expect("stops");
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}
