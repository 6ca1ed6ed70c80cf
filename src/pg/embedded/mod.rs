//! The private PostgreSQL of `rowbell serve` without a database URL, and of the tests.
//!
//! It belongs to a directory, not to a process: it outlives a Rowbell that was killed, and the next one adopts it.

mod create;
mod layout;
mod lock;
mod owner;
mod postmaster;
mod programs;
mod server;

use std::fs::File;
use std::path::{Path, PathBuf};

use layout::Layout;
use owner::Owner;
use postmaster::Postmaster;
use programs::Programs;

use super::connect::Connector;
use super::conninfo::Surroundings;
use crate::words::{Error, Result};

/// What a private PostgreSQL is made of.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// Where its data, socket, log and lock are; made if it is absent.
    pub directory: PathBuf,
    /// Server settings beyond ours, which they may replace: `("fsync", "off")`.
    pub settings: Vec<(String, String)>,
    /// The directory of `initdb`, `pg_ctl` and `postgres`; none looks for it.
    pub programs: Option<PathBuf>,
}

impl Default for ClusterOptions {
    /// `./.rowbell`, no more settings, programs as `ROWBELL_PG_BIN` says.
    fn default() -> Self {
        let programs = std::env::var_os("ROWBELL_PG_BIN").filter(|value| !value.is_empty());
        Self { directory: "./.rowbell".into(), settings: Vec::new(), programs: programs.map(PathBuf::from) }
    }
}

/// How a server is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Sessions are ended and everything is written.
    Fast,
    /// As a crash: the next start recovers.
    Immediate,
}

/// A private PostgreSQL that runs, held by this process alone through a lock on its directory.
///
/// Dropping it lets go of the lock and leaves the server running; `stop` stops it.
#[derive(Debug)]
pub struct Cluster {
    layout: Layout,
    owner: Owner,
    programs: Programs,
    settings: Vec<(String, String)>,
    /// Locked as long as it is open, which the kernel ends even after a kill -9.
    _lock: File,
}

impl Cluster {
    /// Finds the programs, makes the cluster if it is absent, and starts it or adopts it if it runs already.
    ///
    /// Errors are of the machine kind and say what to install, free or set.
    pub async fn open(options: &ClusterOptions) -> Result<Self> {
        let directory = std::path::absolute(&options.directory)
            .map_err(|error| Error::machine("could not find the working directory").with_source(error))?;
        let owner = Owner::choose(&directory.join("data"))?;
        let layout = Layout::settle(&directory, &owner).await?;
        let lock = lock::take(&layout.lock(), &options.directory)?;
        owner.give(&layout.lock())?;
        let programs = Programs::find(options.programs.as_deref(), &layout.data()).await?;
        let cluster = Self { layout, owner, programs, settings: options.settings.clone(), _lock: lock };
        if !cluster.layout.data().join("PG_VERSION").exists() {
            cluster.create().await?;
        }
        cluster.start().await?;
        Ok(cluster)
    }

    /// Starts the server, or adopts the one that runs on this data.
    pub async fn start(&self) -> Result<()> {
        self.layout.make_socket_directory(&self.owner)?;
        if self.adopt().await? {
            log::info!("adopted the private PostgreSQL that runs in {}", self.layout.home().display());
            return Ok(());
        }
        self.write_settings()?;
        self.launch().await?;
        log::info!(
            "started a private PostgreSQL {} in {}",
            self.programs.version(),
            self.layout.home().display()
        );
        Ok(())
    }

    /// Stops the server and waits for that; one that does not run is no error.
    pub async fn stop(&self, mode: StopMode) -> Result<()> {
        match Postmaster::read(&self.layout.data())? {
            Some(postmaster) if postmaster.is_ours(&self.layout.data()) => self.halt(mode).await,
            _ => Ok(()),
        }
    }

    /// Stops the server and starts it again, with the present settings.
    pub async fn restart(&self, mode: StopMode) -> Result<()> {
        self.stop(mode).await?;
        self.start().await
    }

    /// How to connect to its database `rowbell` as its superuser, by its socket.
    pub fn url(&self) -> String {
        postmaster::url(self.layout.sockets(), self.port())
    }

    /// The port names the socket too; a setting may change it, for a server that listens to TCP as well.
    fn port(&self) -> u16 {
        let set = self.settings.iter().rev().find(|(name, _)| name == "port");
        set.and_then(|(_, value)| value.parse().ok()).unwrap_or(layout::PORT)
    }

    /// What a person types to look inside.
    pub fn psql_hint(&self) -> String {
        let directory = self.layout.sockets().display().to_string();
        let plain = directory.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+@:,".contains(c));
        let directory = if plain { directory } else { format!("'{}'", directory.replace('\'', r"'\''")) };
        let port = if self.port() == layout::PORT { String::new() } else { format!(" -p {}", self.port()) };
        format!("psql -h {directory}{port} -U postgres rowbell")
    }

    /// The process id of the server, where it runs.
    pub fn pid(&self) -> Result<Option<i32>> {
        let postmaster = Postmaster::read(&self.layout.data())?;
        Ok(postmaster.filter(|found| found.is_ours(&self.layout.data())).map(|found| found.pid()))
    }

    /// The URL of the private PostgreSQL that runs in `directory`, if one does.
    ///
    /// For the other commands, which use a running one and neither start nor lock it.
    pub async fn find_running(directory: &Path) -> Result<Option<String>> {
        let data = directory.join("data");
        let Some(postmaster) = Postmaster::read(&data)?.filter(|found| found.is_ours(&data)) else {
            return Ok(None);
        };
        let url = postmaster.url();
        match Connector::parse_in(&url, &Surroundings::default())?.connect("find").await {
            Ok(_link) => Ok(Some(url)),
            Err(error) if error.is_unavailable() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
