//! Messages that are odd, broken, or no look-ups at all.

use super::{Behaviour, ask, ask_for, passes};
use crate::corpus::{
    dns::{
        datagram::{Datagram, Look},
        message::{Message, Question, flag, kind, put_name},
        names::{Name, Served},
        scene::Scene,
    },
    script::MS,
    segment::Truth,
};

pub(super) static BEHAVIOURS: &[Behaviour] = &[
    Behaviour {
        name: "cut",
        what: "answers that end at any octet",
        act: |scene| {
            broken(scene, |scene, whole| {
                let length = scene.rng.below(whole.len() as u64 + 1) as usize;
                whole[..length].to_vec()
            });
        },
    },
    Behaviour {
        name: "loops",
        what: "names that point at themselves, at each other, and beyond the end",
        act: |scene| {
            broken(scene, |scene, mut whole| {
                let pointer: [u8; 2] =
                    *scene.rng.pick(&[[0xc0, 12], [0xff, 0xff], [0xc0, 30], [0xc0, 0]]);
                whole.splice(12..14, pointer);
                whole
            });
        },
    },
    Behaviour {
        name: "labels",
        what: "a name of 127 labels, and one of 255",
        act: |scene| {
            broken(scene, |scene, whole| {
                let count = if scene.rng.chance(0.5) { 127 } else { 255 };
                let mut message = whole[..12].to_vec();
                put_name(&vec!["a"; count].join("."), &mut message);
                message.extend_from_slice(&[0, 1, 0, 1]);
                message
            });
        },
    },
    Behaviour {
        name: "no-question",
        what: "a header that announces no question, or thousands, or records that are not there",
        act: |scene| {
            broken(scene, |scene, mut whole| {
                let at = 4 + 2 * scene.rng.below(4) as usize;
                let count = *scene.rng.pick(&[0_u16, 2, 0xffff]);
                whole[at..at + 2].copy_from_slice(&count.to_be_bytes());
                whole
            });
        },
    },
    Behaviour {
        name: "rubbish",
        what: "random octets on port 53, in both directions",
        act: |scene| {
            broken(scene, |scene, whole| {
                let length = scene.rng.below(2 * whole.len() as u64) as usize;
                (0..length).map(|_| scene.rng.u16() as u8).collect()
            });
        },
    },
    Behaviour {
        name: "bits-flipped",
        what: "answers with bits wrong, whose checksum is right all the same",
        act: |scene| {
            broken(scene, |scene, mut whole| {
                for _ in 0..scene.rng.range(1, 6) {
                    // What it says of the name stays: that would be a false answer.
                    let at = scene.rng.below(12.min(whole.len() as u64)) as usize;
                    whole[at] ^= 1 << scene.rng.below(8);
                }
                whole
            });
        },
    },
    Behaviour {
        name: "update",
        what: "NOTIFY and UPDATE, which are no questions",
        act: |scene| {
            for (opcode, shift) in [(4_u16, 0), (5, 1)] {
                let name = Name::called("zone.corp-site.com", Served::Empty, 0);
                let question = Question { name: name.text.clone(), kind: kind::SOA };
                let mut query = Message::query(scene.rng.u16(), question, None);
                query.flags = opcode << 11;
                let time = scene.start;
                let asked = scene.send(query, &name, time, shift);
                let node = scene.usual();
                let time = passes(scene, &asked, &node, MS / 5);
                let reply = asked.query.reply(flag::QR | opcode << 11, Vec::new());
                scene.reply(&asked, &node, time, &reply);
            }
        },
    },
    Behaviour {
        name: "tunnel",
        what: "data in names and texts: long names that exist nowhere else",
        act: |scene| {
            let mut time = scene.start;
            for _ in 0..4 {
                let mut text = String::new();
                for _ in 0..3 {
                    text.extend((0..50).map(|_| char::from(b'a' + scene.rng.below(26) as u8)));
                    text.push('.');
                }
                text.push_str("t.tunnel-site.net");
                let name = Name::called(&text, Served::Empty, 0);
                time = scene.exchange(&name, kind::TXT, time, 0) + MS;
            }
        },
    },
    Behaviour {
        name: "inside-server",
        what: "an authority on the clients' side: questions come in and answers go out",
        act: |scene| {
            let asked = {
                let name = scene.name.clone();
                let question = name.question(kind::A);
                let query = Message::query(scene.rng.u16(), question, None);
                (query, name)
            };
            let (query, name) = asked;
            let node = scene.usual();
            let (inside, outside) = (scene.client(0), scene.server());
            let (server, client) =
                ((inside.ip(), 53).into(), std::net::SocketAddr::new(outside.ip(), inside.port()));
            let time = scene.start;
            let look = scene.look(&node, time);
            let payload = query.octets();
            let datagram =
                Datagram { from: client, to: server, from_client: false, look, payload: &payload };
            scene.tape.put(time, Truth::Genuine, false, |out| datagram.write(out));
            let said = name.truth(kind::A, 1, time, &mut scene.rng);
            let reply = said.reply(&query, flag::QR | flag::AA | flag::RD, None);
            let payload = reply.octets();
            let look = Look { ttl: scene.guest.os.ttl, ip_id: scene.rng.u16(), df: true };
            let datagram =
                Datagram { from: server, to: client, from_client: true, look, payload: &payload };
            let time = time + 2 * scene.guest.delay + MS / 3;
            scene.tape.put(time, Truth::Genuine, true, |out| datagram.write(out));
        },
    },
    Behaviour {
        name: "unasked",
        what: "answers that nobody asked for: backscatter of questions in the client's name",
        act: |scene| {
            let first = scene.mark();
            for _ in 0..3 {
                let asked = ask(scene);
                let node = scene.usual();
                scene.answer(&asked, &node);
            }
            let mut index = 0;
            scene.tape.retain(|_, record| {
                index += 1;
                index <= first || !record.from_client
            });
        },
    },
];

/// A look-up whose answer is what `change` makes of it. Half of them are asked so, too.
fn broken(scene: &mut Scene<'_>, change: fn(&mut Scene<'_>, Vec<u8>) -> Vec<u8>) {
    let asked = ask_for(scene, kind::A);
    let node = scene.node();
    let time = passes(scene, &asked, &node, MS / 5);
    let whole = scene.truth(&asked, &node, time).octets();
    if scene.rng.chance(0.5) {
        let octets = change(scene, asked.query.octets());
        let (look, later) = (asked.look, asked.time + 7_000);
        scene.put_octets(&asked, look, later, true, Truth::Genuine, &octets);
    }
    let octets = change(scene, whole);
    let look = scene.look(&node, time);
    scene.put_octets(&asked, look, time, false, Truth::Genuine, &octets);
}
