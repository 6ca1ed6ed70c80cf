//! Terminals: one in which lines are typed, and some in which a program goes on.

use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use super::block::matches;
use crate::support::program::Running;
use crate::support::soon;

/// How long a program may take to say what its document says it does.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ends what a block printed, with its status.
const MARK: &str = "=== status ";

/// A shell that is typed into; what one block sets, the next finds.
pub(super) struct Shell {
    _child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    pub(super) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().expect("a shell");
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped")).lines();
        Self { _child: child, input, output }
    }

    /// Runs lines to their end: the last status, and all they printed.
    pub(super) async fn run(&mut self, lines: &str) -> (i32, String) {
        // Programs find no input, or they would read the lines that come next.
        let typed = format!("{{\n{lines}\n}} </dev/null 2>&1\nprintf '\\n{MARK}%s\\n' $?\n");
        self.input.write_all(typed.as_bytes()).await.expect("typed");
        let mut said = String::new();
        while let Some(line) = soon(self.output.next_line()).await.expect("text") {
            if let Some(status) = line.strip_prefix(MARK) {
                return (status.parse().expect("a number"), said);
            }
            said.push_str(&line);
            said.push('\n');
        }
        (-1, format!("{said}the shell ended"))
    }
}

/// A program that goes on in a terminal of its own, until it is dropped.
pub(super) struct Terminal {
    running: Running,
    said: Vec<String>,
}

impl Terminal {
    /// Starts it, and waits until it says that it is following: from then on nothing escapes it.
    pub(super) async fn following(mut command: Command) -> Self {
        // `rowbell tail` says so in its log only.
        command.env("RUST_LOG", "rowbell=info").process_group(0).stdin(Stdio::null());
        let mut terminal = Self { running: Running::start(command), said: Vec::new() };
        soon(terminal.wait_until_it_follows()).await;
        terminal
    }

    async fn wait_until_it_follows(&mut self) {
        loop {
            let line = tokio::select! {
                line = self.running.out.next_line() => {
                    let line = line.expect("text");
                    self.said.extend(line.clone());
                    line
                }
                line = self.running.err.next_line() => line.expect("text"),
            };
            match line {
                Some(line) if line.contains("following") => return,
                Some(line) if line.contains("error") => panic!("{line}"),
                Some(_) => {}
                None => panic!("ended after {:?}", self.said),
            }
        }
    }

    /// Waits until it has said those lines, and none before or between them; else what it said.
    pub(super) async fn has_said(mut self, expected: &str) -> Result<(), String> {
        for (number, wanted) in expected.lines().enumerate() {
            if self.said.len() == number
                && let Ok(Ok(Some(line))) = timeout(PATIENCE, self.running.out.next_line()).await
            {
                self.said.push(line);
            }
            if !self.said.get(number).is_some_and(|line| matches(wanted, line)) {
                return Err(self.said.join("\n"));
            }
        }
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // The shell and what runs in it.
        if let Some(id) = self.running.child.id().and_then(|id| i32::try_from(id).ok()) {
            let _gone = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
    }
}
