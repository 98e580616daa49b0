//! Fingerprints counted over time: what many connections have in common is a device, also if
//! nobody has described it.

use std::{
    collections::{HashMap, HashSet},
    net::IpAddr,
};

use serde::{Serialize, Serializer};

use super::{FingerprintId, Vector};

/// Most ids kept. A device makes a handful, a country some dozens; the rest is room for noise and
/// for someone who draws headers at random to fill the table.
pub const CLUSTERS_MAX: usize = 1024;

/// Most servers told apart in one cluster. A device that resets for this many different servers is
/// none of theirs, and more would say nothing new.
pub const SERVERS_MAX: usize = 64;

/// One fingerprint over time.
#[derive(Clone, Debug, Serialize)]
pub struct Cluster {
    /// Its id.
    pub id: FingerprintId,
    /// Connections it was met on.
    pub count: u64,
    /// First met, in nanoseconds since 1970-01-01 UTC.
    pub first: u64,
    /// Last met.
    pub last: u64,
    /// Servers in whose connections it was met: at most [`SERVERS_MAX`] are told apart.
    #[serde(serialize_with = "number")]
    pub servers: HashSet<IpAddr>,
    /// There were more servers.
    pub more_servers: bool,
    /// The IP-ID, if it was the same on all connections. On two or more a device's constant.
    pub ip_id: Option<u16>,
    /// The window, if it was the same on all connections.
    pub window: Option<u16>,
    /// The first vector, for its details.
    pub sample: Vector,
}

/// Only how many: a list of addresses is not for a report.
fn number<S: Serializer>(servers: &HashSet<IpAddr>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(servers.len() as u64)
}

/// The clusters of a run.
#[derive(Debug)]
pub struct Clusters {
    by_id: HashMap<FingerprintId, Cluster>,
    capacity: usize,
    evicted: u64,
}

impl Clusters {
    /// An empty set that keeps at most [`CLUSTERS_MAX`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CLUSTERS_MAX)
    }

    /// An empty set that keeps at most `capacity`, but one at least.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { by_id: HashMap::new(), capacity: capacity.max(1), evicted: 0 }
    }

    /// Counts a vector met at `time` on a connection to `server`; returns its cluster.
    pub fn add(&mut self, vector: &Vector, time: u64, server: IpAddr) -> &Cluster {
        self.add_as(FingerprintId::of(vector), vector, time, server)
    }

    /// The same of a vector whose id is known.
    pub(crate) fn add_as(
        &mut self,
        id: FingerprintId,
        vector: &Vector,
        time: u64,
        server: IpAddr,
    ) -> &Cluster {
        if !self.by_id.contains_key(&id) {
            self.make_room();
        }
        let cluster = self.by_id.entry(id).or_insert_with(|| Cluster {
            id,
            count: 0,
            first: time,
            last: time,
            servers: HashSet::new(),
            more_servers: false,
            ip_id: vector.ip_id.constant(),
            window: vector.window.constant(),
            sample: vector.clone(),
        });
        cluster.count += 1;
        cluster.first = cluster.first.min(time);
        cluster.last = cluster.last.max(time);
        cluster.ip_id = cluster.ip_id.filter(|_| cluster.ip_id == vector.ip_id.constant());
        cluster.window = cluster.window.filter(|_| cluster.window == vector.window.constant());
        if cluster.servers.len() < SERVERS_MAX {
            cluster.servers.insert(server);
        } else if !cluster.servers.contains(&server) {
            cluster.more_servers = true;
        }
        cluster
    }

    /// Gives up the cluster met least often, among those the one not met for longest: noise goes
    /// before what comes back, however much noise there is.
    fn make_room(&mut self) {
        if self.by_id.len() < self.capacity {
            return;
        }
        let least =
            self.by_id.values().min_by_key(|cluster| (cluster.count, cluster.last, cluster.id));
        if let Some(id) = least.map(|cluster| cluster.id) {
            self.by_id.remove(&id);
            self.evicted += 1;
        }
    }

    /// The clusters, most connections first, then by id.
    pub fn iter(&self) -> impl Iterator<Item = &Cluster> {
        let mut clusters: Vec<&Cluster> = self.by_id.values().collect();
        clusters.sort_by_key(|cluster| (std::cmp::Reverse(cluster.count), cluster.id));
        clusters.into_iter()
    }

    /// The cluster of an id.
    #[must_use]
    pub fn get(&self, id: FingerprintId) -> Option<&Cluster> {
        self.by_id.get(&id)
    }

    /// How many are kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// None are kept.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// How many were given up to make room.
    #[must_use]
    pub const fn evicted(&self) -> u64 {
        self.evicted
    }
}

impl Default for Clusters {
    fn default() -> Self {
        Self::new()
    }
}
