//! `rowbell serve`.

use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use tokio::net::{TcpListener, lookup_host};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::database::PRIVATE;
use super::{DatabaseArgs, say};
use crate::auth::check_exposure;
use crate::pg::business::install_business;
use crate::pg::connect::Connector;
use crate::pg::embedded::{Cluster, ClusterOptions, StopMode};
use crate::pg::migrate::migrate_up;
use crate::server::Server;
use crate::words::{Error, FeedConfig, KeeperConfig, RestConfig, Result, ServeConfig};

const EXAMPLES: &str = "\
Examples:
  rowbell serve                                      a private PostgreSQL in ./.rowbell, with the business tables
  rowbell serve --database-url postgresql://me@db/shop
  ROWBELL_TOKEN=secret rowbell serve --host 0.0.0.0  the token lifts the loopback rule

On a given database it never migrates unless told to: run rowbell migrate first.";

/// Serves the feed until it is told to stop (SIGINT, SIGTERM).
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// The address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1")]
    host: String,
    /// The port to listen on; 0 takes any free one.
    #[arg(long, env = "PORT", default_value_t = 8080)]
    port: u16,
    /// The bearer token that every client must send.
    #[arg(long, env = "ROWBELL_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Another origin whose pages may connect, to the letter: https://shop.example. May be given again, or
    /// several joined by commas.
    #[arg(long, env = "ROWBELL_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN")]
    allow_origin: Vec<String>,
    /// PostgreSQL's own address for the listening connection, where the database URL leads to a pooler.
    #[arg(long, env = "ROWBELL_LISTEN_URL", hide_env_values = true, value_name = "URL")]
    listen_url: Option<String>,
    /// How long changes are kept, for all nodes of the database: 7d, 36h, 30m. Left out: as it is there, at first 7d.
    /// Where nodes are told different times, the last one started wins.
    #[arg(long, env = "ROWBELL_RETENTION", value_parser = humantime::parse_duration, value_name = "TIME")]
    retention: Option<Duration>,
    /// The most database connections that REST requests take at once. Left out: 16. The feed has its own.
    #[arg(long, env = "ROWBELL_POOL", value_parser = clap::value_parser!(u16).range(1..=1000), value_name = "CONNECTIONS")]
    pool: Option<u16>,
    /// Listen beyond loopback without a token: whoever can reach the port can read everything.
    #[arg(long, env = "ROWBELL_INSECURE")]
    insecure: bool,
    /// Bring the schema up to date first.
    #[arg(long)]
    migrate: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Serve {
    pub async fn run(self) -> Result<()> {
        let shutdown = stop_on_signals()?;
        // Taken before anything that lasts: a port in use is told at once.
        let tcp = self.bind().await?;
        let address =
            tcp.local_addr().map_err(|error| Error::machine("could not listen").with_source(error))?;
        match self.database.given() {
            Some(url) => {
                let config = self.config(url, address)?;
                if self.migrate {
                    migrate_up(&Connector::parse(url)?).await?;
                }
                self.serve(config, tcp, None, shutdown).await
            }
            None => {
                let cluster =
                    Cluster::open(&ClusterOptions { directory: PRIVATE.into(), ..ClusterOptions::default() })
                        .await?;
                let served = self.serve_private(&cluster, tcp, address, shutdown).await;
                let stopped = cluster.stop(StopMode::Fast).await;
                served.and(stopped)
            }
        }
    }

    async fn serve_private(
        &self,
        cluster: &Cluster,
        tcp: TcpListener,
        address: SocketAddr,
        shutdown: CancellationToken,
    ) -> Result<()> {
        let config = self.config(&cluster.url(), address)?;
        migrate_private(&Connector::parse(&cluster.url())?).await?;
        self.serve(config, tcp, Some(cluster), shutdown).await
    }

    async fn serve(
        &self,
        config: ServeConfig,
        tcp: TcpListener,
        cluster: Option<&Cluster>,
        shutdown: CancellationToken,
    ) -> Result<()> {
        let address = config.address;
        let database = Connector::parse(&config.database_url)?.describe();
        let server = tokio::select! {
            server = Server::prepare(config) => server?,
            () = shutdown.cancelled() => return Ok(()),
        };
        for line in greeting(address, &database, cluster) {
            say(&line)?;
        }
        server.serve(tcp, shutdown).await?;
        log::info!("stopped");
        Ok(())
    }

    fn config(&self, url: &str, address: SocketAddr) -> Result<ServeConfig> {
        let rest = RestConfig::default();
        let config = ServeConfig {
            database_url: url.to_owned(),
            listen_url: self.listen_url.clone().filter(|url| !url.is_empty()),
            address,
            token: self.token.clone().filter(|token| !token.is_empty()),
            allow_origin: self.allow_origin.iter().filter(|origin| !origin.is_empty()).cloned().collect(),
            feed: FeedConfig::default(),
            rest: RestConfig { pool: self.pool.map_or(rest.pool, usize::from), ..rest },
            keeper: KeeperConfig { retention: self.retention, ..KeeperConfig::default() },
        };
        check_exposure(&config, self.insecure)?;
        Ok(config)
    }

    async fn bind(&self) -> Result<TcpListener> {
        let (host, port) = (self.host.as_str(), self.port);
        let bad_host = || {
            Error::usage(format!("could not find the host {host:?} to listen on"))
                .with_hint("give an address of this machine by --host (HOST)")
        };
        let address = lookup_host((host, port))
            .await
            .map_err(|error| bad_host().with_source(error))?
            .next()
            .ok_or_else(bad_host)?;
        TcpListener::bind(address).await.map_err(|error| {
            let hint = match error.kind() {
                ErrorKind::AddrInUse => {
                    "stop the program that uses the port, or choose another by --port (PORT)"
                }
                ErrorKind::PermissionDenied => {
                    "ports below 1024 are for root; choose another by --port (PORT)"
                }
                _ => "give an address of this machine by --host (HOST)",
            };
            Error::machine(format!("could not listen on {address}")).with_source(error).with_hint(hint)
        })
    }
}

/// The private PostgreSQL has the business tables from the start, unless tables of the user's have their names.
async fn migrate_private(connector: &Connector) -> Result<()> {
    match install_business(connector).await {
        Err(error) if error.is_refused() => {
            log::warn!("serving without the business tables: {}", error.report());
            migrate_up(connector).await.map(drop)
        }
        installed => installed.map(drop),
    }
}

/// Cancelled by SIGINT or SIGTERM.
fn stop_on_signals() -> Result<CancellationToken> {
    let failed = |error| Error::machine("could not wait for signals").with_source(error);
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let shutdown = CancellationToken::new();
    let stop = shutdown.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        log::info!("stopping");
        stop.cancel();
    });
    Ok(shutdown)
}

fn greeting(address: SocketAddr, database: &str, cluster: Option<&Cluster>) -> Vec<String> {
    let mut lines = vec![
        format!("rowbell {} serves {database}", env!("CARGO_PKG_VERSION")),
        format!("  feed    ws://{address}/feed/TOPIC"),
        format!("  rest    http://{address}/api/CHANNEL"),
        format!("  status  http://{address}/stats  http://{address}/readyz"),
    ];
    let Some(cluster) = cluster else {
        return lines;
    };
    let rowbell = std::env::current_exe().map_or_else(|_| "rowbell".to_owned(), |path| readable(&path));
    lines.extend([
        format!("  psql    {}", cluster.psql_hint()),
        format!("  shop    {rowbell} seed fills the business tables: orders, clients and thirteen others"),
        String::new(),
        "four things to try, each in a terminal of its own:".to_owned(),
        format!("  1. make and watch a table:  {} -c \"create table notes (id serial primary key, body text)\" && {rowbell} watch notes", cluster.psql_hint()),
        format!("  2. follow it:               {rowbell} tail notes"),
        format!("  3. write to it:             {} -c \"insert into notes (body) values ('hello')\"", cluster.psql_hint()),
        format!("  4. read it by REST:         curl http://{address}/api/notes"),
        String::new(),
    ]);
    lines
}

/// The path as one would type it from here.
fn readable(path: &Path) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(here)
        .map_or_else(|_| path.display().to_string(), |rest| format!("./{}", rest.display()))
}
