//! The listening connection: which bells it hears, and whose writers it makes ring.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use postgres_types::Type;
use tokio_postgres::Client;

use super::connect::Connector;
use super::fault::database_error;
use super::link::Message;
use super::rows::{Xid8, get};
use crate::words::{Error, Result, Xid};

const LISTEN: &str = include_str!("../../sql/queries/listen.sql");
const NOTIFY: &str = include_str!("../../sql/queries/notify.sql");
const UNLISTEN: &str = include_str!("../../sql/queries/unlisten.sql");
const SLEEP_ON: &str = include_str!("../../sql/queries/sleep_on.sql");
const LET_GO: &str = include_str!("../../sql/queries/let_go.sql");
const DRAW_FENCE: &str = include_str!("../../sql/queries/draw_fence.sql");
const WAITING_TO_RING: &str = include_str!("../../sql/queries/waiting_to_ring.sql");
const LISTENER_SESSION: &str = include_str!("../../sql/queries/listener_session.sql");

/// How long a bell may take at start before it counts as lost.
const PROBE_PATIENCE: Duration = Duration::from_secs(5);

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

/// Takes the locks that make writers of these channels ring; returns those it got.
///
/// One that is not had is a writer's for a moment. The locks are the session's, and end with it.
pub async fn sleep_on(client: &Client, channels: impl Iterator<Item = &Arc<str>>) -> Result<Vec<Arc<str>>> {
    let names: Vec<&str> = channels.map(|name| &**name).collect();
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let rows = client.query_typed(SLEEP_ON, &[(&names, Type::TEXT_ARRAY)]).await;
    let rows = rows.map_err(|error| database_error("could not ask writers to ring", error))?;
    rows.iter().map(|row| Ok(Arc::from(get::<&str>(row, 0)?))).collect()
}

/// Gives those locks back, so that writers stay silent where nobody else sleeps.
pub async fn let_go(client: &Client, channels: impl Iterator<Item = &Arc<str>>) -> Result<()> {
    let names: Vec<&str> = channels.map(|name| &**name).collect();
    let failed = |error| database_error("could not let writers be silent", error);
    let row = client.query_typed_one(LET_GO, &[(&names, Type::TEXT_ARRAY)]).await.map_err(failed)?;
    match usize::try_from(get::<i64>(&row, 0)?) {
        Ok(count) if count == names.len() => Ok(()),
        _ => Err(Error::unexpected("the listening connection did not hold the locks it had taken")),
    }
}

/// A transaction id larger than that of every writer that found a lock free which is held now.
pub async fn draw_fence(client: &Client) -> Result<Xid> {
    let row = client.query_typed_one(DRAW_FENCE, &[]).await;
    let row = row.map_err(|error| database_error("could not draw a transaction id", error))?;
    get(&row, 0).map(|Xid8(xid)| xid)
}

/// How many commits wait because another one rings.
pub async fn waiting_to_ring(client: &Client) -> Result<usize> {
    let row = client.query_typed_one(WAITING_TO_RING, &[]).await;
    let row = row.map_err(|error| database_error("could not look who waits to ring", error))?;
    Ok(usize::try_from(get::<i64>(&row, 0)?).unwrap_or(0))
}

/// Rings on one connection and listens on another, to find out whether notifications arrive at all.
///
/// Behind a pooler in transaction mode they do not: LISTEN ends with its transaction.
pub async fn probe(listen: &Connector, ring: &Connector) -> Result<()> {
    let name = format!("rowbell-probe-{:016x}", rand::random::<u64>());
    let failed = |error| database_error("could not try the bell", error);
    let mut link = listen.connect("probe").await?;
    link.client.batch_execute(&LISTEN.replace("{topic}", &name)).await.map_err(failed)?;
    ring.connect("probe")
        .await?
        .client
        .execute_typed(NOTIFY, &[(&name, Type::TEXT)])
        .await
        .map_err(failed)?;
    let heard = async {
        while let Some(message) = link.messages.recv().await {
            if matches!(message, Message::Bell { topic } if topic == name) {
                return true;
            }
        }
        false
    };
    if tokio::time::timeout(PROBE_PATIENCE, heard).await.unwrap_or(false) {
        return Ok(());
    }
    let told = format!(
        "notifications do not arrive on {}: it leads to a pooler in transaction mode",
        listen.describe()
    );
    Err(Error::refused(told).with_hint("give PostgreSQL's own address by --listen-url (ROWBELL_LISTEN_URL)"))
}
