//! `rowbell history`: what happened to one row.

use clap::Args;
use serde_json::{Map, Value};

use super::tail::{details, finished};
use super::{DatabaseArgs, say};
use crate::pg::migrate::check_schema;
use crate::pg::pool::PoolOptions;
use crate::pg::resource::{Failure, Page, Refusal, Resources};
use crate::words::frame::told_alone;
use crate::words::query::{DEFAULT_LIMIT, LARGEST_HISTORY};
use crate::words::{Change, CommitHead, Error, RestConfig, Result};

const EXAMPLES: &str = "\
Examples:
  rowbell history orders 51
  rowbell history stock '[\"north\",7]'             a key of several columns
  rowbell history orders 51 --limit 10 --json     the last ten changes, as REST tells them
  rowbell history orders 51 --before 991          what came before that version

Newest first; also of rows that are deleted, as long as the log is kept. It reads the database directly and needs no
server.";

/// Prints what happened to one row.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct History {
    /// The channel.
    channel: String,
    /// The row's key as text; of several columns their JSON array.
    #[arg(allow_hyphen_values = true)]
    id: String,
    /// How many changes at most; more if the last one alone would not say where to go on.
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_LIMIT,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(LARGEST_HISTORY)))]
    limit: u32,
    /// Go on after the change that made this version; of a feed-only channel, after that number.
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
    before: Option<i64>,
    /// Print changes as JSON, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl History {
    pub async fn run(self) -> Result<()> {
        let connector = self.database.connector().await?;
        check_schema(&connector.connect("history").await?.client).await?;
        let pool = connector.pool(PoolOptions::of(1))?;
        let resources = Resources::new(pool, RestConfig::default().answer_limit);
        let page = Page { before: self.before, limit: self.limit };
        let found = resources.history(&self.channel, &self.id, page).await;
        let history = found.map_err(|failure| self.told(failure))?.ok_or_else(|| {
            Error::refused(format!("nothing is known of a row {} in channel {}", self.id, self.channel))
        })?;
        for (head, change) in &history {
            let line = if self.json { told_alone(head, change) } else { readable(head, change)? };
            if !say(&line)? {
                break;
            }
        }
        Ok(())
    }

    fn told(&self, failure: Failure) -> Error {
        match failure {
            Failure::Broken(error) | Failure::Unsure(error) => error,
            Failure::Refused(Refusal::UnknownChannel) => {
                Error::refused(format!("there is no channel {}", self.channel))
                    .with_hint("rowbell channels lists them")
            }
            Failure::Refused(Refusal::BadValue(told)) => Error::usage(told),
            Failure::Refused(Refusal::TooMuch) => {
                Error::refused("the history is too large to be read at once").with_hint("give a --limit")
            }
            Failure::Refused(Refusal::Forbidden(told)) => Error::refused(told),
            Failure::Refused(Refusal::TimedOut | Refusal::Contended) => {
                Error::refused("the database took too long").with_hint("try again")
            }
            Failure::Refused(_) => Error::unexpected("the history of a row could not be read"),
        }
    }
}

/// `2026-01-02 12:30:01.123  update    991  status: "open" -> "paid"  by anna  in north`
fn readable(head: &CommitHead, change: &Change) -> Result<String> {
    // By way of what REST tells, because there `old` is the difference.
    let told: Value = serde_json::from_str(&told_alone(head, change))
        .map_err(|error| Error::unexpected("could not read a change").with_source(error))?;
    let image = |name: &str| -> Option<&Map<String, Value>> { told.get(name).and_then(Value::as_object) };
    let at = humantime::format_rfc3339_millis(head.at).to_string();
    let at = at.trim_end_matches('Z').replace('T', " ");
    let number = change.version.unwrap_or(change.seq);
    let line = format!("{at}  {:8}  {number}{}", change.op.word(), details(image("row"), image("old")));
    Ok(finished(line, head.actor.as_deref(), head.branch.as_deref()))
}
