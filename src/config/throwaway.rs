//! A key for trying things out on testnets, made once and kept.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use uuid::Uuid;

use super::value;
use crate::secret::Secret;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the throwaway key cannot be kept at {path}")]
    Io { path: PathBuf, source: io::Error },
    #[error("{path} holds no private key; delete the file or set EVM_PRIVATE_KEY")]
    Unreadable { path: PathBuf },
}

/// Where the key is kept.
pub(super) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("evm-throwaway.key")
}

/// The key kept in `data_dir`, made on the first call. Processes that race for it end up with the same one.
pub fn throwaway_key(data_dir: &Path) -> Result<Secret, Error> {
    let path = path(data_dir);
    let text = keep(data_dir, &path).map_err(|source| Error::Io {
        path: path.clone(),
        source,
    })?;
    value::private_key(text.trim()).map_err(|_| Error::Unreadable { path })
}

/// The address that a key pays from; `None` for text that is no key.
pub(super) fn address(key: &Secret) -> Option<Address> {
    let signer: PrivateKeySigner = key.expose().parse().ok()?;
    Some(signer.address())
}

/// Reads the file, or writes it first. It appears under its name complete or not at all, and never replaces one that is there.
fn keep(data_dir: &Path, path: &Path) -> io::Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        read => return read,
    }
    fs::create_dir_all(data_dir)?;
    let draft = data_dir.join(format!(".evm-throwaway.{}", Uuid::now_v7()));
    write_draft(&draft)?;
    let linked = fs::hard_link(&draft, path);
    fs::remove_file(&draft)?;
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::open(data_dir)?.sync_all()?;
    fs::read_to_string(path)
}

fn write_draft(path: &Path) -> io::Result<()> {
    let key = PrivateKeySigner::random().to_bytes();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{key}")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn directory() -> PathBuf {
        std::env::temp_dir().join(format!("x402-throwaway-{}", Uuid::now_v7()))
    }

    #[test]
    fn a_file_that_holds_no_key_is_told_and_left_alone() {
        let directory = directory();
        fs::create_dir_all(&directory).unwrap();
        fs::write(path(&directory), "half a k").unwrap();
        let error = throwaway_key(&directory).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "{} holds no private key; delete the file or set EVM_PRIVATE_KEY",
                path(&directory).display()
            )
        );
        assert_eq!(fs::read_to_string(path(&directory)).unwrap(), "half a k");
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_told() {
        let error = throwaway_key(Path::new("/dev/null/data")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the throwaway key cannot be kept at /dev/null/data/evm-throwaway.key"
        );
    }

    #[test]
    fn the_next_start_finds_the_same_key() {
        let directory = directory();
        let first = throwaway_key(&directory).unwrap();
        assert_eq!(throwaway_key(&directory).unwrap(), first);
        assert!(address(&first).is_some());
    }

    #[test]
    fn only_the_owner_may_read_the_key_and_no_draft_stays() {
        let directory = directory();
        throwaway_key(&directory).unwrap();
        let mode = fs::metadata(path(&directory)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    }

    #[test]
    fn those_who_race_for_the_first_key_get_the_same_one() {
        let directory = directory();
        let keys: Vec<Secret> = std::thread::scope(|scope| {
            let racers: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| throwaway_key(&directory).unwrap()))
                .collect();
            racers
                .into_iter()
                .map(|racer| racer.join().unwrap())
                .collect()
        });
        assert!(keys.iter().all(|key| *key == keys[0]));
    }
}
