//! Members of a buyer's payload, read strictly: whatever a contract would choke on is refused here.

use std::str::FromStr;

use alloy::primitives::{Address, B256, Bytes, U256};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::protocol::{Amount, Object, Reason};
use crate::scheme::Rejection;

/// Longest signature, bytes; wallets with several owners and passkeys stay far below.
pub(in crate::scheme) const SIGNATURE_MAX: usize = 16 * 1024;

/// The name of a member that cannot be read.
pub(in crate::scheme) type Unreadable = &'static str;

pub(in crate::scheme) fn read<T: DeserializeOwned>(raw: &RawValue) -> Result<T, Rejection> {
    let read = serde_json::from_str::<Object<T>>(raw.get());
    read.map(|Object(read)| read).map_err(|cause| {
        // The complaint may quote what a stranger sent.
        let text = cause.to_string();
        let printable = text.chars().filter(|c| !c.is_control());
        Rejection::new(Reason::InvalidPayload).because(printable.take(200).collect::<String>())
    })
}

pub(in crate::scheme) fn member<T>(name: Unreadable, read: Option<T>) -> Result<T, Unreadable> {
    read.ok_or(name)
}

pub(in crate::scheme) fn payer(text: &str) -> Result<Address, Rejection> {
    address(text)
        .filter(|address| !address.is_zero())
        .ok_or_else(|| malformed("from"))
}

pub(in crate::scheme) fn malformed(member: &str) -> Rejection {
    Rejection::new(Reason::InvalidPayload).because(format!("{member} is malformed"))
}

/// `0x` and 40 hex digits in any case: wallets differ in checksums.
pub(in crate::scheme) fn address(text: &str) -> Option<Address> {
    hex_of_length(text, 42).and_then(|text| Address::from_str(text).ok())
}

/// Decimal digits of a `uint256`.
pub(in crate::scheme) fn number(text: &str) -> Option<U256> {
    Amount::parse(text).map(Amount::units)
}

/// `0x` and whole bytes.
pub(in crate::scheme) fn signature(text: &str) -> Option<Bytes> {
    let whole = text.len() <= 2 + 2 * SIGNATURE_MAX && text.starts_with("0x");
    whole.then(|| Bytes::from_str(text).ok()).flatten()
}

pub(in crate::scheme) fn word(text: &str) -> Option<B256> {
    hex_of_length(text, 66).and_then(|text| B256::from_str(text).ok())
}

fn hex_of_length(text: &str, length: usize) -> Option<&str> {
    (text.len() == length && text.starts_with("0x")).then_some(text)
}
