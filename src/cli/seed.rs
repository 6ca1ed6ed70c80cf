//! `rowbell seed`.

use std::time::Instant;

use clap::Args;

use super::{DatabaseArgs, say};
use crate::pg::seed::seed;
use crate::words::Result;

const EXAMPLES: &str = "\
Examples:
  rowbell seed                          the private PostgreSQL of a rowbell serve in this directory
  rowbell migrate --business --database-url postgresql://me@db/demo
  rowbell seed --database-url postgresql://me@db/demo

One transaction fills all tables, so an interrupted seed leaves nothing. Where the business tables
hold rows already, it refuses and changes nothing.";

/// Fills the business tables with a shop chain: four branches, their staff, and four months of trade.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Seed {
    #[command(flatten)]
    database: DatabaseArgs,
}

impl Seed {
    pub async fn run(self) -> Result<()> {
        let connector = self.database.connector().await?;
        let began = Instant::now();
        let rows = seed(&connector, |table, rows| say(&format!("{table:16}{rows:6} rows")).map(drop)).await?;
        let seconds = began.elapsed().as_secs_f64();
        say(&format!("seeded {rows} rows in {seconds:.1} s into {}", connector.describe())).map(drop)
    }
}
