//! The `rowbell` program: reads the command line and hands over.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    rowbell::cli::main(rowbell::cli::Arguments::parse())
}
