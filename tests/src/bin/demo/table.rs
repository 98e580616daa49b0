//! Who did what, what they met, and what was said of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use probe_tests::lab::{injector::Shot, servers};

use super::{
    Visit,
    told::{Told, found},
};

/// What was said of each name at each server, and of each service: verdicts with their confidence.
pub(super) type Verdicts = BTreeMap<String, BTreeSet<String>>;

/// Prints what was said otherwise the second time, and returns whether no verdict was another. With how
/// much confidence one is given depends on what is remembered, which a flood may push out.
pub(super) fn print_differences(first: &Verdicts, second: &Verdicts) -> bool {
    let nothing = BTreeSet::new();
    let mut same = true;
    for place in first.keys().chain(second.keys()).collect::<BTreeSet<_>>() {
        let [one, other] = [first, second].map(|said| said.get(place).unwrap_or(&nothing));
        if one == other {
            continue;
        }
        let verdicts = |said: &BTreeSet<String>| -> BTreeSet<String> {
            said.iter().filter_map(|said| said.split(' ').next().map(str::to_owned)).collect()
        };
        let weaker = verdicts(one) == verdicts(other);
        let mark = if weaker { ' ' } else { '!' };
        println!(" {mark} {place}: {one:?} without, {other:?} with the flood");
        same &= weaker;
    }
    if same {
        println!("The verdicts at {} places are the same without and with the flood.", first.len());
    }
    same
}

/// Prints who met what, and returns whether what was done and what was told agree, and what was told.
pub(super) fn print_table(visits: &[Visit], shots: &[Shot], told: &[Told]) -> (bool, Verdicts) {
    let mut verdicts = Verdicts::new();
    let mut rows: Vec<(&str, &str, SocketAddr)> = Vec::new();
    for visit in visits {
        let row = (visit.protocol, visit.name, visit.server);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    println!(
        "\n   {:<24} {:<4} {:<17} {:>5}  {:<36} Forgewatch",
        "name", "", "server", "made", "the client met"
    );
    let mut right = true;
    for (protocol, name, server) in rows {
        let of_row =
            |visit: &&Visit| (visit.protocol, visit.name, visit.server) == (protocol, name, server);
        let made: Vec<&Visit> = visits.iter().filter(of_row).collect();
        let lied = made.iter().filter(|visit| visit.is_lie()).count();
        let done = if lied > 0 { "lied" } else { "injected" };
        let cut = shots.iter().filter(|shot| shot.server == server && shot.name == name).count();
        let cut = cut + lied;
        let found = found(told, protocol, name, server);
        let as_it_should = found.len() == cut && found.iter().all(|one| one.verdict == done);
        right &= as_it_should;
        let said_of = verdicts.entry(format!("{name}, {protocol} at {server}")).or_default();
        said_of.extend(found.iter().map(|one| format!("{} {}", one.verdict, one.confidence)));
        if found.len() != cut {
            said_of.insert(format!("{} found of {cut}", found.len()));
        }
        println!(
            " {} {name:<24} {protocol:<4} {:<17} {:>5}  {:<36} {}",
            if as_it_should { ' ' } else { '!' },
            server.ip().to_string(),
            made.len(),
            summed_up(&made),
            said(&found, cut),
        );
    }
    let listed = |one: &&Told| servers::address_of(&one.name).is_none();
    if let Some(stray) = told.iter().find(listed) {
        println!(" ! accused, but never visited: {stray:?}");
        right = false;
    }
    (right, verdicts)
}

/// "connection reset 2x".
fn summed_up(made: &[&Visit]) -> String {
    let mut outcomes: Vec<(&str, usize)> = Vec::new();
    for visit in made {
        match outcomes.iter_mut().find(|(met, _)| *met == visit.met) {
            Some((_, count)) => *count += 1,
            None => outcomes.push((&visit.met, 1)),
        }
    }
    let words: Vec<String> =
        outcomes.iter().map(|(met, count)| format!("{met} {count}x")).collect();
    words.join(", ")
}

fn said(found: &[&Told], cut: usize) -> String {
    match (found, cut) {
        ([], 0) => "clean".into(),
        ([], cut) => format!("MISSED {cut}"),
        (found, cut) => {
            let weakest = found.iter().map(|one| one.confidence.as_str()).min().unwrap_or_default();
            let count = found.len();
            let verdict = found[0].verdict;
            if count == cut {
                format!("{verdict} {count}x ({weakest})")
            } else {
                format!("{verdict} {count}x ({weakest}), where it was done {cut}x")
            }
        }
    }
}
