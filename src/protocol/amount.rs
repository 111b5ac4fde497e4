//! An amount of a token in its atomic units.

use std::fmt;

use ruint::aliases::U256;

/// Atomic units of an asset, up to 2²⁵⁶ − 1. On the wire and in the store it is a decimal string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Amount(U256);

impl Amount {
    pub const ZERO: Self = Self(U256::ZERO);

    /// Reads decimal digits and nothing else: no sign, no space, no exponent, no hexadecimal, at most 78 digits.
    pub fn parse(text: &str) -> Option<Self> {
        let plain =
            !text.is_empty() && text.len() <= 78 && text.bytes().all(|b| b.is_ascii_digit());
        if !plain {
            return None;
        }
        U256::from_str_radix(text, 10).ok().map(Self)
    }

    pub fn units(self) -> U256 {
        self.0
    }

    pub fn is_zero(self) -> bool {
        self.0.is_zero()
    }

    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }
}

impl From<U256> for Amount {
    fn from(units: U256) -> Self {
        Self(units)
    }
}

impl From<u64> for Amount {
    fn from(units: u64) -> Self {
        Self(U256::from(units))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_decimal_digits_only() {
        let max = "115792089237316195423570985008687907853269984665640564039457584007913129639935";
        assert_eq!(
            Amount::parse(max).map(|a| a.to_string()).as_deref(),
            Some(max)
        );
        assert_eq!(
            Amount::parse("007").map(|a| a.to_string()).as_deref(),
            Some("7")
        );
        let over = "115792089237316195423570985008687907853269984665640564039457584007913129639936";
        for bad in [
            "", "-1", "+1", " 1", "1.0", "1e3", "0x10", "1_000", "١", over,
        ] {
            assert_eq!(Amount::parse(bad), None, "{bad:?}");
        }
    }
}
