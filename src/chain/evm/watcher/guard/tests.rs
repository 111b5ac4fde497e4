use alloy::primitives::{U64, address, keccak256};
use alloy::sol_types::SolValue;

use super::*;
use crate::chain::evm::contracts::{
    ExactWitness, PermitTransferFrom, TokenPermissions, UptoPermit2Proxy, UptoWitness,
};

const ASSET: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
const FROM: Address = Address::repeat_byte(0xf1);
const TO: Address = Address::repeat_byte(0xf2);
const CEILING: u64 = 2500;
const NONCE: u64 = 0x1ff;

fn expect(value: u64, ceiling: Option<u64>) -> Expect {
    Expect {
        asset: ASSET,
        from: FROM,
        to: TO,
        value: U256::from(value),
        guard: Guard::Permit2 {
            nonce: U256::from(NONCE),
            deadline: U256::from(1_700_000_000),
            ceiling: ceiling.map(U256::from),
        },
    }
}

fn permit() -> PermitTransferFrom {
    PermitTransferFrom {
        permitted: TokenPermissions {
            token: ASSET,
            amount: U256::from(CEILING),
        },
        nonce: U256::from(NONCE),
        deadline: U256::from(1_700_000_000),
    }
}

fn exact() -> Vec<u8> {
    let witness = ExactWitness {
        to: TO,
        validAfter: U256::ZERO,
    };
    let call = ExactPermit2Proxy::settleCall {
        permit: permit(),
        owner: FROM,
        witness,
        signature: Bytes::from(vec![1; 65]),
    };
    call.abi_encode()
}

fn upto(amount: u64, change: impl FnOnce(&mut UptoPermit2Proxy::settleCall)) -> Vec<u8> {
    let witness = UptoWitness {
        to: TO,
        facilitator: Address::repeat_byte(0x51),
        validAfter: U256::ZERO,
    };
    let mut call = UptoPermit2Proxy::settleCall {
        permit: permit(),
        amount: U256::from(amount),
        owner: FROM,
        witness,
        signature: Bytes::from(vec![1; 65]),
    };
    change(&mut call);
    call.abi_encode()
}

fn receipt(logs: Vec<Log>) -> Receipt {
    serde_json::from_value::<Receipt>(json!({
        "transactionHash": "0xfeed", "blockNumber": "0x1", "blockHash": "0xb10c", "status": "0x1", "gasUsed": "0x1", "logs": [],
    }))
    .map(|receipt| Receipt { logs, ..receipt })
    .unwrap()
}

fn log(address: Address, topics: Vec<B256>, data: Vec<u8>) -> Log {
    Log {
        address,
        topics,
        data: data.into(),
        index: U64::ZERO,
        transaction_hash: None,
    }
}

fn settled(proxy: Address) -> Receipt {
    receipt(vec![log(proxy, vec![keccak256("Settled()")], vec![])])
}

#[test]
fn a_charge_is_known_by_its_calldata_whatever_it_took() {
    let (row, receipt) = (expect(900, Some(CEILING)), settled(UPTO_PERMIT2_PROXY));
    let is_ours = |input: &[u8]| is_of_this_payment(&receipt, input, &row);
    assert!(is_ours(&upto(900, |_| {})));
    assert!(is_ours(&upto(1, |_| {})), "the same authorization");
    assert!(
        is_ours(&[&[7; 36], &upto(900, |_| {})[..]].concat()),
        "inside another call"
    );
    assert!(!is_ours(&exact()), "the other proxy's");
    for other in [
        upto(900, |call| call.permit.nonce += U256::ONE),
        upto(900, |call| call.permit.deadline += U256::ONE),
        upto(900, |call| call.permit.permitted.amount += U256::ONE),
        upto(900, |call| call.permit.permitted.token = TO),
        upto(900, |call| call.owner = TO),
        upto(900, |call| call.witness.to = FROM),
    ] {
        assert!(!is_ours(&other));
    }
    let quiet = super::tests::receipt(vec![]);
    assert!(!is_of_this_payment(&quiet, &upto(900, |_| {}), &row));
    let forged = settled(ASSET);
    assert!(!is_of_this_payment(&forged, &upto(900, |_| {}), &row));
}

#[test]
fn an_exact_payment_is_known_by_its_calldata_alone() {
    let (row, receipt) = (expect(CEILING, None), settled(EXACT_PERMIT2_PROXY));
    assert!(is_of_this_payment(&receipt, &exact(), &row));
    assert!(!is_of_this_payment(&receipt, &upto(CEILING, |_| {}), &row));
    assert!(!is_of_this_payment(&receipt, &exact(), &expect(900, None)));
}

#[test]
fn an_invalidation_is_known_by_its_bit() {
    let row = expect(900, Some(CEILING));
    let taken_back = |owner: Address, word: u64, mask: U256| {
        let topics = vec![
            Permit2::UnorderedNonceInvalidation::SIGNATURE_HASH,
            owner.into_word(),
        ];
        let data = (U256::from(word), mask).abi_encode();
        receipt(vec![log(PERMIT2, topics, data)])
    };
    let bit = U256::ONE << 255;
    assert!(is_of_this_payment(&taken_back(FROM, 1, bit), &[], &row));
    assert!(is_of_this_payment(
        &taken_back(FROM, 1, U256::MAX),
        &[],
        &row
    ));
    for other in [
        taken_back(TO, 1, bit),
        taken_back(FROM, 0, bit),
        taken_back(FROM, 1, !bit),
    ] {
        assert!(!is_of_this_payment(&other, &[], &row));
    }
}
