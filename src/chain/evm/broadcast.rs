//! What a node's answer to `eth_sendRawTransaction` means. Unclear is "may have been sent", never "failed".

use super::Error;

/// The class of an answer, by what a lane does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Accepted, or known already.
    Sent,
    /// The account nonce is consumed, perhaps by an attempt of ours.
    NonceTooLow,
    /// Something with this nonce sits in the pool and bids more.
    Underpriced,
    /// Timeout, refused connection, 5xx, anything unreadable: treated as sent.
    Indeterminate,
    /// An earlier account nonce is missing.
    Gap,
    /// The bid is below the block's base fee: sign again at the same nonce.
    FeeTooLow,
    /// Code at the signer's address limits what may be in flight.
    DelegatedLimit,
    /// The signer cannot pay for gas.
    NoFunds,
    /// Refused for what it is, before any pool.
    Invalid,
}

/// Classifies one endpoint's answer.
pub fn classify<T>(answer: &Result<T, Error>) -> Class {
    let message = match answer {
        Ok(_) => return Class::Sent,
        Err(Error::Unavailable(_)) => return Class::Indeterminate,
        Err(Error::Refused { message, .. }) => message.to_lowercase(),
    };
    let says = |texts: &[&str]| texts.iter().any(|text| message.contains(text));
    if says(&[
        "already known",
        "already imported",
        "already in mempool",
        "alreadyknown",
    ]) || message.starts_with("known transaction")
    {
        return Class::Sent;
    }
    if says(&["nonce too low", "nonce is too low", "oldnonce", "old nonce"]) {
        return Class::NonceTooLow;
    }
    if says(&[
        "replacement transaction underpriced",
        "replacement fee too low",
        "replacementnotallowed",
        "could not replace",
    ]) {
        return Class::Underpriced;
    }
    if says(&[
        "nonce too high",
        "nonce gap",
        "noncegap",
        "nonce too distant",
    ]) {
        return Class::Gap;
    }
    if says(&[
        "insufficient funds",
        "upfront cost exceeds",
        "insufficient balance",
    ]) {
        return Class::NoFunds;
    }
    if says(&[
        "less than block base fee",
        // A full pool asks for more; without "replacement" it says nothing about our account nonce.
        "transaction underpriced",
        "fee cap below",
        "max fee per gas less than",
        "feetoolow",
        "base fee exceeds",
    ]) {
        return Class::FeeTooLow;
    }
    if says(&["in-flight transaction limit", "delegated account"]) {
        return Class::DelegatedLimit;
    }
    if says(&[
        "intrinsic gas",
        "exceeds block gas limit",
        "exceeds transaction gas limit",
        "invalid chain id",
        "invalid sender",
        "wrong chain",
    ]) {
        return Class::Invalid;
    }
    // A text nobody foresaw may hide an acceptance.
    Class::Indeterminate
}

/// The verdict over all endpoints: one that took it is enough, what is known of the account nonce comes next, and doubt outweighs refusal.
pub fn combine<T>(answers: &[Result<T, Error>]) -> Class {
    answers
        .iter()
        .map(classify)
        .min()
        .unwrap_or(Class::Indeterminate)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(message: &str) -> Result<(), Error> {
        Err(Error::Refused {
            code: -32000,
            message: message.to_owned(),
            data: None,
        })
    }

    #[test]
    fn classifies_what_nodes_say() {
        for (message, class) in [
            ("already known", Class::Sent),
            ("ALREADY_EXISTS: already known", Class::Sent),
            ("transaction already imported", Class::Sent),
            (
                "nonce too low: next nonce 5, tx nonce 4",
                Class::NonceTooLow,
            ),
            ("replacement transaction underpriced", Class::Underpriced),
            ("transaction underpriced: gas tip cap 1", Class::FeeTooLow),
            ("nonce too high", Class::Gap),
            (
                "insufficient funds for gas * price + value: have 0 want 1",
                Class::NoFunds,
            ),
            ("Insufficient funds for gas * price + value", Class::NoFunds),
            (
                "max fee per gas less than block base fee: address 0x1",
                Class::FeeTooLow,
            ),
            (
                "in-flight transaction limit reached for delegated accounts",
                Class::DelegatedLimit,
            ),
            ("intrinsic gas too low", Class::Invalid),
            ("invalid chain id for signer", Class::Invalid),
            ("something nobody has seen", Class::Indeterminate),
            ("unknown transaction type quirk", Class::Indeterminate),
        ] {
            assert_eq!(classify(&refused(message)), class, "{message}");
        }
        assert_eq!(
            classify::<()>(&Err(Error::Unavailable("timed out".into()))),
            Class::Indeterminate
        );
    }

    #[test]
    fn one_acceptance_outweighs_refusals_and_doubt_outweighs_refusals() {
        assert_eq!(combine(&[refused("nonce too low"), Ok(())]), Class::Sent);
        let doubt = Err(Error::Unavailable("timed out".into()));
        assert_eq!(
            combine(&[refused("insufficient funds"), doubt]),
            Class::Indeterminate
        );
    }
}
