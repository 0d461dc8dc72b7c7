//! The real world of the agent's probes: the resolver and the trust anchors the plan names, and files with a cache.
//!
//! Knows no kind of probe.

use std::collections::HashMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tuermer_probes::net::{Anchors, Beginning, FILE_BYTES_MAX, FileContent, Files, Net, Resolver};

use crate::config;
use crate::folders;
use crate::plan::AgentSettings;

/// The world that a plan's probes run in.
pub fn net(settings: &AgentSettings) -> Result<Net, String> {
    let resolver = match settings.resolver.as_slice() {
        [] => Resolver::system(),
        servers => Resolver::of_servers(servers),
    };
    let resolver = resolver.map_err(|error| format!("cannot set up the resolver: {error}"))?;
    let resolver = resolver.with_anchors(Arc::new(anchors(settings)?));
    Ok(Net::new(resolver, Arc::new(CachedFiles::default())))
}

/// What proofs of DNSSEC begin with.
pub fn anchors(settings: &AgentSettings) -> Result<Anchors, String> {
    let Some(path) = &settings.dnssec_trust_anchors else { return Ok(Anchors::default()) };
    let shown = path.display();
    let bytes = read_bounded(path).map_err(|error| format!("cannot read the trust anchors {shown}: {error}"))?;
    let text = String::from_utf8(bytes).map_err(|_| format!("the trust anchors {shown} are not UTF-8"))?;
    config::trust_anchors(&text, &shown.to_string()).map_err(|error| error.to_string())
}

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: (i64, i64),
}

impl Stamp {
    fn of(metadata: &fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }
}

/// Files, read again only when they changed.
#[derive(Debug, Default)]
pub(crate) struct CachedFiles(Mutex<Cache>);

#[derive(Debug, Default)]
struct Cache {
    files: HashMap<PathBuf, (Stamp, FileContent)>,
    versions: u64,
}

impl Files for CachedFiles {
    fn read(&self, path: &Path) -> io::Result<FileContent> {
        let stamp = Stamp::of(&fs::metadata(path)?);
        if let Some((known, content)) = self.cache().files.get(path)
            && *known == stamp
        {
            return Ok(content.clone());
        }
        // Read without the lock: a slow disk delays only who needs this file.
        let bytes = read_bounded(path)?;
        let mut cache = self.cache();
        cache.versions += 1;
        let content = FileContent { bytes: bytes.into(), version: cache.versions };
        cache.files.insert(path.to_owned(), (stamp, content.clone()));
        Ok(content)
    }

    fn names(&self, folder: &Path) -> io::Result<Vec<String>> {
        folders::names(folder)
    }

    fn beginning(&self, folder: &Path, name: &str, bytes_max: usize) -> io::Result<Beginning> {
        folders::beginning(folder, name, bytes_max)
    }

    fn remove(&self, folder: &Path, name: &str) -> io::Result<()> {
        folders::remove(folder, name)
    }
}

impl CachedFiles {
    fn cache(&self) -> MutexGuard<'_, Cache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses what is not a regular file: opening or reading a pipe could block for ever.
fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(io::Error::other(format!("larger than {FILE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// What changes when the system's name servers or hosts do, or the trust anchors.
pub fn names_stamp(settings: &AgentSettings) -> u64 {
    let mut hasher = DefaultHasher::new();
    let systems = ["/etc/resolv.conf", "/etc/hosts"].map(Path::new);
    for path in systems.into_iter().chain(settings.dnssec_trust_anchors.as_deref()) {
        fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata)).hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRWXU).unwrap();
        let error = CachedFiles::default().read(&path).unwrap_err();
        assert_eq!(error.to_string(), "not a regular file");
    }

    #[test]
    fn a_file_is_read_again_only_when_it_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        fs::write(&path, "one").unwrap();
        let files = CachedFiles::default();
        let first = files.read(&path).unwrap();
        assert_eq!(files.read(&path).unwrap().version, first.version);
        fs::write(folder.path().join("new"), "other").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let second = files.read(&path).unwrap();
        assert_eq!(&*second.bytes, b"other");
        assert_ne!(second.version, first.version);
    }

    #[test]
    fn a_file_over_the_limit_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("big");
        let file = File::create(&path).unwrap();
        file.set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(CachedFiles::default().read(&path).is_err());
    }
}
