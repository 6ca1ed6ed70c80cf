//! Which database a command without a URL means.

use std::path::Path;

use super::DatabaseArgs;
use crate::pg::connect::Connector;
use crate::pg::embedded::Cluster;
use crate::words::{Error, Result};

/// Where the private PostgreSQL of the working directory is.
pub const PRIVATE: &str = "./.rowbell";

impl DatabaseArgs {
    /// The URL given, if it is not empty.
    pub fn given(&self) -> Option<&str> {
        self.database_url.as_deref().filter(|url| !url.is_empty())
    }

    /// The database given, or the private one that `rowbell serve` runs in the working directory.
    pub async fn connector(&self) -> Result<Connector> {
        if let Some(url) = self.given() {
            return Connector::parse(url);
        }
        match Cluster::find_running(Path::new(PRIVATE)).await? {
            Some(url) => Connector::parse(&url),
            None => {
                Err(Error::usage("no database: none is given, and no private PostgreSQL runs in ./.rowbell")
                    .with_hint("set DATABASE_URL, give --database-url, or run rowbell serve here first"))
            }
        }
    }
}
