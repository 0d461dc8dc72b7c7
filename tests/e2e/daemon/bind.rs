//! BIND: an authoritative name server for zones of the test, the first signed or not.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Command, Stdio};

use super::{Daemon, folder, free_address};
use crate::support::program;

pub(crate) struct Bind {
    _daemon: Daemon,
    pub(crate) address: SocketAddr,
    /// The signed zone's key as a DNSKEY record in presentation form, to be trusted; empty for a zone without signatures.
    pub(crate) anchor: String,
}

/// How a zone is signed.
#[derive(Default)]
pub(crate) struct Signing {
    /// Whether the signatures are those of a month long ago.
    pub(crate) is_expired: bool,
    /// Whether absent names are denied by NSEC3 (RFC 5155), not by NSEC.
    pub(crate) is_hashed: bool,
    /// What stands in the zone, and what somebody puts in its place after it was signed.
    pub(crate) forged: Option<[&'static str; 2]>,
}

impl Bind {
    /// Serves `zone` as the domain.
    pub(crate) fn start(domain: &str, zone: &str) -> Option<Self> {
        Self::start_all(&[[domain, zone]])
    }

    /// Serves several domains, each with its zone.
    pub(crate) fn start_all(zones: &[[&str; 2]]) -> Option<Self> {
        Self::serve(zones, |_| Some(String::new()))
    }

    /// Serves `zone` as the domain, signed with keys that are made for it.
    pub(crate) fn start_signed(domain: &str, zone: &str, signing: &Signing) -> Option<Self> {
        Self::start_signed_beside(domain, zone, signing, &[])
    }

    /// The same with other domains beside it, which are not signed.
    pub(crate) fn start_signed_beside(
        domain: &str,
        zone: &str,
        signing: &Signing,
        beside: &[[&str; 2]],
    ) -> Option<Self> {
        Self::serve(&[&[[domain, zone]], beside].concat(), |folder| sign(domain, folder, signing))
    }

    /// The first zone is the file `zone`, which `prepare` may change.
    fn serve(zones: &[[&str; 2]], prepare: impl FnOnce(&Path) -> Option<String>) -> Option<Self> {
        let program = program(&["named"])?;
        // BIND listens on addresses that an interface has; the other loopback addresses work without being there.
        let address = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), free_address().port());
        let folder = folder();
        let at = folder.path();
        let here = at.display();
        let mut served = String::new();
        for (number, [domain, zone]) in zones.iter().enumerate() {
            let file = if number == 0 { "zone".to_owned() } else { format!("zone.{number}") };
            fs::write(at.join(&file), zone).expect("written");
            served += &format!("zone \"{domain}\" {{ type primary; file \"{here}/{file}\"; }};\n");
        }
        let anchor = prepare(at)?;
        let (ip, port) = (address.ip(), address.port());
        let config = format!(
            "options {{ directory \"{here}\"; pid-file \"{here}/pid\"; session-keyfile \"{here}/session.key\";
               listen-on port {port} {{ {ip}; }}; listen-on-v6 {{ none; }};
               recursion no; allow-query {{ any; }}; dnssec-validation no; minimal-responses no; }};
             controls {{ }};
             {served}"
        );
        fs::write(at.join("named.conf"), config).expect("written");
        let mut command = Command::new(program);
        command.arg("-g").arg("-4").arg("-c").arg(at.join("named.conf"));
        let daemon =
            Daemon::start("named", folder, &mut command).until_listening(address).until_printed("all zones loaded");
        Some(Self { _daemon: daemon, address, anchor })
    }
}

/// Puts a signed zone in the place of the file `zone`; the key that vouches for it.
fn sign(domain: &str, folder: &Path, signing: &Signing) -> Option<String> {
    let (keygen, signzone) = (program(&["dnssec-keygen"])?, program(&["dnssec-signzone"])?);
    let run = |command: &mut Command| {
        let output = command.current_dir(folder).stdin(Stdio::null()).output().expect("run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    };
    let make =
        |flags: &[&str]| run(Command::new(&keygen).args(["-q", "-a", "ECDSAP256SHA256"]).args(flags).arg(domain));
    let above = make(&["-f", "KSK"]);
    make(&[]);
    let mut command = Command::new(&signzone);
    // Signs with every key in the folder; does not look whether the signatures are any good now.
    command.args(["-S", "-P", "-o", domain, "-f", "zone.signed"]);
    if signing.is_expired {
        command.args(["-s", "20200101000000", "-e", "20200201000000"]);
    }
    if signing.is_hashed {
        command.args(["-3", "-"]);
    }
    run(command.arg("zone"));
    let mut zone = fs::read_to_string(folder.join("zone.signed")).expect("a signed zone");
    if let Some([before, after]) = signing.forged {
        assert!(zone.contains(before), "no {before:?} in {zone}");
        zone = zone.replace(before, after);
    }
    fs::write(folder.join("zone"), zone).expect("written");
    let key = fs::read_to_string(folder.join(above + ".key")).expect("a key");
    key.lines().find(|line| !line.starts_with(';')).map(str::to_owned)
}
