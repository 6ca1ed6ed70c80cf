//! Who runs the private PostgreSQL: it refuses to be root.

use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;

use nix::unistd::{Uid, User};
use tokio::process::Command;

use crate::words::{Error, Result};

/// Accounts that may run it for root, best first.
const STAND_INS: [&str; 2] = ["postgres", "nobody"];

/// The account that owns the cluster's files and runs its programs.
#[derive(Debug, Clone)]
pub(super) struct Owner {
    name: String,
    /// Set when we are root and that account is another.
    switch: Option<(u32, u32)>,
}

impl Owner {
    /// Ourselves; for root the owner of the data there is, else `postgres`, else `nobody`.
    pub(super) fn choose(data: &Path) -> Result<Self> {
        let me = Uid::effective();
        if !me.is_root() {
            let account = User::from_uid(me).ok().flatten();
            let name = account.map_or_else(|| me.to_string(), |account| account.name);
            return Ok(Self { name, switch: None });
        }
        if let Ok(meta) = std::fs::metadata(data)
            && meta.uid() != 0
        {
            return Ok(Self { name: account_name(meta.uid()), switch: Some((meta.uid(), meta.gid())) });
        }
        let found = STAND_INS.iter().find_map(|name| User::from_name(name).ok().flatten());
        let account = found.ok_or_else(|| {
            Error::machine("could not find a user to run PostgreSQL, which refuses to run as root")
                .with_hint("run as an ordinary user, or add the user postgres")
        })?;
        Ok(Self { switch: Some((account.uid.as_raw(), account.gid.as_raw())), name: account.name })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The user id the programs run as.
    pub(super) fn uid(&self) -> u32 {
        self.switch.map_or_else(|| Uid::effective().as_raw(), |(uid, _)| uid)
    }

    /// A program run as that account, in English, free of the caller's `PG…` variables.
    pub(super) fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PG") {
                command.env_remove(name);
            }
        }
        command.env("LC_ALL", "C").stdin(Stdio::null());
        // The working directory may be one that account cannot enter, which the programs complain about.
        command.current_dir("/");
        if let Some((uid, gid)) = self.switch {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands a file of ours over to that account.
    pub(super) fn give(&self, path: &Path) -> Result<()> {
        let Some((uid, gid)) = self.switch else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|error| {
            Error::machine(format!("could not give {} to {}", path.display(), self.name)).with_source(error)
        })
    }

    /// Whether that account can enter a directory: asked of the system, since only it knows every rule.
    pub(super) async fn can_enter(&self, directory: &Path) -> bool {
        self.test("-x", directory).await
    }

    /// Whether that account can write in a directory.
    pub(super) async fn can_write(&self, directory: &Path) -> bool {
        self.test("-w", directory).await
    }

    async fn test(&self, flag: &str, directory: &Path) -> bool {
        let mut command = self.command("sh");
        command.args(["-c", r#"test "$1" "$2""#, "sh", flag]).arg(directory);
        command.status().await.is_ok_and(|status| status.success())
    }
}

fn account_name(uid: u32) -> String {
    let account = User::from_uid(Uid::from_raw(uid)).ok().flatten();
    account.map_or_else(|| uid.to_string(), |account| account.name)
}
