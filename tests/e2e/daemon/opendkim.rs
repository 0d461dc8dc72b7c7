//! OpenDKIM: looks at the signatures of mail that a mail server takes, and makes keys.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;

use super::postfix::milter;
use super::{Daemon, folder, free_address};
use crate::support::{output, program};

pub(crate) struct Opendkim {
    daemon: Daemon,
    /// Where the mail server hands its mail to it (milter).
    pub(crate) address: SocketAddr,
}

/// A key that signs mail.
pub(crate) struct Key {
    /// In PEM.
    pub(crate) private: String,
    /// The line of a zone that publishes it, relative to the domain.
    pub(crate) record: String,
}

impl Key {
    /// A key named `one`, of the domain `town.example`.
    pub(crate) fn rsa() -> Option<Self> {
        let program = program(&["opendkim-genkey"])?;
        let folder = folder();
        output(Command::new(program).args(["-b", "2048", "-d", "town.example", "-s", "one", "-D"]).arg(folder.path()));
        let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("a file");
        Some(Self { private: read("one.private"), record: read("one.txt") })
    }
}

impl Opendkim {
    /// Starts a filter that writes what it found into each mail, as `mx.town.example`; keys come from the name server of
    /// `town.example`.
    pub(crate) fn start(name_server: SocketAddr) -> Option<Self> {
        let program = program(&["opendkim"])?;
        let (folder, address) = (folder(), free_address());
        let at = folder.path();
        let resolver = at.join("unbound.conf");
        // Its resolver is a library of unbound's.
        let stub = format!(
            "server:\n  do-not-query-localhost: no\n  module-config: iterator\n\
             stub-zone:\n  name: town.example\n  stub-addr: {}@{}\n",
            name_server.ip(),
            name_server.port()
        );
        fs::write(&resolver, stub).expect("written");
        // Whoever connects is a stranger: the mail of friends is not looked at.
        let config = format!(
            "Mode v\nSyslog no\nSocket inet:{}@{}\nAuthservID mx.town.example\nAlwaysAddARHeader yes\n\
             InternalHosts 192.0.2.1\nTemporaryDirectory {}\nUserID root\nResolverConfiguration {}\n",
            address.port(),
            address.ip(),
            at.display(),
            resolver.display()
        );
        let file = at.join("opendkim.conf");
        fs::write(&file, config).expect("written");
        let mut command = Command::new(program);
        command.arg("-f").arg("-x").arg(file);
        let daemon = Daemon::start("opendkim", folder, &mut command).until_listening(address);
        Some(Self { daemon, address })
    }

    /// Lines of a mail server's main.cf: every mail is looked at, and none is taken while nobody can.
    pub(crate) fn settings(&self) -> String {
        milter(self.address)
    }

    /// What it has printed until now.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }
}
