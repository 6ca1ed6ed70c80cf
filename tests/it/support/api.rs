//! A node of the test's own database, and a client that speaks REST to it.

use std::net::SocketAddr;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use rowbell::server;
use rowbell::words::{FeedConfig, KeeperConfig, RestConfig, ServeConfig};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::soon;

/// A running node.
pub struct Api {
    pub address: SocketAddr,
    client: Client,
    _stop: DropGuard,
}

/// What a request was answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Api {
    /// A node that nobody has asked for anything special.
    pub async fn on(url: &str) -> Self {
        Self::with(url, |_| {}).await
    }

    /// A node whose configuration the test changes first.
    pub async fn with(url: &str, change: impl FnOnce(&mut ServeConfig)) -> Self {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = tcp.local_addr().expect("it has an address");
        let mut config = ServeConfig {
            database_url: url.to_owned(),
            listen_url: None,
            address,
            token: None,
            allow_origin: Vec::new(),
            feed: FeedConfig::default(),
            rest: RestConfig::default(),
            keeper: KeeperConfig::default(),
        };
        change(&mut config);
        let server = server::Server::prepare(config).await.expect("the database is fit");
        let stop = CancellationToken::new();
        tokio::spawn(server.serve(tcp, stop.clone()));
        Self { address, client: Client::new(), _stop: stop.drop_guard() }
    }

    /// Any request; a body is sent as JSON unless a header says otherwise.
    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&str>,
    ) -> impl Future<Output = Answer> + use<> {
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let mut request = self.client.request(method, format!("http://{}{path}", self.address));
        let mut all = HeaderMap::new();
        if let Some(body) = body {
            request = request.body(body.to_owned());
            all.insert("content-type", HeaderValue::from_static("application/json"));
        }
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).expect("a header");
            all.insert(name, HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        soon(async {
            let reply = request.headers(all).send().await.expect("an answer");
            let (status, headers) = (reply.status().as_u16(), reply.headers().clone());
            Answer { status, headers, text: reply.text().await.expect("a body") }
        })
    }

    #[track_caller]
    pub fn get(&self, path: &str) -> impl Future<Output = Answer> + use<> {
        self.send("GET", path, &[], None)
    }

    #[track_caller]
    pub fn post(&self, path: &str, body: &Value) -> impl Future<Output = Answer> + use<> {
        self.send("POST", path, &[], Some(&body.to_string()))
    }

    /// A write that names the version it is based on.
    #[track_caller]
    pub fn at(
        &self,
        version: i64,
        method: &str,
        path: &str,
        body: &Value,
    ) -> impl Future<Output = Answer> + use<> {
        self.send(method, path, &[("If-Match", &format!("\"{version}\""))], Some(&body.to_string()))
    }
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same answer, if it has that status.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }

    /// The code of a problem with that status.
    #[track_caller]
    pub fn problem(&self, status: u16) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.header("content-type"), "application/problem+json");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["type"], format!("/errors/{}", body["code"].as_str().expect("a code")));
        assert!(!body["title"].as_str().expect("a title").is_empty());
        assert!(!body["detail"].as_str().expect("a detail").is_empty());
        body["code"].as_str().expect("a code").to_owned()
    }

    /// A header's text, empty where it is absent.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The version in `ETag`.
    #[track_caller]
    pub fn version(&self) -> i64 {
        let tag = self.header("etag").trim_matches('"');
        tag.parse().unwrap_or_else(|_| panic!("no version: {self:?}"))
    }
}
