//! The usual gateway: Node, `pg` that listens, `ws` that sends on; the notification carries the row.

use std::path::Path;
use std::process::{Command, Stdio};

/// Its trigger.
pub const TRIGGER: &str = "
    create function send() returns trigger language plpgsql as
        $$ begin perform pg_notify('gateway', row_to_json(new)::text); return null; end $$;
    create trigger send after insert on gateway for each row execute function send();
";

/// The command that runs it on a database; none where Node or its packages are not to be had.
pub fn command(url: &str) -> Option<Command> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers/gateway");
    if !directory.join("node_modules").exists() {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&directory);
        let installed = npm.stdout(Stdio::null()).status();
        if !installed.is_ok_and(|status| status.success()) {
            println!("(no gateway: npm could not install pg and ws)");
            return None;
        }
    }
    let mut command = Command::new("node");
    command.arg(directory.join("gateway.mjs")).arg(url);
    Some(command)
}
