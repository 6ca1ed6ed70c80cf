//! Floors and rivals: programs that do the same with less, or in the way it is usually done.

pub mod broadcast;
pub mod gateway;
pub mod listen;
pub mod nchan;
pub mod sockets;

use std::process::Command;

/// Runs a rival in this process: what the measuring one starts.
pub fn run(arguments: &[String]) {
    let bytes = arguments.get(1).and_then(|text| text.parse().ok()).expect("the bytes of a frame");
    match arguments[0].as_str() {
        "sockets" => sockets::run(bytes),
        "broadcast" => broadcast::run(bytes),
        name => panic!("there is no peer {name:?}"),
    }
}

/// The command that runs this program as that rival.
pub fn command(name: &str, bytes: usize) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("a path"));
    command.args(["peer", name, &bytes.to_string()]);
    command
}

/// The payload that stands for a frame made beforehand.
fn payload(bytes: usize) -> String {
    "x".repeat(bytes)
}
