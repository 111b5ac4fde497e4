//! Whoever pays or is paid, on any family of networks, in the one form in which lists compare them.

use std::fmt;

/// An address in normal form: hex in lower case without leading zeros (felts are written with and without), anything else as it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Party(String);

impl Party {
    /// Of an address that was written by anybody.
    pub fn of(address: &str) -> Self {
        let address = address.trim();
        match hex_digits(address) {
            Some(digits) => {
                let digits = digits.trim_start_matches('0').to_lowercase();
                Self(format!("0x{digits}"))
            }
            None => Self(address.to_owned()),
        }
    }

    /// Reads an address as a list has it: 0x and hex digits, or base58; with or without a CAIP-10 network before it.
    pub fn parse(text: &str) -> Option<Self> {
        let address = text.trim().rsplit(':').next().unwrap_or_default();
        let is_hex = hex_digits(address).is_some_and(|digits| {
            (1..=64).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit())
        });
        let is_base58 = (32..=44).contains(&address.len())
            && address
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() && !matches!(b, b'0' | b'O' | b'I' | b'l'));
        (is_hex || is_base58).then(|| Self::of(address))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn hex_digits(address: &str) -> Option<&str> {
    address
        .strip_prefix("0x")
        .or_else(|| address.strip_prefix("0X"))
}

impl fmt::Display for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_has_one_form_however_it_is_written() {
        let evm = "0x00000000000000000000000000000000000CAFE1";
        for same in [
            "0X00000000000000000000000000000000000cafe1",
            " 0xcafe1 ",
            "eip155:8453:0x00000000000000000000000000000000000cafe1",
        ] {
            assert_eq!(Party::parse(same), Some(Party::of(evm)), "{same}");
        }
        let solana = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v";
        assert_eq!(Party::parse(solana), Some(Party::of(solana)));
        assert_ne!(Party::of(solana), Party::of(&solana.to_lowercase()));
    }

    #[test]
    fn what_is_no_address_is_not_read() {
        for wrong in [
            "",
            "0x",
            "0xfg",
            "cafe",
            "0x12 0x13",
            "l".repeat(40).as_str(),
        ] {
            assert_eq!(Party::parse(wrong), None, "{wrong}");
        }
    }
}
