//! Real QUIC: servers and clients of quinn, whose sockets are in the lab's namespaces.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, ServerConfig, TokioRuntime,
    crypto::rustls::{QuicClientConfig, QuicServerConfig},
};
use rustls::{
    RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    version::TLS13,
};
use tokio::runtime::Runtime;

use super::{
    Lab,
    network::{FRONT, OTHER},
};

/// How long a client tries: by RFC 9002 it sends its hello at the beginning, after one second and
/// after three.
const PATIENCE: Duration = Duration::from_secs(5);

/// What HTTP/3 calls itself.
const ALPN: &[u8] = b"h3";

/// Servers at the front and at the address that has nothing to do with it, and what they run on.
#[derive(Debug)]
pub struct Quic {
    runtime: Runtime,
    servers: Vec<Endpoint>,
    client: ClientConfig,
}

/// What a client met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The handshake was completed.
    Connected,
    /// Nothing in time, or nothing that was of use.
    Failed,
}

impl Quic {
    /// Starts the servers, with the certificate that the lab's other servers have.
    ///
    /// # Errors
    ///
    /// If one does not start.
    pub fn start(lab: &Lab) -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .context("cannot start a runtime")?;
        let config = server_configuration(lab.directory())?;
        let mut servers = Vec::new();
        for address in [FRONT.v4, OTHER.v4] {
            let socket = lab.network.server.enter(|| UdpSocket::bind((address, 443)))??;
            let endpoint = {
                let _inside = runtime.enter();
                Endpoint::new(
                    EndpointConfig::default(),
                    Some(config.clone()),
                    socket,
                    Arc::new(TokioRuntime),
                )?
            };
            runtime.spawn(serve(endpoint.clone()));
            servers.push(endpoint);
        }
        let client = client_configuration(&lab.servers.authority)?;
        Ok(Self { runtime, servers, client })
    }

    /// So many clients, each with a port of its own, ask for `name` at `address` at the same time.
    ///
    /// # Errors
    ///
    /// If a socket cannot be made.
    pub fn connect(
        &self,
        lab: &Lab,
        name: &str,
        address: Ipv4Addr,
        clients: usize,
    ) -> anyhow::Result<Vec<Outcome>> {
        let to = SocketAddr::new(IpAddr::V4(address), 443);
        let mut attempts = Vec::new();
        for _ in 0..clients {
            let any = (Ipv4Addr::UNSPECIFIED, 0);
            let socket = lab.network.client.enter(|| UdpSocket::bind(any))??;
            let attempt = attempt(socket, self.client.clone(), to, name.to_owned());
            attempts.push(self.runtime.spawn(attempt));
        }
        attempts
            .into_iter()
            .map(|attempt| self.runtime.block_on(attempt).context("a client panicked")?)
            .collect()
    }
}

impl Drop for Quic {
    fn drop(&mut self) {
        for server in &self.servers {
            server.close(0_u32.into(), b"");
        }
    }
}

async fn attempt(
    socket: UdpSocket,
    config: ClientConfig,
    to: SocketAddr,
    name: String,
) -> anyhow::Result<Outcome> {
    let runtime = Arc::new(TokioRuntime);
    let endpoint = Endpoint::new(EndpointConfig::default(), None, socket, runtime)?;
    let connecting = endpoint.connect_with(config, to, &name)?;
    let outcome = match tokio::time::timeout(PATIENCE, connecting).await {
        Ok(Ok(connection)) => {
            connection.close(0_u32.into(), b"");
            Outcome::Connected
        }
        Ok(Err(_)) | Err(_) => Outcome::Failed,
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), endpoint.wait_idle()).await;
    Ok(outcome)
}

/// Completes handshakes, and waits until the client has enough.
async fn serve(endpoint: Endpoint) {
    while let Some(incoming) = endpoint.accept().await {
        tokio::spawn(async move {
            if let Ok(connection) = incoming.await {
                connection.closed().await;
            }
        });
    }
}

fn server_configuration(directory: &Path) -> anyhow::Result<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(directory.join("server.pem"))?;
    let key = PrivateKeyDer::from_pem_file(directory.join("server.key"))?;
    let provider = Arc::new(ring::default_provider());
    let mut tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(tls)?)))
}

fn client_configuration(authority: &Path) -> anyhow::Result<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority)?)?;
    let provider = Arc::new(ring::default_provider());
    let mut tls = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_no_client_auth();
    tls.alpn_protocols = vec![ALPN.to_vec()];
    Ok(ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls)?)))
}
