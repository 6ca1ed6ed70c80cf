//! Every sslmode against a server with TLS and one without.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{BasicConstraints, Certificate, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rowbell::pg::connect::Connector;
use rowbell::pg::conninfo::Surroundings;
use rowbell::pg::embedded::Cluster;
use rowbell::words::{Error, Result};
use tokio::sync::OnceCell;

use crate::support::cluster::{database, fast_options, free_port, shared};
use crate::support::scratch::Scratch;
use crate::support::soon;

const HBA: &str = "
local     all all         trust
hostssl   all with_cert   127.0.0.1/32 cert
hostssl   all only_tls    127.0.0.1/32 trust
hostnossl all only_plain  127.0.0.1/32 trust
host      all either      127.0.0.1/32 trust
host      all by_password 127.0.0.1/32 scram-sha-256
";
const ROLES: &str = "create role with_cert login; create role only_tls login; create role only_plain login;
    create role either login; create role by_password login password 'right'";

/// A server whose certificate is for `localhost` and signed by `right.crt`; `wrong.crt` is another CA.
struct Secure {
    port: u16,
    files: Scratch,
    _cluster: Cluster,
    _scratch: Scratch,
}

type Ca = CertifiedIssuer<'static, KeyPair>;

fn new_ca(name: &str) -> Ca {
    let mut params = CertificateParams::new(Vec::new()).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("a CA")
}

fn signed(ca: &Ca, common: &str, names: &[&str]) -> (Certificate, KeyPair) {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("parameters");
    params.distinguished_name.push(DnType::CommonName, common);
    let key = KeyPair::generate().expect("a key");
    (params.signed_by(&key, ca).expect("a certificate"), key)
}

fn write(file: &Path, text: &str, mode: u32) {
    std::fs::write(file, text).expect("written");
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).expect("its mode is set");
}

/// The client's files, and in the cluster's directory those of the server, which must belong to its user.
async fn secure() -> &'static Secure {
    static SECURE: OnceCell<Secure> = OnceCell::const_new();
    SECURE.get_or_init(start_secure).await
}

async fn start_secure() -> Secure {
    let (scratch, files) = (Scratch::new("tls"), Scratch::new("tls-client"));
    let (right, wrong) = (new_ca("right"), new_ca("wrong"));
    write(&files.join("right.crt"), &right.pem(), 0o644);
    write(&files.join("wrong.crt"), &wrong.pem(), 0o644);
    let (client, key) = signed(&right, "with_cert", &[]);
    write(&files.join("client.crt"), &client.pem(), 0o644);
    write(&files.join("client.key"), &key.serialize_pem(), 0o600);

    let (mut options, port) = (fast_options(&scratch), free_port());
    let cluster = Cluster::open(&options).await.expect("a cluster");
    let data = options.directory.join("data");
    let (server, key) = signed(&right, "localhost", &["localhost"]);
    for (name, text) in [
        ("server.crt", server.pem()),
        ("server.key", key.serialize_pem()),
        ("right.crt", right.pem()),
        ("tls_hba.conf", HBA.to_owned()),
    ] {
        write(&data.join(name), &text, 0o600);
        let owner = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata(&data).expect("there"));
        std::os::unix::fs::chown(data.join(name), Some(owner), None).expect("given to the server");
    }
    let link = Connector::parse(&cluster.url()).expect("a URL").connect("test").await.expect("connects");
    link.client.batch_execute(ROLES).await.expect("roles");
    cluster.stop(rowbell::pg::embedded::StopMode::Fast).await.expect("stops");
    drop((link, cluster));
    let hba = data.join("tls_hba.conf").display().to_string();
    let settings =
        [("ssl", "on"), ("ssl_ca_file", "right.crt"), ("listen_addresses", "127.0.0.1"), ("hba_file", &hba)];
    options.settings.extend(settings.map(|(name, value)| (name.to_owned(), value.to_owned())));
    options.settings.push(("port".into(), port.to_string()));
    let cluster = Cluster::open(&options).await.expect("starts with TLS");
    Secure { port, files, _cluster: cluster, _scratch: scratch }
}

/// Connects and tells whether the session is encrypted.
async fn encrypted(text: &str, surroundings: &Surroundings) -> Result<bool> {
    let link = soon(Connector::parse_in(text, surroundings)?.connect("test")).await?;
    let ask = "select ssl from pg_stat_ssl where pid = pg_backend_pid()";
    Ok(link.client.query_one(ask, &[]).await.expect("answers").get(0))
}

/// The same with nothing around, by the name that is in the certificate.
async fn as_user(user: &str, words: &str) -> Result<bool> {
    let secure = secure().await;
    let words = words.replace("FILES", &secure.files.path().display().to_string());
    let text =
        format!("host=localhost hostaddr=127.0.0.1 port={} user={user} dbname=rowbell {words}", secure.port);
    encrypted(&text, &Surroundings::default()).await
}

fn says(result: Result<bool>, part: &str) -> Error {
    let error = result.expect_err(part);
    assert!(error.report().contains(part), "{error:?}");
    error
}

#[tokio::test]
async fn modes_choose_tls_where_both_are_allowed() {
    for (mode, expected) in [
        ("sslmode=disable", false),
        ("sslmode=allow", false),
        ("", true),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        ("sslmode=require sslrootcert=FILES/right.crt", true),
        ("sslmode=verify-ca sslrootcert=FILES/right.crt", true),
        ("sslmode=verify-full sslrootcert=FILES/right.crt", true),
    ] {
        assert_eq!(as_user("either", mode).await.expect(mode), expected, "{mode}");
    }
}

#[tokio::test]
async fn allow_and_prefer_take_what_the_server_lets_in() {
    for mode in ["sslmode=allow", "sslmode=prefer", "sslmode=require"] {
        assert!(as_user("only_tls", mode).await.expect(mode), "{mode}");
    }
    let error = says(as_user("only_tls", "sslmode=disable").await, "no encryption");
    assert!(error.is_refused() && error.hint().is_some_and(|hint| hint.contains("pg_hba.conf")));
    for mode in ["sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
        assert!(!as_user("only_plain", mode).await.expect(mode), "{mode}");
    }
    assert!(says(as_user("only_plain", "sslmode=require").await, "SSL encryption").is_refused());
}

#[tokio::test]
async fn the_wrong_ca_is_refused_where_anything_is_verified() {
    for mode in ["require", "verify-ca", "verify-full"] {
        let result = as_user("either", &format!("sslmode={mode} sslrootcert=FILES/wrong.crt")).await;
        let error = says(result, "not signed by a trusted root");
        assert!(error.is_refused() && error.hint().is_some_and(|hint| hint.contains("sslrootcert")));
    }
    for mode in ["allow", "prefer"] {
        let connected = as_user("only_tls", &format!("sslmode={mode} sslrootcert=FILES/wrong.crt")).await;
        assert!(connected.expect(mode), "{mode}");
    }
    // The system's roots did not sign it either.
    if Path::new("/etc/ssl/certs/ca-certificates.crt").exists() {
        says(as_user("either", "sslrootcert=system").await, "not signed by a trusted root");
    }
}

#[tokio::test]
async fn the_wrong_host_name_is_refused_by_verify_full_only() {
    let secure = secure().await;
    let root = secure.files.join("right.crt");
    for host in ["host=127.0.0.1", "host=db.example hostaddr=127.0.0.1", "hostaddr=127.0.0.1"] {
        let text =
            format!("{host} port={} user=either dbname=rowbell sslrootcert={}", secure.port, root.display());
        for mode in ["require", "verify-ca"] {
            let connected = encrypted(&format!("{text} sslmode={mode}"), &Surroundings::default()).await;
            assert!(connected.expect(host), "{host} {mode}");
        }
        let refused = encrypted(&format!("{text} sslmode=verify-full"), &Surroundings::default()).await;
        assert!(says(refused, "for another host name").is_refused());
    }
}

#[tokio::test]
async fn the_home_directorys_root_file_makes_require_verify() {
    let secure = secure().await;
    let home = Scratch::new("tls-home");
    std::fs::create_dir(home.join(".postgresql")).expect("made");
    let surroundings = Surroundings { home: Some(home.path().to_owned()), ..Surroundings::default() };
    let text = format!("host=localhost hostaddr=127.0.0.1 port={} user=either dbname=rowbell", secure.port);
    let require = format!("{text} sslmode=require");
    assert!(encrypted(&require, &surroundings).await.expect("no root file"));
    let root = home.join(".postgresql/root.crt");
    std::fs::copy(secure.files.join("wrong.crt"), &root).expect("copied");
    says(encrypted(&require, &surroundings).await, "not signed by a trusted root");
    std::fs::copy(secure.files.join("right.crt"), &root).expect("copied");
    assert!(encrypted(&require, &surroundings).await.expect("the right root"));
    assert!(encrypted(&format!("{text} sslmode=verify-full"), &surroundings).await.expect("the right root"));
}

#[tokio::test]
async fn a_client_certificate_is_shown_and_its_key_must_be_secret() {
    let words = "sslmode=require sslcert=FILES/client.crt sslkey=FILES/client.key";
    assert!(as_user("with_cert", words).await.expect("the certificate is shown"));
    assert!(says(as_user("with_cert", "sslmode=require").await, "certificate").is_refused());
    let files = &secure().await.files;
    let key = std::fs::read_to_string(files.join("client.key")).expect("read");
    write(&files.join("open.key"), &key, 0o644);
    let words = "sslmode=require sslcert=FILES/client.crt sslkey=FILES/open.key";
    assert!(says(as_user("with_cert", words).await, "chmod 600").is_usage());
}

#[tokio::test]
async fn a_password_can_be_bound_to_the_servers_certificate() {
    let words = "password=right sslmode=require channel_binding=require";
    assert!(as_user("by_password", words).await.expect("bound"));
    assert!(!as_user("by_password", "password=right sslmode=disable").await.expect("plain"));
    let error = says(as_user("either", words).await, "did not use channel binding");
    assert!(error.is_refused());
}

#[tokio::test]
async fn a_server_without_tls_is_used_plain_or_not_at_all() {
    let (shared, admin) = (shared().await, database().await);
    let link = admin.connect("test").await.expect("connects");
    link.client.batch_execute("create role plain login password 'x'").await.expect("a role");
    let text = format!("host=127.0.0.1 port={} user=plain password=x dbname=rowbell", shared.port);
    let with = async |mode: &str| encrypted(&format!("{text} {mode}"), &Surroundings::default()).await;
    for mode in ["", "sslmode=disable", "sslmode=allow", "sslmode=prefer"] {
        assert!(!with(mode).await.expect(mode), "{mode}");
    }
    let root = secure().await.files.join("right.crt");
    for mode in ["require", "verify-ca", "verify-full"] {
        let result = with(&format!("sslmode={mode} sslrootcert={}", root.display())).await;
        assert!(says(result, "does not speak TLS").is_refused());
    }
    // A wrong password is told as that, and not as the missing TLS of the other try.
    let wrong = text.replace("password=x", "password=y");
    says(
        encrypted(&format!("{wrong} sslmode=allow"), &Surroundings::default()).await,
        "password authentication",
    );
}

#[tokio::test]
async fn sockets_never_use_tls() {
    for mode in ["require", "verify-full"] {
        let url = format!("{}?sslmode={mode}", shared().await.cluster.url());
        assert!(!encrypted(&url, &Surroundings::default()).await.expect(mode));
    }
}
