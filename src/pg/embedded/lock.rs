//! One Rowbell at a time on one directory.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::words::{Error, Result};

/// Locks `file` and writes our process id into it; `shown` is how the user calls the directory.
pub(super) fn take(file: &Path, shown: &Path) -> Result<File> {
    let failed = |error| {
        let text = format!("could not lock the directory {}", shown.display());
        Error::machine(text).with_source(error).with_hint("run as the user whose directory it is")
    };
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(file);
    let mut lock = opened.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {
            let written = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
            written.map_err(failed)?;
            Ok(lock)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder may be about to write its id; the message does without it then.
            let _unread = lock.read_to_string(&mut holder);
            let holder = if holder.trim().is_empty() { "?" } else { holder.trim() };
            let text = format!("another rowbell serve (pid {holder}) uses {}", shown.display());
            Err(Error::machine(text)
                .with_hint("stop it, or give this one another directory or a database URL"))
        }
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}
