//! `rowbell migrate [up|status]`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, say};
use crate::pg::migrate::{migrate_up, schema_status};
use crate::words::Result;

const EXAMPLES: &str = "\
Examples:
  rowbell migrate                 bring the schema up to date
  rowbell migrate status          tell how far it is, change nothing

Any number of programs may migrate at once. It needs a role that may create a schema in the database.";

/// The command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Migrate {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    database: DatabaseArgs,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Apply what is missing (the default).
    Up(DatabaseArgs),
    /// Tell what is applied and what is missing.
    Status(DatabaseArgs),
}

impl Migrate {
    pub async fn run(self) -> Result<()> {
        match self.step {
            None => up(&self.database).await,
            Some(Step::Up(database)) => up(&database).await,
            Some(Step::Status(database)) => status(&database).await,
        }
    }
}

async fn up(database: &DatabaseArgs) -> Result<()> {
    let connector = database.connector().await?;
    let applied = migrate_up(&connector).await?;
    for name in &applied {
        say(&format!("applied {name}"))?;
    }
    let schema = schema_status(&connector).await?;
    say(&format!("schema is at {} on {}", schema.at, connector.describe())).map(drop)
}

async fn status(database: &DatabaseArgs) -> Result<()> {
    let connector = database.connector().await?;
    let schema = schema_status(&connector).await?;
    say(&format!("schema is at {}, needs {} on {}", schema.at, schema.needs, connector.describe()))?;
    for name in &schema.pending {
        say(&format!("missing {name}"))?;
    }
    Ok(())
}
