//! Dovecot: keeps the mail of a domain of the test, and knows its users' passwords.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use nix::unistd::geteuid;

use super::nginx::Pem;
use super::{Daemon, folder, free_address};
use crate::support::{output, program};

/// The password of every user.
pub(crate) const PASSWORD: &str = "let-me-in";
/// Bytes that the user `full` may keep.
pub(crate) const SMALL_QUOTA_BYTES: u32 = 20 * 1024;

/// Users: `clerk`, `full` (with little room: the last mail may go beyond it) and `hashed` (whose password is stored for SCRAM only).
pub(crate) struct Dovecot {
    daemon: Daemon,
    pub(crate) addresses: Addresses,
}

/// Where it listens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    pub(crate) imap: SocketAddr,
    pub(crate) imaps: SocketAddr,
    pub(crate) pop3: SocketAddr,
    pub(crate) pop3s: SocketAddr,
    pub(crate) sieve: SocketAddr,
    pub(crate) lmtp: SocketAddr,
    /// Where mail servers ask whether a login is right.
    pub(crate) sasl: SocketAddr,
}

impl Addresses {
    pub(crate) fn free() -> Self {
        let [imap, imaps, pop3, pop3s, sieve, lmtp, sasl] = std::array::from_fn(|_| free_address());
        Self { imap, imaps, pop3, pop3s, sieve, lmtp, sasl }
    }
}

impl Dovecot {
    /// Starts Dovecot; `settings` are lines for its configuration.
    pub(crate) fn start(settings: &str, pem: &Pem<'_>) -> Option<Self> {
        Self::start_at(Addresses::free(), settings, pem)
    }

    /// Starts Dovecot at given addresses.
    pub(crate) fn start_at(addresses: Addresses, settings: &str, pem: &Pem<'_>) -> Option<Self> {
        let program = program(&["dovecot"])?;
        if !geteuid().is_root() {
            assert!(std::env::var("DAEMONS").as_deref() != Ok("required"), "Dovecot needs root");
            eprintln!("skipped: Dovecot needs root");
            return None;
        }
        let folder = folder();
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("permissions");
        fs::create_dir(at.join("homes")).expect("a folder");
        fs::set_permissions(at.join("homes"), fs::Permissions::from_mode(0o777)).expect("permissions");
        fs::write(at.join("cert.pem"), pem.certificate).expect("written");
        fs::write(at.join("key.pem"), pem.key).expect("written");
        let hash = output(Command::new("doveadm").args(["-O", "pw", "-s", "SCRAM-SHA-256", "-p", PASSWORD]));
        let users = format!(
            "clerk:{{PLAIN}}{PASSWORD}::::::
full:{{PLAIN}}{PASSWORD}::::::userdb_quota_rule=*:bytes={SMALL_QUOTA_BYTES}
hashed:{}::::::
",
            hash.trim()
        );
        fs::write(at.join("users"), users).expect("written");
        let config = at.join("dovecot.conf");
        fs::write(&config, configuration(&at.display().to_string(), &addresses, settings)).expect("written");
        let mut command = Command::new(program);
        command.arg("-F").arg("-c").arg(config);
        let mut daemon = Daemon::start("dovecot", folder, &mut command);
        let Addresses { imap, imaps, pop3, pop3s, sieve, lmtp, sasl } = addresses;
        for address in [imap, imaps, pop3, pop3s, sieve, lmtp, sasl] {
            daemon = daemon.until_listening(address);
        }
        Some(Self { daemon, addresses })
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    /// Where a user's mail lies.
    pub(crate) fn maildir(&self, user: &str) -> PathBuf {
        self.daemon.folder().join("homes").join(user).join("mail")
    }

    /// Makes a filter script the one that the user's mail goes through.
    pub(crate) fn filter(&self, user: &str, script: &str) {
        let home = self.daemon.folder().join("homes").join(user);
        fs::create_dir_all(&home).expect("a folder");
        fs::set_permissions(&home, fs::Permissions::from_mode(0o777)).expect("permissions");
        fs::write(home.join(".dovecot.sieve"), script).expect("written");
    }
}

fn configuration(here: &str, addresses: &Addresses, settings: &str) -> String {
    let listeners: String = [
        ("imap-login", vec![("imap", addresses.imap), ("imaps", addresses.imaps)]),
        ("pop3-login", vec![("pop3", addresses.pop3), ("pop3s", addresses.pop3s)]),
        ("managesieve-login", vec![("sieve", addresses.sieve)]),
        ("lmtp", vec![("lmtp", addresses.lmtp)]),
        ("auth", vec![("sasl", addresses.sasl)]),
    ]
    .into_iter()
    .map(|(service, listeners)| {
        let listeners: String = listeners
            .into_iter()
            .map(|(name, at)| format!("inet_listener {name} {{\naddress = {}\nport = {}\n}}\n", at.ip(), at.port()))
            .collect();
        format!("service {service} {{\n{listeners}}}\n")
    })
    .collect();
    // Who was refused waits for its next try by default, longer each time: other tests would wait with it.
    format!(
        "base_dir = {here}/run
state_dir = {here}/run
log_path = /dev/stderr
protocols = imap pop3 lmtp sieve
ssl = yes
ssl_cert = <{here}/cert.pem
ssl_key = <{here}/key.pem
auth_mechanisms = plain login scram-sha-256
auth_username_format = %Ln
auth_failure_delay = 0
service anvil {{
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
mail_location = maildir:~/mail
mail_plugins = quota
first_valid_uid = 1
passdb {{
  driver = passwd-file
  args = {here}/users
}}
userdb {{
  driver = passwd-file
  args = {here}/users
  default_fields = uid=nobody gid=nogroup home={here}/homes/%u
}}
namespace inbox {{
  inbox = yes
  mailbox Junk {{
    auto = create
    special_use = \\Junk
  }}
}}
plugin {{
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:bytes=1048576
  quota_grace = 50%%
  sieve = file:~/sieve;active=~/.dovecot.sieve
}}
protocol imap {{
  mail_plugins = $mail_plugins imap_quota
}}
protocol lmtp {{
  mail_plugins = $mail_plugins sieve
  lmtp_rcpt_check_quota = yes
  postmaster_address = postmaster@town.example
}}
{listeners}{settings}
"
    )
}
