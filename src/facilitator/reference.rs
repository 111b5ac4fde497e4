//! How people write what is on record.

/// A reference as the record spells it. Ids and hexadecimal are kept in lower case, and people copy them as some tool shows them; in base58, which
/// Solana's transactions and networks are written in, every letter's case counts.
pub(super) fn as_recorded(reference: &str) -> String {
    let parts = reference.split(':').map(|part| {
        let is_hex = part.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
        let is_prefixed = part.starts_with("0x") || part.starts_with("0X");
        if is_hex || is_prefixed {
            part.to_ascii_lowercase()
        } else {
            part.to_owned()
        }
    });
    let mut parts: Vec<String> = parts.collect();
    // What stands before a key says what kind it is.
    if let [kind, _, ..] = &mut parts[..] {
        kind.make_ascii_lowercase();
    }
    parts.join(":")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_kept_in_lower_case_is_lowered() {
        let signature = "5VERv8NMvzbJMEkV8xnrLkEaWRtSz9CosKDYjCJjBRnbJLgp8uirBgmQpjKhoR4tjF3ZpRzrFmBV6UjKdiSZkQUW";
        for (written, recorded) in [
            (signature, signature),
            ("0xABCdef", "0xabcdef"),
            ("0XABCdef", "0xabcdef"),
            (
                "0190A3E2-7B4C-7D8E-9F00-A1B2C3D4E5F6",
                "0190a3e2-7b4c-7d8e-9f00-a1b2c3d4e5f6",
            ),
            (
                "EIP3009:84532:0xAB:0xCD:0xEF",
                "eip3009:84532:0xab:0xcd:0xef",
            ),
            (
                "SVM:EtWTRABZaYq6iMfeYKouRu166VU2xqa1:00FFaa",
                "svm:EtWTRABZaYq6iMfeYKouRu166VU2xqa1:00ffaa",
            ),
        ] {
            assert_eq!(as_recorded(written), recorded);
        }
    }
}
