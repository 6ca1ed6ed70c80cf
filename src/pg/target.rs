//! The hosts of one connection string, each with its own port.

use std::fmt;
use std::net::IpAddr;
use std::path::Path;

use tokio_postgres::Config;

use super::conninfo::{Conninfo, wrong};
use crate::words::Result;

const PORT: u16 = 5432;

/// Where libpq on Debian looks for a socket when no host is given, and where PostgreSQL's own builds put it.
const SOCKET_DIRECTORIES: [&str; 2] = ["/var/run/postgresql", "/tmp"];

/// One place to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// A name, an address, or the directory of a socket.
    host: String,
    /// Spares looking up the name, which is then only used to verify the certificate.
    address: Option<IpAddr>,
    port: u16,
}

/// Takes `host`, `hostaddr` and `port` out of the connection string.
pub(super) fn targets(words: &mut Conninfo) -> Result<Vec<Target>> {
    let list = |value: Option<String>| -> Vec<String> {
        value.map(|value| value.split(',').map(|part| part.trim().to_owned()).collect()).unwrap_or_default()
    };
    let (hosts, addresses, ports) =
        (list(words.take("host")), list(words.take("hostaddr")), list(words.take("port")));
    let count = hosts.len().max(addresses.len()).max(1);
    let fits =
        |length: usize, may_be_one: bool| length == 0 || length == count || (may_be_one && length == 1);
    if !fits(hosts.len(), false) || !fits(addresses.len(), false) || !fits(ports.len(), true) {
        return Err(wrong("host, hostaddr and port have different numbers of parts"));
    }
    let part =
        |list: &[String], at: usize| list.get(at).or(list.first()).filter(|part| !part.is_empty()).cloned();
    (0..count)
        .map(|at| {
            let address = part(&addresses, at).map(|text| text.parse::<IpAddr>()).transpose();
            let address = address.map_err(|_| wrong("hostaddr is not an address"))?;
            let port = part(&ports, at).map(|text| text.parse::<u16>()).transpose();
            let port = port
                .ok()
                .filter(|port| *port != Some(0))
                .ok_or_else(|| wrong("port is not a port number"))?;
            let host = part(&hosts, at).or_else(|| address.map(|address| address.to_string()));
            Ok(Target { host: host.unwrap_or_else(default_host), address, port: port.unwrap_or(PORT) })
        })
        .collect()
}

fn default_host() -> String {
    let there = SOCKET_DIRECTORIES.iter().find(|directory| Path::new(directory).is_dir());
    (*there.unwrap_or(&SOCKET_DIRECTORIES[0])).to_owned()
}

impl Target {
    /// True for a socket of this machine, which never uses TLS.
    pub(super) fn is_socket(&self) -> bool {
        self.host.starts_with('/') && self.address.is_none()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host as a line of `.pgpass` names it.
    pub(super) fn passfile_host(&self) -> &str {
        if SOCKET_DIRECTORIES.contains(&self.host.as_str()) { "localhost" } else { &self.host }
    }

    /// `base` with this place in it.
    pub(super) fn config(&self, base: &Config) -> Config {
        let mut config = base.clone();
        config.host(&self.host).port(self.port);
        if let Some(address) = self.address {
            config.hostaddr(address);
        }
        config
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_socket() {
            // The brackets keep an IPv6 address apart from its port.
            return if self.host.contains(':') {
                write!(f, "[{}]:{}", self.host, self.port)
            } else {
                write!(f, "{}:{}", self.host, self.port)
            };
        }
        write!(f, "{}", self.host)?;
        if self.port != PORT {
            write!(f, " port {}", self.port)?;
        }
        write!(f, " (socket)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::conninfo::Surroundings;

    fn shown(text: &str) -> Result<Vec<String>> {
        let mut words = Conninfo::read(text, &Surroundings::default())?;
        Ok(targets(&mut words)?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn hosts_and_ports_go_together() {
        assert_eq!(shown("host=a,b port=1,2").expect("good"), ["a:1", "b:2"]);
        assert_eq!(shown("host=a,/run/x port=7").expect("good"), ["a:7", "/run/x port 7 (socket)"]);
        assert_eq!(shown("postgresql://[::1],b:9/x").expect("good"), ["[::1]:5432", "b:9"]);
        assert_eq!(shown("hostaddr=127.0.0.1").expect("good"), ["127.0.0.1:5432"]);
        assert!(shown("").expect("good")[0].ends_with("(socket)"));
        for text in
            ["host=a port=1,2", "host=a hostaddr=127.0.0.1,127.0.0.2", "port=x", "port=0", "hostaddr=db"]
        {
            assert!(shown(text).is_err(), "{text}");
        }
    }
}
