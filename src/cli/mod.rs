//! Floor 5: the command line.

mod database;
mod history;
mod migrate;
mod prune;
mod seed;
mod serve;
mod tail;
mod watch;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::words::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  rowbell serve                                  try it: runs a private PostgreSQL in ./.rowbell
  rowbell migrate --database-url postgresql://me@db/shop
  rowbell watch public.orders --omit internal_note
  rowbell serve --database-url postgresql://me@db/shop
  rowbell tail orders                            see every change as it commits
  rowbell history orders 51                      see what became of one row, and who did it
  rowbell seed                                   fill the business tables with a shop chain

Exit status: 0 good, 1 failed, 2 wrong use.";

/// Turns the tables of any PostgreSQL into a live, resumable change feed.
#[derive(Debug, Parser)]
#[command(name = "rowbell", version, after_help = EXAMPLES, max_term_width = 110)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the feed.
    Serve(serve::Serve),
    /// Bring Rowbell's schema into a database, or tell how far it is.
    Migrate(migrate::Migrate),
    /// Fill the business tables with a shop chain to look at.
    Seed(seed::Seed),
    /// Attach Rowbell to a table.
    Watch(watch::Watch),
    /// Detach Rowbell from a table.
    Unwatch(watch::Unwatch),
    /// List the watched tables.
    Channels(watch::Channels),
    /// Print changes as they commit.
    Tail(tail::Tail),
    /// Print what happened to one row.
    History(history::History),
    /// Empty what is past retention now.
    Prune(prune::Prune),
}

/// Which database a command works on.
#[derive(Debug, Args)]
struct DatabaseArgs {
    /// The database, as a libpq URL or key=value string. Left out: the private PostgreSQL in ./.rowbell.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true, value_name = "URL")]
    database_url: Option<String>,
}

/// Runs a command; errors become one line on standard error and an exit status.
pub fn main(arguments: Arguments) -> ExitCode {
    let quiet = !matches!(arguments.command, Command::Serve(_));
    let level = if quiet { "warn" } else { "info" };
    // refinery and rustls speak at levels of their own.
    let filter = format!("warn,rowbell={level}");
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or(filter)).init();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "rowbell: {}", error.report());
            ExitCode::from(if error.is_usage() { 2 } else { 1 })
        }
    }
}

fn run(command: Command) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::machine("could not start").with_source(error))?;
    runtime.block_on(async {
        match command {
            Command::Serve(serve) => serve.run().await,
            Command::Migrate(migrate) => migrate.run().await,
            Command::Seed(seed) => seed.run().await,
            Command::Watch(watch) => watch.run().await,
            Command::Unwatch(unwatch) => unwatch.run().await,
            Command::Channels(channels) => channels.run().await,
            Command::Tail(tail) => tail.run().await,
            Command::History(history) => history.run().await,
            Command::Prune(prune) => prune.run().await,
        }
    })
}

/// Writes a line to standard output. False when nobody reads any more, which ends a command well.
fn say(line: &str) -> Result<bool> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error::machine("could not write to standard output").with_source(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound_and_every_flag_has_a_variable() {
        let command = Arguments::command();
        command.clone().debug_assert();
        // Switches of one call are not worth a variable.
        let plain = [
            "help",
            "version",
            "omit",
            "as_text",
            "channel",
            "notify",
            "feed_only",
            "version_column",
            "replica",
            "since",
            "before",
            "limit",
            "keep",
            "json",
            "snapshot",
            "migrate",
            "business",
        ];
        for sub in command.get_subcommands() {
            for arg in sub.get_arguments().filter(|arg| arg.get_long().is_some()) {
                let id = arg.get_id().as_str();
                assert!(arg.get_env().is_some() || plain.contains(&id), "{} --{id}", sub.get_name());
            }
        }
    }
}
