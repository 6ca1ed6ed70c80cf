//! A PostgreSQL of its own, two nodes that reach it through a bad network, and clients behind another.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use rowbell::client::Client;
use rowbell::pg::connect::Connector;
use rowbell::pg::embedded::{Cluster, StopMode};
use rowbell::pg::link::Link;
use rowbell::pg::migrate::migrate_up;
use tokio::net::TcpStream;
use tokio::process::Child;

use crate::support::cluster::{fast_options, free_port};
use crate::support::program::rowbell;
use crate::support::proxy::Proxy;
use crate::support::scratch::Scratch;
use crate::support::soon;

/// Everything that can be broken.
pub struct Stage {
    pub cluster: Cluster,
    /// By the socket, past the bad network: for writers, and for looking.
    pub connector: Connector,
    pub nodes: Vec<Node>,
    scratch: Scratch,
}

/// One `rowbell serve`, killed and started again at the same address.
pub struct Node {
    /// Between it and PostgreSQL.
    pub database: Proxy,
    /// Between it and its clients.
    pub front: Proxy,
    port: u16,
    url: String,
    child: Option<Child>,
}

impl Stage {
    /// Sets it up with some tables and waits until both nodes serve.
    pub async fn set(name: &str, tables: &str) -> Self {
        let scratch = Scratch::new(name);
        let port = free_port();
        let mut options = fast_options(&scratch);
        let settings = [("listen_addresses", "127.0.0.1"), ("wal_level", "logical"), ("max_wal_size", "4GB")];
        options.settings.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
        options.settings.push(("port".to_owned(), port.to_string()));
        let cluster = Cluster::open(&options).await.expect("starts");
        let connector = Connector::parse(&cluster.url()).expect("a URL");
        migrate_up(&connector).await.expect("migrates");
        let link = connector.connect("test").await.expect("connects");
        link.client.batch_execute("create role node superuser login password 'node'").await.expect("a role");
        link.client.batch_execute(tables).await.expect("tables");
        let mut nodes = Vec::new();
        for _ in 0..2 {
            let database = Proxy::to(SocketAddr::from(([127, 0, 0, 1], port))).await;
            let url = format!(
                "postgresql://node:node@{}/{}?sslmode=disable",
                database.address,
                connector.database()
            );
            let port = free_port();
            let front = Proxy::to(SocketAddr::from(([127, 0, 0, 1], port))).await;
            nodes.push(Node { database, front, port, url, child: None });
        }
        let mut stage = Self { cluster, connector, nodes, scratch };
        stage.calm().await;
        stage
    }

    /// A client of each node.
    pub fn clients(&self) -> Vec<Client> {
        self.nodes.iter().map(|node| Client::new(&node.front.url()).expect("a URL")).collect()
    }

    /// A session past the bad network, however long PostgreSQL takes to come back.
    pub async fn link(&self) -> Link {
        soon(async {
            loop {
                match self.connector.connect("test").await {
                    Ok(link) => return link,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        })
        .await
    }

    /// Kills a node as a power cut would, and starts it again.
    pub async fn kill(&mut self, node: usize) {
        if let Some(mut child) = self.nodes[node].child.take() {
            child.kill().await.expect("killed");
        }
        self.keep_up();
    }

    /// Starts nodes that are down: killed, or ended because PostgreSQL was away when they started.
    pub fn keep_up(&mut self) {
        for (number, node) in self.nodes.iter_mut().enumerate() {
            let ended = node.child.as_mut().is_none_or(|child| child.try_wait().expect("known").is_some());
            if ended {
                let log = self.scratch.join(&format!("node-{number}.log"));
                let log = std::fs::File::options().create(true).append(true).open(log).expect("a log");
                let mut command = rowbell(&["serve", "--port", &node.port.to_string()]);
                command.env("DATABASE_URL", &node.url).current_dir(self.scratch.path());
                command.stdout(Stdio::null()).stderr(log);
                node.child = Some(command.spawn().expect("starts"));
            }
        }
    }

    /// PostgreSQL stops and starts again.
    pub async fn restart(&self, mode: StopMode) {
        self.cluster.restart(mode).await.expect("restarts");
    }

    /// Every session of everybody ends, whoever it was.
    pub async fn terminate(&self) {
        let all = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'";
        // Writers may be as many as there are places.
        let _told = self.link().await.client.batch_execute(all).await;
    }

    /// A watched table gets another column.
    pub async fn alter(&self, number: u32) {
        let alter = format!(
            "set lock_timeout = '300ms'; alter table one add column if not exists c{} text",
            number % 20
        );
        // Writers come first; then it was a try.
        let _locked = self.link().await.client.batch_execute(&alter).await;
    }

    /// Waits until PostgreSQL and both nodes are there, and answer through a network that is good again.
    pub async fn calm(&mut self) {
        drop(self.link().await);
        for node in 0..self.nodes.len() {
            soon(async {
                loop {
                    self.keep_up();
                    let address = SocketAddr::from(([127, 0, 0, 1], self.nodes[node].port));
                    if TcpStream::connect(address).await.is_ok() {
                        return;
                    }
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            })
            .await;
        }
    }

    /// Ends all of it.
    pub async fn strike(mut self) {
        for node in &mut self.nodes {
            if let Some(mut child) = node.child.take() {
                child.kill().await.expect("killed");
            }
        }
        self.cluster.stop(StopMode::Immediate).await.expect("stops");
    }
}
