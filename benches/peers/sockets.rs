//! The floor of any fan-out: a loop that writes one pre-built frame to each of many plain sockets.
//!
//! A request to `/publish` makes a connection the publisher, and every byte on it one frame to all others.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub fn run(bytes: usize) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    println!("listening on {}", listener.local_addr().expect("an address"));
    let sockets = Arc::new(Mutex::new(Vec::new()));
    loop {
        let (mut tcp, _) = listener.accept().expect("a connection");
        tcp.set_nodelay(true).expect("is set");
        let path = answer(&mut tcp);
        if path.contains("/publish") {
            let (sockets, frame) = (Arc::clone(&sockets), frame(bytes));
            std::thread::spawn(move || publish(tcp, &sockets, &frame));
        } else {
            tcp.set_nonblocking(true).expect("is set");
            sockets.lock().expect("a lock").push(tcp);
        }
    }
}

/// Reads the request, says yes, and returns its first line.
fn answer(tcp: &mut TcpStream) -> String {
    let mut reader = BufReader::new(tcp.try_clone().expect("a handle"));
    let (mut first, mut line) = (String::new(), String::new());
    reader.read_line(&mut first).expect("a request");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
    }
    let key = derive_accept_key(b"dGhlIHNhbXBsZSBub25jZQ==");
    let reply = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {key}\r\n\r\n"
    );
    tcp.write_all(reply.as_bytes()).expect("is sent");
    first
}

fn frame(bytes: usize) -> Vec<u8> {
    let length = u16::try_from(bytes).expect("a short frame").to_be_bytes();
    let mut frame = vec![0x81, 126, length[0], length[1]];
    frame.extend_from_slice(super::payload(bytes).as_bytes());
    frame
}

fn publish(mut publisher: TcpStream, sockets: &Mutex<Vec<TcpStream>>, frame: &[u8]) {
    let mut wishes = [0; 1024];
    while let Ok(count @ 1..) = publisher.read(&mut wishes) {
        for _ in 0..count {
            for socket in &mut *sockets.lock().expect("a lock") {
                send(socket, frame);
            }
        }
    }
}

/// Whoever has room for none of a frame misses it; one that has begun is written to its end.
fn send(socket: &mut TcpStream, frame: &[u8]) {
    let mut rest = frame;
    while !rest.is_empty() {
        match socket.write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock && rest.len() < frame.len() => {}
            Err(_) => return,
        }
    }
}
