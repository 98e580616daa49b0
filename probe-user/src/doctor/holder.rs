//! Whose an attached program is, and what holds it on its interface.

use std::{fs, path::Path};

use aya::{
    maps::loaded_maps,
    programs::{ProgramInfo, loaded_links, loaded_programs},
};

use crate::source::kernel::object;

/// The names of our programs on interfaces: at ingress one of two.
const OURS: [&str; 3] = [object::INGRESS, object::INGRESS_LINEAR, object::EGRESS];

/// What is known of a program; somebody without privileges is told nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Whether anything could be found out: that takes privileges.
    pub(super) known: bool,
    /// Its name, if it has one.
    pub(super) name: Option<String>,
    /// Whether it is Forgewatch's.
    pub(crate) ours: bool,
    /// Whether a link holds it: what is held so can be taken off by nothing but its holder.
    pub(super) link: bool,
    /// Number and name of a process that has it, or its link.
    pub(super) process: Option<(u32, String)>,
}

impl Holder {
    /// Looks for the program of this number.
    pub(crate) fn of(id: u32) -> Self {
        let found = program(id);
        let name = found.as_ref().and_then(|program| program.name_as_str());
        Self {
            known: found.is_some(),
            name: name.filter(|name| !name.is_empty()).map(str::to_owned),
            ours: found.as_ref().is_some_and(is_ours),
            link: loaded_links().filter_map(Result::ok).any(|link| link.program_id() == id),
            process: process(Path::new("/proc"), id),
        }
    }

    /// The process in words, if it is known.
    pub(crate) fn process(&self) -> Option<String> {
        self.process.as_ref().map(|(number, name)| format!("process {number}, `{name}`"))
    }
}

fn program(id: u32) -> Option<ProgramInfo> {
    loaded_programs().filter_map(Result::ok).find(|program| program.id() == id)
}

/// The same as [`is_ours`], of the program of this number.
pub(super) fn is_ours_by_id(id: u32) -> bool {
    program(id).as_ref().is_some_and(is_ours)
}

/// Whether a program is Forgewatch's, of whatever version: it has the name of one, and goes on by a table that is called
/// as ours are.
pub(super) fn is_ours(program: &ProgramInfo) -> bool {
    if !program.name_as_str().is_some_and(|name| OURS.contains(&name)) {
        return false;
    }
    let Ok(Some(maps)) = program.map_ids() else { return false };
    let tables = [object::FROM_INGRESS, object::FROM_EGRESS];
    loaded_maps().filter_map(Result::ok).any(|map| {
        maps.contains(&map.id()) && map.name_as_str().is_some_and(|name| tables.contains(&name))
    })
}

/// A process that has the program of this number open, or a link of it: the one that holds it there first.
fn process(all: &Path, id: u32) -> Option<(u32, String)> {
    let mut open = None;
    for entry in fs::read_dir(all).ok()?.filter_map(Result::ok) {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        match holds(&entry.path(), id) {
            None => {}
            Some(link) => {
                let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
                let found = (number, name.trim_end().to_owned());
                if link {
                    return Some(found);
                }
                open = open.or(Some(found));
            }
        }
    }
    open
}

/// Whether a process has the program open, and whether by a link: what it has open is described in `fdinfo`.
fn holds(process: &Path, id: u32) -> Option<bool> {
    let wanted = format!("prog_id:\t{id}");
    let mut open = None;
    for entry in fs::read_dir(process.join("fd")).ok()?.filter_map(Result::ok) {
        // Few of all are BPF's, and the rest need not be read.
        let Ok(kind) = fs::read_link(entry.path()) else { continue };
        let link = kind.as_os_str() == "anon_inode:bpf_link";
        if !link && kind.as_os_str() != "anon_inode:bpf-prog" {
            continue;
        }
        let info = fs::read_to_string(process.join("fdinfo").join(entry.file_name()));
        if info.is_ok_and(|info| info.lines().any(|line| line == wanted)) {
            open = Some(open == Some(true) || link);
        }
    }
    open
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn who_has_a_link_is_named_before_who_has_the_program() {
        let all = tempfile::tempdir().expect("a directory");
        let make = |number: &str, name: &str, open: &[(&str, u32)]| {
            let process = all.path().join(number);
            for directory in ["fd", "fdinfo"] {
                fs::create_dir_all(process.join(directory)).expect("a directory");
            }
            fs::write(process.join("comm"), format!("{name}\n")).expect("a file");
            for (descriptor, (kind, id)) in open.iter().enumerate() {
                symlink(kind, process.join(format!("fd/{descriptor}"))).expect("a link");
                let info = format!("pos:\t0\nprog_id:\t{id}\n");
                fs::write(process.join(format!("fdinfo/{descriptor}")), info).expect("a file");
            }
        };
        let (link, program) = ("anon_inode:bpf_link", "anon_inode:bpf-prog");
        make("7", "loader", &[(program, 70), (program, 71)]);
        make("8", "keeper", &[("/dev/null", 70), (link, 70)]);
        make("self", "nobody", &[(link, 71)]);
        assert_eq!(process(all.path(), 70), Some((8, "keeper".into())));
        assert_eq!(process(all.path(), 71), Some((7, "loader".into())));
        assert_eq!(process(all.path(), 7), None);
    }
}
