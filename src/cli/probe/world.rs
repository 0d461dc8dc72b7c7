//! The world of a single run: the resolver of the plan, and files as they are.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use tuermer_probes::net::{FILE_BYTES_MAX, FileContent, Files, Net, Resolver};

use crate::plan::AgentSettings;

pub(super) fn net(settings: &AgentSettings) -> Result<Net, String> {
    let resolver = match settings.resolver.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::of_servers(servers),
    };
    Ok(Net::new(resolver?, Arc::new(Present)))
}

/// Files, read whenever they are asked for.
struct Present;

impl Files for Present {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let mut bytes = Vec::new();
        File::open(path)?.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > FILE_BYTES_MAX {
            return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
        }
        Ok(FileContent { bytes: bytes.into(), version: 0 })
    }
}
