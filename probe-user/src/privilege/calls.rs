//! Which system calls are left, by seccomp.
//!
//! Three filters, of which the kernel takes the strictest word:
//!
//! * `FATAL` are calls that nothing in the agent or its libraries makes, and that whoever has taken it over
//!   would want: another program, another process's memory, kernel modules, namespaces. One of them ends the
//!   process. Packets go on; the service is started again; and the kernel's log says what happened.
//! * Of everything else there is a list of what the loop uses. What is not on it is refused (EPERM) and logged.
//!   It does not end the process: a library that makes a call it did not make before would otherwise end the
//!   detection on a router where nobody looks for a year.
//! * `ABSENT` is answered as by a kernel that does not have it, so that the C library does with another call that a
//!   filter can look into.
//!
//! Lists have what glibc and musl use on x86-64 and aarch64, on both of which a name has the same meaning.

use std::io;

use libc::c_long;
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use super::{Layer, PrivilegeError};

/// What a process is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Purpose {
    /// The agent on a router.
    #[default]
    Agent,
    /// The same, which still has to take a TCP port.
    AgentWithoutItsPort,
    /// A command that reads captures or ledgers: no sockets, no BPF.
    Reader,
    /// One that shows on a terminal what an agent says: no new sockets, no BPF.
    Onlooker {
        /// The agent's process, if it has started one: the only one that it may signal.
        agent: Option<u32>,
    },
}

/// Ends the process.
const FATAL: &[c_long] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_setns,
    libc::SYS_unshare,
    libc::SYS_open_by_handle_at,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_reboot,
    libc::SYS_swapon,
];

/// Answered with ENOSYS. The flags of clone3 lie in memory, where a filter cannot look: it could enter a namespace, as
/// by calls that are fatal. Threads are started by clone then.
const ABSENT: &[c_long] = &[libc::SYS_clone3];

/// What clone may not be asked for besides a thread.
const NAMESPACES: libc::c_int = libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWNET
    | libc::CLONE_NEWNS
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWUTS;

/// Permitted whatever the arguments.
const PLAIN: &[c_long] = &[
    // Descriptors.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_close,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_fcntl,
    libc::SYS_lseek,
    libc::SYS_pipe2,
    libc::SYS_eventfd2,
    libc::SYS_sendfile,
    libc::SYS_copy_file_range,
    // Files.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_fstat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_getdents64,
    libc::SYS_readlinkat,
    libc::SYS_getcwd,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_flock,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_msync,
    libc::SYS_fchmod,
    // SQLite sees to the owner of what it makes, if it runs as root.
    libc::SYS_fchown,
    libc::SYS_fchmodat,
    libc::SYS_utimensat,
    libc::SYS_umask,
    // Memory; what makes it executable is not here.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    // Threads and signals.
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_futex,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_getcpu,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_tkill,
    // Waiting.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_ppoll,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    // Time, random numbers, itself.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_adjtimex,
    libc::SYS_clock_adjtime,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_capget,
    // What musl and older C libraries call under another name, where there is one.
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_stat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_lstat,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_access,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_readlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rmdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_pipe,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_time,
];

/// Sockets that are there, and new ones of [`FAMILIES`].
const SOCKETS: &[c_long] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_bind,
    libc::SYS_connect,
    libc::SYS_getpeername,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_shutdown,
    libc::SYS_socketpair,
];

/// Families of new sockets: systemd and journald are told by the one, the other asks for interfaces. None
/// leads out of the machine.
const FAMILIES: [u64; 2] = [libc::AF_UNIX as u64, libc::AF_NETLINK as u64];

/// Families of a port that is still to be taken: of these, connections alone, and neither UDP nor raw packets.
const PORT_FAMILIES: [u64; 2] = [libc::AF_INET as u64, libc::AF_INET6 as u64];

/// Of the type of a socket, what is not a flag: `SOCK_TYPE_MASK`, `linux/net.h`.
const SOCKET_TYPE: u64 = 0xf;

/// Commands of the `bpf` call (`enum bpf_cmd` in `linux/bpf.h`) on maps and links that are there: look up,
/// update, delete, next key; pin and open pinned ones; describe; make, update and detach links; ask what is
/// attached. None makes a map or loads a program.
const BPF_COMMANDS: [u64; 11] = [1, 2, 3, 4, 6, 7, 15, 16, 28, 29, 34];

/// Requests by which descriptors are asked what they are: TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX; and
/// interfaces for their number and name: SIOCGIFINDEX, SIOCGIFNAME. (By number: C libraries give them types of
/// their own.)
const REQUESTS: [u64; 7] = [0x5401, 0x5413, 0x541b, 0x5421, 0x5451, 0x8933, 0x8910];

/// Requests by which a terminal is set, TCSETS, TCSETSW, TCSETSF; and the same of a later form, with TCGETS2.
const TERMINAL_REQUESTS: [u64; 7] =
    [0x5402, 0x5403, 0x5404, 0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d];

/// `PR_SET_VMA`, by which C libraries give memory a name.
const PR_SET_VMA: u64 = 0x5356_4d41;

/// Installs the filters, on this thread and those that it starts.
pub(super) fn filter(purpose: Purpose) -> Result<Layer, PrivilegeError> {
    const NAME: &str = "system calls";
    if !available() {
        return Ok(Layer::lacking(NAME, "this kernel has no filters (CONFIG_SECCOMP_FILTER)"));
    }
    let failed = |error: seccompiler::Error| PrivilegeError::step("filter system calls", &error);
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(|error| failed(error.into()));
    let Ok(arch) = arch else {
        return Ok(Layer::lacking(NAME, format!("no list for {}", std::env::consts::ARCH)));
    };
    let mut allowed = allowed(purpose).map_err(failed)?;
    let words = format!("{} left, {} fatal", allowed.len(), FATAL.len());
    let all = |calls: &[c_long]| calls.iter().map(|&call| (call, vec![])).collect::<Vec<_>>();
    // Refused twice, they would be answered as the list has it, which has to be installed last.
    allowed.extend(all(ABSENT));
    let build = |rules: Vec<(c_long, Vec<SeccompRule>)>, otherwise, then| {
        let rules = rules.into_iter().collect();
        SeccompFilter::new(rules, otherwise, then, arch)
            .and_then(BpfProgram::try_from)
            .map_err(|error| failed(error.into()))
    };
    let refuse = SeccompAction::Errno(libc::EPERM as u32);
    let allow = build(allowed, refuse, SeccompAction::Allow)?;
    let fatal = build(all(FATAL), SeccompAction::Allow, SeccompAction::KillProcess)?;
    let enosys = SeccompAction::Errno(libc::ENOSYS as u32);
    let absent = build(all(ABSENT), SeccompAction::Allow, enosys)?;
    // That a thread is started is nothing to log.
    for (program, flags) in [(fatal, LOGGED), (absent, 0), (allow, LOGGED)] {
        install(&program, flags)
            .map_err(|error| PrivilegeError::step("filter system calls", &error))?;
    }
    Ok(Layer::done(NAME, words))
}

/// The list, with conditions on arguments.
fn allowed(purpose: Purpose) -> Result<Vec<(c_long, Vec<SeccompRule>)>, seccompiler::Error> {
    let mut all: Vec<_> = PLAIN.iter().map(|&call| (call, vec![])).collect();
    let one_of = |argument, values: &[u64]| -> Result<Vec<SeccompRule>, seccompiler::Error> {
        values.iter().map(|&value| rule(argument, SeccompCmpOp::Eq, value)).collect()
    };
    let executable = SeccompCmpOp::MaskedEq(libc::PROT_EXEC as u64);
    let not_executable = rule(2, executable, 0)?;
    let thread = libc::CLONE_THREAD as u64;
    let only_thread = SeccompCmpOp::MaskedEq(thread | u64::from(NAMESPACES.cast_unsigned()));
    all.extend([
        (libc::SYS_mmap, vec![not_executable.clone()]),
        (libc::SYS_mprotect, vec![not_executable]),
        (libc::SYS_clone, vec![rule(0, only_thread, thread)?]),
        (libc::SYS_prctl, one_of(0, &[libc::PR_SET_NAME as u64, PR_SET_VMA])?),
        // Limits are read, and not set.
        (libc::SYS_prlimit64, vec![whole(2, 0)?]),
        // A process may end itself.
        (libc::SYS_tgkill, one_of(0, &[u64::from(std::process::id())])?),
    ]);
    let mut requests = REQUESTS.to_vec();
    if purpose != Purpose::Reader {
        all.extend(SOCKETS.iter().map(|&call| (call, vec![])));
    }
    match purpose {
        Purpose::Reader => {}
        Purpose::Onlooker { agent } => {
            requests.extend(TERMINAL_REQUESTS);
            if let Some(agent) = agent {
                all.push((libc::SYS_kill, one_of(0, &[agent.into()])?));
                all.extend([libc::SYS_wait4, libc::SYS_waitid].map(|call| (call, vec![])));
            }
        }
        Purpose::Agent | Purpose::AgentWithoutItsPort => {
            let mut sockets = one_of(0, &FAMILIES)?;
            if purpose == Purpose::AgentWithoutItsPort {
                all.push((libc::SYS_listen, vec![]));
                let stream = (SeccompCmpOp::MaskedEq(SOCKET_TYPE), libc::SOCK_STREAM as u64);
                for family in PORT_FAMILIES {
                    let family = condition(0, SeccompCmpOp::Eq, family)?;
                    let kind = condition(1, stream.0.clone(), stream.1)?;
                    sockets.push(SeccompRule::new(vec![family, kind])?);
                }
            }
            all.push((libc::SYS_socket, sockets));
            all.push((libc::SYS_bpf, one_of(0, &BPF_COMMANDS)?));
        }
    }
    all.push((libc::SYS_ioctl, one_of(1, &requests)?));
    Ok(all)
}

/// A condition on the lower half of an argument: what the kernel reads of an `int`.
fn rule(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompRule, seccompiler::Error> {
    Ok(SeccompRule::new(vec![condition(argument, comparison, value)?])?)
}

fn condition(
    argument: u8,
    comparison: SeccompCmpOp,
    value: u64,
) -> Result<SeccompCondition, seccompiler::Error> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, comparison, value)?)
}

/// A condition on a pointer.
fn whole(argument: u8, value: u64) -> Result<SeccompRule, seccompiler::Error> {
    let condition =
        SeccompCondition::new(argument, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// What a filter refuses is logged: that flag is why filters are installed here, not by the library.
const LOGGED: libc::c_ulong = libc::SECCOMP_FILTER_FLAG_LOG;

/// Installs one filter.
fn install(program: &BpfProgram, flags: libc::c_ulong) -> io::Result<()> {
    let len = u16::try_from(program.len()).map_err(io::Error::other)?;
    let program =
        libc::sock_fprog { len, filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut() };
    // SAFETY: the kernel copies the program, whose instructions have its own layout, and keeps no pointer.
    let done = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, flags, &raw const program)
    };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Whether the kernel has filters, and ends a process when one says so (Linux 4.14).
pub fn available() -> bool {
    let action: u32 = libc::SECCOMP_RET_KILL_PROCESS;
    // SAFETY: reads one number, which is there.
    let answer = unsafe {
        libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action)
    };
    answer == 0
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn no_call_is_on_two_lists() {
        for purpose in [Purpose::Agent, Purpose::AgentWithoutItsPort, Purpose::Reader] {
            let allowed = allowed(purpose).expect("conditions that can be compiled");
            let calls: BTreeSet<c_long> = allowed.iter().map(|(call, _)| *call).collect();
            assert_eq!(calls.len(), allowed.len(), "{purpose:?}");
            assert!(FATAL.iter().chain(ABSENT).all(|call| !calls.contains(call)), "{purpose:?}");
        }
        assert!(FATAL.iter().all(|call| !ABSENT.contains(call)));
    }

    /// On a thread that is filtered, and ends with this.
    fn filtered(purpose: Purpose, then: impl FnOnce() + Send + 'static) {
        assert!(available(), "this kernel has no filters");
        let thread = std::thread::spawn(move || {
            nix::sys::prctl::set_no_new_privs().expect("no new privileges");
            let layer = filter(purpose).expect("filters");
            assert!(layer.whole, "{layer}");
            then();
        });
        thread.join().expect("it behaves as filtered");
    }

    #[test]
    fn no_namespace_is_entered_with_a_new_thread() {
        filtered(Purpose::Agent, || {
            // SAFETY: there are no arguments to read; whatever it asks for, nothing is made of it.
            let made = unsafe { libc::syscall(libc::SYS_clone3, std::ptr::null::<u8>(), 0_usize) };
            assert_eq!((made, nix::Error::last()), (-1, nix::Error::ENOSYS));
            for flags in [libc::CLONE_NEWUSER, libc::CLONE_THREAD | libc::CLONE_NEWNET] {
                let none = std::ptr::null::<u8>();
                // SAFETY: refused, or without the flags that a thread takes (EINVAL): nothing is made.
                let made = unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) };
                assert_eq!((made, nix::Error::last()), (-1, nix::Error::EPERM), "{flags:x}");
            }
            std::thread::spawn(|| 7).join().expect("threads can be started");
        });
    }

    #[test]
    fn a_port_is_one_of_connections() {
        let families = [libc::AF_INET, libc::AF_INET6];
        let socket = |family, kind| {
            // SAFETY: makes a socket, which the end of the test closes.
            let made = unsafe { libc::socket(family, kind | libc::SOCK_CLOEXEC, 0) };
            if made < 0 { Err(nix::Error::last()) } else { Ok(()) }
        };
        filtered(Purpose::AgentWithoutItsPort, move || {
            for family in families {
                assert_eq!(socket(family, libc::SOCK_STREAM | libc::SOCK_NONBLOCK), Ok(()));
                for kind in [libc::SOCK_DGRAM, libc::SOCK_RAW, libc::SOCK_SEQPACKET] {
                    assert_eq!(socket(family, kind), Err(nix::Error::EPERM), "{family} {kind}");
                }
            }
            assert_eq!(socket(libc::AF_UNIX, libc::SOCK_DGRAM), Ok(()));
            assert_eq!(socket(libc::AF_PACKET, libc::SOCK_STREAM), Err(nix::Error::EPERM));
        });
        filtered(Purpose::Agent, move || {
            assert_eq!(socket(libc::AF_INET, libc::SOCK_STREAM), Err(nix::Error::EPERM));
        });
    }

    #[test]
    fn a_filter_refuses_what_is_not_listed_and_leaves_the_rest() {
        filtered(Purpose::Reader, || {
            let refused = |result: io::Result<()>| {
                result.err().and_then(|error| error.raw_os_error()) == Some(libc::EPERM)
            };
            assert!(refused(std::net::UdpSocket::bind("127.0.0.1:0").map(drop)), "a socket");
            assert!(refused(std::os::unix::fs::symlink("/x", "/nowhere/y")), "a link");
            std::fs::read("/proc/self/stat").expect("files can be read");
            std::thread::spawn(|| 7).join().expect("threads can be started");
            // SAFETY: asks for memory that may be executed, and does not use it.
            let memory = unsafe {
                let rights = libc::PROT_READ | libc::PROT_EXEC;
                let how = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
                libc::mmap(std::ptr::null_mut(), 4096, rights, how, -1, 0)
            };
            assert_eq!(memory, libc::MAP_FAILED, "executable memory");
        });
    }
}
