//! Which phases the parts of a request count to.

use super::PROCESSING;
use crate::net::{CONNECT, RESOLVE, TLS};
use crate::phase::Phase;

/// The proxy is being looked up, or is opening a tunnel.
pub(crate) const PROXY: Phase = Phase::new("proxy").whole_only().extra();
/// The server that gives tokens is being asked.
pub(crate) const TOKEN: Phase = Phase::new("token").extra();

/// Which phases the parts of a request count to.
#[derive(Debug)]
pub(super) struct Phases {
    pub(super) proxy: Phase,
    pub(super) resolve: Phase,
    pub(super) connect: Phase,
    pub(super) tls: Phase,
    pub(super) processing: Phase,
    /// Whether it is not the target that is asked, so that nothing is read off the connection.
    pub(super) is_aside: bool,
}

/// A request to the target.
pub(super) static OF_TARGET: Phases =
    Phases { proxy: PROXY, resolve: RESOLVE, connect: CONNECT, tls: TLS, processing: PROCESSING, is_aside: false };

/// A request for a token: one phase for all of it.
pub(super) static OF_TOKEN: Phases =
    Phases { proxy: TOKEN, resolve: TOKEN, connect: TOKEN, tls: TOKEN, processing: TOKEN, is_aside: true };
