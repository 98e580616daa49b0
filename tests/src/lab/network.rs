//! Who is where, and how they are connected.
//!
//! ```text
//!  client ──────────── router ──────────── upstream ═══ 25 ms ═══ server
//!    eth0          lan0      wan0       down0      far0         near0
//!  10.71.1.2     10.71.1.1  10.71.2.1  10.71.2.2  10.71.3.1   10.71.3.2, and 10.71.4.0/24
//!  fd71:1::2      fd71:1::1  fd71:2::1  fd71:2::2  fd71:3::1   fd71:3::2,  and fd71:4::/64
//! ```
//!
//! Forgewatch runs on the router, the censor in the upstream box, which forwards like any other.
//! Single lines are pairs of veth devices, the double line is a [`Wire`], into which a censor can
//! be put that has every packet in its hands.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use pnet::datalink::DataLinkReceiver;

use super::{
    injector,
    inpath::{Act, InPath},
    namespace::Namespace,
    process,
    wire::Wire,
};

/// The client's addresses.
pub const CLIENT: Pair = Pair { v4: Ipv4Addr::new(10, 71, 1, 2), v6: v6(1, 2) };

/// The front: several names share its address, LinkedIn's among them.
pub const FRONT: Pair = server(10);

/// A server of LinkedIn's alone.
pub const OWN: Pair = server(20);

/// A server that has nothing to do with it.
pub const OTHER: Pair = server(30);

/// A server of a service that nobody watches.
pub const UNWATCHED: Pair = server(40);

/// The resolver.
pub const RESOLVER: Pair = server(53);

/// Everything the server answers for.
const SERVED: [Pair; 5] = [FRONT, OWN, OTHER, UNWATCHED, RESOLVER];

/// Networks for documentation that lie at the server, too: addresses of resolvers that are not in a
/// private network (RFC 5737, RFC 3849).
const PUBLIC: [&str; 2] = ["203.0.113.0/24", "2001:db8:53::/64"];

/// A resolver's public address.
pub const fn public(host: u8) -> Pair {
    let v6 = Ipv6Addr::new(0x2001, 0xdb8, 0x53, 0, 0, 0, 0, host as u16);
    Pair { v4: Ipv4Addr::new(203, 0, 113, host), v6 }
}

/// A host that [`Network::on_a_stick`] adds to the clients' wire.
pub const STICK: Ipv4Addr = Ipv4Addr::new(10, 71, 9, 2);

/// The client's interface.
pub const ETH: &str = "eth0";

/// The router's interface towards the clients.
pub const LAN: &str = "lan0";

/// The router's interface towards [`Network::second_client`].
pub const LAN_TWO: &str = "lan2";

/// The router's upstream interface.
pub const WAN: &str = "wan0";

/// The upstream box's interface towards the router: where a censor sees the clients' packets.
pub const DOWN: &str = "down0";

/// The upstream box's end of the long wire.
pub const FAR: &str = "far0";

/// One way over the long wire.
pub const DELAY: Duration = Duration::from_millis(25);

/// Initial TTL of the server's packets: as if it were eight hops from the router and not one.
const SERVER_TTL: &str = "57";

/// One host's address in both families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// IPv4.
    pub v4: Ipv4Addr,
    /// IPv6.
    pub v6: Ipv6Addr,
}

impl Pair {
    /// Both.
    pub const fn both(self) -> [IpAddr; 2] {
        [IpAddr::V4(self.v4), IpAddr::V6(self.v6)]
    }
}

/// Whether an address is of the clients' network.
pub fn is_client(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.octets()[..3] == CLIENT.v4.octets()[..3],
        IpAddr::V6(address) => address.segments()[..4] == CLIENT.v6.segments()[..4],
    }
}

const fn v6(net: u16, host: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfd71, net, 0, 0, 0, 0, 0, host)
}

const fn server(host: u8) -> Pair {
    Pair { v4: Ipv4Addr::new(10, 71, 4, host), v6: v6(4, host as u16) }
}

/// The four boxes and what lies between them.
#[derive(Debug)]
pub struct Network {
    // Dropped in this order: the wire holds devices in two of the namespaces.
    wire: Wire,
    /// Where clients run.
    pub client: Namespace,
    /// Where Forgewatch runs.
    pub router: Namespace,
    /// Where the censor runs.
    pub upstream: Namespace,
    /// Where the servers run.
    pub server: Namespace,
}

impl Network {
    /// Makes them.
    ///
    /// # Errors
    ///
    /// If that fails; nothing is left then.
    pub(super) fn new(lab: usize) -> anyhow::Result<Self> {
        let client = Namespace::new(lab, "client")?;
        let router = Namespace::new(lab, "router")?;
        let upstream = Namespace::new(lab, "upstream")?;
        let server = Namespace::new(lab, "server")?;
        for namespace in [&client, &router, &upstream, &server] {
            namespace.sysctl(COMMON)?;
        }
        for namespace in [&router, &upstream] {
            namespace.sysctl(FORWARDING)?;
        }
        server.sysctl(&[
            ("ipv4/ip_default_ttl", SERVER_TTL),
            ("ipv6/conf/all/hop_limit", SERVER_TTL),
            ("ipv6/conf/default/hop_limit", SERVER_TTL),
        ])?;
        lan(&client, &router)?;
        upstream_link(&router, &upstream)?;
        let wire = Wire::new((&upstream, FAR), (&server, "near0"), DELAY)?;
        upstream.ip("addr add 10.71.3.1/24 dev far0\n\
             addr add fd71:3::1/64 dev far0 nodad\n\
             link set far0 up\n\
             route add 10.71.4.0/24 dev far0\n\
             route add fd71:4::/64 dev far0")?;
        let mut lines = String::from(
            "addr add 10.71.3.2/24 dev near0\n\
             addr add fd71:3::2/64 dev near0 nodad\n\
             link set near0 up\n\
             route add default dev near0\n\
             route add ::/0 dev near0\n",
        );
        for pair in SERVED {
            lines.push_str(&format!("addr add {}/32 dev lo\n", pair.v4));
            lines.push_str(&format!("addr add {}/128 dev lo nodad\n", pair.v6));
        }
        server.ip(&lines)?;
        Ok(Self { wire, client, router, upstream, server })
    }

    /// Puts a censor into the long wire, for as long as the network lasts.
    ///
    /// # Errors
    ///
    /// If there is one already.
    pub fn censor(&self, act: Act) -> anyhow::Result<Arc<InPath>> {
        let censor = Arc::new(InPath::new(act));
        self.wire.put(Arc::clone(&censor))?;
        Ok(censor)
    }

    /// Adds a host on the clients' wire, in a net of its own: between it and a client lies the
    /// router, with one interface for both.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn on_a_stick(&self) -> anyhow::Result<Namespace> {
        // Or it would tell the client of a shorter way, which a private device does not have.
        self.router.sysctl(&[
            ("ipv4/conf/all/send_redirects", "0"),
            (&format!("ipv4/conf/{LAN}/send_redirects"), "0"),
        ])?;
        self.router.ip(&format!("addr add 10.71.9.1/24 dev {LAN}"))?;
        let host = Namespace::alone("stick")?;
        self.client.ip(&format!(
            "link add link {ETH} name {ETH} netns {} type macvlan mode private",
            host.name()
        ))?;
        without_offloads(&host, ETH)?;
        host.ip(&format!(
            "addr add {STICK}/24 dev {ETH}\nlink set {ETH} up\nroute add default via 10.71.9.1"
        ))?;
        Ok(host)
    }

    /// Adds a client behind an interface of the router's own, [`LAN_TWO`]: what becomes of the first one's
    /// does not concern it.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn second_client(&self) -> anyhow::Result<Namespace> {
        let client = Namespace::alone("second")?;
        client.sysctl(COMMON)?;
        veth((&client, ETH), (&self.router, LAN_TWO))?;
        client.ip("addr add 10.71.8.2/24 dev eth0\nroute add default via 10.71.8.1")?;
        self.router.ip(&format!("addr add 10.71.8.1/24 dev {LAN_TWO}"))?;
        self.upstream.ip("route add 10.71.8.0/24 via 10.71.2.1")?;
        Ok(client)
    }

    /// Makes the pair of devices between client and router anew, after one of them was removed.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn renew_lan(&self) -> anyhow::Result<()> {
        lan(&self.client, &self.router)
    }

    /// The same of the pair between router and upstream box.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn renew_upstream(&self) -> anyhow::Result<()> {
        upstream_link(&self.router, &self.upstream)
    }

    /// Gives the server more addresses.
    ///
    /// # Errors
    ///
    /// If that fails.
    pub fn serve_at(&self, pairs: &[Pair]) -> anyhow::Result<()> {
        let routes: String =
            PUBLIC.iter().map(|net| format!("route replace {net} dev {FAR}\n")).collect();
        self.upstream.ip(&routes)?;
        let lines: String = pairs
            .iter()
            .map(|pair| {
                format!("addr add {}/32 dev lo\naddr add {}/128 dev lo nodad\n", pair.v4, pair.v6)
            })
            .collect();
        self.server.ip(&lines)
    }

    /// Gives the router's upstream interface a second receive queue, if there is a second CPU. What the
    /// upstream box sends by its stack comes by the first, and what a second CPU sends as XDP frames by the
    /// second. To be asked for before a program is attached: veth does not run one on queues that come
    /// later.
    ///
    /// # Errors
    ///
    /// If the kernel refuses.
    pub fn second_queue(&self) -> anyhow::Result<()> {
        if std::thread::available_parallelism()?.get() > 1 {
            let mut command = self.router.command("ethtool");
            command.args(["-L", WAN, "rx", "2"]);
            process::succeed("ethtool", &mut command)?;
        }
        Ok(())
    }

    /// Listens to what passes the client's device, from now on.
    ///
    /// # Errors
    ///
    /// If the device cannot be opened.
    pub fn listen_at_client(&self) -> anyhow::Result<Box<dyn DataLinkReceiver>> {
        Ok(self.client.enter(|| injector::open(ETH))??.1)
    }

    /// Packets that the long wire had no room for.
    pub fn dropped(&self) -> u64 {
        self.wire.dropped()
    }
}

/// The pair of devices between client and router.
fn lan(client: &Namespace, router: &Namespace) -> anyhow::Result<()> {
    veth((client, ETH), (router, LAN))?;
    router.ip("addr add 10.71.1.1/24 dev lan0\naddr add fd71:1::1/64 dev lan0 nodad")?;
    client.ip("addr add 10.71.1.2/24 dev eth0\n\
         addr add fd71:1::2/64 dev eth0 nodad\n\
         route add default via 10.71.1.1\n\
         route add ::/0 via fd71:1::1")
}

/// The pair of devices between router and upstream box.
fn upstream_link(router: &Namespace, upstream: &Namespace) -> anyhow::Result<()> {
    veth((router, WAN), (upstream, DOWN))?;
    router.ip("addr add 10.71.2.1/24 dev wan0\n\
         addr add fd71:2::1/64 dev wan0 nodad\n\
         route add default via 10.71.2.2\n\
         route add ::/0 via fd71:2::2")?;
    upstream.ip("addr add 10.71.2.2/24 dev down0\n\
         addr add fd71:2::2/64 dev down0 nodad\n\
         route add 10.71.1.0/24 via 10.71.2.1\n\
         route add fd71:1::/64 via fd71:2::1")
}

/// What every box gets, before it has devices that would inherit something else.
const COMMON: &[(&str, &str)] = &[
    // Forged packets arrive where their source address does not lead.
    ("ipv4/conf/all/rp_filter", "0"),
    ("ipv4/conf/default/rp_filter", "0"),
    // Without it an address is unusable for its first second.
    ("ipv6/conf/all/accept_dad", "0"),
    ("ipv6/conf/default/accept_dad", "0"),
    // ICMP errors and resets at most so often is for the Internet.
    ("ipv6/icmp/ratelimit", "0"),
];

/// What makes a box forward.
pub(super) const FORWARDING: &[(&str, &str)] = &[
    ("ipv4/ip_forward", "1"),
    ("ipv6/conf/all/forwarding", "1"),
    ("ipv6/conf/default/forwarding", "1"),
];

/// A pair of devices, up, without offloads: packets on them are as long as on a wire, and carry
/// their checksums. With segmentation offload the router would see one segment where a real one
/// sees twenty; with checksum offload the injector would read unfinished checksums.
fn veth(one: (&Namespace, &str), other: (&Namespace, &str)) -> anyhow::Result<()> {
    let (here, there) = (one.1, other.1);
    one.0.ip(&format!("link add {here} type veth peer name {there} netns {}", other.0.name()))?;
    for (namespace, device) in [one, other] {
        without_offloads(namespace, device)?;
        namespace.ip(&format!("link set {device} up"))?;
    }
    Ok(())
}

fn without_offloads(namespace: &Namespace, device: &str) -> anyhow::Result<()> {
    let mut command = namespace.command("ethtool");
    command.args(["-K", device]);
    for offload in ["tx", "tso", "gso", "gro"] {
        command.args([offload, "off"]);
    }
    process::succeed("ethtool", &mut command)?;
    Ok(())
}
