//! Why a run did not pass: a closed set of reasons for machines, a sentence for people.

use std::fmt::{self, Write as _};
use std::io;
use std::sync::Arc;

use crate::phase::Phase;

/// Longest message of a failure in bytes. Chosen: a paragraph; messages may quote a hostile peer.
pub const MESSAGE_BYTES_MAX: usize = 512;

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// The name did not lead to an address.
    Resolve,
    /// The path to the service is closed.
    Connect,
    /// The encrypted channel could not be trusted or built.
    Tls,
    /// The peer broke its protocol.
    Protocol,
    /// The peer understood, and said no.
    Rejected,
    /// The peer answered, but not what the operator expects.
    Unexpected,
    /// The answer came too late.
    Timeout,
    /// The agent or its configuration is at fault, not the service.
    Internal,
}

impl Class {
    /// The class in one lower-case word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Protocol => "protocol",
            Self::Rejected => "rejected",
            Self::Unexpected => "unexpected",
            Self::Timeout => "timeout",
            Self::Internal => "internal",
        }
    }
}

macro_rules! reasons {
    ($(#[doc = $about:literal] $variant:ident $name:literal $class:ident;)*) => {
        /// Why a run did not pass. Closed: a label can take these values and no others.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Reason { $(#[doc = $about] $variant,)* }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The reason as a label value.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Whose fault it is.
            pub const fn class(self) -> Class {
                match self { $(Self::$variant => Class::$class,)* }
            }

            /// What it means, in a sentence.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about.trim_ascii(),)* }
            }
        }
    };
}

reasons! {
    /// The target's text is not one this kind can ask.
    TargetInvalid "target_invalid" Resolve;
    /// The name does not exist (NXDOMAIN).
    DnsNxdomain "dns_nxdomain" Resolve;
    /// The name exists but has no record of the wanted type.
    DnsNodata "dns_nodata" Resolve;
    /// No name server answered in time.
    DnsTimeout "dns_timeout" Resolve;
    /// The name server could not answer (SERVFAIL).
    DnsServfail "dns_servfail" Resolve;
    /// The name server refused to answer (REFUSED).
    DnsRefused "dns_refused" Resolve;
    /// The answer is forged, or its zone is signed wrongly: DNSSEC does not vouch for it although it must.
    DnsBogus "dns_bogus" Resolve;
    /// The lookup failed in another way.
    DnsError "dns_error" Resolve;

    /// The port is closed: the connection was refused.
    ConnectRefused "connect_refused" Connect;
    /// The network says that the host cannot be reached.
    ConnectUnreachable "connect_unreachable" Connect;
    /// The connection could not be opened for another cause.
    ConnectError "connect_error" Connect;
    /// The peer closed the connection before it had answered.
    ClosedEarly "closed_early" Connect;
    /// The peer reset the connection.
    ConnectionReset "connection_reset" Connect;

    /// The certificate, or one of its chain, is past its end of validity.
    TlsCertExpired "tls_cert_expired" Tls;
    /// The certificate is not valid yet.
    TlsCertNotYetValid "tls_cert_not_yet_valid" Tls;
    /// The certificate is for another name.
    TlsCertName "tls_cert_name" Tls;
    /// No trusted authority vouches for the certificate.
    TlsCertUntrusted "tls_cert_untrusted" Tls;
    /// The certificate was revoked.
    TlsCertRevoked "tls_cert_revoked" Tls;
    /// The list of revoked certificates could not be had.
    TlsCrlUnavailable "tls_crl_unavailable" Tls;
    /// The certificate is malformed or not made for this use.
    TlsCertInvalid "tls_cert_invalid" Tls;
    /// The peer ended the handshake with an alert.
    TlsAlert "tls_alert" Tls;
    /// The handshake broke: the peer speaks no TLS, or none that fits.
    TlsHandshake "tls_handshake" Tls;
    /// No TLSA record of the mail host, signed by DNSSEC, is one of the certificates it shows (DANE).
    TlsDaneMismatch "tls_dane_mismatch" Tls;
    /// The domain's MTA-STS policy does not name the mail host.
    TlsPolicy "tls_policy" Tls;
    /// The peer does not offer STARTTLS.
    StarttlsMissing "starttls_missing" Tls;

    /// The peer broke its protocol.
    ProtocolError "protocol_error" Protocol;
    /// The peer sent more than the limit allows.
    TooLong "too_long" Protocol;
    /// The peer sent more bytes than the module's limits allow.
    ReceivedLimit "received_limit" Protocol;
    /// The answer could not be decompressed.
    DecodeError "decode_error" Protocol;

    /// The peer refused for good.
    Rejected "rejected" Rejected;
    /// The peer refused for now.
    RejectedTemporarily "rejected_temporarily" Rejected;
    /// The peer asked to come back later because it does not know the sender yet.
    Greylisted "greylisted" Rejected;
    /// The peer refused the recipient.
    RecipientRefused "recipient_refused" Rejected;
    /// The peer refused the sender.
    SenderRefused "sender_refused" Rejected;
    /// The peer refused the credentials.
    AuthRefused "auth_refused" Rejected;
    /// There is no token for the request: the token server could not be asked, or gave none.
    TokenError "token_error" Rejected;
    /// The peer does not offer the wanted way to log in.
    AuthMissing "auth_missing" Rejected;

    /// The status is not one of the expected.
    StatusUnexpected "status_unexpected" Unexpected;
    /// The protocol version is not one of the expected.
    VersionUnexpected "version_unexpected" Unexpected;
    /// A header rule failed.
    HeaderUnexpected "header_unexpected" Unexpected;
    /// A body rule failed.
    BodyUnexpected "body_unexpected" Unexpected;
    /// The body is larger than the module allows.
    BodyTooLarge "body_too_large" Unexpected;
    /// More redirects than are followed.
    RedirectLimit "redirect_limit" Unexpected;
    /// A redirect that cannot be followed.
    RedirectInvalid "redirect_invalid" Unexpected;
    /// The answer came encrypted, but must not.
    TlsUnexpected "tls_unexpected" Unexpected;
    /// The answer came unencrypted, but must not.
    TlsMissing "tls_missing" Unexpected;
    /// A certificate ends sooner than the module allows.
    TlsCertExpiresSoon "tls_cert_expires_soon" Unexpected;
    /// The certificate is not one of the expected.
    TlsCertUnexpected "tls_cert_unexpected" Unexpected;
    /// The dialogue did not run as expected.
    AnswerUnexpected "answer_unexpected" Unexpected;
    /// The peer took what it must refuse.
    AcceptedUnexpectedly "accepted_unexpectedly" Unexpected;
    /// The DNS response code is not one of the expected.
    RcodeUnexpected "rcode_unexpected" Unexpected;
    /// A rule on DNS records failed.
    RecordUnexpected "record_unexpected" Unexpected;
    /// The mailbox has no room left, or holds more than the module allows.
    MailboxFull "mailbox_full" Unexpected;
    /// The domain takes no mail: no MX, or a null MX.
    MxMissing "mx_missing" Unexpected;
    /// An MX record names what cannot take mail: an alias, a host without an address.
    MxInvalid "mx_invalid" Unexpected;
    /// A mail host's address has no name that leads back to it.
    ReverseInvalid "reverse_invalid" Unexpected;
    /// The domain's SPF record is missing or wrong, or does not let a configured sender pass.
    SpfInvalid "spf_invalid" Unexpected;
    /// A DKIM key is missing, wrong, revoked or too short.
    DkimInvalid "dkim_invalid" Unexpected;
    /// The domain's DMARC record is missing or wrong.
    DmarcInvalid "dmarc_invalid" Unexpected;
    /// The domain's MTA-STS record or policy is missing or wrong, or does not name a mail host.
    MtaStsInvalid "mta_sts_invalid" Unexpected;
    /// The domain's TLS-RPT record is missing or wrong.
    TlsRptInvalid "tls_rpt_invalid" Unexpected;
    /// A mail host has no TLSA record that can be used, or DNSSEC does not vouch for it.
    DaneInvalid "dane_invalid" Unexpected;

    /// The mail was sent and did not arrive in time.
    MailMissing "mail_missing" Unexpected;
    /// The mail was sent back: a notice of non-delivery came.
    Bounced "bounced" Rejected;
    /// The mail arrived among junk.
    MailJunked "mail_junked" Unexpected;
    /// A mail that a filter must stop arrived in the inbox.
    MailUnfiltered "mail_unfiltered" Unexpected;
    /// The receiving side does not find the sender genuine: SPF, DKIM or DMARC did not pass.
    MailUnauthenticated "mail_unauthenticated" Unexpected;
    /// The mail arrived with another body or other headers.
    MailAltered "mail_altered" Unexpected;

    /// A blocklist names the address or the domain.
    Listed "listed" Unexpected;

    /// No message as expected arrived in time.
    ArrivalMissing "arrival_missing" Timeout;
    /// The deadline passed; the phase says while doing what.
    Timeout "timeout" Timeout;
    /// A phase took longer than the module's limits allow; the phase says which.
    PhaseTimeout "phase_timeout" Timeout;

    /// The module's settings cannot be used: an unreadable file, a wrong address.
    ConfigUnusable "config_unusable" Internal;
    /// The mail was sent, but the mailbox could not be looked into: whether it arrived is not known.
    MailUnseen "mail_unseen" Internal;
    /// No list gave a word that counts: it refuses the agent's resolver, is silent, or fails its test.
    ListUnusable "list_unusable" Internal;
    /// Name servers failed or were silent, so that nothing is known of what the domain publishes.
    PolicyUnknown "policy_unknown" Internal;
    /// The agent takes no mail for the address, or has not for long enough to know.
    InboxUnusable "inbox_unusable" Internal;
    /// The address is not one that may be asked on behalf of `/probe`.
    TargetRefused "target_refused" Internal;
    /// The agent ran out of file descriptors.
    AgentFd "agent_fd" Internal;
    /// The agent ran out of local ports.
    AgentPorts "agent_ports" Internal;
    /// The agent ran out of memory or buffers.
    AgentMemory "agent_memory" Internal;
    /// The agent lacks a permission.
    AgentPermission "agent_permission" Internal;
    /// The agent's machine has no route at all to such addresses.
    AgentNoRoute "agent_no_route" Internal;
    /// The agent has too much to do already.
    AgentOverload "agent_overload" Internal;
    /// The module asks for something that this version cannot do.
    AgentUnbuilt "agent_unbuilt" Internal;
    /// A fault in the agent's own code.
    AgentPanic "agent_panic" Internal;
}

impl Reason {
    /// Whether the agent itself fell short, so that the run says nothing about the service.
    pub const fn is_shortage(self) -> bool {
        matches!(self.class(), Class::Internal) && !matches!(self, Self::ConfigUnusable | Self::TargetRefused)
    }

    /// What an operating-system error means for a run. The one place where errno values are judged.
    pub fn of_io(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(libc::EMFILE | libc::ENFILE) => return Self::AgentFd,
            Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE) => return Self::AgentPorts,
            Some(libc::ENOBUFS | libc::ENOMEM) => return Self::AgentMemory,
            Some(libc::EPERM | libc::EACCES) => return Self::AgentPermission,
            Some(libc::ENETUNREACH | libc::EAFNOSUPPORT | libc::ENODEV) => return Self::AgentNoRoute,
            Some(libc::EHOSTUNREACH | libc::ENETDOWN | libc::EHOSTDOWN) => return Self::ConnectUnreachable,
            Some(libc::ETIMEDOUT) => return Self::Timeout,
            _ => {}
        }
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(_)) => return Self::TlsAlert,
            Some(_) => return Self::TlsHandshake,
            None => {}
        }
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::ConnectRefused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
                Self::ConnectionReset
            }
            io::ErrorKind::UnexpectedEof => Self::ClosedEarly,
            io::ErrorKind::TimedOut => Self::Timeout,
            _ => Self::ConnectError,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where in a run of several legs something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) step: Option<Arc<str>>,
    pub(crate) phase: Phase,
}

/// A run that did not pass.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    reason: Reason,
    message: String,
    /// `None`: where the run ended.
    place: Option<Box<Place>>,
}

impl Failure {
    /// A failure with its sentence. The sentence is made printable and is cut at [`MESSAGE_BYTES_MAX`].
    pub fn new(reason: Reason, message: impl fmt::Display) -> Self {
        let mut bounded = Bounded { text: String::new(), max: MESSAGE_BYTES_MAX };
        // Writing stops with an error at the limit; what was written until then is the message.
        let _ = write!(bounded, "{message}");
        Self { reason, message: bounded.text, place: None }
    }

    /// The failure that an operating-system error means, led by what was being done.
    pub fn io(doing: &str, error: &io::Error) -> Self {
        Self::new(Reason::of_io(error), format_args!("{doing}: {error}"))
    }

    /// The same failure, of a leg after which the run went on.
    pub(crate) fn at(self, place: Place) -> Self {
        Self { place: Some(Box::new(place)), ..self }
    }

    /// The same failure in other words.
    pub(crate) fn reworded(&self, message: impl fmt::Display) -> Self {
        Self { place: self.place.clone(), ..Self::new(self.reason, message) }
    }

    pub(crate) fn place(&self) -> Option<&Place> {
        self.place.as_deref()
    }

    /// Why, for machines.
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// Why, for people: printable, bounded, without secrets.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl std::error::Error for Failure {}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.reason, self.message)
    }
}

/// Longest escape of one character (`\u{10ffff}`), and the sign that text was cut.
const ESCAPE_BYTES_MAX: usize = 13;

/// Takes text until it is full; turns control characters into visible escapes.
struct Bounded {
    text: String,
    max: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for c in s.chars() {
            if self.text.len() + ESCAPE_BYTES_MAX > self.max {
                self.text.push('…');
                self.max = 0;
                return Err(fmt::Error);
            }
            if is_unsafe_to_show(c) { self.text.extend(c.escape_default()) } else { self.text.push(c) }
        }
        Ok(())
    }
}

/// Control characters, and characters that reorder or hide text.
fn is_unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Bytes of a peer, shown safely: valid UTF-8 as it is, the rest and control characters escaped, at most `max` bytes of output.
pub fn shown(bytes: &[u8], max: usize) -> String {
    let mut bounded = Bounded { text: String::new(), max };
    for chunk in bytes.utf8_chunks() {
        let full = bounded.write_str(chunk.valid()).is_err()
            || chunk.invalid().iter().any(|byte| write!(bounded, "\\x{byte:02x}").is_err());
        if full {
            break;
        }
    }
    bounded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_printable_and_bounded() {
        let failure = Failure::new(Reason::ProtocolError, format_args!("got {}", "\r\n\u{202e}x".repeat(400)));
        assert!(failure.message().starts_with("got \\r\\n\\u{202e}x"), "{}", failure.message());
        assert!(failure.message().len() <= MESSAGE_BYTES_MAX);
        assert!(failure.message().ends_with('…'));
    }

    #[test]
    fn bytes_are_shown_without_control_characters() {
        assert_eq!(shown(b"220 \xff\x00ok\r\n", 100), "220 \\xff\\u{0}ok\\r\\n");
    }

    #[test]
    fn reasons_have_distinct_names() {
        let mut names: Vec<_> = Reason::ALL.iter().map(|reason| reason.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Reason::ALL.len());
    }

    #[test]
    fn an_alert_inside_an_encrypted_stream_is_no_broken_connection() {
        let alert = rustls::Error::AlertReceived(rustls::AlertDescription::CertificateRequired);
        assert_eq!(Reason::of_io(&io::Error::new(io::ErrorKind::InvalidData, alert)), Reason::TlsAlert);
    }

    #[test]
    fn the_agents_own_shortage_is_told_apart() {
        let reason = Reason::of_io(&io::Error::from_raw_os_error(libc::EMFILE));
        assert_eq!(reason, Reason::AgentFd);
        assert!(reason.is_shortage());
        assert!(!Reason::of_io(&io::Error::from_raw_os_error(libc::ECONNREFUSED)).is_shortage());
    }
}
