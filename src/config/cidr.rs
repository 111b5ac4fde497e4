//! Ranges of IP addresses.

use std::net::IpAddr;

use super::value::{self, Parsed};

/// An address, or all addresses that begin like it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    first: IpAddr,
    /// Bits that count.
    prefix: u8,
}

impl Cidr {
    /// Reads `10.0.0.0/8`, `fd00::/8`, or one address.
    pub(super) fn parse(text: &str) -> Parsed<Self> {
        let refuse = || {
            let quoted = value::quote(text);
            format!("must be an IP address or a range such as 10.0.0.0/8, not {quoted}")
        };
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let first: IpAddr = address.parse().map_err(|_| refuse())?;
        let whole = if first.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix.parse().ok().filter(|bits| *bits <= whole),
            None => Some(whole),
        };
        Ok(Self {
            first,
            prefix: prefix.ok_or_else(refuse)?,
        })
    }

    /// Whether an address is in the range. An IPv4 address that comes as IPv6 must be made IPv4 before.
    pub fn contains(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                let host = 32 - u32::from(self.prefix);
                let network = |address: u32| address.checked_shr(host).unwrap_or(0);
                network(first.to_bits()) == network(address.to_bits())
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                let host = 128 - u32::from(self.prefix);
                let network = |address: u128| address.checked_shr(host).unwrap_or(0);
                network(first.to_bits()) == network(address.to_bits())
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_its_addresses_and_no_others() {
        for (range, address, inside) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.1.2.3/31", "10.1.2.2", true),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.2", false),
            ("0.0.0.0/0", "203.0.113.7", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let range = Cidr::parse(range).unwrap();
            assert_eq!(
                range.contains(address.parse().unwrap()),
                inside,
                "{range:?} {address}"
            );
        }
    }

    #[test]
    fn refuses_ranges_that_are_none() {
        for bad in [
            "",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0/8",
            "::/129",
            "proxy",
            "10.0.0.0/-1",
        ] {
            assert!(Cidr::parse(bad).is_err(), "{bad}");
        }
    }
}
