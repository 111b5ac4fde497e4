use alloy::primitives::{Bytes, bytes};

use super::*;
use crate::chain::evm::contracts::PERMIT2;
use crate::chain::evm::reads::{CallResult, Code, ReadResult};
use crate::chain::evm::work::{Kind, Work};

/// What a healthy chain answers for a payment that will be made.
fn answer(payer_code: Code) -> ReadResult {
    let untold = |result: CallResult| CallResult {
        gas_used: None,
        ..result
    };
    ReadResult {
        block: 1,
        timestamp: NOW_SECS,
        codes: vec![payer_code, contract()],
        results: [
            returned(PERMIT2.into_word().0),
            returned_word(AMOUNT),
            returned_word(AMOUNT),
            returned_word(0),
            returned(Bytes::new()),
            returned(Bytes::new()),
            returned(Bytes::new()),
        ]
        .map(untold)
        .into(),
    }
}

fn decide(checked: &Upto, answer: &ReadResult) -> Result<Work, Reason> {
    let payer = if answer.codes[0].is_empty() {
        Payer::WithoutCode
    } else {
        Payer::WithCode
    };
    let decided = checked.permitted.decide(payer, answer, &checked.trial());
    decided.map_err(|refusal| match refusal {
        Refusal::Rejected(rejection) => rejection.reason,
        Refusal::Unavailable(cause) => panic!("{cause}"),
    })
}

#[test]
fn what_is_charged_is_tried_from_the_account_that_the_payer_named() {
    let good = signed(|_| {});
    let settle = [0xff, 0x11, 0xe7, 0xb4];
    let settle_with_permit = [0x01, 0x6c, 0x17, 0x48];
    for (envelope, tried, selector) in [
        (ceiling(), AMOUNT, settle),
        (charge(900), 900, settle),
        (charge(0), AMOUNT, settle),
        (sponsored(charge(900)), 900, settle_with_permit),
    ] {
        let checked = checked(&envelope, &good);
        let trial = checked.trial();
        assert_eq!(trial.amount, U256::from(tried));
        let read = checked.permitted.read(&trial);
        assert_eq!(read.from, Some(SIGNER));
        assert!(read.calls[5].data.starts_with(&selector));
        let amount = U256::from(tried).to_be_bytes::<32>();
        assert!(trial.data.windows(32).any(|window| window == amount));
    }
}

#[test]
fn a_payer_without_code_is_judged_at_its_own_gas_limit() {
    let checked = checked(&charge(900), &signed(|_| {}));
    let calls = checked.permitted.read(&checked.trial()).calls;
    assert_eq!(calls[5].gas - calls[6].gas, 100_000);
    let work = decide(&checked, &answer(Code::default())).unwrap();
    assert_eq!((work.kind, work.gas_limit), (Kind::Permit2, 200_000));
    assert_eq!(work.to, UPTO_PERMIT2_PROXY);

    let mut dear = answer(Code::default());
    dear.results[6] = reverted(Bytes::new());
    let failed = Err(Reason::Permit2SimulationFailed);
    assert_eq!(decide(&checked, &dear), failed);
    let mut by_contract = answer(contract());
    by_contract.results[4] = returned(bytes!(
        "1626ba7e00000000000000000000000000000000000000000000000000000000"
    ));
    by_contract.results[6] = reverted(Bytes::new());
    let work = decide(&checked, &by_contract).unwrap();
    assert_eq!((work.kind, work.gas_limit), (Kind::ContractWallet, 300_000));
}

#[test]
fn a_sponsored_charge_is_tried_once() {
    let checked = checked(&sponsored(charge(900)), &signed(|_| {}));
    assert_eq!(checked.permitted.read(&checked.trial()).calls.len(), 6);
    let mut once = answer(Code::default());
    once.results.pop();
    let work = decide(&checked, &once).unwrap();
    assert_eq!(
        (work.kind, work.gas_limit),
        (Kind::Permit2With2612, 300_000)
    );
}

#[test]
fn the_proxys_own_errors_have_their_reasons() {
    let checked = checked(&charge(900), &signed(|_| {}));
    for (error, expected) in [
        (bytes!("fe64b4c7"), Reason::UptoAmountExceedsPermitted),
        (bytes!("0f6fae87"), Reason::UptoUnauthorizedFacilitator),
        (bytes!("050cda49"), Reason::Permit2Permit2612AmountMismatch),
        (bytes!("756688fe"), Reason::Permit2InvalidNonce),
        (bytes!("01020304"), Reason::Permit2SimulationFailed),
    ] {
        let mut failing = answer(Code::default());
        failing.results[6] = reverted(error);
        assert_eq!(decide(&checked, &failing), Err(expected));
    }
}

#[test]
fn the_balance_must_bear_the_charge_and_at_verify_the_ceiling() {
    let good = signed(|_| {});
    let mut poor = answer(Code::default());
    poor.results[1] = returned_word(900);
    let insufficient = Err(Reason::Permit2InsufficientBalance);
    assert!(decide(&checked(&charge(900), &good), &poor).is_ok());
    for envelope in [charge(901), charge(0), ceiling()] {
        assert_eq!(decide(&checked(&envelope, &good), &poor), insufficient);
    }
}
