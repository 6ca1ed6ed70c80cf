//! A libpq connection string taken apart: a URL or `key=value` words, then the environment.
//!
//! `tokio_postgres` reads most keys, but not the ones that name certificates, so the string is split
//! here and only the rest is handed on.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use tokio_postgres::Config;

use crate::words::{Error, Result};

/// Which environment variable stands in for which key, as in libpq.
///
/// `PGHOSTADDR` and `PGOPTIONS` are left out: the first would turn the private PostgreSQL's socket into an
/// address, and poolers refuse the second.
const ENVIRONMENT: [(&str, &str); 14] = [
    ("PGHOST", "host"),
    ("PGPORT", "port"),
    ("PGDATABASE", "dbname"),
    ("PGUSER", "user"),
    ("PGPASSWORD", "password"),
    ("PGPASSFILE", "passfile"),
    ("PGSSLMODE", "sslmode"),
    ("PGSSLNEGOTIATION", "sslnegotiation"),
    ("PGSSLROOTCERT", "sslrootcert"),
    ("PGSSLCERT", "sslcert"),
    ("PGSSLKEY", "sslkey"),
    ("PGCONNECT_TIMEOUT", "connect_timeout"),
    ("PGTARGETSESSIONATTRS", "target_session_attrs"),
    ("PGCHANNELBINDING", "channel_binding"),
];

/// Keys libpq knows and that change nothing here, so that a working libpq string stays one.
const WITHOUT_EFFECT: [&str; 7] = [
    "fallback_application_name",
    "client_encoding",
    "sslcompression",
    "sslsni",
    "krbsrvname",
    "gsslib",
    "gssdelegation",
];

/// What a connection string is silent about is taken from here; tests make their own.
///
/// It may hold a password (`PGPASSWORD`), so it has no `Debug`.
#[derive(Clone, Default)]
pub struct Surroundings {
    /// The `PG…` environment variables.
    pub variables: HashMap<String, String>,
    /// The directory that holds `.pgpass` and `.postgresql/`.
    pub home: Option<PathBuf>,
    /// The operating system's name of the user running this, which is libpq's default database user.
    pub user: Option<String>,
}

impl Surroundings {
    /// Those of this process.
    pub fn of_process() -> Self {
        let variables =
            ENVIRONMENT.iter().filter_map(|(name, _)| Some(((*name).to_owned(), std::env::var(name).ok()?)));
        let account = nix::unistd::User::from_uid(nix::unistd::Uid::effective()).ok().flatten();
        let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        Self {
            variables: variables.collect(),
            home: home.or_else(|| account.as_ref().map(|account| account.dir.clone())),
            user: account.map(|account| account.name),
        }
    }
}

/// The keys and values of one connection string; a later key replaces an earlier one, an empty value is none.
pub(super) struct Conninfo(BTreeMap<String, String>);

impl Conninfo {
    /// Reads a URL or `key=value` words and fills what is missing from the surroundings.
    pub(super) fn read(text: &str, surroundings: &Surroundings) -> Result<Self> {
        let words = match text.strip_prefix("postgresql://").or_else(|| text.strip_prefix("postgres://")) {
            Some(rest) => url_words(rest)?,
            None if text.contains("://") => {
                return Err(wrong("it is a URL of something else"));
            }
            None => conninfo_words(text)?,
        };
        let mut keys: BTreeMap<_, _> = words.into_iter().collect();
        keys.retain(|key, value| !value.is_empty() && !WITHOUT_EFFECT.contains(&key.as_str()));
        for (name, key) in ENVIRONMENT {
            if let Some(value) = surroundings.variables.get(name).filter(|value| !value.is_empty()) {
                keys.entry(key.to_owned()).or_insert_with(|| value.clone());
            }
        }
        Ok(Self(keys))
    }

    /// Removes a key and returns its value.
    pub(super) fn take(&mut self, key: &str) -> Option<String> {
        self.0.remove(key)
    }

    /// Removes a key whose value is a whole number.
    pub(super) fn take_number(&mut self, key: &str) -> Result<Option<u64>> {
        let Some(value) = self.take(key) else { return Ok(None) };
        // libpq takes a negative timeout for none, as it does zero.
        if value.starts_with('-') {
            return Ok(Some(0));
        }
        value.trim().parse().map(Some).map_err(|_| wrong(&format!("{key} is not a whole number")))
    }

    /// Gives what was not taken to `tokio_postgres`.
    pub(super) fn into_config(self) -> Result<Config> {
        let quoted = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
        let words: Vec<_> = self.0.iter().map(|(key, value)| format!("{key}='{}'", quoted(value))).collect();
        words.join(" ").parse().map_err(|error: tokio_postgres::Error| match error.into_source() {
            Some(source) => wrong(&source.to_string()),
            None => wrong("a value is not understood"),
        })
    }
}

/// The error of a connection string; it never quotes the string, which may hold a password.
pub(super) fn wrong(why: &str) -> Error {
    Error::usage(format!("could not read the database URL: {why}")).with_hint(
        "write postgresql://user:password@host:5432/database, with %-codes for any of / ? # @ : % in the password",
    )
}

fn url_words(rest: &str) -> Result<Vec<(String, String)>> {
    let mut words = Vec::new();
    let mut rest = rest;
    // Like libpq, everything up to an `@` that comes before the first `/` is the user and password.
    if let Some(end) = rest.find(['@', '/']).filter(|end| rest[*end..].starts_with('@')) {
        let (user, password) = rest[..end].split_once(':').unwrap_or((&rest[..end], ""));
        words.push(("user".to_owned(), decoded(user)?));
        words.push(("password".to_owned(), decoded(password)?));
        rest = &rest[end + 1..];
    }
    let (place, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    // Such a string is most often a password with a bare `/` or `?` in it: name no part of it.
    if parameters.contains('@') || place.contains('@') {
        return Err(wrong("there is an @ after the host"));
    }
    let (hosts, database) = place.split_once('/').unwrap_or((place, ""));
    host_words(hosts, &mut words)?;
    words.push(("dbname".to_owned(), decoded(database)?));
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        let (key, value) = parameter.split_once('=').ok_or_else(|| wrong("a parameter has no ="))?;
        match (decoded(key)?, decoded(value)?) {
            // JDBC's spelling, which libpq takes too.
            (key, value) if key == "ssl" && value == "true" => {
                words.push(("sslmode".into(), "require".into()))
            }
            word => words.push(word),
        }
    }
    Ok(words)
}

fn host_words(hosts: &str, words: &mut Vec<(String, String)>) -> Result<()> {
    if hosts.is_empty() {
        return Ok(());
    }
    let (mut names, mut ports) = (Vec::new(), Vec::new());
    for chunk in hosts.split(',') {
        let (name, port) = match chunk.strip_prefix('[') {
            Some(inside) => {
                let (name, after) = inside.split_once(']').ok_or_else(|| wrong("a [ has no ]"))?;
                (name, after.strip_prefix(':').unwrap_or(after))
            }
            None => chunk.split_once(':').unwrap_or((chunk, "")),
        };
        names.push(decoded(name)?);
        ports.push(decoded(port)?);
    }
    words.push(("host".to_owned(), names.join(",")));
    if ports.iter().any(|port| !port.is_empty()) {
        words.push(("port".to_owned(), ports.join(",")));
    }
    Ok(())
}

fn decoded(text: &str) -> Result<String> {
    percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| wrong("a %-code is not UTF-8"))
}

fn conninfo_words(text: &str) -> Result<Vec<(String, String)>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) =
            rest.split_once('=').ok_or_else(|| wrong("it is neither a URL nor key=value words"))?;
        let (value, after) = conninfo_value(after.trim_start())?;
        words.push((key.trim_end().to_owned(), value));
        rest = after.trim_start();
    }
    Ok(words)
}

/// One value, in quotes or up to the next space, with backslashes undone, and what follows it.
fn conninfo_value(text: &str) -> Result<(String, &str)> {
    let quoted = text.starts_with('\'');
    let text = text.strip_prefix('\'').unwrap_or(text);
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            space if !quoted && space.is_whitespace() => return Ok((value, &text[at..])),
            other => value.push(other),
        }
    }
    if quoted { Err(wrong("a quote is not closed")) } else { Ok((value, "")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> BTreeMap<String, String> {
        Conninfo::read(text, &Surroundings::default()).expect("a good string").0
    }

    #[test]
    fn a_url_and_words_say_the_same() {
        let url = read("postgres://ann:p%40%2F%25w@db,[::1]:6000/my%20shop?sslmode=require&sslcompression=0");
        let words =
            read(r"user=ann password='p@/%w' host = db,::1 port=',6000' dbname=my\ shop sslmode=require");
        assert_eq!(url, words);
        assert_eq!(url["password"], "p@/%w");
        assert_eq!(url["dbname"], "my shop");
    }

    #[test]
    fn a_socket_directory_is_percent_encoded_in_a_url() {
        assert_eq!(read("postgresql://rowbell@%2Frun%2Fx:5432/rowbell")["host"], "/run/x");
        assert_eq!(read("postgresql:///shop?host=/run/x")["host"], "/run/x");
    }

    #[test]
    fn the_environment_fills_only_what_is_missing() {
        let variables = [("PGSSLMODE", "disable"), ("PGUSER", "bob"), ("PGPASSWORD", "secret")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let surroundings = Surroundings { variables, ..Surroundings::default() };
        let mut read = Conninfo::read("postgresql://ann@db/shop", &surroundings).expect("a good string");
        assert_eq!(read.take("user").as_deref(), Some("ann"));
        assert_eq!(read.take("sslmode").as_deref(), Some("disable"));
        assert_eq!(read.take("password").as_deref(), Some("secret"));
    }

    #[test]
    fn a_wrong_string_is_told_without_its_password() {
        for text in [
            "mysql://ann:hunter2@db/shop",
            "shop",
            "password='hunter2",
            "postgresql://ann:hun/ter2?x@db/shop",
            "postgresql://ann:hun?ter2/@db/shop",
            "postgresql://db/shop?hunter2",
        ] {
            let error = Conninfo::read(text, &Surroundings::default()).err().expect(text);
            assert!(error.is_usage() && !error.report().contains("ter2"), "{}", error.report());
        }
    }

    #[test]
    fn a_value_survives_the_way_to_tokio_postgres() {
        let config = Conninfo::read(r"host=x password='it\'s \\ a' user=''", &Surroundings::default());
        let config = config.and_then(Conninfo::into_config).expect("a good string");
        assert_eq!(config.get_password(), Some(br"it's \ a".as_slice()));
        assert_eq!(config.get_user(), None);
        let error =
            Conninfo::read("host=x sslcrl=y", &Surroundings::default()).and_then(Conninfo::into_config);
        assert!(error.expect_err("unknown").to_string().contains("unknown option `sslcrl`"));
    }
}
