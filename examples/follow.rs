//! Follows a channel: its rows by REST, then every change by WebSocket, across restarts of either side.
//!
//!     cargo run --example follow -- clients
//!     cargo run --example follow -- orders orders.json
//!
//! Rows and cursor are kept together in one file (`CHANNEL.json` unless named), which is replaced as a whole after each
//! frame. Whatever ends this program, the next run continues there: no change is lost, none is applied twice.
//! `ROWBELL_URL` is the server, http://127.0.0.1:8080 if unset; `ROWBELL_TOKEN` its token, if it wants one.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use futures::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// The column that is the key, by which a long list is read page by page.
const KEY: &str = "id";
/// Rows of a page. A server gives up to 10,000 at once, and up to 64 MiB.
const PAGE: usize = 1000;
/// Silence after which a connection counts as dead. The server pings every 25 seconds.
const SILENCE: Duration = Duration::from_secs(60);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Why following ended.
enum End {
    /// Trying again may help.
    Passing(String),
    /// It will not: the request, or this program, has to change.
    Final(String),
}

/// What is kept: rows by id, and the position in the feed they are of.
#[derive(Serialize, Deserialize, Default)]
struct State {
    cursor: Option<String>,
    rows: BTreeMap<String, Value>,
}

/// What is followed, and where its state is kept.
struct Follower {
    url: String,
    token: Option<String>,
    channel: String,
    file: PathBuf,
    http: reqwest::Client,
    state: State,
    /// Tries since a subscription was last held.
    tries: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("follow: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let Some(channel) = arguments.next().filter(|channel| !channel.starts_with('-')) else {
        return Err("usage: follow CHANNEL [FILE]".into());
    };
    let file = PathBuf::from(arguments.next().unwrap_or_else(|| format!("{channel}.json")));
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let url = set("ROWBELL_URL").unwrap_or_else(|| "http://127.0.0.1:8080".to_owned());
    let state = read_state(&file)?;
    if state.cursor.is_some() {
        println!("resume    {} rows", state.rows.len());
    }
    let http = reqwest::Client::builder().timeout(SILENCE).build()?;
    let url = url.trim_end_matches('/').to_owned();
    let mut follower = Follower { url, token: set("ROWBELL_TOKEN"), channel, file, http, state, tries: 0 };
    loop {
        match follower.follow().await {
            Ok(()) => {}
            Err(End::Passing(why)) => eprintln!("follow: {why}; trying again"),
            Err(End::Final(why)) => return Err(why.into()),
        }
        sleep(pause(follower.tries)).await;
        follower.tries += 1;
    }
}

/// At random, so that many clients of a server that restarts do not come back at the same moment.
fn pause(tries: u32) -> Duration {
    let longest = LONGEST_PAUSE.min(Duration::from_millis(250) * 2u32.saturating_pow(tries.min(10)));
    longest.mul_f64(rand::random_range(0.1..1.0))
}

fn read_state(file: &PathBuf) -> Result<State, Box<dyn Error>> {
    match fs::read(file) {
        Ok(bytes) => {
            Ok(serde_json::from_slice(&bytes).map_err(|error| format!("{}: {error}", file.display()))?)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(State::default()),
        Err(error) => Err(format!("{}: {error}", file.display()).into()),
    }
}

impl Follower {
    /// One connection, from the list (where there is no cursor yet) to the end of the subscription.
    async fn follow(&mut self) -> Result<(), End> {
        if self.state.cursor.is_none() {
            self.state = self.list().await?;
            self.store()?;
            println!("list      {} rows", self.state.rows.len());
        }
        let mut socket = self.connect().await?;
        // Parts of a frame count only together with the last one, which carries the cursor.
        let mut changes = Vec::new();
        loop {
            let mut frame = receive(&mut socket).await?;
            match frame["type"].as_str().unwrap_or_default() {
                "subscribed" => {
                    self.tries = 0;
                    println!("following {}", self.channel);
                }
                "commits" => {
                    for commit in frame["commits"].as_array_mut().into_iter().flatten() {
                        changes
                            .extend(commit["changes"].as_array_mut().map(std::mem::take).unwrap_or_default());
                    }
                    if let Some(cursor) = frame["cursor"].as_str() {
                        self.apply(std::mem::take(&mut changes), cursor).await?;
                    }
                }
                // The rows kept no longer lead to what comes, so they are read anew.
                "reset" => {
                    println!("reset     {}", frame["reason"].as_str().unwrap_or_default());
                    self.state.cursor = None;
                    return Ok(());
                }
                "unsubscribed" => {
                    return Err(End::Final(format!("{} is not watched any more", self.channel)));
                }
                "error" => return Err(refused(&frame)),
                // Frames of later versions.
                _ => {}
            }
        }
    }

    /// Applies the changes of one frame, stores the result with its cursor, then says what happened.
    async fn apply(&mut self, changes: Vec<Value>, cursor: &str) -> Result<(), End> {
        let mut said = Vec::new();
        for change in changes {
            let (op, id) = (&change["op"], change["id"].as_str().unwrap_or_default());
            match op.as_str().unwrap_or_default() {
                "delete" => drop(self.state.rows.remove(id)),
                "truncate" => self.state.rows.clear(),
                // Rows over 1 MiB come without themselves. Read a moment later, one may be newer than this change
                // or gone; the changes in between follow and lead to the same.
                "insert" | "update" if change["too_large"] == true => match self.row(id).await? {
                    Some(row) => drop(self.state.rows.insert(id.to_owned(), row)),
                    None => drop(self.state.rows.remove(id)),
                },
                "insert" | "update" => drop(self.state.rows.insert(id.to_owned(), change["row"].clone())),
                other => return Err(End::Final(format!("this program does not know the change {other:?}"))),
            }
            let op = op.as_str().unwrap_or_default();
            said.push(match change.get("row").filter(|row| !row.is_null()) {
                Some(row) => format!("{op:9} {id} {row}"),
                None => format!("{op:9} {id}"),
            });
        }
        self.state.cursor = Some(cursor.to_owned());
        self.store()?;
        for line in said {
            println!("{line}");
        }
        Ok(())
    }

    /// All rows. Pages are taken by key, not by offset: rows made or deleted between two pages would shift it. The
    /// cursor is the first page's; what changed since then comes by the feed.
    async fn list(&self) -> Result<State, End> {
        let mut state = State::default();
        let mut query = vec![("order", KEY.to_owned()), ("limit", PAGE.to_string())];
        loop {
            let answer = self.get(&[], &query).await?;
            let cursor = answer.headers().get("rowbell-cursor").and_then(|value| value.to_str().ok());
            state.cursor = state.cursor.or(cursor.map(str::to_owned));
            let rows: Vec<Value> = answer.json().await.map_err(broken)?;
            let (count, mut last) = (rows.len(), String::new());
            for row in rows {
                let Some(id) = row.get(KEY).map(text) else {
                    return Err(End::Final(format!("rows of {} have no column {KEY}", self.channel)));
                };
                last.clone_from(&id);
                state.rows.insert(id, row);
            }
            if count < PAGE {
                return Ok(state);
            }
            query.truncate(2);
            query.push((KEY, format!("gt.{last}")));
        }
    }

    /// One row; none where there is none any more.
    async fn row(&self, id: &str) -> Result<Option<Value>, End> {
        let answer = self.get(&[id], &[]).await?;
        if answer.status() == 404 {
            return Ok(None);
        }
        answer.json().await.map(Some).map_err(broken)
    }

    /// Reads below `/api/CHANNEL`. 404 is an answer where a row was asked for.
    async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<reqwest::Response, End> {
        let base = format!("{}/api/{}", self.url, self.channel);
        let mut url = reqwest::Url::parse(&base).map_err(|error| End::Final(format!("{base}: {error}")))?;
        if let Ok(mut parts) = url.path_segments_mut() {
            // Percent-encodes what an id may hold.
            parts.extend(path);
        }
        let mut request = self.http.get(url).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(broken)?;
        let status = answer.status();
        if status.is_success() || (status == 404 && !path.is_empty()) {
            return Ok(answer);
        }
        let told = answer.json::<Value>().await.unwrap_or_default();
        let why = format!("{base}: {status}: {}", told["detail"].as_str().unwrap_or_default());
        let passing = status.is_server_error() || status == 429;
        Err(if passing { End::Passing(why) } else { End::Final(why) })
    }

    async fn connect(&self) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, End> {
        let url = format!(
            "{}/feed/{}?since={}",
            self.url.replacen("http", "ws", 1),
            self.channel,
            self.state.cursor.as_deref().unwrap_or_default()
        );
        let mut request = url.into_client_request().map_err(|error| End::Final(error.to_string()))?;
        if let Some(token) = &self.token {
            let value =
                format!("Bearer {token}").parse().map_err(|_| End::Final("a token is ASCII".to_owned()))?;
            request.headers_mut().insert("authorization", value);
        }
        let told = |error: &tungstenite::Error| format!("{}: {error}", self.url);
        match timeout(SILENCE, connect_async(request)).await {
            Ok(Ok((socket, _))) => Ok(socket),
            Ok(Err(error)) => Err(match &error {
                tungstenite::Error::Http(answer) if answer.status().is_client_error() => {
                    End::Final(told(&error))
                }
                tungstenite::Error::Url(_) => End::Final(told(&error)),
                _ => End::Passing(told(&error)),
            }),
            Err(_) => Err(End::Passing(format!("{}: no answer", self.url))),
        }
    }

    /// Replaces the file as a whole: whoever reads it, and whenever, finds rows and a cursor that belong together.
    ///
    /// A program with more rows would write both in one transaction of its own database.
    fn store(&self) -> Result<(), End> {
        let mut beside = self.file.clone().into_os_string();
        beside.push(".new");
        let written = || -> Result<(), Box<dyn Error>> {
            let mut file = File::create(&beside)?;
            file.write_all(&serde_json::to_vec(&self.state)?)?;
            file.sync_all()?;
            Ok(fs::rename(&beside, &self.file)?)
        };
        written().map_err(|error| End::Final(format!("could not write {}: {error}", self.file.display())))
    }
}

/// The next frame. Pings are answered by the library; they show that the other side is alive.
async fn receive(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Result<Value, End> {
    loop {
        match timeout(SILENCE, socket.next()).await {
            Err(_) => return Err(End::Passing("the server is silent".to_owned())),
            Ok(Some(Ok(Message::Text(text)))) => {
                return serde_json::from_str(&text).map_err(|error| End::Final(format!("{error}: {text}")));
            }
            Ok(Some(Ok(Message::Close(close)))) => return Err(closed(close)),
            Ok(Some(Ok(_))) => {}
            Ok(Some(Err(error))) => return Err(End::Passing(error.to_string())),
            Ok(None) => return Err(End::Passing("the connection ended".to_owned())),
        }
    }
}

fn closed(close: Option<CloseFrame>) -> End {
    let Some(close) = close else { return End::Passing("the connection was closed".to_owned()) };
    let (code, why) = (u16::from(close.code), format!("closed with {}: {}", close.code, close.reason));
    if [1001, 1006, 1011, 4408, 4410, 4429, 4500].contains(&code) {
        End::Passing(why)
    } else {
        End::Final(why)
    }
}

fn refused(frame: &Value) -> End {
    let code = frame["code"].as_str().unwrap_or_default();
    let why = format!("{code}: {}", frame["message"].as_str().unwrap_or_default());
    if ["database_unavailable", "too_many_requests"].contains(&code) {
        End::Passing(why)
    } else {
        End::Final(why)
    }
}

fn broken(error: reqwest::Error) -> End {
    // The error says to which request it happened, the innermost source what.
    let mut source: &dyn Error = &error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    End::Passing(format!("{error}: {source}"))
}

/// A key as the feed writes it: text without its quotes.
fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
