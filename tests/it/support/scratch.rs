//! Directories of a test that go away with its process, and with them the servers inside.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;

/// Waits until its standard input ends, which the kernel sees to however the test process dies, then stops the
/// servers below the directory, takes away what is mounted there, and removes it. A pid is only signalled if that process works below it.
const GUARDIAN: &str = r#"
cat >/dev/null
find "$1/" -name postmaster.pid 2>/dev/null | while read -r file; do
    pid=$(head -n 1 "$file")
    case "$(readlink "/proc/$pid/cwd")" in "$2"/*) ;; *) continue ;; esac
    kill -QUIT "$pid" 2>/dev/null
    tries=0
    while kill -0 "$pid" 2>/dev/null && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
done
while read -r _ mounted _; do
    case "$mounted" in "$2"/*) umount -l "$mounted" ;; esac
done </proc/mounts 2>/dev/null
rm -rf "$1"
"#;

/// A directory of its own for one test.
pub struct Scratch {
    path: PathBuf,
    guardian: Child,
}

impl Scratch {
    /// One below the system's temporary directory.
    pub fn new(name: &str) -> Self {
        Self::below(&std::env::temp_dir(), name)
    }

    /// One below another directory.
    pub fn below(parent: &Path, name: &str) -> Self {
        static LEFTOVERS: Once = Once::new();
        LEFTOVERS.call_once(|| drop_leftovers(&std::env::temp_dir()));
        let path = parent.join(format!("rowbell-test-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).expect("the scratch directory is made");
        // PostgreSQL may run as another user, who has to pass through.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("its mode is set");
        let guardian = guard(&path);
        Self { path, guardian }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Removes another directory as well, once the guardian has stopped what is in it.
    pub fn also(&self, path: &Path) -> Self {
        Self { path: path.to_owned(), guardian: guard(path) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.guardian.stdin.take());
        let _done = self.guardian.wait();
    }
}

/// Starts a guardian outside our process group, so that Ctrl-C ends the tests and not it.
fn guard(path: &Path) -> Child {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let mut command = Command::new("sh");
    command.args(["-c", GUARDIAN, "guardian"]).arg(path).arg(real).current_dir("/").process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("a guardian starts")
}

/// Hands the directories of dead test processes, whose guardian was killed too, to new guardians.
fn drop_leftovers(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        let pid =
            name.strip_prefix("rowbell-test-").and_then(|rest| rest.split('-').next()?.parse::<u32>().ok());
        if pid.is_some_and(|pid| {
            Path::new("/proc/self").exists() && !Path::new(&format!("/proc/{pid}")).exists()
        }) {
            drop(guard(&entry.path()).stdin.take());
        }
    }
}
