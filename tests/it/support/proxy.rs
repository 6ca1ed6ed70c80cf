//! A network that misbehaves on command, between a client and a server.
//!
//! ```text
//! let proxy = Proxy::to(server).await;
//! proxy.cut();                      every connection ends at once
//! proxy.refuse(); proxy.accept();   new connections end at once, and no longer
//! proxy.swallow();                  connections stay open and nothing passes any more: half-open
//! proxy.delay(Duration);            every chunk comes later
//! proxy.cut_after(bytes);           the next connection ends after so many bytes from the server
//! proxy.lead_to(server);            new connections go elsewhere
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A relay whose connections live until it is dropped.
pub struct Proxy {
    /// Where clients connect.
    pub address: SocketAddr,
    weather: watch::Sender<Weather>,
    bytes: Arc<AtomicUsize>,
    _stop: DropGuard,
}

#[derive(Debug, Clone)]
struct Weather {
    target: SocketAddr,
    refusing: bool,
    delay: Duration,
    /// Of the next connection.
    cut_after: Option<usize>,
    /// Connections of earlier storms are over.
    cuts: usize,
    /// Nothing passes on connections of earlier silences.
    silences: usize,
}

/// One connection: what it was made under, and what is happening now.
#[derive(Clone)]
struct Relay {
    made: Weather,
    now: watch::Receiver<Weather>,
    bytes: Arc<AtomicUsize>,
}

impl Proxy {
    /// A relay to an address, in fair weather.
    pub async fn to(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it has an address");
        let fair =
            Weather { target, refusing: false, delay: Duration::ZERO, cut_after: None, cuts: 0, silences: 0 };
        let (weather, now) = watch::channel(fair);
        let (bytes, stop) = (Arc::new(AtomicUsize::new(0)), CancellationToken::new());
        let (tx, shared) = (weather.clone(), Arc::clone(&bytes));
        let accepting = async move {
            while let Ok((client, _)) = listener.accept().await {
                let made = tx.borrow().clone();
                tx.send_modify(|weather| weather.cut_after = None);
                let relay = Relay { made, now: now.clone(), bytes: Arc::clone(&shared) };
                tokio::spawn(relay.run(client));
            }
        };
        tokio::spawn(stop.clone().run_until_cancelled_owned(accepting));
        Self { address, weather, bytes, _stop: stop.drop_guard() }
    }

    /// The base URL of a client.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Ends every connection at once; new ones are made as before.
    pub fn cut(&self) {
        self.weather.send_modify(|weather| weather.cuts += 1);
    }

    /// Accepts new connections and ends them at once.
    pub fn refuse(&self) {
        self.weather.send_modify(|weather| weather.refusing = true);
    }

    /// Relays new connections again.
    pub fn accept(&self) {
        self.weather.send_modify(|weather| weather.refusing = false);
    }

    /// From now on nothing passes on the connections there are, which stay open: bytes are read and forgotten.
    pub fn swallow(&self) {
        self.weather.send_modify(|weather| weather.silences += 1);
    }

    /// Holds back every chunk, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.weather.send_modify(|weather| weather.delay = delay);
    }

    /// Ends the next connection once so many bytes came from the server.
    pub fn cut_after(&self, bytes: usize) {
        self.weather.send_modify(|weather| weather.cut_after = Some(bytes));
    }

    /// Relays new connections to another address.
    pub fn lead_to(&self, target: SocketAddr) {
        self.weather.send_modify(|weather| weather.target = target);
    }

    /// Bytes that reached clients so far.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Relay {
    async fn run(self, client: TcpStream) {
        if self.made.refusing {
            return;
        }
        let Ok(server) = TcpStream::connect(self.made.target).await else { return };
        for stream in [&client, &server] {
            stream.set_nodelay(true).expect("set");
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let mut now = self.now.clone();
        let cuts = self.made.cuts;
        let there = self.clone().pass(from_client, to_server, None);
        let back = self.clone().pass(from_server, to_client, self.made.cut_after);
        tokio::select! {
            () = there => {}
            () = back => {}
            _ = now.wait_for(|weather| weather.cuts != cuts) => {}
        }
    }

    /// Passes on what comes until an end is over; `limit` bytes at most.
    async fn pass(self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf, limit: Option<usize>) {
        let to_client = to.peer_addr().ok() != Some(self.made.target);
        let mut buffer = vec![0; 16 * 1024];
        let mut left = limit.unwrap_or(usize::MAX);
        while left > 0 {
            let read = from.read(&mut buffer).await.unwrap_or(0);
            let weather = self.now.borrow().clone();
            match (weather.silences != self.made.silences, read) {
                // Nor does an end reach the other side.
                (true, 0) => return std::future::pending().await,
                (true, _) => continue,
                (false, 0) => return,
                (false, _) => {}
            }
            if !weather.delay.is_zero() {
                tokio::time::sleep(weather.delay).await;
            }
            let length = read.min(left);
            left -= length;
            if to.write_all(&buffer[..length]).await.is_err() {
                return;
            }
            if to_client {
                self.bytes.fetch_add(length, Ordering::Relaxed);
            }
        }
    }
}
