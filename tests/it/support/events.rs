//! A client of server-sent events that does what a browser's `EventSource` does.

use std::panic::Location;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Client, Response};
use serde_json::Value;

use super::soon_at;

/// One event.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    pub kind: String,
    pub data: String,
    /// The last id at that moment, which is the event's own or an earlier one.
    pub last_id: String,
}

impl Event {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.data).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Comes back by itself with the last id, until an answer is no stream of events.
pub struct EventSource {
    pub url: String,
    pub last_id: String,
    /// What the server last said about when to come back; a test does not wait that long.
    pub retry: Option<u64>,
    /// Comment lines so far.
    pub comments: usize,
    /// Answers so far.
    pub answers: usize,
    /// The status of the last answer.
    pub status: u16,
    client: Client,
    reply: Option<Response>,
    /// Bytes without an end of line yet, and the fields of the event they belong to.
    rest: Vec<u8>,
    kind: String,
    data: Vec<String>,
    id: Option<String>,
    ready: std::collections::VecDeque<Event>,
}

impl EventSource {
    pub fn new(url: String) -> Self {
        let client = Client::builder().pool_max_idle_per_host(0).build().expect("a client");
        Self {
            url,
            last_id: String::new(),
            retry: None,
            comments: 0,
            answers: 0,
            status: 0,
            client,
            reply: None,
            rest: Vec::new(),
            kind: String::new(),
            data: Vec::new(),
            id: None,
            ready: std::collections::VecDeque::new(),
        }
    }

    /// The next event; none when the source has closed, which it does at an answer that is no stream.
    #[track_caller]
    pub fn next(&mut self) -> impl Future<Output = Option<Event>> {
        let line = Location::caller();
        soon_at(line, async {
            loop {
                if let Some(event) = self.ready.pop_front() {
                    return Some(event);
                }
                if self.reply.is_none() && !self.connect().await {
                    return None;
                }
                self.read().await;
            }
        })
    }

    /// The next event of a kind that must come now.
    #[track_caller]
    pub fn expect(&mut self, kind: &str) -> impl Future<Output = Event> {
        let (line, next) = (Location::caller(), self.next());
        async move {
            let event = next.await.unwrap_or_else(|| panic!("closed at {line}"));
            assert_eq!(event.kind, kind, "{event:?} at {line}");
            event
        }
    }

    /// What a network does in the middle of anything. What was read of an event without its end is lost.
    pub fn cut(&mut self) {
        self.reply = None;
        self.forget_what_began();
    }

    /// Reads what has come, without waiting for a whole event.
    pub async fn read(&mut self) {
        let Some(reply) = &mut self.reply else { return };
        match reply.chunk().await {
            Ok(Some(bytes)) => self.take(&bytes),
            Ok(None) | Err(_) => self.cut(),
        }
    }

    async fn connect(&mut self) -> bool {
        loop {
            let mut request = self.client.get(&self.url).header(ACCEPT, "text/event-stream");
            if !self.last_id.is_empty() {
                request = request.header("Last-Event-ID", &self.last_id);
            }
            let Ok(reply) = request.send().await else {
                tokio::time::sleep(Duration::from_millis(20)).await;
                continue;
            };
            self.answers += 1;
            self.status = reply.status().as_u16();
            let events = reply.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "text/event-stream");
            self.reply = Some(reply).filter(|_| self.status == 200 && events);
            return self.reply.is_some();
        }
    }

    fn forget_what_began(&mut self) {
        self.rest.clear();
        self.kind.clear();
        self.data.clear();
        self.id = None;
    }

    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            // The server ends lines with a line feed alone; a carriage return would be data that went wrong.
            assert_ne!(*byte, b'\r');
            match byte {
                b'\n' => self.line(),
                _ => self.rest.push(*byte),
            }
        }
    }

    fn line(&mut self) {
        let line = String::from_utf8(std::mem::take(&mut self.rest)).expect("UTF-8");
        if line.is_empty() {
            return self.dispatch();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => self.comments += 1,
            "event" => self.kind = value.to_owned(),
            "data" => self.data.push(value.to_owned()),
            "id" => self.id = Some(value.to_owned()),
            "retry" => self.retry = Some(value.parse().expect("milliseconds")),
            other => panic!("no field of events: {other}"),
        }
    }

    fn dispatch(&mut self) {
        self.last_id = self.id.take().unwrap_or_else(|| self.last_id.clone());
        let (kind, data) = (std::mem::take(&mut self.kind), std::mem::take(&mut self.data));
        if !data.is_empty() {
            self.ready.push_back(Event { kind, data: data.join("\n"), last_id: self.last_id.clone() });
        }
    }
}
