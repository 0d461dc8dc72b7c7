//! Postfix: receives mail for a domain of the test, and throws it away.

use std::fs;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Group, User, chown, geteuid};

use super::nginx::Pem;
use super::{Daemon, PATIENCE, folder, free_address};
use crate::support::program;

pub(crate) struct Postfix {
    daemon: Daemon,
    pub(crate) address: SocketAddr,
}

/// Parts of the queue that only Postfix itself enters.
const PRIVATE: &[&str] =
    &["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved", "trace"];

impl Postfix {
    /// Starts Postfix for `town.example` with the mailbox `clerk`; `settings` are lines for main.cf.
    pub(crate) fn start(settings: &str, pem: Option<&Pem<'_>>) -> Option<Self> {
        Self::start_with(free_address(), settings, "", pem)
    }

    /// The same at a given address, with more lines for master.cf.
    pub(crate) fn start_with(
        address: SocketAddr,
        settings: &str,
        services: &str,
        pem: Option<&Pem<'_>>,
    ) -> Option<Self> {
        let program = program(&["/usr/lib/postfix/sbin/master"])?;
        if !geteuid().is_root() {
            assert!(std::env::var("DAEMONS").as_deref() != Ok("required"), "Postfix needs root");
            eprintln!("skipped: Postfix needs root");
            return None;
        }
        let folder = folder();
        let at = folder.path();
        fs::set_permissions(at, fs::Permissions::from_mode(0o755)).expect("permissions");
        prepare(at);
        let here = at.display();
        let mut main = format!(
            "compatibility_level = 3.6
queue_directory = {here}/queue
data_directory = {here}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = mx.town.example
mydestination = town.example
mynetworks =
alias_maps =
alias_database =
local_recipient_maps = inline:{{clerk=x}}
local_transport = discard:
smtpd_recipient_restrictions = reject_unauth_destination
maillog_file = /dev/stdout
{settings}
"
        );
        if let Some(pem) = pem {
            fs::write(at.join("cert.pem"), pem.certificate).expect("written");
            fs::write(at.join("key.pem"), pem.key).expect("written");
            main += &format!(
                "smtpd_tls_security_level = may\nsmtpd_tls_cert_file = {here}/cert.pem\nsmtpd_tls_key_file = {here}/key.pem\n"
            );
        }
        let services = format!(
            "{address} inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
anvil unix - - n - 1 anvil
discard unix - - n - - discard
lmtp unix - - n - - lmtp
error unix - - n - - error
proxymap unix - - n - - proxymap
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
{services}
"
        );
        fs::write(at.join("etc/main.cf"), main).expect("written");
        fs::write(at.join("etc/master.cf"), services).expect("written");
        let mut command = Command::new(program);
        command.arg("-c").arg(at.join("etc")).arg("-s");
        let daemon = Daemon::start("postfix", folder, &mut command).until_listening(address);
        // The port is open before anybody stands behind it.
        let mut stream = TcpStream::connect(address).expect("a connection");
        stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
        let mut code = [0; 3];
        let read = stream.read_exact(&mut code);
        assert!(read.is_ok() && code == *b"220", "Postfix does not greet:\n{}", daemon.log());
        Some(Self { daemon, address })
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    /// Takes a line out of main.cf.
    pub(crate) fn reload_without(&self, line: &str) {
        let file = self.daemon.folder().join("etc/main.cf");
        let main = fs::read_to_string(&file).expect("read");
        assert!(main.lines().any(|found| found == line), "no {line:?} in {main}");
        let kept: String = main.lines().filter(|found| *found != line).flat_map(|line| [line, "\n"]).collect();
        fs::write(&file, kept).expect("written");
        self.daemon.signal(Signal::SIGHUP);
    }
}

/// Lines of main.cf: a filter looks at every mail, and none is taken while nobody can.
pub(crate) fn milter(address: SocketAddr) -> String {
    format!("smtpd_milters = inet:{}:{}\nmilter_default_action = tempfail\n", address.ip(), address.port())
}

/// Makes the folders as Postfix wants to find them.
fn prepare(at: &Path) {
    let postfix = User::from_name("postfix").expect("users").expect("the package makes a user");
    let postdrop = Group::from_name("postdrop").expect("groups").expect("the package makes a group");
    let make = |name: &str, mode| {
        let path = at.join(name);
        fs::create_dir_all(&path).expect("a folder");
        chown(&path, Some(postfix.uid), None).expect("chown");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
        path
    };
    fs::create_dir(at.join("etc")).expect("a folder");
    fs::create_dir(at.join("queue")).expect("a folder");
    fs::create_dir(at.join("queue/pid")).expect("a folder");
    make("data", 0o700);
    for name in PRIVATE {
        make(&format!("queue/{name}"), 0o700);
    }
    for (name, mode) in [("queue/maildrop", 0o1730), ("queue/public", 0o2710)] {
        let path = make(name, mode);
        chown(&path, None, Some(postdrop.gid)).expect("chown");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permissions");
    }
}
