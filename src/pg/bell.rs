//! The listening connection: which bells it hears.

use std::collections::BTreeSet;
use std::sync::Arc;

use tokio_postgres::Client;

use super::fault::database_error;
use crate::words::Result;

const LISTEN: &str = include_str!("../../sql/queries/listen.sql");
const UNLISTEN: &str = include_str!("../../sql/queries/unlisten.sql");
const LISTENER_SESSION: &str = include_str!("../../sql/queries/listener_session.sql");

/// The bell that says the list of watched tables changed. No channel's bell can have this name.
pub const CATALOG_BELL: &str = "rowbell";

/// Prepares a connection for listening and draining, and listens for changes of the catalog.
pub async fn prepare_listener(client: &Client) -> Result<()> {
    let failed = |error| database_error("could not prepare the listening connection", error);
    client.batch_execute(LISTENER_SESSION).await.map_err(failed)?;
    client.batch_execute(&LISTEN.replace("{topic}", CATALOG_BELL)).await.map_err(failed)
}

/// Makes what one connection listens for equal to what is wanted.
///
/// When it returns, every bell of a wanted channel whose transaction commits later is heard.
pub async fn listen_for(
    client: &Client,
    heard: &mut BTreeSet<Arc<str>>,
    wanted: &BTreeSet<Arc<str>>,
) -> Result<()> {
    let mut statements = String::new();
    // Channel names hold nothing that would need quoting: a-z, 0-9 and -.
    let mut say = |statement: &str, channel: &str| {
        statements.push_str(&statement.trim().replace("{topic}", &format!("rowbell:{channel}")));
        statements.push(';');
    };
    wanted.difference(heard).for_each(|channel| say(LISTEN, channel));
    heard.difference(wanted).for_each(|channel| say(UNLISTEN, channel));
    if statements.is_empty() {
        return Ok(());
    }
    let failed = |error| database_error("could not listen for bells", error);
    client.batch_execute(&statements).await.map_err(failed)?;
    heard.clone_from(wanted);
    Ok(())
}
