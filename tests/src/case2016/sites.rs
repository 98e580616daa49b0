//! Who is asked for what, and where that is.

use crate::corpus::{
    dns::names::{Name, Served},
    host,
    rng::Rng,
    scene::Site,
    script::MS,
};

/// A name, with what is served there.
pub(super) struct Place {
    pub(super) name: &'static str,
    /// Over TLS, or else over HTTP.
    pub(super) tls: bool,
    pub(super) target: bool,
    served: Served,
    address: &'static str,
    hops: u8,
    far: u64,
}

const fn place(
    (name, tls, target): (&'static str, bool, bool),
    address: &'static [&'static str; 1],
    hops: u8,
    far: u64,
) -> Place {
    Place {
        name,
        tls,
        target,
        served: Served::Front(address, &["2620:1ec::1"]),
        address: address[0],
        hops,
        far,
    }
}

/// The target, over TLS and over HTTP.
pub(super) static TARGETS: [Place; 2] = [
    place(("www.linkedin.com", true, true), &["13.107.42.14"], 11, 19 * MS),
    place(("www.linkedin.com", false, true), &["13.107.42.14"], 11, 19 * MS),
];

/// Controls over TLS: neighbours in the front's network, and others.
pub(super) static CONTROLS: [Place; 4] = [
    place(("teams.microsoft.com", true, false), &["13.107.42.16"], 11, 19 * MS),
    place(("outlook.office.com", true, false), &["13.107.42.18"], 11, 18 * MS),
    place(("example.org", true, false), &["93.184.216.34"], 13, 41 * MS),
    place(("deb.debian.org", true, false), &["151.101.2.132"], 9, 24 * MS),
];

/// A control at the target's own address.
pub(super) static SHARED: [Place; 1] =
    [place(("outlook.live.com", true, false), &["13.107.42.14"], 11, 19 * MS)];

/// Controls over HTTP.
pub(super) static PLAIN: [Place; 2] = [
    place(("detectportal.firefox.com", false, false), &["34.107.221.82"], 10, 22 * MS),
    place(("debian.org", false, false), &["128.31.0.62"], 14, 48 * MS),
];

impl Place {
    /// As a resolver knows it.
    pub(super) fn name(&self) -> Name {
        Name::called(self.name, self.served, 1)
    }

    /// As a server.
    pub(super) fn site(&self) -> Site {
        let mut site = Site::of(0x2016, Rng::named(0, self.address).below(1_000) as u32);
        site.address[0] = self.address.parse().unwrap_or(site.address[0]);
        site.hops = self.hops;
        site.delay = self.far;
        site.os = &host::LINUX;
        site
    }

    /// The port.
    pub(super) const fn port(&self) -> u16 {
        if self.tls { 443 } else { 80 }
    }
}
