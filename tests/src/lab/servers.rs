//! Real servers: nginx for TLS and plain HTTP, unbound for names.

use std::{
    fmt::Write as _,
    fs,
    net::{IpAddr, SocketAddr, TcpStream, UdpSocket},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};

use super::{
    namespace::Namespace,
    network::{FRONT, OTHER, OWN, Pair, RESOLVER, UNWATCHED},
    process::Process,
};

/// Names and where they are served. Those at the front that are not LinkedIn's are the nearest
/// controls there are.
pub const NAMES: &[(&str, Pair)] = &[
    ("www.linkedin.com", FRONT),
    ("static.licdn.com", OWN),
    ("teams.microsoft.com", FRONT),
    ("www.office.com", FRONT),
    ("example.org", OTHER),
    ("www.debian.org", OTHER),
    ("www.msftconnecttest.com", OTHER),
    ("www.wikipedia.org", UNWATCHED),
];

/// Octets of the file that every name serves as `/big`.
pub const BIG: u64 = 24 << 20;

/// How fast, in octets a second and connection.
const BIG_RATE: &str = "4m";

/// How fast the same file is as `/slow`: a page that trickles.
const SLOW_RATE: &str = "32k";

/// Where `name` is served.
pub fn address_of(name: &str) -> Option<Pair> {
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, pair)| *pair)
}

/// The servers, and the authority that vouches for them.
#[derive(Debug)]
pub struct Servers {
    /// Both write their logs to the lab's directory.
    pub nginx: Process,
    /// The resolver.
    pub unbound: Process,
    /// The certificate that clients must trust.
    pub authority: PathBuf,
}

impl Servers {
    /// Starts them in `namespace`, with everything that they need in `directory`.
    ///
    /// # Errors
    ///
    /// If one does not come up.
    pub(super) fn start(namespace: &Namespace, directory: &Path) -> anyhow::Result<Self> {
        let authority = certificates(directory).context("cannot make certificates")?;
        // nginx and unbound may give up root for users that have to get in here.
        fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
        let big = fs::File::create(directory.join("big"))?;
        big.set_len(BIG)?;
        let nginx_conf = directory.join("nginx.conf");
        fs::write(&nginx_conf, nginx_configuration(directory))?;
        let mut command = namespace.command("nginx");
        command.arg("-c").arg(&nginx_conf).arg("-p").arg(directory).args(["-e", "stderr"]);
        let mut nginx = Process::start_logged("nginx", &mut command, directory)?;
        let unbound_conf = directory.join("unbound.conf");
        fs::write(&unbound_conf, unbound_configuration(directory))?;
        let mut command = namespace.command("unbound");
        command.arg("-d").arg("-c").arg(&unbound_conf);
        let mut unbound = Process::start_logged("unbound", &mut command, directory)?;
        nginx
            .ready(|| namespace.enter(|| accepts((FRONT.v4, 443).into())).ok().filter(|is| *is))?;
        unbound.ready(|| namespace.enter(answers).ok().filter(|is| *is))?;
        Ok(Self { nginx, unbound, authority })
    }
}

fn accepts(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

/// Whether the resolver answers anything at all to a question for the root's servers.
fn answers() -> bool {
    const QUESTION: &[u8] = &[7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 1];
    let ask = || -> std::io::Result<usize> {
        let socket = UdpSocket::bind((RESOLVER.v4, 0))?;
        socket.set_read_timeout(Some(Duration::from_millis(200)))?;
        socket.send_to(QUESTION, (RESOLVER.v4, 53))?;
        socket.recv(&mut [0; 512])
    };
    ask().is_ok()
}

/// Makes an authority and one certificate for all names; returns the authority's path.
fn certificates(directory: &Path) -> anyhow::Result<PathBuf> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(Vec::new())?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(rcgen::DnType::CommonName, "Forgewatch lab");
    let authority = params.self_signed(&key)?;
    let path = directory.join("authority.pem");
    fs::write(&path, authority.pem())?;
    let issuer = Issuer::new(params, key);
    let names: Vec<String> = NAMES.iter().map(|(name, _)| (*name).to_owned()).collect();
    let server_key = KeyPair::generate()?;
    let certificate = CertificateParams::new(names)?.signed_by(&server_key, &issuer)?;
    fs::write(directory.join("server.pem"), certificate.pem())?;
    fs::write(directory.join("server.key"), server_key.serialize_pem())?;
    Ok(path)
}

/// One process (it ends at once when it is killed), every name by TLS and by plain HTTP.
fn nginx_configuration(directory: &Path) -> String {
    let at = directory.display();
    let mut text = format!(
        "daemon off;\nmaster_process off;\nuser root;\npid {at}/nginx.pid;\n\
         error_log {at}/nginx-errors.log;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  root {at};\n  server_tokens off;\n"
    );
    for kind in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
        let _ = writeln!(text, "  {kind}_temp_path {at}/{kind};");
    }
    let _ = writeln!(text, "  ssl_certificate {at}/server.pem;");
    let _ = writeln!(text, "  ssl_certificate_key {at}/server.key;");
    for (name, _) in NAMES {
        let _ = writeln!(
            text,
            "  server {{\n    listen 80; listen [::]:80; listen 443 ssl; listen [::]:443 ssl;\n    \
             server_name {name};\n    \
             location = /big {{ limit_rate {BIG_RATE}; }}\n    \
             location = /slow {{ alias {at}/big; limit_rate {SLOW_RATE}; }}\n    \
             location / {{ return 200 \"this is {name}\\n\"; }}\n  }}"
        );
    }
    text.push_str("}\n");
    text
}

/// Every name with both addresses, and nothing else: the lab has no root servers to ask.
fn unbound_configuration(directory: &Path) -> String {
    let mut text = format!(
        "server:\n  username: \"\"\n  chroot: \"\"\n  directory: \"{at}\"\n  \
         pidfile: \"{at}/unbound.pid\"\n  use-syslog: no\n  do-daemonize: no\n  \
         module-config: \"iterator\"\n  access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow\n  \
         num-threads: 1\n  local-zone: \".\" static\n",
        at = directory.display()
    );
    for address in RESOLVER.both() {
        let _ = writeln!(text, "  interface: {address}");
    }
    for (name, pair) in NAMES {
        for address in pair.both() {
            let kind = if matches!(address, IpAddr::V4(_)) { "A" } else { "AAAA" };
            let _ = writeln!(text, "  local-data: \"{name}. 60 IN {kind} {address}\"");
        }
    }
    text.push_str("remote-control:\n  control-enable: no\n");
    text
}
