//! Starting, adopting and stopping the server.

use std::ffi::OsString;
use std::fs;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::process::Command;
use tokio::time::sleep;

use super::postmaster::Postmaster;
use super::programs::{failed, last_lines, run};
use super::{Cluster, StopMode};
use crate::pg::connect::Connector;
use crate::pg::conninfo::Surroundings;
use crate::pg::fault::database_error;
use crate::words::{Error, Result};

const DATA_DIRECTORY: &str = include_str!("../../../sql/queries/data_directory.sql");

/// How long a start, with crash recovery, or a stop, with its checkpoint, may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// How long the backends of a killed server may take to notice.
const ORPHANS: Duration = Duration::from_secs(30);
/// A log longer than this is set aside at the next start.
const LONG_LOG: u64 = 10 * 1024 * 1024;

impl Cluster {
    pub(super) fn write_settings(&self) -> Result<()> {
        let mut text = String::from(
            "# Written by Rowbell at each start; put your own in postgresql.auto.conf (alter system).\n",
        );
        let sockets = format!("\"{}\"", self.layout.sockets().display());
        let port = self.port().to_string();
        let ours = [
            ("listen_addresses", ""),
            ("unix_socket_directories", sockets.as_str()),
            ("unix_socket_permissions", "0700"),
            ("port", port.as_str()),
            ("logging_collector", "off"),
        ];
        let theirs = self.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in ours.into_iter().chain(theirs) {
            if !name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
                || value.contains('\n')
            {
                return Err(Error::usage(format!("could not set the server setting {name:?}")));
            }
            let value = value.replace('\\', "\\\\").replace('\'', "''");
            text.push_str(&format!("{name} = '{value}'\n"));
        }
        let (file, draft) =
            (self.layout.data().join("rowbell.conf"), self.layout.data().join("rowbell.conf.new"));
        fs::write(&draft, text).map_err(|error| failed("write", &draft, error))?;
        self.owner.give(&draft)?;
        fs::rename(&draft, &file).map_err(|error| failed("write", &file, error))
    }

    /// True when a server runs on this data and answers by our socket.
    pub(super) async fn adopt(&self) -> Result<bool> {
        let data = self.layout.data();
        let deadline = Instant::now() + PATIENCE;
        while let Some(found) = Postmaster::read(&data)? {
            if !found.is_ours(&data) {
                self.forget_recycled(&found)?;
                return Ok(false);
            }
            if found.sockets() != self.layout.sockets() {
                log::info!(
                    "restarting the private PostgreSQL: its socket was in {}",
                    found.sockets().display()
                );
                self.halt(StopMode::Fast).await?;
                return Ok(false);
            }
            match self.answers().await {
                Ok(()) => return Ok(true),
                // It is starting, or stopping.
                Err(error) if error.is_unavailable() && Instant::now() < deadline => {
                    sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    async fn answers(&self) -> Result<()> {
        const WHAT: &str = "could not ask the running private PostgreSQL for its data";
        let link = Connector::parse_in(&self.url(), &Surroundings::default())?.connect("adopt").await?;
        let row =
            link.client.query_one(DATA_DIRECTORY, &[]).await.map_err(|error| database_error(WHAT, error))?;
        let told: String = row.try_get(0).map_err(|error| database_error(WHAT, error))?;
        if fs::canonicalize(&told).ok() == fs::canonicalize(self.layout.data()).ok() {
            return Ok(());
        }
        let text = format!("could not use the socket in {}", self.layout.sockets().display());
        Err(Error::machine(text)
            .with_hint(format!("the PostgreSQL behind it has its data in {told}: stop it")))
    }

    /// A pid file left by a crash names a number that a later process may have; PostgreSQL would not start then.
    ///
    /// Removing it is safe under our lock: backends that still run hold the shared memory, which is checked too.
    fn forget_recycled(&self, found: &Postmaster) -> Result<()> {
        let number = nix::unistd::Pid::from_raw(found.pid());
        if nix::sys::signal::kill(number, None) == Err(nix::errno::Errno::ESRCH) {
            return Ok(());
        }
        let file = self.layout.data().join("postmaster.pid");
        log::warn!("removed {}: process {number} is not its server", file.display());
        fs::remove_file(&file).map_err(|error| failed("remove", &file, error))
    }

    /// Its pid may be a later process's too, and in our own directory it guards against nobody else.
    fn remove_socket_lock(&self) -> Result<()> {
        let file = self.layout.sockets().join(format!(".s.PGSQL.{}.lock", self.port()));
        match fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", &file, error)),
            _ => Ok(()),
        }
    }

    pub(super) async fn launch(&self) -> Result<()> {
        self.set_long_log_aside()?;
        self.remove_socket_lock()?;
        let deadline = Instant::now() + ORPHANS;
        loop {
            let log = self.layout.log();
            let before = fs::metadata(&log).map_or(0, |meta| meta.len());
            let mut start = self.pg_ctl("start");
            start.arg("-l").arg(&log);
            let Err(error) = run(start, "could not start the private PostgreSQL").await else {
                return Ok(());
            };
            let said = written_since(&log, before);
            if said.contains("pre-existing shared memory block") && Instant::now() < deadline {
                sleep(Duration::from_millis(100)).await;
                continue;
            }
            let error = if said.trim().is_empty() { error } else { error.with_source(last_lines(&said)) };
            return Err(error.with_hint(format!("see {}", log.display())));
        }
    }

    pub(super) async fn halt(&self, mode: StopMode) -> Result<()> {
        let mode = match mode {
            StopMode::Fast => "fast",
            StopMode::Immediate => "immediate",
        };
        let mut stop = self.pg_ctl("stop");
        stop.arg("-m").arg(mode);
        let stopped = run(stop, "could not stop the private PostgreSQL").await;
        let data = self.layout.data();
        match Postmaster::read(&data)? {
            Some(postmaster) if postmaster.is_ours(&data) => stopped,
            // It may have ended between our look and the signal.
            _ => Ok(()),
        }
    }

    /// `pg_ctl` gives the server a session of its own, so Ctrl-C on Rowbell does not reach it.
    fn pg_ctl(&self, verb: &str) -> Command {
        let mut command = self.owner.command(self.programs.path("pg_ctl"));
        let patience = OsString::from(PATIENCE.as_secs().to_string());
        command.arg(verb).args(["-w", "-s", "-t"]).arg(patience).arg("-D").arg(self.layout.data());
        command
    }

    fn set_long_log_aside(&self) -> Result<()> {
        let log = self.layout.log();
        if fs::metadata(&log).is_ok_and(|meta| meta.len() > LONG_LOG) {
            fs::rename(&log, log.with_extension("log.old"))
                .map_err(|error| failed("set aside", &log, error))?;
        }
        Ok(())
    }
}

fn written_since(file: &Path, start: u64) -> String {
    let mut bytes = Vec::new();
    if let Ok(mut file) = fs::File::open(file) {
        // A log that cannot be read leaves pg_ctl's own words.
        let _unread = file.seek(SeekFrom::Start(start)).and_then(|_| file.read_to_end(&mut bytes));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
