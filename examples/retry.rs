//! Changes one row that others change too: a versioned write, and what to do when it comes too late.
//!
//!     cargo run --example retry -- clients 4f5c… phone='"01632 960123"' note=null
//!
//! It reads the row, waits for Enter (so that two of them, in two terminals, can be made to meet), then writes with
//! the version it read. If the row has changed meanwhile, the server answers 409 with the row as it was read (`base`),
//! as it is (`current`) and as sent (`yours`). What only one side changed is kept; where both changed the same column to
//! different values, no program can know who is right, so it says so and stops.
//! `ROWBELL_URL` is the server, http://127.0.0.1:8080 if unset; `ROWBELL_TOKEN` its token, if it wants one.

use std::error::Error;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Writes tried before it gives up. Each failure means that somebody else's write went through.
const TRIES: u32 = 10;

type Row = Map<String, Value>;

/// What the server tells of a write that came too late.
#[derive(Deserialize)]
struct Conflict {
    /// The row as it is; none when it was deleted.
    current: Option<Row>,
    /// The row at the version the write named.
    base: Option<Row>,
    /// The write, as it was sent.
    yours: Row,
}

/// One row on the server.
struct Place {
    http: Client,
    url: Url,
    token: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The innermost source says what happened.
            let mut source = &*error;
            while let Some(inner) = source.source() {
                source = inner;
            }
            let source = if error.source().is_some() { format!(": {source}") } else { String::new() };
            eprintln!("retry: {error}{source}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [channel, id, changes @ ..] = arguments.as_slice() else { return Err(usage()) };
    if changes.is_empty() {
        return Err(usage());
    }
    let changes: Row = changes.iter().map(|text| change(text)).collect::<Result<_, _>>()?;
    let place = Place::of(channel, id)?;

    let answer = told(place.request(Method::GET).send().await?).await?;
    let read: Row = answer.json().await?;
    println!("read    version {}; Enter writes", read["version"]);
    io::stdin().read_line(&mut String::new())?;

    // What the change is based on, and what is left of it to write.
    let (mut base, mut yours) = (read, changes);
    for attempt in 1..=TRIES {
        let version = format!("\"{}\"", base["version"]);
        let answer = place.request(Method::PATCH).header("If-Match", version).json(&yours).send().await?;
        if answer.status() != StatusCode::CONFLICT {
            let row: Row = told(answer).await?.json().await?;
            println!("written version {}", row["version"]);
            return Ok(());
        }
        let mut conflict: Conflict = answer.json().await?;
        let Some(current) = conflict.current.take() else {
            return Err("the row was deleted meanwhile".into());
        };
        println!("409     version {} is {} by now", base["version"], current["version"]);
        // Older than the server's log it has no base; this program has kept what it read.
        yours = merge(&conflict.base.unwrap_or(base), &current, conflict.yours)?;
        base = current;
        tokio::time::sleep(pause(attempt)).await;
    }
    Err(format!("somebody else was faster {TRIES} times").into())
}

/// Our changes, where the others left those columns alone or set them to the same.
fn merge(base: &Row, current: &Row, yours: Row) -> Result<Row, Box<dyn Error>> {
    for (column, value) in &yours {
        if current.get(column) != base.get(column) && current.get(column) != Some(value) {
            let theirs = current.get(column).unwrap_or(&Value::Null);
            return Err(
                format!("both changed {column}: it is {theirs} now, and {value} was to be written").into()
            );
        }
    }
    Ok(yours)
}

/// Longer after each failure, and at random, so that two programs do not run into each other for ever.
fn pause(attempt: u32) -> Duration {
    Duration::from_millis(rand::random_range(1..=20 * u64::from(attempt)))
}

/// `COLUMN=JSON`; what is no JSON is text.
fn change(text: &str) -> Result<(String, Value), Box<dyn Error>> {
    let (column, value) = text.split_once('=').ok_or_else(usage)?;
    Ok((column.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

fn usage() -> Box<dyn Error> {
    "usage: retry CHANNEL ID COLUMN=VALUE...   (a VALUE is JSON, or else text)".into()
}

impl Place {
    fn of(channel: &str, id: &str) -> Result<Self, Box<dyn Error>> {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let base = set("ROWBELL_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
        let mut url = Url::parse(&base).map_err(|error| format!("ROWBELL_URL: {base}: {error}"))?;
        // Percent-encodes what an id may hold.
        url.path_segments_mut()
            .map_err(|()| "ROWBELL_URL is no http URL")?
            .pop_if_empty()
            .extend(["api", channel, id]);
        Ok(Self { http: Client::new(), url, token: set("ROWBELL_TOKEN") })
    }

    fn request(&self, method: Method) -> RequestBuilder {
        let request = self.http.request(method, self.url.clone());
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }
}

/// The answer, or what the server says is wrong.
async fn told(answer: Response) -> Result<Response, Box<dyn Error>> {
    let status = answer.status();
    if status.is_success() {
        return Ok(answer);
    }
    let problem: Value = answer.json().await.unwrap_or_default();
    Err(format!("{status}: {}", problem["detail"].as_str().unwrap_or_default()).into())
}
