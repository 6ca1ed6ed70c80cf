//! A database per test, made from a template that has Rowbell's schema.

use rowbell::pg::connect::Connector;
use rowbell::pg::keeper;
use rowbell::pg::link::Link;
use rowbell::pg::migrate::migrate_up;
use tokio::sync::OnceCell;

use super::cluster::{database, database_from, shared};

/// A database with Rowbell's schema, nobody else's.
pub struct Database {
    pub connector: Connector,
    /// The same as a URL.
    pub url: String,
}

impl Database {
    /// Clones the template; migrating the clone ties its log to it, as after any restore.
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE
            .get_or_init(async || {
                let connector = database().await;
                migrate_up(&connector).await.expect("the template migrates");
                connector.database().to_owned()
            })
            .await;
        let connector = database_from(template).await;
        migrate_up(&connector).await.expect("the clone is installed");
        let url = url_of(&connector).await;
        let database = Self { connector, url };
        database.settle().await;
        database
    }

    /// Does what a keeper would in its first second: the ring of leaves stands still, and a bell is answered from one leaf.
    async fn settle(&self) {
        let link = self.link().await;
        let stage = "select stage from rowbell.retention";
        while link.client.query_one(stage, &[]).await.expect("the ring").get::<_, &str>(0) != "settled" {
            keeper::turn(&link.client).await.expect("turns");
            tokio::task::yield_now().await;
        }
    }

    /// A session of its own.
    pub async fn link(&self) -> Link {
        self.connector.connect("test").await.expect("connects")
    }

    /// Runs statements in a session of their own.
    pub async fn run(&self, sql: &str) {
        self.link().await.client.batch_execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    }
}

/// Two channels: orders and clients.
pub async fn shop() -> Database {
    let database = Database::new().await;
    database
        .run(
            "create table orders (id integer primary key, note text);
             create table clients (id integer primary key, name text);
             select rowbell.watch('orders'); select rowbell.watch('clients')",
        )
        .await;
    database
}

/// The URL of a database on the shared server.
pub async fn url_of(connector: &Connector) -> String {
    let url = shared().await.cluster.url();
    let (server, _) = url.rsplit_once('/').expect("a URL ends with its database");
    format!("{server}/{}", connector.database())
}
