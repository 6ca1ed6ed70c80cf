//! Nchan: the fan-out module of nginx, as Debian packs it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// The command that runs it on a free port, and where; none where it is not installed.
pub fn command(directory: &Path) -> Option<(Command, SocketAddr)> {
    if !Path::new(MODULE).exists() {
        println!("(no Nchan: apt-get install nginx-light libnginx-mod-nchan)");
        return None;
    }
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    let home = directory.join("nchan");
    std::fs::create_dir_all(&home).expect("a directory");
    let configuration = format!(
        "load_module {MODULE};\nuser root;\nworker_processes 1;\ndaemon off;\npid {home}/pid;\nerror_log {home}/error.log;\n\
         events {{ worker_connections 8192; }}\n\
         http {{\n access_log off; client_body_temp_path {home}/a; proxy_temp_path {home}/b; fastcgi_temp_path {home}/c;\n \
         uwsgi_temp_path {home}/d; scgi_temp_path {home}/e;\n \
         server {{ listen {address};\n  keepalive_requests 1000000;\n  location = /publish {{ nchan_publisher; nchan_channel_id feed; nchan_message_buffer_length 64; }}\n  \
         location = /feed {{ nchan_subscriber websocket; nchan_channel_id feed; nchan_subscriber_first_message newest; }}\n }}\n}}\n",
        home = home.display()
    );
    let file = home.join("nginx.conf");
    std::fs::write(&file, configuration).expect("a file");
    let mut command = Command::new("nginx");
    command.arg("-c").arg(file);
    Some((command, address))
}

/// Publishes one message and waits for the answer.
pub async fn publish(tcp: &mut TcpStream, bytes: usize) {
    let request = format!(
        "POST /publish HTTP/1.1\r\nHost: localhost\r\nContent-Length: {bytes}\r\n\r\n{}",
        super::payload(bytes)
    );
    tcp.write_all(request.as_bytes()).await.expect("is sent");
    let mut answer = [0; 1024];
    // Head and body of its answer are one packet.
    let read = tcp.read(&mut answer).await.expect("an answer");
    assert!(answer[..read].starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&answer[..read]));
}
