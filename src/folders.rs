//! Folders that belong to somebody else: mailboxes that are folders of files.
//!
//! Whoever owns such a folder may put links and pipes into it, and exchange it for another at any moment. So the folder is
//! opened once, if it is no link, and everything is done within what was opened.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use tuermer_probes::net::{Beginning, FOLDER_NAMES_MAX};

/// A folder that was opened.
struct Folder(File);

impl Folder {
    fn open(path: &Path) -> io::Result<Self> {
        open(path, libc::O_DIRECTORY).map(Self)
    }

    /// What is within the folder, wherever it is now.
    fn within(&self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/self/fd/{}/{name}", self.0.as_raw_fd()))
    }

    fn file(&self, name: &str) -> io::Result<PathBuf> {
        if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Ok(self.within(name))
    }
}

/// Follows no link in the last part of the path, and waits for nobody at the other end of a pipe.
fn open(path: &Path, flags: i32) -> io::Result<File> {
    let flags = flags | libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let opened = File::options().read(true).custom_flags(flags).open(path);
    opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP | libc::ENXIO) => io::ErrorKind::InvalidInput.into(),
        _ => error,
    })
}

/// The names in a folder.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let folder = Folder::open(folder)?;
    let mut names = Vec::new();
    for entry in fs::read_dir(folder.within(""))? {
        if names.len() >= FOLDER_NAMES_MAX {
            let message = format!("more than {FOLDER_NAMES_MAX} files");
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        names.extend(entry?.file_name().into_string());
    }
    Ok(names)
}

/// The first bytes of a file in a folder.
pub(crate) fn beginning(folder: &Path, name: &str, bytes_max: usize) -> io::Result<Beginning> {
    let folder = Folder::open(folder)?;
    let file = open(&folder.file(name)?, 0)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut bytes = Vec::new();
    file.take(bytes_max as u64).read_to_end(&mut bytes)?;
    Ok(Beginning { bytes, modified: metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH) })
}

/// Removes a file from a folder.
pub(crate) fn remove(folder: &Path, name: &str) -> io::Result<()> {
    let folder = Folder::open(folder)?;
    let path = folder.file(name)?;
    if !fs::symlink_metadata(&path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // Should a link have taken its place in between, it is the link that goes.
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn kind<T>(result: io::Result<T>) -> Option<io::ErrorKind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn files_of_a_folder_are_listed_read_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("1.a.host:2,S"), "Subject: x\n").unwrap();
        assert_eq!(names(folder.path()).unwrap(), ["1.a.host:2,S"]);
        let read = beginning(folder.path(), "1.a.host:2,S", 7).unwrap();
        assert_eq!(read.bytes, b"Subject");
        assert!(read.modified > SystemTime::UNIX_EPOCH);
        remove(folder.path(), "1.a.host:2,S").unwrap();
        assert_eq!(names(folder.path()).unwrap(), [""; 0]);
        assert_eq!(kind(remove(folder.path(), "1.a.host:2,S")), Some(io::ErrorKind::NotFound));
    }

    #[test]
    fn links_pipes_and_folders_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir_all(at.join("new/sub")).unwrap();
        fs::write(at.join("secret"), "x").unwrap();
        symlink(at.join("secret"), at.join("new/link")).unwrap();
        nix::unistd::mkfifo(&at.join("new/pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        for name in ["link", "pipe", "sub", "../secret", "..", ".", "", "a/b"] {
            assert_eq!(kind(beginning(&at.join("new"), name, 10)), Some(io::ErrorKind::InvalidInput), "{name}");
            assert_eq!(kind(remove(&at.join("new"), name)), Some(io::ErrorKind::InvalidInput), "{name}");
        }
        assert!(at.join("secret").exists() && at.join("new/link").exists());
        symlink(at.join("new"), at.join("cur")).unwrap();
        assert!(names(&at.join("cur")).is_err(), "the folder is a link");
    }
}
