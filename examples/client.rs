//! The Rust client: keeps a copy of a channel, or changes one of its rows.
//!
//!     cargo run --example client -- clients
//!     cargo run --example client -- clients 5f0c2a1e-7d7b-4c47-9a55-0d3c1f6b8e21 '{"city": "Bath"}'
//!
//! `ROWBELL_URL` is the server, http://127.0.0.1:8080 if unset; `ROWBELL_TOKEN` its token, if it wants one.

use std::env::{args, var};
use std::process::ExitCode;

use rowbell::Client;
use rowbell::client::{Outcome, Result, Update};
use serde_json::value::RawValue;

#[tokio::main]
async fn main() -> ExitCode {
    let words: Vec<String> = args().skip(1).collect();
    let done = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [channel] => follow(channel).await,
        [channel, id, columns] => match serde_json::from_str(columns) {
            Ok(columns) => change(channel, id, columns).await,
            Err(error) => return usage(&format!("COLUMNS is no JSON: {error}")),
        },
        _ => return usage("one channel, or a channel, an id and columns"),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}", error.report());
            ExitCode::FAILURE
        }
    }
}

fn usage(wrong: &str) -> ExitCode {
    eprintln!("usage: client CHANNEL [ID COLUMNS]: {wrong}");
    ExitCode::from(2)
}

fn client() -> Result<Client> {
    let url = var("ROWBELL_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".to_owned());
    let builder = Client::builder(&url).actor("example");
    match var("ROWBELL_TOKEN") {
        Ok(token) => builder.token(token).build(),
        Err(_) => builder.build(),
    }
}

/// Prints every row that changes, for as long as the channel is watched.
async fn follow(channel: &str) -> Result<()> {
    let mut rows = client()?.follow(channel).open().await?;
    println!("{channel}: {} rows", rows.len());
    while let Some(update) = rows.next().await? {
        match update {
            Update::Changed(ids) => {
                for id in ids {
                    let row = rows.get(&id).and_then(|entry| entry.json.as_deref());
                    println!("{id}: {}", row.map_or("no row", RawValue::get));
                }
            }
            Update::StartedOver(reason) => println!("{} rows read anew: {reason:?}", rows.len()),
            Update::Disconnected(error) => println!("connecting again: {}", error.report()),
            other => println!("{other:?}"),
        }
    }
    Ok(())
}

/// Sets columns of a row, on top of whatever others have set meanwhile.
async fn change(channel: &str, id: &str, columns: Box<RawValue>) -> Result<()> {
    let client = client()?;
    let mut version = client.read(channel, id).await?.and_then(|row| row.version);
    while let Some(at) = version {
        version = match client.patch(channel, id, at, &columns).await? {
            Outcome::Done(written) => {
                println!("{}", written.row);
                return Ok(());
            }
            Outcome::Conflict(conflict) => conflict.version,
            Outcome::Missing => None,
        };
    }
    println!("there is no row {id}");
    Ok(())
}
