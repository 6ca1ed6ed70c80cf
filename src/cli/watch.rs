//! `rowbell watch`, `unwatch` and `channels`.

use clap::{Args, ValueEnum};

use super::{DatabaseArgs, say};
use crate::pg::catalog::{self, Channel, WatchOptions};
use crate::pg::migrate::check_schema;
use crate::words::Result;

const EXAMPLES: &str = "\
Examples:
  rowbell watch public.orders
  rowbell watch public.staff --omit password_hash --omit salary
  rowbell watch audit.events --channel events --feed-only
  rowbell watch public.payments --as-text amount --as-text account_id

Adds the columns version and last_synced_at where they are missing, and says so. On a table that is watched
already it applies the new options, and subscribers start over.";

/// Attaches Rowbell to a table.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Watch {
    /// The table, as SQL names it: orders, public.orders, \"Orders\".
    table: String,
    /// The channel, where it should not be the table's name.
    #[arg(long)]
    channel: Option<String>,
    /// A column that never reaches the log nor a client; may be given again.
    #[arg(long, value_name = "COLUMN")]
    omit: Vec<String>,
    /// A column of numbers that is sent as text, because programs in JavaScript round numbers beyond 2^53; may be
    /// given again.
    #[arg(long, value_name = "COLUMN")]
    as_text: Vec<String>,
    /// When writers ring. Never is for tables written under two-phase commit, which forbids NOTIFY; their changes
    /// come up to 100 ms later.
    #[arg(long, value_enum, default_value_t = Notify::Auto)]
    notify: Notify,
    /// No version column: changes are fed, REST writes refused.
    #[arg(long)]
    feed_only: bool,
    /// The bigint column that carries the version; added where it is missing.
    #[arg(long, default_value = "version", value_name = "COLUMN")]
    version_column: String,
    /// Also log rows that logical replication applies.
    #[arg(long)]
    replica: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Notify {
    /// Only while a node sleeps on the channel.
    Auto,
    /// In every commit: other programs LISTEN too.
    Always,
    /// Not at all.
    Never,
}

/// Detaches Rowbell from a table.
#[derive(Debug, Args)]
#[command(
    after_help = "Removes the triggers and the columns that watch had added.\n\nExample:\n  rowbell unwatch public.orders"
)]
pub struct Unwatch {
    /// The table, as SQL names it.
    table: String,
    #[command(flatten)]
    database: DatabaseArgs,
}

/// Lists the watched tables.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  rowbell channels")]
pub struct Channels {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Watch {
    pub async fn run(self) -> Result<()> {
        let connector = self.database.connector().await?;
        check_schema(&connector.connect("watch").await?.client).await?;
        let notify = self.notify.to_possible_value().map(|value| value.get_name().to_owned());
        let options = WatchOptions {
            channel: self.channel,
            omit: self.omit,
            notify: notify.unwrap_or_default(),
            feed_only: self.feed_only,
            version_column: self.version_column,
            replica: self.replica,
            as_text: self.as_text,
        };
        let (channel, notices) = catalog::watch(&connector, &self.table, &options).await?;
        for notice in notices {
            say(&notice)?;
        }
        say(&format!("watching {} as channel {channel}", self.table)).map(drop)
    }
}

impl Unwatch {
    pub async fn run(self) -> Result<()> {
        let connector = self.database.connector().await?;
        check_schema(&connector.connect("unwatch").await?.client).await?;
        let (channel, notices) = catalog::unwatch(&connector, &self.table).await?;
        for notice in notices {
            say(&notice)?;
        }
        say(&format!("no longer watching {} (channel {channel})", self.table)).map(drop)
    }
}

impl Channels {
    pub async fn run(self) -> Result<()> {
        let link = self.database.connector().await?.connect("channels").await?;
        check_schema(&link.client).await?;
        let channels = catalog::channels(&link.client).await?;
        if channels.is_empty() {
            return say("nothing is watched; rowbell watch TABLE begins").map(drop);
        }
        let width = channels.iter().map(|channel| channel.name.len()).max().unwrap_or(0);
        for channel in &channels {
            if !say(&format!("{:width$}  {}", channel.name, describe(channel)))? {
                break;
            }
        }
        Ok(())
    }
}

fn describe(channel: &Channel) -> String {
    let mut words = vec![channel.table.clone(), format!("key {}", channel.key_columns.join(", "))];
    match channel.version_column.as_deref() {
        None => words.push("feed only".to_owned()),
        Some("version") => {}
        Some(other) => words.push(format!("version in {other}")),
    }
    if !channel.omit.is_empty() {
        words.push(format!("without {}", channel.omit.join(", ")));
    }
    if !channel.as_text.is_empty() {
        words.push(format!("{} as text", channel.as_text.join(", ")));
    }
    if channel.notify != "auto" {
        words.push(format!("notify {}", channel.notify));
    }
    if channel.replica {
        words.push("with replicated rows".to_owned());
    }
    words.join("; ")
}
