//! `postmaster.pid`: which server runs on some data, if one does.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

use crate::words::{Error, Result};

/// What a socket's directory need not have encoded in a URL.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The first lines of `postmaster.pid`; the file outlives a server that was killed.
#[derive(Debug)]
pub(super) struct Postmaster {
    pid: i32,
    port: u16,
    sockets: PathBuf,
}

impl Postmaster {
    /// Reads the file; none where it is absent or not yet whole.
    pub(super) fn read(data: &Path) -> Result<Option<Self>> {
        let file = data.join("postmaster.pid");
        match std::fs::read_to_string(&file) {
            Ok(text) => Ok(Self::parse(&text)),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(error) => Err(Error::machine(format!("could not read {}", file.display()))
                .with_source(error)
                .with_hint("run as the user who runs rowbell serve there, or give a database URL")),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let lines: Vec<_> = text.lines().collect();
        Some(Self {
            pid: lines.first()?.trim().parse().ok().filter(|pid| *pid > 0)?,
            port: lines.get(3)?.trim().parse().ok()?,
            sockets: PathBuf::from(lines.get(4)?),
        })
    }

    pub(super) fn pid(&self) -> i32 {
        self.pid
    }

    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub(super) fn url(&self) -> String {
        url(&self.sockets, self.port)
    }

    /// True when that process lives and is the server of this data, not a later process with its number.
    pub(super) fn is_ours(&self, data: &Path) -> bool {
        if kill(Pid::from_raw(self.pid), None) == Err(Errno::ESRCH) {
            return false;
        }
        if !Path::new("/proc/self/cwd").exists() {
            return true;
        }
        // A server's working directory is its data. Where that cannot be read the process is somebody else's,
        // or dead and not yet reaped, as happens where process 1 reaps nobody.
        let lives_in = std::fs::read_link(format!("/proc/{}/cwd", self.pid));
        lives_in.is_ok_and(|directory| std::fs::canonicalize(data).is_ok_and(|data| data == directory))
    }
}

/// The URL of the database `rowbell` behind a socket. The port is spelled out, or `PGPORT` would count.
pub(super) fn url(sockets: &Path, port: u16) -> String {
    let host = percent_encode(sockets.as_os_str().as_bytes(), ENCODED);
    format!("postgresql://postgres@{host}:{port}/rowbell")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_read_whole_or_not_at_all() {
        let whole = "77\n/x/data\n1700000000\n5432\n/x/my run\n\n  5432001 12\nready   \n";
        let read = Postmaster::parse(whole).expect("whole");
        assert_eq!(
            (read.pid, read.url().as_str()),
            (77, "postgresql://postgres@%2Fx%2Fmy%20run:5432/rowbell")
        );
        for part in ["", "77\n/x/data\n", "-1\n\n\n5432\n/x\n", "x\n\n\n5432\n/x\n"] {
            assert!(Postmaster::parse(part).is_none(), "{part:?}");
        }
    }

    #[test]
    fn another_process_with_the_number_is_not_ours() {
        let pid = i32::try_from(std::process::id()).expect("a pid");
        let ours = Postmaster { pid, port: 5432, sockets: "/x".into() };
        assert!(!ours.is_ours(Path::new("/nowhere/data")));
        assert!(ours.is_ours(&std::env::current_dir().expect("a directory")));
    }
}
