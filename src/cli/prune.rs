//! `rowbell prune`.

use std::time::Duration;

use clap::Args;

use super::{DatabaseArgs, say};
use crate::pg::keeper::{self, Outcome};
use crate::pg::link::Link;
use crate::pg::migrate::check_schema;
use crate::pg::{origin, retention};
use crate::words::{Error, Result};

const EXAMPLES: &str = "\
Examples:
  rowbell prune                 empty what is past retention, as a running server does by itself
  rowbell prune --keep 1h       empty more: clients that were away for longer start over

The log is emptied in parts of a sixth of the retention. A part stays while it takes rows, while an open transaction
uses it, or while one row in it is younger; nobody waits for this command. Answers to writes that were sent with a key
go when they are past the retention, whatever --keep says.";

/// How long it waits for a server that is just emptying the log.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);

/// Empties what is past retention now.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Prune {
    /// Keep changes that long this once: 7d, 36h, 30m. Left out: the retention of the database.
    #[arg(long, value_parser = humantime::parse_duration, value_name = "TIME")]
    keep: Option<Duration>,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Prune {
    pub async fn run(self) -> Result<()> {
        let link = self.database.connector().await?.connect("prune").await?;
        check_schema(&link.client).await?;
        origin::open_origin(&link.client).await?;
        // What is dropped is told by a tick, and the newest may be from long ago.
        keeper::tick(&link.client).await?;
        let keep = match self.keep {
            Some(keep) => keep,
            None => retention::retention(&link.client).await?,
        };
        keeper::turn(&link.client).await?;
        for _ in 0..TRIES {
            if let Some(outcomes) = keeper::prune(&link.client, keep).await? {
                tell(&outcomes, keep)?;
                return forget(&link).await;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(Error::refused("another rowbell is emptying the log").with_hint("try again when it is done"))
    }
}

/// Deletes the answers to writes with a key that are past the database's retention. `--keep` does not shorten that: a
/// client that sends its write again must not find it done twice.
async fn forget(link: &Link) -> Result<()> {
    let mut forgotten = 0;
    loop {
        match keeper::forget_answers(&link.client).await? {
            0 => break,
            some => forgotten += some,
        }
    }
    if forgotten > 0 {
        say(&format!("{forgotten} answers to writes with a key deleted"))?;
    }
    Ok(())
}

fn tell(outcomes: &[Outcome], keep: Duration) -> Result<()> {
    let mut emptied = 0;
    for (leaf, outcome) in outcomes.iter().enumerate() {
        let line = match outcome {
            Outcome::Empty => continue,
            Outcome::Emptied(bytes) => {
                emptied += 1;
                format!("emptied part {leaf}: {} kB", bytes.div_ceil(1024))
            }
            Outcome::Current => format!("kept part {leaf}: it takes rows now"),
            Outcome::Young => format!("kept part {leaf}: a row in it is younger"),
            Outcome::Busy => format!("kept part {leaf}: an open transaction uses it"),
        };
        say(&line)?;
    }
    say(&format!(
        "{emptied} of {} parts emptied, keeping {}",
        outcomes.len(),
        humantime::format_duration(keep)
    ))?;
    Ok(())
}
