//! Making the cluster.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt;

use super::Cluster;
use super::programs::{failed, last_lines, run};
use crate::words::{Error, Result};

const CREATE_DATABASE: &str = include_str!("../../../sql/queries/create_private_database.sql");

impl Cluster {
    /// Makes the cluster and its database under another name and renames it, so that there is never half of one.
    pub(super) async fn create(&self) -> Result<()> {
        let fresh = self.layout.unfinished_data();
        // C.UTF-8 knows the letters of all languages but is not everywhere.
        let locales: [&[&str]; 2] = [&["--locale=C", "--lc-ctype=C.UTF-8"], &["--locale=C"]];
        let mut made = Ok(());
        for locale in locales {
            clear(&fresh)?;
            made = self.init(&fresh, locale).await;
            if made.is_ok() {
                break;
            }
        }
        made?;
        let conf = fresh.join("postgresql.conf");
        let text = fs::read_to_string(&conf).map_err(|error| failed("read", &conf, error))?;
        let text = text
            + "\n# Rewritten at each start of Rowbell; what is set below this line counts.\ninclude 'rowbell.conf'\n";
        fs::write(&conf, text).map_err(|error| failed("write", &conf, error))?;
        fs::write(fresh.join("rowbell.conf"), "").map_err(|error| failed("write", &conf, error))?;
        self.create_database(&fresh).await?;
        fs::rename(&fresh, self.layout.data()).map_err(|error| failed("name", &fresh, error))
    }

    async fn init(&self, fresh: &Path, locale: &[&str]) -> Result<()> {
        let mut initdb = self.owner.command(self.programs.path("initdb"));
        initdb.args([
            "--username=postgres",
            "--encoding=UTF8",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ]);
        initdb.args(locale).arg("-D").arg(fresh).kill_on_drop(true);
        if self.is_throwaway() {
            initdb.arg("--no-sync");
        }
        run(initdb, "could not make the private PostgreSQL").await
    }

    /// In single-user mode, so that the cluster is whole before any server runs on it.
    async fn create_database(&self, fresh: &Path) -> Result<()> {
        const WHAT: &str = "could not make the private PostgreSQL's database";
        let told = |error| Error::machine(WHAT).with_source(error);
        let mut single = self.owner.command(self.programs.path("postgres"));
        single.arg("--single").arg("-D").arg(fresh).kill_on_drop(true);
        if self.is_throwaway() {
            single.arg("-F");
        }
        single.arg("postgres").stdin(Stdio::piped());
        single.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = single.spawn().map_err(told)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(CREATE_DATABASE.as_bytes()).await.map_err(told)?;
        }
        let output = child.wait_with_output().await.map_err(told)?;
        let said = String::from_utf8_lossy(&output.stderr);
        // This mode ends well after an error too.
        if output.status.success() && !["ERROR:", "FATAL:", "PANIC:"].iter().any(|word| said.contains(word)) {
            return Ok(());
        }
        Err(Error::machine(WHAT).with_source(last_lines(&said)))
    }

    /// True for a cluster of tests, which nobody wants back after a crash.
    fn is_throwaway(&self) -> bool {
        self.settings.iter().any(|(name, value)| name == "fsync" && value == "off")
    }
}

fn clear(directory: &Path) -> Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(failed("remove", directory, error)),
        _ => Ok(()),
    }
}
