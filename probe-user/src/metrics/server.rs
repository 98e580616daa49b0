//! Answers HTTP: `/metrics`, `/health`, `/ready`.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header,
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::TcpStream,
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::{snapshot::Snapshot, text};
use crate::source::clock;

/// Connections that are served at a time; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 16;

/// Questions that wait for the loop.
const ASKED_MAX: usize = 4;

/// Octets of a request that are kept: the least that the library takes.
const REQUEST_OCTETS: usize = 8_192;

/// How long a client may take to ask.
const ASK: Duration = Duration::from_secs(5);

/// How long a connection may take in all, so that who does not read holds no place.
const WHOLE: Duration = Duration::from_secs(15);

/// How long the loop may take to answer.
const ANSWER: Duration = Duration::from_secs(5);

/// How long the loop may take for a turn and still be called alive, in nanoseconds: a hundred ticks.
const STALL: u64 = 10_000_000_000;

/// What the loop says of itself without being asked.
#[derive(Debug, Default)]
pub(crate) struct Pulse {
    /// When it last turned, by the clock that stands still while the machine sleeps.
    turned: AtomicU64,
    /// Whether the programs are attached and the ring is read.
    ready: AtomicBool,
}

impl Pulse {
    /// The loop turns.
    pub(crate) fn turn(&self, now: u64) {
        self.turned.store(now, Ordering::Relaxed);
    }

    /// Whether it watches.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Relaxed);
    }

    fn health(&self, now: u64) -> Result<(), String> {
        let since = now.saturating_sub(self.turned.load(Ordering::Relaxed));
        if since < STALL {
            return Ok(());
        }
        Err(format!("the loop has not turned for {:.1} s\n", since as f64 / 1e9))
    }

    fn readiness(&self, now: u64) -> Result<(), String> {
        if !self.ready.load(Ordering::Relaxed) {
            return Err("not watching\n".into());
        }
        self.health(now)
    }
}

/// A question to the loop: where to send the figures.
pub(crate) type Ask = oneshot::Sender<Snapshot>;

/// What a server needs of the loop.
#[derive(Debug, Clone)]
pub(crate) struct Door {
    asks: mpsc::Sender<Ask>,
    pulse: Arc<Pulse>,
}

impl Door {
    /// A door, and where the loop hears who knocks.
    pub(crate) fn new(pulse: &Arc<Pulse>) -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(ASKED_MAX);
        (Self { asks, pulse: Arc::clone(pulse) }, asked)
    }

    async fn snapshot(&self) -> Option<Snapshot> {
        let (ask, answer) = oneshot::channel();
        let both = async {
            self.asks.send(ask).await.ok()?;
            answer.await.ok()
        };
        timeout(ANSWER, both).await.ok().flatten()
    }
}

/// What is listened on, which stays when a server is started again: by then the agent may no longer be
/// allowed to bind.
#[derive(Debug)]
pub(crate) struct Listener {
    address: SocketAddr,
    socket: Option<TcpListener>,
}

impl Listener {
    pub(crate) const fn new(address: SocketAddr) -> Self {
        Self { address, socket: None }
    }

    /// Whether the port is taken.
    pub(crate) const fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Which port.
    pub(crate) const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Binds, unless that is done: what may no longer be possible later.
    pub(crate) fn open(&mut self) -> io::Result<()> {
        self.socket().map(drop)
    }

    fn socket(&mut self) -> io::Result<TcpListener> {
        let socket = match self.socket.take() {
            Some(socket) => socket,
            None => TcpListener::bind(self.address).map_err(|error| {
                let text = format!("cannot listen on {}: {error}", self.address);
                io::Error::new(error.kind(), text)
            })?,
        };
        socket.set_nonblocking(true)?;
        self.socket.insert(socket).try_clone()
    }

    /// Starts a server.
    pub(crate) fn serve(&mut self, door: Door) -> io::Result<JoinHandle<()>> {
        let socket = self.socket()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("metrics".into()).spawn(move || {
            runtime.block_on(accept(socket, door));
        })
    }
}

/// Takes connections until it cannot.
async fn accept(socket: TcpListener, door: Door) {
    let socket = match tokio::net::TcpListener::from_std(socket) {
        Ok(socket) => socket,
        Err(error) => {
            tracing::warn!("cannot listen: {error}");
            return;
        }
    };
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // It is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match socket.accept().await {
            Ok((stream, _)) => {
                let door = door.clone();
                tokio::spawn(async move {
                    // Who asks wrongly or goes away has nothing to be told.
                    let _ = timeout(WHOLE, serve(stream, door)).await;
                    drop(place);
                });
            }
            // No descriptors left, say: it may pass.
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn serve(stream: TcpStream, door: Door) -> hyper::Result<()> {
    let service = service_fn(|request| {
        let door = door.clone();
        async move { Ok::<_, Infallible>(answer(&request, &door).await) }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(ASK)
        .max_buf_size(REQUEST_OCTETS)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await
}

async fn answer(request: &Request<Incoming>, door: &Door) -> Response<Full<Bytes>> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n".into());
    }
    let well = |state: Result<(), String>| match state {
        Ok(()) => plain(StatusCode::OK, "ok\n".into()),
        Err(why) => plain(StatusCode::SERVICE_UNAVAILABLE, why),
    };
    match request.uri().path() {
        "/metrics" => metrics(request, door).await,
        "/health" => well(door.pulse.health(clock::awake())),
        "/ready" => well(door.pulse.readiness(clock::awake())),
        _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /health and /ready\n".into()),
    }
}

async fn metrics(request: &Request<Incoming>, door: &Door) -> Response<Full<Bytes>> {
    let Some(Ok(written)) = door.snapshot().await.map(text::open_metrics) else {
        return plain(StatusCode::SERVICE_UNAVAILABLE, "the loop does not answer\n".into());
    };
    let accepts = request.headers().get_all(header::ACCEPT);
    let mut accepts = accepts.iter().filter_map(|value| value.to_str().ok());
    if accepts.any(|value| value.contains("application/openmetrics-text")) {
        return response(StatusCode::OK, text::OPEN_METRICS, written);
    }
    response(StatusCode::OK, text::CLASSIC, text::classic(&written))
}

fn plain(status: StatusCode, words: String) -> Response<Full<Bytes>> {
    response(status, "text/plain; charset=utf-8", words)
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_stands_still_is_told() {
        let pulse = Pulse::default();
        pulse.turn(5);
        assert!(pulse.health(5 + STALL - 1).is_ok());
        assert!(pulse.readiness(5).is_err(), "not attached yet");
        pulse.set_ready(true);
        assert!(pulse.readiness(5).is_ok());
        let why = pulse.health(5 + STALL).unwrap_err();
        assert_eq!(why, "the loop has not turned for 10.0 s\n");
        assert!(pulse.readiness(5 + STALL).is_err());
    }
}
