use alloy::primitives::{Bytes, bytes};
use serde_json::json;

use super::*;
use crate::chain::evm::contracts::PERMIT2;
use crate::chain::evm::reads::{CallResult, Code, ReadResult};
use crate::chain::evm::work::{Kind, Work};

/// What a healthy chain answers for a payment that will be made.
fn answer(payer_code: Code) -> ReadResult {
    ReadResult {
        block: 1,
        timestamp: NOW_SECS,
        codes: vec![payer_code, contract()],
        results: vec![
            returned(PERMIT2.into_word().0),
            returned_word(AMOUNT),
            returned_word(AMOUNT),
            returned_word(0),
            returned(Bytes::new()),
            returned(Bytes::new()),
        ],
    }
}

fn decide(checked: &Exact, answer: &ReadResult) -> Result<Work, Reason> {
    let payer = if answer.codes[0].is_empty() {
        Payer::WithoutCode
    } else {
        Payer::WithCode
    };
    let permitted = &checked.permitted;
    permitted
        .decide(payer, answer, &trial(permitted))
        .map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => rejection.reason,
            Refusal::Unavailable(cause) => panic!("{cause}"),
        })
}

#[test]
fn the_chain_confirms_payments_of_every_kind() {
    let good = signed(|_| {});
    let plain = checked(&Envelope::new(), &good);
    let with_permit = checked(&sponsored(|_| {}), &good);
    let by_key = answer(Code::default());
    let mut by_contract = answer(contract());
    by_contract.results[4] = returned(bytes!(
        "1626ba7e00000000000000000000000000000000000000000000000000000000"
    ));
    let settle = [0x13, 0xcd, 0x3b, 0x53];
    let settle_with_permit = [0xfa, 0x34, 0x03, 0x78];
    for (checked, answer, kind, gas_limit, selector) in [
        (&plain, &by_key, Kind::Permit2, 200_000, settle),
        (
            &with_permit,
            &by_key,
            Kind::Permit2With2612,
            300_000,
            settle_with_permit,
        ),
        (&plain, &by_contract, Kind::ContractWallet, 300_000, settle),
        (
            &with_permit,
            &by_contract,
            Kind::ContractWallet,
            300_000,
            settle_with_permit,
        ),
    ] {
        let work = decide(checked, answer).unwrap();
        assert_eq!((work.kind, work.gas_limit), (kind, gas_limit));
        assert_eq!(work.to, EXACT_PERMIT2_PROXY);
        assert!(work.data.starts_with(&selector));
        assert_eq!(
            work.data,
            checked.permitted.read(&trial(&checked.permitted)).calls[5].data
        );
    }
}

/// A simulation that fails, and one more answer that says why.
fn failing(index: usize, result: CallResult) -> ReadResult {
    let mut answer = answer(Code::default());
    answer.results[5] = reverted(Bytes::new());
    answer.results[index] = result;
    answer
}

#[test]
fn a_failing_simulation_has_the_reason_that_the_chain_tells() {
    let checked = checked(&Envelope::new(), &signed(|_| {}));
    let says = |data: [u8; 4]| reverted(data.to_vec());
    let failed = Reason::Permit2SimulationFailed;
    for (index, result, expected) in [
        (1, returned_word(1), Reason::Permit2InsufficientBalance),
        (2, returned_word(1), Reason::Permit2AllowanceRequired),
        (3, returned_word(1 << 7), Reason::Permit2InvalidNonce),
        // The bit of another nonce.
        (3, returned_word(1 << 6), failed),
        (
            5,
            says([0x75, 0x66, 0x88, 0xfe]),
            Reason::Permit2InvalidNonce,
        ),
        (
            5,
            says([0x81, 0x5e, 0x1d, 0x64]),
            Reason::InvalidPermit2Signature,
        ),
        (
            5,
            says([0x05, 0x0c, 0xda, 0x49]),
            Reason::Permit2Permit2612AmountMismatch,
        ),
        (5, says([1, 2, 3, 4]), failed),
    ] {
        let answer = failing(index, result);
        assert_eq!(decide(&checked, &answer), Err(expected), "{answer:?}");
    }
}

#[test]
fn the_window_is_judged_by_the_block_when_the_simulation_fails() {
    let checked = checked(
        &Envelope::new(),
        &signed(|t| t.valid_after = U256::from(NOW_SECS)),
    );
    for (timestamp, expected) in [
        (NOW_SECS - 1, Reason::Permit2NotYetValid),
        (NOW_SECS, Reason::Permit2SimulationFailed),
        (NOW_SECS + 60, Reason::Permit2SimulationFailed),
        (NOW_SECS + 61, Reason::Permit2DeadlineExpired),
    ] {
        let mut answer = failing(5, reverted(Bytes::new()));
        answer.timestamp = timestamp;
        assert_eq!(decide(&checked, &answer), Err(expected));
    }
}

#[test]
fn a_passing_simulation_is_not_believed_against_the_state() {
    let checked = checked(&Envelope::new(), &signed(|_| {}));
    let mut no_asset = answer(Code::default());
    no_asset.codes[1] = Code::default();
    let mut no_proxy = answer(Code::default());
    no_proxy.results[0] = returned(Bytes::new());
    let mut other_proxy = answer(Code::default());
    other_proxy.results[0] = returned(Address::repeat_byte(9).into_word().0);
    let mut poor = answer(Code::default());
    poor.results[1] = returned_word(AMOUNT - 1);
    let mut dear = answer(Code::default());
    dear.results[5].gas_used = Some(190_000);
    for (answer, expected) in [
        (no_asset, Reason::AssetNotDeployedContract),
        (no_proxy, Reason::Permit2ProxyNotDeployed),
        (other_proxy, Reason::Permit2ProxyNotDeployed),
        (poor, Reason::Permit2InsufficientBalance),
        (dear, Reason::Permit2SimulationFailed),
    ] {
        assert_eq!(decide(&checked, &answer), Err(expected), "{answer:?}");
    }
}

#[test]
fn a_payer_with_code_is_judged_by_its_code_alone() {
    let by_key = checked(&Envelope::new(), &signed(|_| {}));
    let refused = Err(Reason::InvalidPermit2Signature);
    assert_eq!(decide(&by_key, &answer(contract())), refused);
    let mut wrapped = signed(|_| {});
    wrapped["signature"] = json!(format!("0x1234{}", "6492".repeat(16)));
    let wrapped = checked(&Envelope::new(), &wrapped);
    assert_eq!(decide(&wrapped, &answer(Code::default())), refused);
}

#[test]
fn of_an_asset_that_is_not_listed_the_code_is_asked_first() {
    let other = Address::repeat_byte(9);
    let mut envelope = sponsored(|p| p.deadline = U256::ZERO);
    envelope.asset = other.to_string();
    let payload = signed(|t| t.token = other);
    let checked = checked_on(true, &envelope, &payload);
    assert_eq!(reason(&checked), None);
    let mut answer = answer(Code::default());
    assert_eq!(decide(&checked, &answer), Err(Reason::Eip2612AssetMismatch));
    answer.codes[1] = Code::default();
    assert_eq!(
        decide(&checked, &answer),
        Err(Reason::AssetNotDeployedContract)
    );
}

#[test]
fn a_permit_by_another_key_is_refused_for_payers_without_code() {
    let mut envelope = sponsored(|_| {});
    let extension = envelope.extensions.get_mut(eip2612::EXTENSION).unwrap();
    extension["info"]["nonce"] = json!("1");
    let good = signed(|_| {});
    let seen = |payer| reason_seen(checked(&envelope, &good), &envelope, payer);
    let expected = Reason::InvalidEip2612ExtensionFormat;
    assert_eq!(seen(Payer::WithoutCode), Some(expected));
    assert_eq!(seen(Payer::WithCode), None);
    let unknown = checked(&envelope, &good);
    assert_eq!(reason(&unknown), None);
    assert_eq!(decide(&unknown, &answer(Code::default())), Err(expected));
}
