//! What a provider's customers do in that week, as the provider's router sees it.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr},
};

use probe_user::attribute::Method;

use super::{
    plan::{DAY, DENSE, HOUR, Mishap, Provider, Truth, WEEK},
    quic,
    sites::{CONTROLS, PLAIN, Place, SHARED, TARGETS},
};
use crate::corpus::{
    apps,
    device::{Censor, Stage, Then},
    dns::{
        datagram::Look,
        injectors::{self as liars, Trigger},
        message::{ANSWER, kind, rcode},
        resolver::{Resolver, Sort},
        scene::Scene as Question,
    },
    injectors,
    path::node,
    rng::Rng,
    scene::{Guest, Scene, Talk, then},
    script::{MS, SECOND, Script, Step},
    segment::{ETHERNET, Truth as Whose},
    tape::Tape,
};
use crate::craft::{icmp, net::Ip};

/// A window, as the attributor has them, in nanoseconds.
const WINDOW: u64 = 300 * SECOND;

/// Networks of clients at each provider.
const NETWORKS: u64 = 160;

/// How much there is.
#[derive(Clone, Copy, Debug)]
pub struct Volume {
    /// Clients of each provider.
    pub clients: u64,
    /// Clients that ask for the target in five minutes of a busy hour.
    pub visits: f64,
    /// Share of that on days that nothing is expected of.
    pub quiet: f64,
    /// From when to when, in nanoseconds after the week's beginning.
    pub from: u64,
    /// See above.
    pub to: u64,
}

impl Volume {
    /// Of the demo.
    pub const FULL: Self = Self { clients: 4_000, visits: 15.0, quiet: 0.12, from: 0, to: 7 * DAY };

    /// The two days around the order, and fewer clients.
    pub const BRIEF: Self = Self {
        clients: 1_500,
        visits: 9.0,
        quiet: 1.0,
        from: 2 * DAY + 6 * HOUR,
        to: 4 * DAY + 12 * HOUR,
    };
}

/// Everybody at one provider.
struct Crowd<'a> {
    seed: u64,
    number: usize,
    provider: &'a Provider,
    volume: Volume,
    /// One of the provider's own, in networks of their own.
    resolvers: [Resolver; 2],
    tape: Tape,
    /// Connections so far: ports are not used twice.
    connections: u64,
    forged: u64,
    /// Whether QUIC is spoken in this truth.
    quic: bool,
    /// When a client last set a device off that remembers it.
    triggers: BTreeMap<u64, u64>,
}

/// What the router of provider `number` sees, in order.
pub fn capture(truth: &Truth, number: usize, volume: Volume) -> Tape {
    let resolver = |nth: u32| {
        let mut resolver = Resolver::sort(0x2016, number as u32 * 2 + nth, Sort::Provider);
        resolver.cold = 20;
        if let Some(device) = truth.providers[number].hops {
            // Behind the device.
            resolver.nodes.iter_mut().for_each(|node| node.hops += device);
        }
        resolver
    };
    let mut crowd = Crowd {
        seed: truth.seed,
        number,
        provider: &truth.providers[number],
        volume,
        resolvers: [resolver(0), resolver(1)],
        tape: Tape::default(),
        connections: 0,
        forged: 0,
        quic: truth.providers.iter().any(|one| one.method == Method::QuicDrop),
        triggers: BTreeMap::new(),
    };
    let mut start = volume.from;
    while start < volume.to {
        crowd.window(start);
        start += WINDOW;
    }
    crowd.tape.sort();
    crowd.tape
}

/// The share of a busy hour's load at `time` after the week's beginning: least at four in the morning,
/// three hours east of Greenwich.
fn load(time: u64) -> f64 {
    let hour = ((time + 3 * HOUR) % DAY) as f64 / HOUR as f64;
    let swing = ((hour - 16.0) / 24.0 * std::f64::consts::TAU).cos();
    0.6 + 0.4 * swing
}

impl Crowd<'_> {
    /// Five minutes from `start` after the week's beginning.
    fn window(&mut self, start: u64) {
        let mut rng = Rng::part(self.seed ^ (self.number as u64) << 32, start / WINDOW);
        let days = if DENSE.contains(&start) { 1.0 } else { self.volume.quiet };
        let visits = self.volume.visits * load(start) * days;
        let count = |share: f64, rng: &mut Rng| {
            let mean = visits * share;
            mean as u64 + u64::from(rng.chance(mean.fract()))
        };
        // Who shares an address that is blocked is blocked with it, and no control.
        let shared = if self.provider.method.acts_on_addresses() { 0.0 } else { 0.5 };
        for (places, share) in [
            (&TARGETS[..1], 1.0),
            (&TARGETS[1..], 0.5),
            (&CONTROLS[..], 1.4),
            (&SHARED[..], shared),
            (&PLAIN[..], 0.6),
        ] {
            for _ in 0..count(share, &mut rng) {
                let place = rng.pick(places);
                let client = rng.below(self.volume.clients);
                let time = start + rng.below(WINDOW);
                self.visit(place, client, time, &mut rng);
                // Whoever asks for one thing mostly asks for others.
                if place.target && rng.chance(0.4) {
                    let other = if place.tls { &CONTROLS[..] } else { &PLAIN[..] };
                    let other = rng.pick(other);
                    self.visit(other, client, time + rng.below(20 * SECOND), &mut rng);
                }
            }
        }
        if self.quic {
            for (place, share) in [(&TARGETS[0], 0.8), (&SHARED[0], 0.8), (&CONTROLS[0], 0.4)] {
                for _ in 0..count(share, &mut rng) {
                    let client = rng.below(self.volume.clients);
                    let guest = self.guest(client, &mut rng);
                    let time = start + rng.below(WINDOW);
                    let blocks = self.provider.method == Method::QuicDrop
                        && place.target
                        && self.provider.blocks(WEEK + time);
                    quic::attempt(&mut self.tape, place, &guest, (time, blocks), &mut rng);
                }
            }
        }
        if self.is_busy_with_downloads(start) {
            let downloads = if self.provider.method == Method::Throttle { 0.6 } else { 0.2 };
            for place in [&TARGETS[0], &CONTROLS[0], &CONTROLS[2]] {
                for _ in 0..count(downloads, &mut rng).max(2) {
                    let client = rng.below(self.volume.clients);
                    let time = start + rng.below(WINDOW);
                    let guest = self.guest(client, &mut rng);
                    self.fetch(place, (guest, client), time, 150_000, &mut rng);
                }
            }
        }
    }

    /// Around a congestion, speeds are to be seen.
    fn is_busy_with_downloads(&self, start: u64) -> bool {
        let around = |from: u64, to: u64| from - HOUR..to + HOUR;
        self.provider.method == Method::Throttle
            || self.provider.decoys.iter().any(|decoy| {
                decoy.what == Mishap::Congestion
                    && around(decoy.from, decoy.to).contains(&(WEEK + start))
            })
    }

    fn guest(&mut self, client: u64, rng: &mut Rng) -> Guest {
        self.connections += 1;
        let mut guest = Guest::of(self.connections, rng);
        let mut own = Rng::part(0xc11e, client);
        // Shared by a provider's customers (RFC 6598): 100.64.0.0/10.
        let [network, host] = [client % NETWORKS, 1 + client / NETWORKS];
        let address = Ipv4Addr::new(100, 64 + self.number as u8, network as u8, host as u8);
        guest.address[0] = IpAddr::V4(address);
        guest.port = 4_096 + (self.connections % 15_000) as u16 * 4;
        guest.hops = own.range(0, 1) as u8;
        guest.delay = own.range(MS, 8 * MS);
        guest
    }

    /// A client asks for a name, and goes where it is led.
    fn visit(&mut self, place: &Place, client: u64, time: u64, rng: &mut Rng) {
        let guest = self.guest(client, rng);
        if let Some(answered) = self.look_up(place, &guest, client, time, rng) {
            let time = answered + rng.range(MS, 4 * MS);
            self.fetch(place, (guest, client), time, 400, rng);
            if self.provider.method == Method::Residual && place.target && place.tls {
                // Whoever was cut off tries another name there.
                let guest = self.guest(client, rng);
                let later = time + rng.range(15 * SECOND, 280 * SECOND);
                if let Some(led) = self.look_up(&SHARED[0], &guest, client, later, rng) {
                    self.fetch(&SHARED[0], (guest, client), led + MS, 400, rng);
                }
            }
        }
    }

    /// Returns when the client has an address, if it gets the true one.
    fn look_up(
        &mut self,
        place: &Place,
        guest: &Guest,
        client: u64,
        time: u64,
        rng: &mut Rng,
    ) -> Option<u64> {
        let provider = self.provider;
        let resolver = self.resolvers[client as usize % 2].clone();
        let own = Rng::new(rng.bits());
        let at = (false, time);
        let mut scene = Question::new(0x2016, client, resolver, at, &mut self.tape, own);
        scene.guest = guest.clone();
        let asked = scene.ask(&place.name(), kind::A, time, 0);
        if provider.suffers(Mishap::UplinkDown, WEEK + time) {
            return None;
        }
        let node = scene.node();
        let answered = time + scene.trip(&node) + scene.work();
        if provider.suffers(Mishap::ResolversFail, WEEK + time) {
            let failure = asked.query.reply(ANSWER | rcode::SERVFAIL, Vec::new());
            scene.reply(&asked, &node, answered, &failure);
            return None;
        }
        let genuine = scene.truth(&asked, &node, answered);
        let model = match provider.method {
            Method::DnsInjection => Some("russia-spoofed"),
            Method::DnsLie => Some("russia"),
            _ => None,
        };
        let model = model.filter(|_| place.target && provider.blocks(WEEK + time));
        let Some(model) = model else {
            scene.reply(&asked, &node, answered, &genuine);
            return Some(answered);
        };
        let model = liars::all().into_iter().find(|one| one.name == model)?;
        let hops = provider.hops.unwrap_or(node.hops);
        let trigger = Trigger { asked: &asked, genuine: &genuine, node, hops, number: self.forged };
        self.forged += 1;
        for one in (model.fire)(&trigger, &mut scene.rng) {
            let (look, passes, whose) = match one.look {
                Some(look) => {
                    let look = Look { ttl: look.ttl - hops, ..look };
                    (look, (asked.time + one.after).min(answered - MS / 10), Whose::Forged)
                }
                None => (scene.look(&node, answered), answered, Whose::Lied),
            };
            scene.put_octets(&asked, look, passes, false, whose, &one.message.octets());
        }
        if model.place == liars::Place::Beside {
            scene.reply(&asked, &node, answered, &genuine);
        }
        None
    }

    /// A connection, with `length` octets of response.
    fn fetch(
        &mut self,
        place: &Place,
        (guest, who): (Guest, u64),
        time: u64,
        length: usize,
        rng: &mut Rng,
    ) {
        let (provider, now) = (self.provider, WEEK + time);
        let triggered = self.triggers.get(&who).copied().unwrap_or(u64::MAX);
        let first = self.tape.records.len();
        let mut scene = Scene {
            guest,
            site: place.site(),
            port: place.port(),
            v6: false,
            start: time,
            tape: &mut self.tape,
            rough: (0.0, 0.0, 0.0),
            brief: 1,
            rng: Rng::new(rng.bits()),
        };
        let talk = talk(place, length, &mut scene.rng);
        let thought = scene.thought();
        let client = then(talk.client(), [Step::Close]);
        let server = then(server(&talk, thought), [Step::AwaitFin, Step::Close]);
        let mut world = scene.world(client, server);
        world.ends[1].knobs.recovers = true;
        // The device stands where the provider has put it.
        let near = provider.hops.unwrap_or(place.site().hops / 2);
        world.path.links[2].hops = near;
        world.path.links[3].hops = place.site().hops - near;
        world.horizon = 60 * SECOND;
        if place.target && provider.suffers(Mishap::ServiceDown, now) {
            world.ends[1].leave();
        } else if provider.suffers(Mishap::UplinkDown, now) {
            world.put(node::UPSTREAM, device("syn-blackhole", Stage::Before, rng));
        } else if provider.suffers(Mishap::Congestion, now) {
            let queue =
                Censor::new(|_, _| Vec::new(), Then::Police(22_000), Stage::After, Rng::new(1));
            world.put(node::UPSTREAM, Box::new(queue));
        } else if !place.target && place.name == SHARED[0].name && lingers(triggered, time) {
            world.put(node::UPSTREAM, device("gfw-type2", Stage::Before, rng));
        } else if place.target
            && provider.blocks(now)
            && let Some((model, stage)) = model(provider.method, place.tls)
        {
            world.put(node::UPSTREAM, device(model, stage, rng));
            if provider.method == Method::Residual {
                self.triggers.insert(who, time);
            }
        }
        scene.run(&mut world);
        if place.target && provider.method == Method::IcmpReject && provider.blocks(now) {
            refuse(&mut self.tape, first, near, rng);
        }
    }
}

/// What is said, as briefly as it goes: there are a great many.
fn talk(place: &Place, length: usize, rng: &mut Rng) -> Talk {
    if !place.tls {
        return Talk::http(place.name, length, rng);
    }
    Talk {
        asks: apps::client_hello(place.name, false, rng),
        greets: Some(apps::server_hello(500, rng)),
        wants: Some(apps::sealed(120, rng)),
        gets: apps::sealed(length, rng),
    }
}

/// Octets that a server sends at a time, as players of films ask for them.
const PART: usize = 25_000;

/// The server's side; what is long comes in parts.
fn server(talk: &Talk, thought: u64) -> Script {
    let mut script = talk.server(thought);
    if talk.gets.len() > PART {
        script.pop_back();
        for at in (0..talk.gets.len()).step_by(PART) {
            let part = talk.gets.slice(at..talk.gets.len().min(at + PART));
            script.extend([Step::Send(part), Step::Pause(130 * MS)]);
        }
    }
    script
}

/// The model of a device for a method, and when it is set off.
fn model(method: Method, tls: bool) -> Option<(&'static str, Stage)> {
    match (method, tls) {
        (Method::IpDrop, _) => Some(("syn-blackhole", Stage::Before)),
        (Method::IcmpReject, _) => Some(("syn-blackhole", Stage::Before)),
        (Method::Residual, true) => Some(("gfw-type2", Stage::After)),
        (Method::SniReset, true) => Some(("russia-passive-tls", Stage::After)),
        (Method::SniDrop, true) => Some(("kazakhstan", Stage::After)),
        (Method::SniRewrite, true) => Some(("tspu-sni1", Stage::After)),
        (Method::HttpBlockpage, false) => Some(("russia-passive", Stage::After)),
        (Method::HttpReset, false) => Some(("geneva", Stage::After)),
        (Method::IpReset, _) => Some(("gfw-type2", Stage::Before)),
        (Method::Throttle, true) => Some(("tspu-throttle", Stage::After)),
        _ => None,
    }
}

fn device(name: &str, stage: Stage, rng: &mut Rng) -> Box<Censor> {
    let model = injectors::all().into_iter().find(|one| one.name == name);
    let model = model.unwrap_or_else(|| unreachable!("{name} is a model of the corpus"));
    Box::new(Censor::new(model.fire, model.then, stage, Rng::new(rng.bits())))
}

/// How long a device remembers, in nanoseconds.
const LINGERS: u64 = 120 * SECOND;

/// Whether a device that was set off then still remembers.
const fn lingers(triggered: u64, time: u64) -> bool {
    triggered <= time && time - triggered < LINGERS
}

/// Answers each SYN from frame `first` on with "communication administratively prohibited" (RFC 1812,
/// section 5.2.7.1) of a device `hops` behind the router.
fn refuse(tape: &mut Tape, first: usize, hops: u8, rng: &mut Rng) {
    let last = tape.records.len();
    for index in first..last {
        let record = tape.records[index];
        let quoted: Vec<u8> = tape.frame(&record)[ETHERNET..][..28].to_vec();
        let device = Ipv4Addr::new(198, 51, 100, 1 + rng.below(200) as u8);
        let client = Ipv4Addr::new(quoted[12], quoted[13], quoted[14], quoted[15]);
        let ip = Ip { hops: 255 - hops, ..Ip::new(device.into(), client.into()) };
        let packet = icmp::message(&ip, 3, 13, &quoted);
        let mut frame = tape.frame(&record)[..ETHERNET].to_vec();
        frame[..12].rotate_left(6);
        frame.extend(packet);
        let time = record.time + u64::from(hops) * MS;
        tape.put(time, Whose::Genuine, false, |out| out.extend(frame));
    }
}
