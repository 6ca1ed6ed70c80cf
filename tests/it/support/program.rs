//! The program as a user runs it.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};

use super::soon;

/// What a finished command said.
pub struct Said {
    pub status: i32,
    pub out: String,
    pub err: String,
}

/// A command with nothing of the surroundings but the search path.
pub fn rowbell(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowbell"));
    command.args(arguments).env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.envs(std::env::var_os("ROWBELL_PG_BIN").map(|path| ("ROWBELL_PG_BIN", path)));
    command.env("RUST_BACKTRACE", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// An example of the project, which `cargo test` builds beside the program.
pub fn example(name: &str, arguments: &[&str]) -> Command {
    let directory = Path::new(env!("CARGO_BIN_EXE_rowbell")).parent().expect("it lies in a directory");
    let program = directory.join("examples").join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("examples/{name}.rs"));
    let written = |path: &Path| path.metadata().and_then(|file| file.modified()).ok();
    // `cargo test --test it` leaves the examples as they were.
    assert!(written(&program) >= written(&source), "{name} is not built: cargo build --examples");
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("RUST_BACKTRACE", "1").stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs a command to its end.
#[track_caller]
pub fn run(mut command: Command) -> impl Future<Output = Said> {
    let output = soon(async move { command.output().await.expect("the program starts") });
    async move {
        let output = output.await;
        let text = |bytes| String::from_utf8(bytes).expect("text");
        let said = Said {
            status: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert!(!said.err.contains("panicked") && !said.err.contains("backtrace"), "{}", said.err);
        said
    }
}

/// A running command whose lines are read one by one.
pub struct Running {
    pub child: Child,
    pub out: Lines<BufReader<ChildStdout>>,
    pub err: Lines<BufReader<ChildStderr>>,
}

impl Running {
    pub fn start(mut command: Command) -> Self {
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts");
        let out = BufReader::new(child.stdout.take().expect("piped")).lines();
        let err = BufReader::new(child.stderr.take().expect("piped")).lines();
        Self { child, out, err }
    }

    /// `rowbell serve` on any free port, and that port, once it says that it serves.
    pub async fn serve(directory: &Path, url: Option<&str>) -> (Self, u16) {
        let mut command = rowbell(&["serve", "--port", "0"]);
        command.current_dir(directory).envs(url.map(|url| ("DATABASE_URL", url)));
        let mut running = Self::start(command);
        let line = running.out_with("ws://").await;
        let port = line.split("127.0.0.1:").nth(1).and_then(|rest| rest.split('/').next()?.parse().ok());
        (running, port.unwrap_or_else(|| panic!("no port in {line}")))
    }

    /// The next line of standard output that holds the text.
    #[track_caller]
    pub fn out_with<'a>(&'a mut self, text: &'a str) -> impl Future<Output = String> + 'a {
        soon(async move {
            loop {
                match self.out.next_line().await.expect("readable") {
                    Some(line) if line.contains(text) => return line,
                    Some(_) => {}
                    None => {
                        let mut told = String::new();
                        while let Ok(Some(line)) = self.err.next_line().await {
                            told += &line;
                        }
                        panic!("ended without saying {text:?}: {told}");
                    }
                }
            }
        })
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = self.child.id().and_then(|id| i32::try_from(id).ok()).expect("it runs");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("signalled");
    }

    /// Waits for its end; its exit status.
    #[track_caller]
    pub fn end(mut self) -> impl Future<Output = Option<i32>> {
        soon(async move { self.child.wait().await.expect("it ends").code() })
    }
}
