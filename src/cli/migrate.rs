//! `rowbell migrate [up|status]`.

use clap::{Args, Subcommand};

use super::{DatabaseArgs, say};
use crate::pg::business::{Installed, business_status, install_business};
use crate::pg::migrate::{migrate_up, schema_status};
use crate::words::Result;

const EXAMPLES: &str = "\
Examples:
  rowbell migrate                 bring the schema up to date
  rowbell migrate --business      and the business tables: orders, clients and thirteen others
  rowbell migrate status          tell how far both are, change nothing

Any number of programs may migrate at once. It needs a role that may create a schema in
the database. The business tables are made in schema public, where none of their names may be taken.";

/// The command.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Migrate {
    #[command(subcommand)]
    step: Option<Step>,
    #[command(flatten)]
    up: Up,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Apply what is missing (the default).
    Up(Up),
    /// Tell what is applied and what is missing.
    Status(DatabaseArgs),
}

#[derive(Debug, Args)]
struct Up {
    /// Also make the business tables in schema public, watched, or bring them up to date.
    #[arg(long)]
    business: bool,
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Migrate {
    pub async fn run(self) -> Result<()> {
        match self.step {
            None => up(&self.up).await,
            Some(Step::Up(step)) => up(&step).await,
            Some(Step::Status(database)) => status(&database).await,
        }
    }
}

async fn up(step: &Up) -> Result<()> {
    let connector = step.database.connector().await?;
    let applied = if step.business {
        install_business(&connector).await?
    } else {
        Installed { schema: migrate_up(&connector).await?, ..Installed::default() }
    };
    for name in &applied.schema {
        say(&format!("applied {name}"))?;
    }
    for name in &applied.business {
        say(&format!("applied business {name}"))?;
    }
    let schema = schema_status(&connector).await?;
    say(&format!("schema is at {} on {}", schema.at, connector.describe()))?;
    if step.business
        && let Some(business) = business_status(&connector).await?
    {
        say(&format!("business schema is at {}", business.at))?;
    }
    Ok(())
}

async fn status(database: &DatabaseArgs) -> Result<()> {
    let connector = database.connector().await?;
    let schema = schema_status(&connector).await?;
    say(&format!("schema is at {}, needs {} on {}", schema.at, schema.needs, connector.describe()))?;
    for name in &schema.pending {
        say(&format!("missing {name}"))?;
    }
    if let Some(business) = business_status(&connector).await? {
        say(&format!("business schema is at {}, needs {}", business.at, business.needs))?;
        for name in &business.pending {
            say(&format!("missing business {name}"))?;
        }
    }
    Ok(())
}
