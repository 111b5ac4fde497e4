//! Who is refused as payer and as payee: a file of addresses, read at start and on SIGHUP.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::protocol::Party;

/// Longest file, bytes: half a million addresses.
const FILE_LIMIT: u64 = 32 * 1024 * 1024;

/// Addresses of any family.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DenyList(HashSet<Party>);

impl DenyList {
    pub fn contains(&self, party: &Party) -> bool {
        self.0.contains(party)
    }

    /// The operator's file; nobody is denied where there is none.
    ///
    /// # Errors
    /// What is wrong with the file, continuing the sentence that `DENY_LIST_FILE` begins. A line that is no address is an error: whoever it
    /// meant would not be refused.
    pub fn read(path: Option<&Path>) -> Result<Self, String> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let unreadable = |error: std::io::Error| {
            let kind = error.kind();
            format!("names a file that cannot be read: {kind}")
        };
        if fs::metadata(path).map_err(unreadable)?.len() > FILE_LIMIT {
            return Err("names a file too long to hold addresses".to_owned());
        }
        Self::parse(&fs::read_to_string(path).map_err(unreadable)?)
    }

    /// One address per line; what follows a `#` is a comment.
    ///
    /// # Errors
    /// As for [`DenyList::read`].
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut list = HashSet::new();
        for (index, line) in text.lines().enumerate() {
            let entry = line.split('#').next().unwrap_or_default().trim();
            if entry.is_empty() {
                continue;
            }
            let party = Party::parse(entry)
                .ok_or_else(|| format!("names a file whose line {} is no address", index + 1))?;
            list.insert(party);
        }
        Ok(Self(list))
    }
}

/// Where the list comes from.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub file: Option<PathBuf>,
    /// As read at start.
    pub initial: DenyList,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_of_every_family_with_comments_between() {
        let text =
            "# sanctions\n0xABCD # somebody\n\n EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v\n";
        let list = DenyList::parse(text).unwrap();
        assert!(list.contains(&Party::of("0x000000000000000000000000000000000000abcd")));
        assert!(list.contains(&Party::of("EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v")));
        assert!(!list.contains(&Party::of("0xabce")));
    }

    #[test]
    fn a_line_that_would_deny_nobody_is_an_error() {
        let wrong = DenyList::parse("0xabcd\n0xabcg\n");
        let message = "names a file whose line 2 is no address";
        assert_eq!(wrong, Err(message.to_owned()));
    }
}
