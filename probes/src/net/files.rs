//! Files of the agent's machine, as probes see them.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

/// Largest file a probe may ask for in bytes. Chosen: a bundle of all public authorities is a quarter of it.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Most names that are listed of a folder. Chosen: a mailbox that nobody tidied for years.
pub const FOLDER_NAMES_MAX: usize = 20_000;

/// A file's content at one moment.
#[derive(Debug, Clone)]
pub struct FileContent {
    /// The bytes.
    pub bytes: Arc<[u8]>,
    /// Differs whenever the content may differ.
    pub version: u64,
}

/// The beginning of a file.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// When it was written to last.
    pub modified: SystemTime,
}

/// Where files come from: the agent reads and caches them, tests make them up.
///
/// The folders below are somebody else's: names in them are single names of regular files. For anything else, links too,
/// the error is [`io::ErrorKind::InvalidInput`]; the folder itself must be no link either.
pub trait Files: Send + Sync {
    /// The file's present content, at most [`FILE_BYTES_MAX`].
    fn read(&self, path: &Path) -> io::Result<FileContent>;

    /// The names in a folder that are UTF-8; [`io::ErrorKind::FileTooLarge`] if there are more than [`FOLDER_NAMES_MAX`].
    fn names(&self, _folder: &Path) -> io::Result<Vec<String>> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// The first bytes of a file in a folder.
    fn beginning(&self, _folder: &Path, _name: &str, _bytes_max: usize) -> io::Result<Beginning> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Removes a file from a folder.
    fn remove(&self, _folder: &Path, _name: &str) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
