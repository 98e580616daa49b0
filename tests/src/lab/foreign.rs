//! Censors that we did not write.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr},
    process::Command,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    Lab,
    network::{self, DOWN, FRONT},
    process::{self, Process},
    wait,
};

/// The system's Python: one of the user's own may come first on the `PATH`, without scapy.
const PYTHON: &str = "/usr/bin/python3";

/// Answers each question for a name with `linkedin` in it before the resolver does.
const FORGER: &str = r#"
import sys
from scapy.all import DNS, DNSRR, Ether, IP, IPv6, UDP, sniff, sendp
device = sys.argv[1]
def forge(packet):
    dns = packet[DNS]
    if dns.qr or b"linkedin" not in dns.qd.qname:
        return
    kind = dns.qd.qtype
    if kind not in (1, 28):
        return
    ip = packet[IP] if IP in packet else packet[IPv6]
    lie = "203.0.113.99" if kind == 1 else "2001:db8::99"
    answer = DNSRR(rrname=dns.qd.qname, type=kind, ttl=300, rdata=lie)
    sendp(Ether(src=packet[Ether].dst, dst=packet[Ether].src)
          / type(ip)(src=ip.dst, dst=ip.src)
          / UDP(sport=53, dport=packet[UDP].sport)
          / DNS(id=dns.id, qr=1, rd=1, ra=1, qd=dns.qd, an=answer), iface=device, verbose=False)
sniff(iface=device, filter="udp dst port 53", prn=forge, store=False,
      started_callback=lambda: print("ready", flush=True))
"#;

/// Starts scapy as a forger of DNS answers in the upstream box.
///
/// # Errors
///
/// If it does not come up.
pub fn scapy_forger(lab: &Lab) -> anyhow::Result<Process> {
    let script = lab.directory().join("forger.py");
    fs::write(&script, FORGER)?;
    let mut command = lab.network.upstream.command(PYTHON);
    command.arg("-u").arg(&script).arg(DOWN).env("HOME", lab.directory());
    let mut process = Process::start_logged("forger", &mut command, lab.directory())?;
    let log = lab.directory().join("forger.log");
    process.ready(|| fs::read_to_string(&log).ok()?.contains("ready").then_some(()))?;
    Ok(process)
}

/// Where the forgers below lead LinkedIn's names: addresses for documentation.
const ASTRAY: [&str; 2] = ["203.0.113.98", "2001:db8::98"];

/// A program that forges DNS answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forger {
    /// Of dsniff; it passes over questions with an OPT record.
    Dnsspoof,
    /// With its plugin.
    Ettercap,
    /// With its module.
    Bettercap,
}

/// Starts `forger` in the upstream box, for the names of `linkedin.com`.
///
/// # Errors
///
/// If it does not come up.
pub fn forger(lab: &Lab, forger: Forger) -> anyhow::Result<Process> {
    match forger {
        Forger::Dnsspoof => dnsspoof(lab),
        Forger::Ettercap => ettercap(lab),
        Forger::Bettercap => bettercap(lab),
    }
}

/// Starts `command` and waits until it has written `ready`.
fn started(lab: &Lab, name: &str, command: &mut Command, ready: &str) -> anyhow::Result<Process> {
    command.env("HOME", lab.directory());
    let mut process = Process::start_logged(name, command, lab.directory())?;
    let log = lab.directory().join(format!("{name}.log"));
    process.ready(|| fs::read_to_string(&log).ok()?.contains(ready).then_some(()))?;
    Ok(process)
}

fn dnsspoof(lab: &Lab) -> anyhow::Result<Process> {
    let hosts = lab.directory().join("dnsspoof.hosts");
    fs::write(&hosts, format!("{} *.linkedin.com\n", ASTRAY[0]))?;
    let mut command = lab.network.upstream.command("dnsspoof");
    command.args(["-i", DOWN, "-f"]).arg(&hosts);
    // Its own filter leaves out what this host itself sends, by an address that it need not have.
    command.arg("udp dst port 53");
    started(lab, "dnsspoof", &mut command, "listening")
}

/// It reads its list at one place only, so that gets a list of ours, for this process alone.
fn ettercap(lab: &Lab) -> anyhow::Result<Process> {
    let list = lab.directory().join("etter.dns");
    let [v4, v6] = ASTRAY;
    fs::write(&list, format!("*.linkedin.com A {v4}\n*.linkedin.com AAAA {v6}\n"))?;
    let mut command = lab.network.upstream.command("unshare");
    command.args(["--mount", "sh", "-c"]).arg(format!(
        "mount --bind {} /etc/ettercap/etter.dns && exec ettercap -T -q -i {DOWN} -P dns_spoof -z",
        list.display()
    ));
    let process = started(lab, "ettercap", &mut command, "Starting Unified sniffing")?;
    // It turns forwarding off, since it forwards what is meant for others itself, but not all of it.
    // With both, questions are doubled.
    lab.network.upstream.sysctl(network::FORWARDING)?;
    Ok(process)
}

fn bettercap(lab: &Lab) -> anyhow::Result<Process> {
    let mut command = lab.network.upstream.command("bettercap");
    let [v4, _] = ASTRAY;
    command.args(["-no-colors", "-iface", DOWN, "-eval"]).arg(format!(
        "set dns.spoof.domains *.linkedin.com; set dns.spoof.address {v4}; set dns.spoof.all true; \
         dns.spoof on"
    ));
    started(lab, "bettercap", &mut command, "dns.spoof")
}

/// Starts dsniff's tcpkill in the upstream box, against every connection with `server`.
///
/// # Errors
///
/// If it does not come up.
pub fn tcpkill(lab: &Lab, server: IpAddr) -> anyhow::Result<Process> {
    let mut command = lab.network.upstream.command("tcpkill");
    command.args(["-i", DOWN, "host"]).arg(server.to_string());
    let mut process = Process::start_logged("tcpkill", &mut command, lab.directory())?;
    let log = lab.directory().join("tcpkill.log");
    process.ready(|| fs::read_to_string(&log).ok()?.contains("listening").then_some(()))?;
    Ok(process)
}

/// Has the upstream box refuse what `matches` (a condition of nftables) by resetting it, which the
/// kernel does towards the sender and drops the packet.
///
/// # Errors
///
/// If nft does not take it.
pub fn nft_reject(lab: &Lab, matches: &str) -> anyhow::Result<()> {
    let rules = format!(
        "table inet censor {{\n  chain forward {{\n    type filter hook forward priority 0;\n    \
         {matches} counter reject with tcp reset\n  }}\n}}\n"
    );
    let path = lab.directory().join("censor.nft");
    fs::write(&path, rules)?;
    process::succeed("nft", lab.network.upstream.command("nft").arg("-f").arg(&path))?;
    Ok(())
}

/// Has the upstream box drop what `matches`, and count it.
///
/// # Errors
///
/// If nft does not take it.
pub fn nft_drop(lab: &Lab, matches: &str) -> anyhow::Result<()> {
    let rules = format!(
        "table inet censor {{\n  chain forward {{\n    type filter hook forward priority 0;\n    \
         {matches} counter drop\n  }}\n}}\n"
    );
    let path = lab.directory().join("drop.nft");
    fs::write(&path, rules)?;
    process::succeed("nft", lab.network.upstream.command("nft").arg("-f").arg(&path))?;
    Ok(())
}

/// Has the router drop what `server` sends by TLS beyond so many octets, headers included. That
/// comes after Forgewatch has seen it, as if it were lost between router and client.
///
/// # Errors
///
/// If nft does not take it.
pub fn nft_quota(lab: &Lab, server: Ipv4Addr, octets: usize) -> anyhow::Result<()> {
    let rules = format!(
        "table inet censor {{\n  chain forward {{\n    type filter hook forward priority 0;\n    \
         ip saddr {server} tcp sport 443 quota over {octets} bytes drop\n  }}\n}}\n"
    );
    let path = lab.directory().join("quota.nft");
    fs::write(&path, rules)?;
    process::succeed("nft", lab.network.router.command("nft").arg("-f").arg(&path))?;
    Ok(())
}

/// Has the upstream box forward everything again.
///
/// # Errors
///
/// If nft fails.
pub fn nft_flush(lab: &Lab) -> anyhow::Result<()> {
    process::succeed("nft", lab.network.upstream.command("nft").args(["flush", "ruleset"]))?;
    Ok(())
}

/// How many packets the rule of [`nft_reject`] or [`nft_drop`] has matched.
///
/// # Errors
///
/// If nft fails, or there is no such rule.
pub fn nft_counted(lab: &Lab) -> anyhow::Result<u64> {
    let mut command = lab.network.upstream.command("nft");
    let text = process::succeed("nft", command.args(["list", "table", "inet", "censor"]))?;
    let mut words = text.split_whitespace().skip_while(|word| *word != "packets").skip(1);
    words.next().and_then(|word| word.parse().ok()).context("no counter in the rule")
}

/// Where in a client's first segment the name stands when curl asks for `name` by TLS: the same in
/// each of its hellos. Found out by listening to one.
///
/// # Errors
///
/// If curl sends none.
pub fn sni_offset(lab: &Lab, name: &str) -> anyhow::Result<usize> {
    use std::{io::Read as _, net::TcpListener};

    let client = &lab.network.client;
    let listener = client.enter(|| TcpListener::bind("127.0.0.1:0"))??;
    listener.set_nonblocking(true)?;
    let port = listener.local_addr()?.port();
    let mut command = client.command("curl");
    command
        .args(["-q", "-sk", "--noproxy", "*", "--max-time", "3"])
        .args(["--resolve", &format!("{name}:{port}:127.0.0.1")])
        .arg(format!("https://{name}:{port}/"));
    let _curl = Process::start("curl", &mut command)?;
    let (mut stream, _) = wait::until("curl to connect", wait::READY, || listener.accept().ok())?;
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(Duration::from_secs(3)))?;
    let mut hello = [0; 4_096];
    let len = stream.read(&mut hello)?;
    hello[..len]
        .windows(name.len())
        .position(|window| window == name.as_bytes())
        .context("the hello does not have the name")
}

/// The condition under which a segment to the front has `text` (eight octets of it) at `offset` of
/// its payload.
pub fn payload_match(offset: usize, text: &str) -> String {
    let octets: String = text.bytes().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!("ip daddr {} tcp dport {{ 80, 443 }} @ih,{},64 0x{octets}", FRONT.v4, offset * 8)
}

/// The same for kernels that cannot match in the payload (before 5.16): counted from the TCP header, which
/// has timestamps in every segment of the lab after the SYN, 32 octets in all.
pub fn segment_match(offset: usize, text: &str) -> String {
    payload_match(offset + 32, text).replace("@ih", "@th")
}
