//! Our Solana transactions are those of an independent implementation (@solana/kit), byte by byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest, Sha256};

use crate::harness::mint::Mint;
use crate::harness::sign_svm::{SvmPayment, SvmTerms};
use crate::harness::svm_wire::{Key, Keypair};

const USDC: &str = "4zMMC9srt5Ri5X14GAgXhaHii3GnPAEERYPJgZJDncDU";
const TRANSACTION: &str = "AgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABxlyMT20+/JMNS7czmRHUyi+1EqfWc1ZA6WZ+lhjHH2IYdCJGoxTXtC5yjWmxKzxOjU/HVs4y894P9brXjYPAOgAIBBAjtSSjGKNHCxurpAziQWZVhKVknOlxj+TY2wUYUrIc30YqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c7a8bnBYfbWmKRrmweAmkoY2/U8QytqJL8bEIg/zLIpjtxjbgQB4pwJnqJwOAZZHm5AvuwQkVBwJdu/5tY3Yf4jtELLORIVfxOpM9ATQoLQMrX/7NAaLb8bd5BgjfAC6nAwZGb+UhFzL/7K26csOb57yM5bvF9xJrLEObOkAAAAAFSlNamSkhBk0k6HFg2jh8fDW13bySu4HkH6hAQQVEjQbd9uHXZaGT2cvhRs7reawctIXtX1s3kTqM9YV+/wCpBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcEBQAFAiBOAAAFAAkDAQAAAAAAAAAHBAMEAgEKDBAnAAAAAAAABgYAIDAwMTEyMjMzNDQ1NTY2Nzc4ODk5YWFiYmNjZGRlZWZmAA==";

fn owner(seed: u8) -> Keypair {
    Keypair::from_seed([seed; 32])
}

fn terms(mint: Mint) -> SvmTerms {
    let mint = Mint {
        key: Key::of(USDC),
        ..mint
    };
    let mut terms = SvmTerms::new(&mint, owner(2).key(), 10_000, owner(3).key());
    terms.memo = Some("00112233445566778899aabbccddeeff".to_owned());
    terms
}

#[test]
fn a_payment_matches_its_vector() {
    let payer = owner(1);
    let payment = SvmPayment::new(&terms(Mint::token()), payer.key(), [7; 32]);

    let message = payment.message().bytes();

    assert_eq!(message.len(), 367);
    let hash = BASE64.encode(Sha256::digest(&message));
    assert_eq!(hash, "C1LeH3zkXbyXw9XuPklIRFsXLRtEzj86u5fuqnTQIo4=");
    assert_eq!(payment.signed_by(&payer).base64(), TRANSACTION);
}

#[test]
fn associated_accounts_match_their_vectors() {
    let account = |mint: Mint, owner: &Keypair| {
        let mint = terms(mint).mint;
        mint.account_of(owner.key()).to_string()
    };

    let expected = "H1AviagU5Y17z77v1F9qZPJ9kCbCsL4ewiZABNfGYoRs";
    assert_eq!(account(Mint::token(), &owner(1)), expected);
    let expected = "GzpVTWkyGGfBXRaprnrhV3JtGj3TT52z5w2CrEJsTfjm";
    assert_eq!(account(Mint::token(), &owner(2)), expected);
    let expected = "GtCr5NazTii8frTeyDUy27UvYSKbViQtvmzpbT3TDZ5L";
    assert_eq!(account(Mint::token_2022(&[]), &owner(2)), expected);
}
