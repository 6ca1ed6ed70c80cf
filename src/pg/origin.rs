//! Which log and which life of the database a position belongs to.

use std::time::SystemTime;

use postgres_types::Type;
use tokio_postgres::Client;

use super::fault::database_error;
use super::retention;
use super::rows::{PgSnapshot, Xid8, get};
use crate::words::frame::ResetReason;
use crate::words::{Cursor, Error, Origin, Result, Snapshot};

const ORIGIN: &str = include_str!("../../sql/queries/origin.sql");
const TICK_AT: &str = include_str!("../../sql/queries/tick_at.sql");
const GENERATION_SURVIVED: &str = include_str!("../../sql/queries/generation_survived.sql");

/// The origin of positions read now; begins a new generation where a crash or promotion ended the last.
///
/// Refused where the log was written in another cluster or database than this one.
pub async fn open_origin(client: &Client) -> Result<Origin> {
    let failed = |error| database_error("could not read which log this database holds", error);
    let row = client.query_typed_opt(ORIGIN, &[]).await.map_err(failed)?;
    let row = row.ok_or_else(|| {
        Error::refused("the log of this database is not installed").with_hint("run rowbell migrate")
    })?;
    let origin = Origin { installation: row.get(0), generation: row.get(2) };
    if row.get(1) {
        return Ok(origin);
    }
    let told = "the log in this database was written elsewhere (a dump restored, or pg_upgrade)";
    Err(Error::refused(told).with_hint("run rowbell migrate to start an empty log; clients will start over"))
}

/// Why a cursor cannot be continued here; none where it can.
pub async fn judge(client: &Client, here: Origin, cursor: &Cursor) -> Result<Option<ResetReason>> {
    if cursor.origin.installation != here.installation {
        return Ok(Some(ResetReason::Foreign));
    }
    // Before the generation, which may be forgotten with the log it began in.
    if retention::floor(client).await?.is_some_and(|floor| !cursor.snapshot.covers_all_of(&floor)) {
        return Ok(Some(ResetReason::Expired));
    }
    if cursor.origin.generation == here.generation {
        return Ok(None);
    }
    let claimed = Xid8(cursor.snapshot.xmax().saturating_sub(1));
    let row = client
        .query_typed_opt(
            GENERATION_SURVIVED,
            &[
                (&cursor.origin.generation, Type::INT8),
                (&claimed, Type::XID8),
                (&PgSnapshot(cursor.snapshot.clone()), Type::PG_SNAPSHOT),
            ],
        )
        .await;
    let row = row.map_err(|error| database_error("could not compare generations", error))?;
    // A generation nobody recorded here began on a timeline that was lost.
    let survived = row.is_some_and(|row| row.get(0));
    Ok((!survived).then_some(ResetReason::Lost))
}

/// The newest position not after a time that a tick remembers; none from before the first.
///
/// A time that is still to come is wrong use. The position belongs to the generation of its tick.
pub async fn position_at(client: &Client, installation: i64, time: SystemTime) -> Result<Option<Cursor>> {
    let row = client.query_typed_one(TICK_AT, &[(&time, Type::TIMESTAMPTZ)]).await;
    let row = row.map_err(|error| database_error("could not look for a position by its time", error))?;
    if get(&row, 0)? {
        return Err(Error::usage("that time is still to come by the database's clock"));
    }
    let Some((PgSnapshot(snapshot), generation)) = get::<Option<_>>(&row, 1)?.zip(get(&row, 2)?) else {
        return Ok(None);
    };
    let highest = get::<Option<Xid8>>(&row, 3)?.map_or(0, |Xid8(xid)| xid);
    let snapshot: Snapshot = snapshot;
    Ok(Some(Cursor { origin: Origin { installation, generation }, snapshot: snapshot.cut(highest) }))
}
