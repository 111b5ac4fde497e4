//! Values that other implementations arrive at as well.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;
use crate::chain::svm::transaction::Transaction;
use crate::scheme::Check;

const VALID: &str = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABxlyMT20+/JMNS7czmRHUyi+1EqfWc1ZA6WZ+lhjHH2IYdCJGoxTXtC5yjWmxKzxOjU/HVs4y894P9brXjYPAOgAIBBAjtSSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30YqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c7a8bnBYfbWmKRrmweAmkoY2/U8QytqJL8bEIg/zLIpjtxjbgQB4pwJnqJwOAZZHm5AvuwQkVBwJdu/5tY3Yf4jtELLORIVfxOpM9ATQoLQMrX/7NAaLb8bd5BgjfAC6nAwZGb+UhFzL/7K26csOb57yM5bvF9xJrLEObOkAAAAAFSlNamSkhBk0k6HFg2jh8fDW13bySu4HkH6hAQQVEjQbd9uHXZaGT2cvhRs7reawctIXtX1s3kTqM9YV+/wCpBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcEBQAFAiBOAAAFAAkDAQAAAAAAAAAHBAMEAgEKDBAnAAAAAAAABgYAIDAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmAA==";

#[test]
fn derives_the_known_addresses() {
    for (key, expected) in [
        (payer(), "AKnL4NNf3DGWZJS6cPknBuEGnVsV4A4m5tgebLHaRSZ9"),
        (pay_to(), "9hSR6S7WPtxmTojgo6GG3k4yDPecgJY292j7xrsUGWBu"),
        (fee_payer(), "GyGKxMyg1p9SsHfm15MkNUu1u9TN2JtTspcdmrtGUdse"),
        (other(), "EdmxWPmx2WH6WgFfTdu9xfkYf3k1g5wD1zccTVySEEh1"),
        (
            account_of(payer(), programs::TOKEN),
            "H1AviagU5Y17z77v1F9qZPJ9kCbCsL4ewiZABNfGYoRs",
        ),
        (
            account_of(pay_to(), programs::TOKEN),
            "GzpVTWkyGGfBXRaprnrhV3JtGj3TT52z5w2CrEJsTfjm",
        ),
        (
            account_of(pay_to(), programs::TOKEN_2022),
            "GtCr5NazTii8frTeyDUy27UvYSKbViQtvmzpbT3TDZ5L",
        ),
    ] {
        assert_eq!(key.to_string(), expected);
    }
}

#[test]
fn the_known_transaction_is_valid_and_has_its_known_hash() {
    let case = Case::new();
    let payment = case.payment_with(&json!({"transaction": VALID}));
    let checked = case.scheme().0.check(&payment, NOW);
    let checked = checked.map(Check::payment).unwrap();
    assert_eq!(checked.rejection(), None);
    let wire = BASE64_STANDARD.decode(VALID).unwrap();
    assert_eq!(
        Transaction::decode(&wire).unwrap().message_bytes().len(),
        367
    );
    let hash = BASE64_STANDARD.decode("C1LeH3zkXbyXw9XuPklIRFsXLRtEzj86u5fuqnTQIo4=");
    let hash = alloy::hex::encode(hash.unwrap());
    let identity = checked.identity();
    let key = format!("svm:EtWTRABZaYq6iMfeYKouRu166VU2xqa1:{hash}");
    assert_eq!(identity.payment_key, key);
    assert_eq!(identity.payer, payer().to_string());
}

#[test]
fn what_a_stranger_writes_into_our_slot_changes_nothing() {
    let plain = Case::new();
    let scribbled = Case {
        tamper: |wire| wire[1..65].fill(0xab),
        ..Case::new()
    };
    let [plain, scribbled] = [plain, scribbled].map(|case| case.check().unwrap());
    assert_eq!(scribbled.rejection(), None);
    assert_eq!(plain.identity(), scribbled.identity());
}

#[test]
fn terms_and_signatures_tell_payments_with_one_message_apart() {
    let first = Case::new();
    let mut dearer = Case::new();
    dearer.amount = "10001".to_owned();
    let mut elsewhere = Case::new();
    elsewhere.pay_to = other().to_string();
    let resigned = Case {
        tamper: |wire| wire[65] ^= 1,
        ..Case::new()
    };
    let [first, dearer, elsewhere, resigned] = [first, dearer, elsewhere, resigned].map(|case| {
        let checked = case.check().unwrap();
        checked.identity().clone()
    });
    for same_key in [&dearer, &elsewhere, &resigned] {
        assert_eq!(first.payment_key, same_key.payment_key);
    }
    assert_ne!(first.fingerprint, dearer.fingerprint);
    assert_ne!(first.fingerprint, elsewhere.fingerprint);
    assert_eq!(first.fingerprint, resigned.fingerprint);
    assert_ne!(first.proof, resigned.proof);
}
