//! The documents that lead a newcomer are walked, line by line, by a shell against a real server.
//!
//! What a fenced block is, its first line says: `sh` runs, and a `text` block that follows is what it prints, `…`
//! standing for whatever differs from run to run; without one it prints nothing. `sh terminal` goes on in a terminal of
//! its own, and has printed its `text` when the document ends. `sh server` is what starts the server.

mod block;
mod terminal;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tokio::process::Command;

use crate::support::cluster::database;
use crate::support::database::url_of;
use crate::support::program::{Running, example};
use crate::support::scratch::Scratch;
use block::{Block, Kind, mismatch};
use terminal::{Shell, Terminal};

/// Stands for cargo, which is not to build anything in the middle of a test.
const CARGO: &str = r#"#!/bin/sh
case "$1 $2" in
    'run --example') program=$EXAMPLES/$3; shift 4; exec "$program" "$@" ;;
    'install --path') exit 0 ;;
esac
echo "the walk does not know cargo $*" >&2
exit 1
"#;

/// Where a document is walked: a directory like the project's, with a server in it.
struct Place {
    scratch: Scratch,
    _server: Running,
    port: u16,
    /// A database of the user's own, with a table `customers`.
    own: String,
}

impl Place {
    async fn new(name: &str) -> Self {
        let scratch = Scratch::new(name);
        let rowbell = env!("CARGO_BIN_EXE_rowbell");
        for directory in ["target/release", "bin", "examples/node"] {
            std::fs::create_dir_all(scratch.join(directory)).expect("made");
        }
        symlink(rowbell, scratch.join("target/release/rowbell")).expect("linked");
        symlink(rowbell, scratch.join("bin/rowbell")).expect("linked");
        let cargo = scratch.join("bin/cargo");
        std::fs::write(&cargo, CARGO).expect("written");
        std::fs::set_permissions(&cargo, PermissionsExt::from_mode(0o755)).expect("executable");
        for name in ["package.json", "package-lock.json", "follow.mjs"] {
            let name = format!("examples/node/{name}");
            std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(&name), scratch.join(&name))
                .expect("copied");
        }
        let (server, port) = Running::serve(scratch.path(), None).await;
        let own = database().await;
        let link = own.connect("test").await.expect("connects");
        link.client.batch_execute("create table customers (id int primary key)").await.expect("a table");
        Self { scratch, _server: server, port, own: url_of(&own).await }
    }

    /// A shell as a user has it, but for the port and the names of things that only the user has.
    fn shell(&self) -> Command {
        let path = std::env::var("PATH").unwrap_or_default();
        let examples = example("follow", &[]).as_std().get_program().to_owned();
        let mut command = Command::new("sh");
        command.current_dir(self.scratch.path());
        command.env_remove("DATABASE_URL").env_remove("ROWBELL_TOKEN");
        command.env("PATH", format!("{}:{path}", self.scratch.join("bin").display()));
        command.env("EXAMPLES", Path::new(&examples).parent().expect("a directory"));
        command.env("ROWBELL_URL", format!("http://127.0.0.1:{}", self.port));
        command
    }

    fn as_here(&self, text: &str) -> String {
        text.replace("127.0.0.1:8080", &format!("127.0.0.1:{}", self.port))
            .replace("postgresql://me@db.example/shop", &self.own)
    }

    /// Walks a document from its beginning; what does not happen as it says.
    async fn walk(&self, document: &str) -> Result<(), String> {
        let mut shell = Shell::start(self.shell());
        let mut terminals: Vec<(Block, Terminal)> = Vec::new();
        for block in block::read(document)? {
            match block.kind {
                Kind::Server => {}
                Kind::Terminal => {
                    let mut command = self.shell();
                    command.args(["-c", &self.as_here(&block.text)]);
                    terminals.push((block, Terminal::following(command).await));
                }
                Kind::Run => {
                    let (status, said) = shell.run(&self.as_here(&block.text)).await;
                    let problem = mismatch(&block.expected, &said);
                    if let Some(problem) =
                        problem.or((status != 0).then(|| format!("status {status}: {said}")))
                    {
                        return Err(format!("line {}: {}\n{problem}", block.line, block.text));
                    }
                }
            }
        }
        for (block, terminal) in terminals {
            terminal.has_said(&block.expected).await.map_err(|said| {
                format!("line {}: {}\nexpected\n{}\nit said\n{said}", block.line, block.text, block.expected)
            })?;
        }
        Ok(())
    }
}

async fn holds(name: &str, path: &str) {
    let document = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).expect("there");
    if let Err(problem) = Place::new(name).await.walk(&document).await {
        panic!("{path}, {problem}");
    }
}

#[tokio::test]
async fn the_readme_holds() {
    holds("readme", "README.md").await;
}

#[tokio::test]
async fn the_first_hour_holds() {
    holds("first-hour", "docs/first-hour.md").await;
}

#[tokio::test]
async fn a_document_that_does_not_hold_is_seen() {
    let place = Place::new("walk").await;
    let get = "curl -s http://127.0.0.1:8080/api/clients?limit=0";
    for (document, words) in [
        (format!("```sh\n{get}\n```\n```text\n[]\n```\n"), None),
        (format!("```sh\n{get}\n```\n```text\n[1]\n```\n"), Some("line 1: curl")),
        (format!("```sh\n{get}\n```\n"), Some("[]")),
        ("```sh\na=1\n```\n```sh\ntest $a = 1\n```\n".to_owned(), None),
        ("```sh\ntest 1 = 2\n```\n".to_owned(), Some("status 1")),
        ("```sh\nexit 7\n```\n".to_owned(), Some("ended")),
        ("```sh\nno-such-program\n```\n".to_owned(), Some("not found")),
        (format!("```bash\n{get}\n```\n"), Some("nothing runs")),
        ("```text\nx\n```\n".to_owned(), Some("follows nothing")),
    ] {
        let walked = place.walk(&document).await;
        match words {
            None => assert_eq!(walked, Ok(())),
            Some(words) => {
                assert!(walked.as_ref().is_err_and(|told| told.contains(words)), "{document}{walked:?}")
            }
        }
    }
}
