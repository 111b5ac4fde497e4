use alloy::primitives::{Bytes, U256};
use alloy::sol_types::SolCall;

use super::*;
use crate::chain::evm::contracts::Token;
use crate::chain::evm::work::{Expect, Guard, Kind, Work};
use crate::scheme::upto_evm::session::batch::terms;
use crate::scheme::verified::Terms;

fn requested(amount: u64) -> Requested {
    let mut envelope = envelope();
    envelope.amount = amount;
    let requirements = envelope.payment(&json!({})).requirements;
    Requested::parse(NAME, &requirements).unwrap()
}

fn read(terms: &Terms) -> (Work, Expect) {
    let work = serde_json::from_str(&terms.work).unwrap();
    (work, serde_json::from_str(&terms.expect).unwrap())
}

/// Signed with `v` of 0 or 1, as some wallets do.
fn signed() -> SignedPermit {
    let mut bytes = sign(&permit()).to_vec();
    bytes[64] -= 27;
    SignedPermit {
        permit: permit(),
        signature: Ecdsa::parse(&bytes),
    }
}

#[test]
fn a_first_batch_carries_its_permit_as_tokens_take_it() {
    let signed = signed();
    let terms = terms(&requested(30), &signed, signed.call());

    let (work, expect) = read(&terms);
    let permit = work.permit.expect("the permit goes first");
    let call = Token::permitCall::abi_decode(&permit.data).unwrap();
    assert!([27, 28].contains(&call.v), "v = {}", call.v);
    assert_eq!((call.owner, call.spender), (key().address(), SIGNER));
    assert_eq!(call.value, U256::from(CAP));
    assert_eq!(
        Bytes::from([&call.r[..], &call.s[..], &[call.v]].concat()),
        sign(&super::permit())
    );
    let deadline = super::permit().deadline;
    let permit_deadline = Some(deadline);
    assert_eq!(expect.guard, Guard::Session { permit_deadline });
    assert_eq!(terms.expires_at, i64::try_from(deadline).unwrap() + 1);
}

#[test]
fn a_batch_moves_the_sum_from_the_owner_to_the_recipient_by_its_spender_alone() {
    let terms = terms(&requested(30), &signed(), None);

    let (work, expect) = read(&terms);
    assert_eq!(
        (work.kind, work.to, work.permit),
        (Kind::Session, USDC, None)
    );
    let call = Token::transferFromCall::abi_decode(&work.data).unwrap();
    assert_eq!((call.from, call.to), (key().address(), PAY_TO));
    assert_eq!(call.value, U256::from(30));
    assert_eq!((expect.from, expect.to), (key().address(), PAY_TO));
    assert_eq!(expect.value, U256::from(30));
    assert_eq!(terms.required_sender, Some(format!("{SIGNER:#x}")));
    assert!(!terms.batchable);
    assert_eq!(terms.expires_at, i64::MAX, "no time ends an allowance");
}
