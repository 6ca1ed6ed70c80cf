//! Making connections: which hosts, with or without TLS, in libpq's order, and always the same settings.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rand::seq::SliceRandom;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_postgres::config::{LoadBalanceHosts, SslMode as Wire, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};
use tokio_postgres::{CancelToken, Config, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;
use tokio_util::task::AbortOnDropHandle;

use super::conninfo::{Conninfo, Surroundings, wrong};
use super::failure::Failure;
use super::link::{Link, Opened, Outlet, QUEUE, drive};
use super::passfile;
use super::target::{Target, targets};
use super::tls::{SslMode, TlsWords};
use crate::words::Result;

const PIN_SESSION: &str = include_str!("../../sql/queries/pin_session.sql");

/// How long connecting may take where the URL does not say.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A peer that is gone is noticed in about half a minute: 15 s of silence, then three probes.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(15);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// The same for bytes we sent that nobody acknowledges, where the system can do it.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

/// Makes connections to one database; cloning it is cheap.
#[derive(Clone)]
pub struct Connector(Arc<Shared>);

#[derive(Clone)]
struct Shared {
    /// User, password, database and timeouts; each target adds its host.
    base: Config,
    user: String,
    database: String,
    targets: Vec<Target>,
    mode: SslMode,
    /// None when no target could use it.
    tls: Option<MakeRustlsConnect>,
    passfile: Option<PathBuf>,
    /// For one attempt on one host; none waits for ever, as `connect_timeout=0` asks.
    timeout: Option<Duration>,
}

impl Connector {
    /// Reads a libpq URL or `key=value` string, with this process's environment for what it leaves out.
    ///
    /// Certificate files are read now, so a process has to be restarted to use renewed ones. Errors are of the
    /// usage kind, and never quote the string.
    pub fn parse(url: &str) -> Result<Self> {
        Self::parse_in(url, &Surroundings::of_process())
    }

    /// The same with surroundings of the caller's choice.
    pub fn parse_in(url: &str, surroundings: &Surroundings) -> Result<Self> {
        let mut words = Conninfo::read(url, surroundings)?;
        let tls_words = TlsWords::take(&mut words)?;
        if words.take("gssencmode").is_some_and(|mode| mode == "require") {
            return Err(wrong("gssencmode=require is not supported"));
        }
        let targets = targets(&mut words)?;
        let passfile = words.take("passfile").map(PathBuf::from);
        let home = surroundings.home.as_deref();
        let timeout = words.take_number("connect_timeout")?.map_or(TIMEOUT, Duration::from_secs);
        let mut base = base_config(words)?;
        let user = base.get_user().map(str::to_owned).or_else(|| surroundings.user.clone());
        let user = user.ok_or_else(|| wrong("it names no user, and this process's user has no name"))?;
        let database = base.get_dbname().unwrap_or(&user).to_owned();
        base.user(&user).dbname(&database);
        if tls_words.is_direct() {
            base.ssl_negotiation(SslNegotiation::Direct);
        }
        let uses_tls = tls_words.mode != SslMode::Disable && targets.iter().any(|target| !target.is_socket());
        Ok(Self(Arc::new(Shared {
            tls: if uses_tls { Some(tls_words.load(home)?) } else { None },
            passfile: passfile.or_else(|| home.map(|home| home.join(".pgpass"))),
            timeout: Some(timeout).filter(|timeout| !timeout.is_zero()),
            mode: tls_words.mode,
            base,
            user,
            database,
            targets,
        })))
    }

    /// The same server and user, another database.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        let mut shared = Shared::clone(&self.0);
        name.clone_into(&mut shared.database);
        shared.base.dbname(name);
        Self(Arc::new(shared))
    }

    /// The database's name.
    pub fn database(&self) -> &str {
        &self.0.database
    }

    /// Which database where, without user and password: `shop on db.example:5432`, `shop on /run/x (socket)`.
    pub fn describe(&self) -> String {
        let places: Vec<_> = self.0.targets.iter().map(ToString::to_string).collect();
        format!("{} on {}", self.0.database, places.join(", "))
    }

    /// Opens a connection; `purpose` is seen in `pg_stat_activity` as `rowbell <purpose>`.
    pub async fn connect(&self, purpose: &str) -> Result<Link> {
        let (tx, rx) = mpsc::channel(QUEUE);
        let outlet = Outlet { messages: Some(tx), ..Outlet::default() };
        let reason = outlet.reason.clone();
        match self.open(purpose, outlet).await {
            Ok(opened) => Ok(Link::new(opened, rx, reason)),
            Err(failure) => Err(failure.into_error(&self.0.database)),
        }
    }

    /// Asks the server to end the statement that a connection of this connector's is running.
    pub(super) async fn cancel(&self, token: &CancelToken) -> std::result::Result<(), tokio_postgres::Error> {
        match &self.0.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    /// Tries one host after the other and reports the last failure.
    pub(super) async fn open(&self, purpose: &str, outlet: Outlet) -> std::result::Result<Opened, Failure> {
        let mut order: Vec<&Target> = self.0.targets.iter().collect();
        if self.0.base.get_load_balance_hosts() == LoadBalanceHosts::Random {
            order.shuffle(&mut rand::rng());
        }
        let mut last = None;
        for target in order {
            match self.open_target(target, purpose, &outlet).await {
                Ok(opened) => return Ok(opened),
                Err(failure) if failure.is_final() => return Err(failure),
                Err(failure) => last = Some(failure),
            }
        }
        // There is always a target, so this place is not seen.
        Err(last.unwrap_or(Failure::TimedOut { place: String::new() }))
    }

    /// One host, in the ways its `sslmode` allows and in their order.
    async fn open_target(
        &self,
        target: &Target,
        purpose: &str,
        outlet: &Outlet,
    ) -> std::result::Result<Opened, Failure> {
        let mut config = target.config(&self.0.base);
        config.application_name(format!("rowbell {purpose}"));
        if let Some(limit) = self.0.timeout {
            // Half of it for each address of a name, so that a dead IPv6 one leaves time for IPv4.
            config.connect_timeout(limit / 2);
        }
        if config.get_password().is_none()
            && let Some(password) = self.password_for(target)
        {
            config.password(password);
        }
        let tls = self.0.tls.as_ref().filter(|_| !target.is_socket());
        let (first, second) = match (tls, self.0.mode) {
            (None, _) | (_, SslMode::Disable) => (None, None),
            (Some(tls), SslMode::Allow) => (None, Some(Some(tls))),
            (Some(tls), SslMode::Prefer) => (Some(tls), Some(None)),
            (Some(tls), _) => (Some(tls), None),
        };
        let failure = match self.attempt(target, config.clone(), first, outlet).await {
            Ok(opened) => return Ok(opened),
            Err(failure) => failure,
        };
        match second {
            Some(second) if failure.may_pass_the_other_way() => {
                self.attempt(target, config, second, outlet).await.map_err(|last| failure.or(last))
            }
            _ => Err(failure),
        }
    }

    async fn attempt(
        &self,
        target: &Target,
        mut config: Config,
        tls: Option<&MakeRustlsConnect>,
        outlet: &Outlet,
    ) -> std::result::Result<Opened, Failure> {
        // A server that speaks no TLS is asked anew in plain text, as if the handshake had failed, so that
        // both ways are two clear attempts.
        config.ssl_mode(if tls.is_some() { Wire::Require } else { Wire::Disable });
        let outlet = outlet.clone();
        let opening = async {
            match tls {
                Some(tls) => start(&config, tls.clone(), outlet).await,
                None => start(&config, NoTls, outlet).await,
            }
        };
        let place = || target.to_string();
        let opened = match self.0.timeout {
            Some(limit) => timeout(limit, opening).await.map_err(|_| Failure::TimedOut { place: place() })?,
            None => opening.await,
        };
        opened.map_err(|error| Failure::Postgres { place: place(), error })
    }

    fn password_for(&self, target: &Target) -> Option<String> {
        let wanted = passfile::Wanted {
            host: target.passfile_host(),
            port: target.port(),
            database: &self.0.database,
            user: &self.0.user,
        };
        passfile::look_up(self.0.passfile.as_deref()?, &wanted)
    }
}

/// Connects, starts the driver, and pins the session's settings.
async fn start<T>(
    config: &Config,
    tls: T,
    outlet: Outlet,
) -> std::result::Result<Opened, tokio_postgres::Error>
where
    T: MakeTlsConnect<Socket>,
    T::Stream: Send + 'static,
    T::TlsConnect: Send,
    <T::TlsConnect as TlsConnect<Socket>>::Future: Send,
{
    let (client, connection) = config.connect(tls).await?;
    let driver = AbortOnDropHandle::new(tokio::spawn(drive(connection, outlet)));
    client.batch_execute(PIN_SESSION).await?;
    Ok(Opened { client, driver })
}

fn base_config(mut words: Conninfo) -> Result<Config> {
    // libpq's name and unit for what tokio_postgres has under another name and in seconds.
    let probes = words.take_number("keepalives_count")?.and_then(|count| u32::try_from(count).ok());
    let unacknowledged = words.take_number("tcp_user_timeout")?.map(Duration::from_millis);
    let idle = words.take_number("keepalives_idle")?.map(Duration::from_secs);
    let interval = words.take_number("keepalives_interval")?.map(Duration::from_secs);
    let mut config = words.into_config()?;
    config
        .keepalives_idle(idle.filter(|idle| !idle.is_zero()).unwrap_or(KEEPALIVE_IDLE))
        .keepalives_interval(interval.filter(|interval| !interval.is_zero()).unwrap_or(KEEPALIVE_INTERVAL))
        .keepalives_retries(probes.filter(|probes| *probes > 0).unwrap_or(KEEPALIVE_RETRIES))
        .tcp_user_timeout(unacknowledged.unwrap_or(UNACKNOWLEDGED));
    Ok(config)
}
