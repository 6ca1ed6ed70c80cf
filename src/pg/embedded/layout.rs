//! Where a cluster's files are.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};

use super::owner::Owner;
use super::programs::failed;
use crate::words::{Error, Result};

/// The server's port where no setting says another.
pub(super) const PORT: u16 = 5432;

/// Where clusters of root live whose directory the server's account cannot enter.
const ELSEWHERE: &str = "/var/lib/rowbell";

/// The longest path of a socket, without the byte that ends it.
const LONGEST_SOCKET: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// What the user's directory has links to when the files are elsewhere.
const LINKS: [&str; 4] = ["data", "run", "postgres.log", "lock"];

/// The files of one cluster.
#[derive(Debug)]
pub(super) struct Layout {
    home: PathBuf,
    sockets: PathBuf,
}

impl Layout {
    /// Makes the directories, in `directory` itself where the owner can enter it.
    pub(super) async fn settle(directory: &Path, owner: &Owner) -> Result<Self> {
        let parent = directory.parent().unwrap_or(directory);
        fs::create_dir_all(parent).map_err(|error| failed("make", parent, error))?;
        let home = match fs::read_link(directory.join("data")) {
            Ok(target) => target.parent().map_or_else(|| target.clone(), Path::to_owned),
            Err(_) if owner.can_enter(parent).await => directory.to_owned(),
            Err(_) => {
                make_private(directory)?;
                let home = Path::new(ELSEWHERE).join(name_elsewhere(directory));
                link_elsewhere(directory, &home, owner)?;
                home
            }
        };
        if make_private(&home)? {
            owner.give(&home)?;
        }
        if !owner.can_enter(&home).await || !owner.can_write(&home).await {
            let text = format!("could not use {} as {}", home.display(), owner.name());
            return Err(
                Error::machine(text).with_hint(format!("let {} write there, or name another", owner.name()))
            );
        }
        Ok(Self { sockets: socket_directory(&home), home })
    }

    pub(super) fn home(&self) -> &Path {
        &self.home
    }

    pub(super) fn sockets(&self) -> &Path {
        &self.sockets
    }

    pub(super) fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Where a cluster is made, before it gets its name.
    pub(super) fn unfinished_data(&self) -> PathBuf {
        self.home.join("data.new")
    }

    pub(super) fn log(&self) -> PathBuf {
        self.home.join("postgres.log")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.home.join("lock")
    }

    /// Makes the socket's directory; one in `/tmp` that is not ours is refused, since anybody may make it first.
    pub(super) fn make_socket_directory(&self, owner: &Owner) -> Result<()> {
        if make_private(&self.sockets)? {
            owner.give(&self.sockets)?;
        }
        let meta =
            fs::symlink_metadata(&self.sockets).map_err(|error| failed("look at", &self.sockets, error))?;
        if meta.is_dir() && meta.uid() == owner.uid() && meta.mode() & 0o077 == 0 {
            return Ok(());
        }
        let text = format!(
            "could not use {} for the socket: it is not {}'s alone",
            self.sockets.display(),
            owner.name()
        );
        Err(Error::machine(text).with_hint("remove it, or use a directory with a shorter path"))
    }
}

/// The socket's directory: `run`, or a short one in `/tmp` where the path is too long or hard to quote in a list.
fn socket_directory(home: &Path) -> PathBuf {
    let run = home.join("run");
    let length = run.join(".s.PGSQL.65535").as_os_str().len();
    let plain = run.to_str().is_some_and(|text| !text.contains([',', '"', '\'', '\\', '\n']));
    if length <= LONGEST_SOCKET && plain {
        run
    } else {
        PathBuf::from(format!("/tmp/rowbell-{}", hash(home)))
    }
}

/// Makes a directory only its owner may enter; false when it is there already.
fn make_private(directory: &Path) -> Result<bool> {
    match DirBuilder::new().mode(0o700).create(directory) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(failed("make", directory, error)),
    }
}

fn link_elsewhere(directory: &Path, home: &Path, owner: &Owner) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o755)
        .create(ELSEWHERE)
        .map_err(|error| failed("make", home, error))?;
    for name in LINKS {
        let link = directory.join(name);
        match symlink(home.join(name), &link) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed("make", &link, error)),
        }
    }
    log::info!(
        "user {} cannot enter {}, so the private PostgreSQL's files are in {}",
        owner.name(),
        directory.display(),
        home.display()
    );
    Ok(())
}

/// The project's name for people, and a hash for the difference.
fn name_elsewhere(directory: &Path) -> String {
    let own = directory.file_name().unwrap_or_default().to_string_lossy();
    let parent = directory.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
    let name = if own.starts_with('.') && !parent.is_empty() { parent } else { own };
    format!("{}-{}", name.trim_start_matches('.'), hash(directory))
}

fn hash(path: &Path) -> String {
    format!("{:08x}", crc32fast::hash(path.as_os_str().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_or_odd_path_has_its_socket_in_tmp() {
        assert_eq!(
            socket_directory(Path::new("/srv/my shop/.rowbell")),
            Path::new("/srv/my shop/.rowbell/run")
        );
        let longest = format!("/{}", "x".repeat(LONGEST_SOCKET - "/".len() - "/run/.s.PGSQL.65535".len()));
        assert_eq!(socket_directory(Path::new(&longest)), Path::new(&longest).join("run"));
        for home in [format!("{longest}x"), "/srv/a,b".to_owned(), "/srv/it's".to_owned()] {
            assert!(socket_directory(Path::new(&home)).starts_with("/tmp"), "{home}");
        }
    }

    #[test]
    fn a_cluster_elsewhere_is_named_after_its_project() {
        assert!(name_elsewhere(Path::new("/root/shop/.rowbell")).starts_with("shop-"));
        assert!(name_elsewhere(Path::new("/root/feeds")).starts_with("feeds-"));
        assert_ne!(name_elsewhere(Path::new("/root/a/x")), name_elsewhere(Path::new("/root/b/x")));
    }
}
