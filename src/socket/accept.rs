//! The accept loop: connections in, HTTP served, an end in good order.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use warp::Filter;
use warp::reply::Response;

use super::patient::Patient;

/// How long the headers of a request may take, and how long a connection may wait for its next request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Connections that speak HTTP at once; sessions are not among them, and have a limit of their own.
const CONNECTIONS: usize = 4096;

/// Bytes the headers of a request may take; a cursor in the URL takes up to 16 KiB of them.
const HEADERS: usize = 64 * 1024;

/// How long requests may take to finish once the server stops.
const LAST_REQUESTS: Duration = Duration::from_secs(5);

/// How long the loop rests when the machine has no room for another connection.
const REST: Duration = Duration::from_millis(100);

/// What hyper reads from and writes to.
pub(super) type Connection = TokioIo<Patient<TcpStream>>;

/// One connection's place among those that speak HTTP. A request that becomes a session, or waits as one, is counted
/// among the sessions and leaves it to others.
#[derive(Clone)]
pub(super) struct Place {
    all: Arc<Semaphore>,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Place {
    fn new(all: &Arc<Semaphore>, permit: OwnedSemaphorePermit) -> Self {
        Self { all: Arc::clone(all), held: Arc::new(Mutex::new(Some(permit))) }
    }

    /// Leaves the place to another connection.
    pub(super) fn leave(&self) {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Takes a place again; false when there is none, and the connection must end with this answer.
    pub(super) fn take_again(&self) -> bool {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Arc::clone(&self.all).try_acquire_owned().ok();
        }
        held.is_some()
    }
}

/// Serves connections until `shutdown`; then lets the requests under way finish, for some seconds.
///
/// WebSocket sessions are not waited for: `Edge::ended` does that. Whoever takes nothing of an answer for as long as
/// `stuck` is cut off.
pub async fn serve<F>(listener: TcpListener, routes: F, stuck: Duration, shutdown: CancellationToken)
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
{
    let connections = TaskTracker::new();
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let accepting = async {
        loop {
            // The semaphore is never closed.
            let Ok(permit) = Arc::clone(&places).acquire_owned().await else { return };
            let place = Place::new(&places, permit);
            let stream = Patient::new(next(&listener).await, stuck);
            connections.spawn(connect(stream, place, routes.clone(), shutdown.clone()));
        }
    };
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = accepting => {}
    }
    drop(listener);
    connections.close();
    if timeout(LAST_REQUESTS, connections.wait()).await.is_err() {
        log::warn!("{} requests were still under way at the end", connections.len());
    }
}

/// The next connection, however long the machine has no room for one.
async fn next(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // A frame is written whole; waiting for more to send would only delay it.
                if let Err(error) = stream.set_nodelay(true) {
                    log::debug!("could not set TCP_NODELAY: {error}");
                }
                return stream;
            }
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                log::warn!("could not accept a connection, resting {REST:?}: {error}");
                sleep(REST).await;
            }
        }
    }
}

/// True for an error of the connection that would have been accepted, not of the listener.
fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}

async fn connect<F>(stream: Patient<TcpStream>, place: Place, routes: F, shutdown: CancellationToken)
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
{
    let asked = AtomicBool::new(false);
    let service = TowerToHyperService::new(warp::service(routes));
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(place.clone());
        asked.store(true, Ordering::Relaxed);
        service.call(request)
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADERS)
        .serve_connection(Connection::new(stream), service)
        .with_upgrades();
    let mut connection = pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        // hyper would wait for a first request; browsers open connections they never use.
        () = shutdown.cancelled() => match asked.load(Ordering::Relaxed) {
            false => return,
            true => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    };
    if let Err(error) = served {
        log::debug!("a connection broke off: {error}");
    }
}
