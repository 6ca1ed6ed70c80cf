//! HTTPS and secure WebSockets, through a proxy that ends TLS as in production.

use std::net::SocketAddr;
use std::sync::Arc;

use futures::StreamExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rowbell::client::{Client, Event};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use super::consumer::{Consumer, shop};
use crate::support::api::Api;
use crate::support::soon;

/// Ends TLS for `localhost` in front of a server; its port and the authority to trust.
async fn terminator(target: SocketAddr) -> (u16, String) {
    let mut params = CertificateParams::new([]).expect("params");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let key = KeyPair::generate().expect("a key");
    let leaf = CertificateParams::new(["localhost".to_owned()]).expect("params");
    let leaf = leaf.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).expect("a key"),
        );
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let port = listener.local_addr().expect("it has an address").port();
    tokio::spawn(async move {
        while let Ok((tcp, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let (Ok(mut near), Ok(mut far)) =
                    (acceptor.accept(tcp).await, TcpStream::connect(target).await)
                else {
                    return;
                };
                let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
            });
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn both_transports_trust_the_authority_they_are_given_and_no_other() {
    let shop = shop().await;
    let api = Api::on(&shop.url).await;
    let (port, authority) = terminator(api.address).await;
    let url = format!("https://localhost:{port}");
    let client = Client::builder(&url).root_certificate(authority.clone()).build().unwrap();
    let mut consumer = Consumer::default();
    let mut events = client.subscribe("orders").events();
    consumer.held(&mut events).await;
    client.create("orders", &json!({"id": 1, "note": "secure"})).await.unwrap().done().unwrap();
    consumer.until(&mut events, 1).await;

    let (_, other) = terminator(api.address).await;
    let stranger = Client::builder(&url).root_certificate(other).build().unwrap();
    assert!(stranger.list("orders", &[]).await.unwrap_err().is_unreachable());
    let mut events = stranger.subscribe("orders").events();
    let Some(Ok(Event::Disconnected(error))) = soon(events.next()).await else { panic!() };
    assert!(error.report().contains("certificate"), "{}", error.report());
}
