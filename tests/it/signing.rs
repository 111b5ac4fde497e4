//! Our signatures are those of an independent implementation (viem), byte by byte.

use alloy::primitives::{B256, Bytes, U256, address, b256, bytes};
use alloy::signers::local::PrivateKeySigner;

use crate::harness::sign::{self, Eip2612, Eip3009, Permit2, Terms};

const DEADLINE: u64 = 4_102_444_800;

/// The payer of the vectors: the first of the keys that every development chain knows.
fn payer() -> PrivateKeySigner {
    let key = b256!("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    PrivateKeySigner::from_bytes(&key).expect("a valid key")
}

fn terms() -> Terms {
    let pay_to = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    Terms::usdc(pay_to, 10_000)
}

#[test]
fn eip3009_matches_its_vector() {
    let payer = payer();
    let mut payment = Eip3009::new(&terms(), payer.address());
    payment.message.nonce = B256::repeat_byte(0x11);
    payment.message.validBefore = U256::from(DEADLINE);

    let digest = b256!("0x1831c2f3e187c15e7608b2008f59cd947cb9190aa43329a34bd38becfdde1cae");
    assert_eq!(payment.digest(), digest);
    let expected: Bytes = bytes!(
        "0xdf79cf974d736f9231cbf3a31e1e2bdf8dfeeb6ffb3f4a7a03656d210a57880c6fbd28c6da46717e5e9659ae1a36cb0c8ff6b658111c8a227f5f12246e8103d51b"
    );
    assert_eq!(sign::signature(&payer, digest), expected);
}

#[test]
fn permit2_matches_its_vector() {
    let payer = payer();
    let mut payment = Permit2::new(&terms(), payer.address());
    payment.message.nonce = U256::from(1);
    payment.message.deadline = U256::from(DEADLINE);

    let digest = b256!("0x34a4497d4e09e48782aca18e1261e6578e75e6c037f71480e8214f82cba83117");
    assert_eq!(payment.digest(), digest);
}

#[test]
fn eip2612_matches_its_vector() {
    let payer = payer();
    let mut approval = Eip2612::new(&terms(), payer.address(), 0);
    approval.message.deadline = U256::from(DEADLINE);

    let digest = b256!("0x189069b96f8e494a29002969cb8e901f8204925c9abd07a39a54488978d0b5cf");
    assert_eq!(approval.digest(), digest);
}
