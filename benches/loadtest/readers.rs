//! Subscribers: many plain sockets that speak just enough WebSocket.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use std::future::poll_fn;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::timeout;

const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];

thread_local! {
    /// All readers are on one thread and read one after the other.
    static SCRATCH: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// One WebSocket.
pub struct Socket {
    tcp: TcpStream,
    /// The beginning of a frame that is not whole.
    rest: Vec<u8>,
}

impl Socket {
    /// Connects and upgrades.
    pub async fn open(address: SocketAddr, path: &str) -> Self {
        let mut tcp = TcpStream::connect(address).await.expect("connects");
        tcp.set_nodelay(true).expect("is set");
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        tcp.write_all(request.as_bytes()).await.expect("is sent");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tcp.read_u8().await.expect("an answer"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Self { tcp, rest: Vec::new() }
    }

    /// The same, up to `subscribed`.
    pub async fn subscribe(address: SocketAddr, topic: &str) -> Self {
        Self::from(address, topic, None).await
    }

    /// From a cursor on.
    pub async fn from(address: SocketAddr, topic: &str, since: Option<&str>) -> Self {
        let query = since.map(|cursor| format!("?since={cursor}")).unwrap_or_default();
        let mut socket = Self::open(address, &format!("/feed/{topic}{query}")).await;
        let mut subscribed = false;
        while !subscribed {
            socket.read(|frame| subscribed |= holds(frame, b"\"subscribed\"")).await;
        }
        socket
    }

    /// Waits for bytes; hands over the payloads of all frames that are whole by now.
    pub async fn read(&mut self, mut each: impl FnMut(&[u8])) {
        let mut pings = false;
        poll_fn(|context| {
            SCRATCH.with_borrow_mut(|scratch| {
                let mut read = ReadBuf::new(scratch);
                match Pin::new(&mut self.tcp).poll_read(context, &mut read) {
                    Poll::Ready(result) => result.expect("reads"),
                    Poll::Pending => return Poll::Pending,
                }
                assert!(!read.filled().is_empty(), "the server hung up");
                let used = if self.rest.is_empty() {
                    let used = frames(read.filled(), &mut pings, &mut each);
                    self.rest.extend_from_slice(&read.filled()[used..]);
                    0
                } else {
                    self.rest.extend_from_slice(read.filled());
                    frames(&self.rest, &mut pings, &mut each)
                };
                self.rest.drain(..used);
                Poll::Ready(())
            })
        })
        .await;
        if pings {
            self.tcp.write_all(&PONG).await.expect("answers");
        }
    }
}

/// How long the whole frames at the beginning are.
fn frames(bytes: &[u8], pings: &mut bool, each: &mut impl FnMut(&[u8])) -> usize {
    let mut at = 0;
    while let Some((header, payload)) = length(&bytes[at..]) {
        let Some(frame) = bytes.get(at + header..at + header + payload) else { break };
        match bytes[at] & 0x0f {
            9 => *pings = true,
            8 => panic!("the server closed the session: {frame:?}"),
            _ => each(frame),
        }
        at += header + payload;
    }
    at
}

fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    match bytes.get(1)? {
        126 => Some((4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?)))),
        127 => Some((10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize)),
        short => Some((2, usize::from(*short))),
    }
}

fn holds(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// Every `"k":` of a frame.
pub fn each_k(frame: &[u8], mut told: impl FnMut(usize)) {
    let mut at = 0;
    while let Some(found) = frame[at..].iter().position(|byte| *byte == b'k') {
        at += found + 1;
        if at < 2 || frame[at - 2] != b'"' || frame.get(at..at + 2) != Some(b"\":") {
            continue;
        }
        let digits =
            frame[at + 2..].iter().skip_while(|byte| **byte == b' ').take_while(|byte| byte.is_ascii_digit());
        told(digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0')));
    }
}

/// Subscribers that read on tasks of their own, until dropped.
#[derive(Default)]
pub struct Crowd {
    tasks: Vec<AbortHandle>,
    pub counts: Rc<Counts>,
}

/// What a crowd has seen.
#[derive(Default)]
pub struct Counts {
    pub frames: Cell<usize>,
    /// Writes, over all subscribers; only where they look into frames.
    pub writes: Cell<usize>,
    /// Which write arrived when; only where they note that.
    pub arrivals: RefCell<Vec<(usize, Instant)>>,
}

/// How closely a crowd looks at what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    Frames,
    Writes,
    Arrivals,
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

impl Crowd {
    /// Lets a socket join.
    pub fn join(&mut self, mut socket: Socket, look: Look) {
        let counts = Rc::clone(&self.counts);
        let task = spawn_local(async move {
            loop {
                socket.read(|frame| counts.note(frame, look)).await;
            }
        });
        self.tasks.push(task.abort_handle());
    }

    /// That many on a topic of Rowbell.
    pub async fn subscribed(address: SocketAddr, topic: &str, count: usize, look: Look) -> Self {
        let mut crowd = Self::default();
        for _ in 0..count {
            crowd.join(Socket::subscribe(address, topic).await, look);
        }
        crowd
    }

    /// That many on a rival that tells nothing at first.
    pub async fn connected(address: SocketAddr, path: &str, count: usize, look: Look) -> Self {
        let mut crowd = Self::default();
        for _ in 0..count {
            crowd.join(Socket::open(address, path).await, look);
        }
        crowd
    }
}

impl Counts {
    fn note(&self, frame: &[u8], look: Look) {
        self.frames.set(self.frames.get() + 1);
        match look {
            Look::Frames => {}
            Look::Writes => each_k(frame, |_| self.writes.set(self.writes.get() + 1)),
            Look::Arrivals => {
                let now = Instant::now();
                each_k(frame, |k| {
                    self.writes.set(self.writes.get() + 1);
                    self.arrivals.borrow_mut().push((k, now));
                });
            }
        }
    }

    /// Waits until there are that many of `what`; false where they do not come.
    pub async fn reach(&self, what: &Cell<usize>, count: usize, patience: Duration) -> bool {
        let all = async {
            while what.get() < count {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(patience, all).await.is_ok()
    }
}
