//! One value at a time, from text to type. An error continues the sentence that the variable's name begins.

use std::fmt::Display;
use std::str::FromStr;

use alloy::primitives::Address;
use alloy::signers::local::PrivateKeySigner;
use solana_pubkey::Pubkey;
use url::Url;

use super::Factory;
use crate::secret::Secret;
use crate::signer::svm;

pub(super) type Parsed<T> = Result<T, String>;

/// Gas for deploying a wallet, where the operator names a factory and no number.
const FACTORY_GAS: u64 = 500_000;
/// Room for any wallet we know, and a bound on what one payment can burn.
const MOST_FACTORY_GAS: u64 = 5_000_000;
const LEAST_FACTORY_GAS: u64 = 21_000;
/// Longest value that is quoted back. A key is longer.
const QUOTE_LIMIT: usize = 40;

/// The entries of a comma-separated list, without blanks.
pub(super) fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|entry| !entry.is_empty())
}

/// Reads every entry of a comma-separated list; an error says which entry it is. A list without entries is an error too.
pub(super) fn each<T>(
    text: &str,
    parse: impl Fn(&str) -> Parsed<T>,
) -> Result<Vec<T>, Vec<String>> {
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for (index, entry) in list(text).enumerate() {
        match parse(entry) {
            Ok(value) => good.push(value),
            Err(message) => bad.push(format!("(entry {}) {message}", index + 1)),
        }
    }
    if good.is_empty() && bad.is_empty() {
        bad.push("has only empty entries".to_owned());
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

/// A value repeated for the operator, unless it is long enough to be a key in the wrong place.
pub(super) fn quote(text: &str) -> String {
    let length = text.chars().count();
    if length > QUOTE_LIMIT {
        return format!("a value of {length} characters");
    }
    format!("`{}`", text.escape_debug())
}

/// A whole number within a range.
pub(super) fn whole<T>(text: &str, least: T, most: T) -> Parsed<T>
where
    T: Copy + FromStr + PartialOrd + Display,
{
    text.parse()
        .ok()
        .filter(|number| (&least..=&most).contains(&number))
        .ok_or_else(|| {
            format!(
                "must be a whole number from {least} to {most}, not {}",
                quote(text)
            )
        })
}

pub(super) fn flag(text: &str) -> Parsed<bool> {
    match text {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err(format!("must be true or false, not {}", quote(text))),
    }
}

/// A decimal number of units that have `decimals` places, as a number of their smallest part: gwei (9) or ether (18) in wei.
pub(super) fn units(text: &str, decimals: usize) -> Parsed<u128> {
    let refuse = || {
        let places = format!("a decimal number such as 0.05 with at most {decimals} places");
        format!("must be {places}, not {}", quote(text))
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || fraction.len() > decimals {
        return Err(refuse());
    }
    format!("{whole}{fraction:0<decimals$}")
        .parse()
        .map_err(|_| refuse())
}

/// An amount that [`units`] reads, and not none.
pub(super) fn positive(text: &str, decimals: usize) -> Parsed<u128> {
    match units(text, decimals)? {
        0 => Err("must not be zero".to_owned()),
        amount => Ok(amount),
    }
}

pub(super) fn has_twins<T: PartialEq>(values: &[T]) -> bool {
    let mut rest = values;
    while let Some((first, others)) = rest.split_first() {
        if others.contains(first) {
            return true;
        }
        rest = others;
    }
    false
}

/// An endpoint; it may carry a key, so an error does not repeat it.
pub(super) fn endpoint(text: &str) -> Parsed<Secret> {
    let is_endpoint = Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    if is_endpoint {
        Ok(Secret::new(text))
    } else {
        Err("must be an http:// or https:// URL".to_owned())
    }
}

/// An EVM address; one in mixed case must have the right checksum.
pub fn address(text: &str) -> Parsed<Address> {
    let digits = text.strip_prefix("0x").unwrap_or_default();
    let parsed: Option<Address> = (digits.len() == 40).then(|| text.parse().ok()).flatten();
    let Some(address) = parsed else {
        return Err("must be an address: 0x and 40 hex digits".to_owned());
    };
    let one_case = digits == digits.to_lowercase() || digits == digits.to_uppercase();
    if !one_case && Address::parse_checksummed(text, None).is_err() {
        return Err("must be an address, and the checksum in its letters is wrong".to_owned());
    }
    if address.is_zero() {
        return Err("must not be the zero address".to_owned());
    }
    Ok(address)
}

/// `0xaddress` or `0xaddress:gas`.
pub(super) fn factory(text: &str) -> Parsed<Factory> {
    let (target, gas) = match text.split_once(':') {
        Some((target, gas)) => (target, whole(gas, LEAST_FACTORY_GAS, MOST_FACTORY_GAS)?),
        None => (text, FACTORY_GAS),
    };
    Ok(Factory {
        address: address(target)?,
        gas,
    })
}

/// A secp256k1 key, kept as `0x` and lower-case hex whatever the operator wrote. An error repeats nothing of it.
pub(super) fn private_key(text: &str) -> Parsed<Secret> {
    let refuse = || "must be a private key: 64 hex digits, with or without 0x".to_owned();
    let digits = text.strip_prefix("0x").unwrap_or(text).to_lowercase();
    if digits.len() != 64 || digits.parse::<PrivateKeySigner>().is_err() {
        return Err(refuse());
    }
    Ok(Secret::new(format!("0x{digits}")))
}

/// Solana keypairs, kept in base58: one as a JSON array of bytes, as Solana's tools write it, or a comma-separated list in base58. An error
/// repeats nothing of them.
pub(super) fn keypairs(text: &str) -> Parsed<Vec<Secret>> {
    if text.starts_with('[') {
        let bytes: Option<Vec<u8>> = serde_json::from_str(text).ok();
        let Some(bytes) = bytes.filter(|bytes| bytes.len() == 64) else {
            return Err("must be a JSON array of 64 bytes where it begins with [".to_owned());
        };
        return keypair(&bs58::encode(bytes).into_string()).map(|keypair| vec![keypair]);
    }
    each(text, keypair).map_err(|messages| messages.join("; "))
}

fn keypair(text: &str) -> Parsed<Secret> {
    let keypair = Secret::new(text);
    match svm::Local::parse(&keypair) {
        Ok(_) => Ok(keypair),
        Err(_) => Err(
            "must be a keypair: 64 bytes in base58, the public half that of the secret half"
                .to_owned(),
        ),
    }
}

/// A Solana address.
pub(super) fn pubkey(text: &str) -> Parsed<Pubkey> {
    text.parse()
        .map_err(|_| "must be an address: 32 bytes in base58".to_owned())
}

/// What a caller proves itself with: long enough not to be guessed, and fit for a header.
pub(super) fn bearer_token(text: &str) -> Parsed<Secret> {
    if text.len() < 16 || !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err("must be at least 16 visible ASCII characters without spaces".to_owned());
    }
    Ok(Secret::new(text))
}

/// A provider's API key, which becomes a part of a URL.
pub(super) fn api_key(text: &str) -> Parsed<Secret> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    if !text.bytes().all(fits) {
        return Err("must have only letters, digits, - and _".to_owned());
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    const USDC: &str = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";

    #[test]
    fn refuses_keys_that_are_none_and_repeats_nothing_of_them() {
        let zero = "0".repeat(64);
        let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
        let short = "ab".repeat(31);
        let long = "ab".repeat(33);
        let letters = "zz".repeat(32);
        for bad in [&zero, order, &short, &long, &letters, "0x0x12"] {
            assert_eq!(
                private_key(bad),
                Err("must be a private key: 64 hex digits, with or without 0x".to_owned())
            );
        }
    }

    #[test]
    fn a_key_is_the_same_however_it_is_written() {
        let expected = format!("0x{}", "ab".repeat(32));
        for text in [
            "AB".repeat(32),
            "ab".repeat(32),
            format!("0x{}", "aB".repeat(32)),
        ] {
            assert_eq!(private_key(&text).unwrap().expose(), expected);
        }
    }

    #[test]
    fn refuses_keypairs_that_are_none_and_repeats_nothing_of_them() {
        let json = "must be a JSON array of 64 bytes where it begins with [";
        let halves =
            "must be a keypair: 64 bytes in base58, the public half that of the secret half";
        let entry = |number: usize| format!("(entry {number}) {halves}");
        let good = keypair_text(1);
        let seed = bs58::encode([1; 32]).into_string();
        let mut mixed = keypair_bytes(1);
        mixed[32..].copy_from_slice(&keypair_bytes(2)[32..]);
        for (bad, message) in [
            ("[".to_owned(), json.to_owned()),
            ("[1,2,3]".to_owned(), json.to_owned()),
            (format!("{:?}", [256; 64]), json.to_owned()),
            (format!("{:?}", [-1; 64]), json.to_owned()),
            (format!("{mixed:?}"), halves.to_owned()),
            (format!("[{good}]"), json.to_owned()),
            (seed.clone(), entry(1)),
            (bs58::encode(mixed).into_string(), entry(1)),
            (
                format!("{good}, 0OIl, {seed}"),
                format!("{}; {}", entry(2), entry(3)),
            ),
            (",".to_owned(), "has only empty entries".to_owned()),
        ] {
            assert_eq!(keypairs(&bad), Err(message), "{bad}");
        }
    }

    #[test]
    fn a_keypair_is_the_same_however_it_is_written() {
        let expected = vec![Secret::new(keypair_text(1))];
        let json = format!("{:?}", keypair_bytes(1));
        assert_eq!(keypairs(&json), Ok(expected.clone()));
        assert_eq!(keypairs(&keypair_text(1)), Ok(expected));
        let two = format!("{}, {}", keypair_text(1), keypair_text(2));
        assert_eq!(keypairs(&two).map(|keys| keys.len()), Ok(2));
    }

    fn keypair_bytes(seed: u8) -> [u8; 64] {
        ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).to_keypair_bytes()
    }

    fn keypair_text(seed: u8) -> String {
        bs58::encode(keypair_bytes(seed)).into_string()
    }

    #[test]
    fn refuses_solana_addresses_that_are_none() {
        let message = "must be an address: 32 bytes in base58";
        for bad in [
            "",
            "0x12",
            USDC,
            "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZ",
            "solana",
        ] {
            assert_eq!(pubkey(bad), Err(message.to_owned()), "{bad}");
        }
        let mint = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
        assert_eq!(pubkey(mint).unwrap().to_string(), mint);
    }

    #[test]
    fn refuses_addresses_that_are_none() {
        let not_one = "must be an address: 0x and 40 hex digits";
        let checksum = "must be an address, and the checksum in its letters is wrong";
        let zero = format!("0x{}", "0".repeat(40));
        for (bad, message) in [
            ("", not_one),
            (&USDC[2..], not_one),
            (&USDC[..41], not_one),
            ("0xg36CbD53842c5426634e7929541eC2318f3dCF7e", not_one),
            ("0x036cbD53842c5426634e7929541eC2318f3dCF7e", checksum),
            (&zero, "must not be the zero address"),
        ] {
            assert_eq!(address(bad), Err(message.to_owned()), "{bad}");
        }
    }

    #[test]
    fn reads_addresses_with_a_checksum_and_in_one_case() {
        let expected: Address = USDC.parse().unwrap();
        assert_eq!(address(USDC), Ok(expected));
        assert_eq!(address(&USDC.to_lowercase()), Ok(expected));
    }

    #[test]
    fn refuses_amounts_that_are_not_plain_decimals() {
        for bad in [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e9",
            "1,5",
            "0x1",
            "1.2.3",
            "0.0000000001",
        ] {
            let message =
                format!("must be a decimal number such as 0.05 with at most 9 places, not `{bad}`");
            assert_eq!(units(bad, 9), Err(message));
        }
        assert!(units(&"9".repeat(31), 9).is_err());
    }

    #[test]
    fn reads_amounts_exactly() {
        assert_eq!(units("0.001", 9), Ok(1_000_000));
        assert_eq!(units("30", 9), Ok(30_000_000_000));
        assert_eq!(units("0.05", 18), Ok(50_000_000_000_000_000));
        assert_eq!(units("0.000000000000000001", 18), Ok(1));
    }

    #[test]
    fn refuses_endpoints_that_are_not_http_and_repeats_nothing_of_them() {
        for bad in [
            "wss://node.example/secret",
            "node.example/secret",
            "https://",
            "http//secret",
        ] {
            assert_eq!(
                endpoint(bad),
                Err("must be an http:// or https:// URL".to_owned())
            );
        }
    }

    #[test]
    fn a_factory_has_an_address_and_bounded_gas() {
        assert_eq!(
            factory(&format!("{USDC}:20999")),
            Err("must be a whole number from 21000 to 5000000, not `20999`".to_owned())
        );
        assert_eq!(
            factory("0x12:30000"),
            Err("must be an address: 0x and 40 hex digits".to_owned())
        );
        assert_eq!(factory(USDC).unwrap().gas, 500_000);
        assert_eq!(factory(&format!("{USDC}:30000")).unwrap().gas, 30_000);
    }

    #[test]
    fn names_the_entry_of_a_list_that_is_wrong() {
        assert_eq!(
            each("1, x,,3, y", |text| whole(text, 0, 9_u8)),
            Err(vec![
                "(entry 2) must be a whole number from 0 to 9, not `x`".to_owned(),
                "(entry 4) must be a whole number from 0 to 9, not `y`".to_owned(),
            ])
        );
        assert_eq!(each(" 1 ,2,", |text| whole(text, 0, 9_u8)), Ok(vec![1, 2]));
    }

    #[test]
    fn a_long_value_is_not_quoted_for_it_may_be_a_key_in_the_wrong_place() {
        assert_eq!(quote(&"ab".repeat(32)), "a value of 64 characters");
        assert_eq!(quote("ei\ngh"), "`ei\\ngh`");
    }

    #[test]
    fn a_bearer_token_is_long_and_fit_for_a_header() {
        let message = "must be at least 16 visible ASCII characters without spaces".to_owned();
        for bad in [
            "fifteen-letters",
            "sixteen letters ok",
            "sixteen-lettérs-ok",
        ] {
            assert_eq!(bearer_token(bad), Err(message.clone()));
        }
        assert!(bearer_token("sixteen-letters!").is_ok());
    }

    #[test]
    fn an_api_key_cannot_leave_its_place_in_a_url() {
        let message = "must have only letters, digits, - and _".to_owned();
        for bad in ["../admin", "key?x=1", "key#", "a b"] {
            assert_eq!(api_key(bad), Err(message.clone()));
        }
        assert_eq!(api_key("aZ-_9").unwrap().expose(), "aZ-_9");
    }
}
