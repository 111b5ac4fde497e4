use alloy::primitives::{Address, B256, Bytes, bytes};
use alloy::sol_types::SolValue;
use serde_json::json;

use super::*;
use crate::chain::evm::reads::{CallResult, Code, ReadResult};
use crate::chain::evm::work::{Kind, Work};

/// What a healthy chain answers for a payment that will be made.
fn answer(payer_code: Code) -> ReadResult {
    ReadResult {
        block: 1,
        timestamp: NOW_SECS,
        codes: vec![payer_code, contract(), contract()],
        results: vec![
            returned_word(0),
            returned("USDC".abi_encode()),
            returned("2".abi_encode()),
            returned_word(AMOUNT),
            returned(Bytes::new()),
            returned(Bytes::new()),
        ],
    }
}

fn accepted() -> CallResult {
    returned(bytes!(
        "1626ba7e00000000000000000000000000000000000000000000000000000000"
    ))
}

fn decide(checked: &Authorized, answer: &ReadResult) -> Result<Work, Reason> {
    let payer = if answer.codes[0].is_empty() {
        Payer::WithoutCode
    } else {
        Payer::WithCode
    };
    checked
        .decide(payer, answer)
        .map_err(|refusal| match refusal {
            Refusal::Rejected(rejection) => rejection.reason,
            Refusal::Unavailable(cause) => panic!("{cause}"),
        })
}

#[test]
fn the_chain_confirms_a_payment_by_key() {
    let checked = checked(&Envelope::new(), &signed(|_| {}));
    let work = decide(&checked, &answer(Code::default())).unwrap();
    assert_eq!(work.kind, Kind::Eip3009);
    assert_eq!((work.to, work.gas_limit), (USDC, 150_000));
    assert!(work.data.starts_with(&[0xe3, 0xee, 0x16, 0x0e]));
    assert_eq!(work.data, checked.read().calls[5].data);
}

/// A simulation that fails, and one more answer that says why.
fn failing(index: usize, result: CallResult) -> ReadResult {
    let mut answer = answer(Code::default());
    answer.results[5] = reverted(Bytes::new());
    answer.results[index] = result;
    answer
}

#[test]
fn a_failing_simulation_has_the_reason_that_the_token_tells() {
    let checked = checked(&Envelope::new(), &signed(|_| {}));
    let silent = || reverted(Bytes::new());
    let failed = Reason::InvalidExactEvmTransactionSimulationFailed;
    for (index, result, expected) in [
        (0, silent(), Reason::InvalidExactEvmEip3009NotSupported),
        (0, returned_word(1), Reason::InvalidExactEvmNonceAlreadyUsed),
        (
            1,
            returned("USD Coin".abi_encode()),
            Reason::InvalidExactEvmTokenNameMismatch,
        ),
        (1, silent(), failed),
        (
            2,
            returned("1".abi_encode()),
            Reason::InvalidExactEvmTokenVersionMismatch,
        ),
        (2, silent(), failed),
        (
            3,
            returned_word(AMOUNT - 1),
            Reason::InvalidExactEvmInsufficientBalance,
        ),
        (3, silent(), failed),
        (5, silent(), failed),
    ] {
        let answer = failing(index, result);
        assert_eq!(decide(&checked, &answer), Err(expected), "{answer:?}");
    }
}

#[test]
fn the_window_is_judged_by_the_block_when_the_simulation_fails() {
    let checked = checked(
        &Envelope::new(),
        &signed(|a| a.valid_after = U256::from(NOW_SECS)),
    );
    for (timestamp, expected) in [
        (NOW_SECS, Reason::InvalidExactEvmAuthorizationValidAfter),
        (
            NOW_SECS + 1,
            Reason::InvalidExactEvmTransactionSimulationFailed,
        ),
        (
            NOW_SECS + 60,
            Reason::InvalidExactEvmAuthorizationValidBefore,
        ),
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
    let mut no_eip3009 = answer(Code::default());
    no_eip3009.results[0] = returned(Bytes::new());
    let mut used = answer(Code::default());
    used.results[0] = returned_word(1);
    let mut poor = answer(Code::default());
    poor.results[3] = returned_word(AMOUNT - 1);
    let mut dear = answer(Code::default());
    dear.results[5].gas_used = Some(140_000);
    for (answer, expected) in [
        (no_asset, Reason::AssetNotDeployedContract),
        (no_eip3009, Reason::InvalidExactEvmEip3009NotSupported),
        (used, Reason::InvalidExactEvmNonceAlreadyUsed),
        (poor, Reason::InvalidExactEvmInsufficientBalance),
        (dear, Reason::InvalidExactEvmTransactionSimulationFailed),
    ] {
        assert_eq!(decide(&checked, &answer), Err(expected), "{answer:?}");
    }
}

#[test]
fn a_payer_with_code_is_judged_by_its_code_alone() {
    let by_key = checked(&Envelope::new(), &signed(|_| {}));
    let mut answer = answer(contract());
    let signature = Err(Reason::InvalidExactEvmSignature);
    assert_eq!(decide(&by_key, &answer), signature);
    answer.results[4] = CallResult {
        success: false,
        ..accepted()
    };
    assert_eq!(decide(&by_key, &answer), signature);
    answer.results[4] = accepted();
    let work = decide(&by_key, &answer).unwrap();
    assert_eq!((work.kind, work.gas_limit), (Kind::ContractWallet, 300_000));

    let mut payload = signed(|_| {});
    payload["signature"] = json!("0x1234");
    let long = checked(&Envelope::new(), &payload);
    let work = decide(&long, &answer).unwrap();
    assert!(work.data.starts_with(&[0xcf, 0x09, 0x29, 0x95]));
}

#[test]
fn a_signature_that_no_key_of_the_payer_made_needs_code() {
    let mut payload = signed(|_| {});
    payload["authorization"]["nonce"] = json!(B256::repeat_byte(0x22));
    let checked = checked(&Envelope::new(), &payload);
    let mut answer = answer(Code::default());
    answer.results[4] = accepted();
    assert_eq!(
        decide(&checked, &answer),
        Err(Reason::InvalidExactEvmSignature)
    );
}

#[test]
fn an_undeployed_wallet_is_deployed_and_pays_in_one_transaction() {
    let mut payload = signed(|_| {});
    payload["signature"] = json!(wrapped(FACTORY, &bytes!("1234")));
    let wallet = checked(&Envelope::new(), &payload);
    let mut answer = answer(Code::default());
    answer.results[5] = reverted(Bytes::new());
    answer.results.push(returned(Bytes::new()));
    let work = decide(&wallet, &answer).unwrap();
    assert_eq!((work.kind, work.gas_limit), (Kind::Eip6492, 800_000));
    assert_eq!(work.data, wallet.read().calls[6].data);
    let failed = Err(Reason::InvalidExactEvmTransactionSimulationFailed);
    let mut reverts = answer.clone();
    reverts.results[6] = reverted(Bytes::new());
    assert_eq!(decide(&wallet, &reverts), failed);
    answer.codes[2] = Code::default();
    assert_eq!(decide(&wallet, &answer), failed);
    payload["signature"] = json!(wrapped(Address::repeat_byte(9), &bytes!("1234")));
    let unlisted = checked(&Envelope::new(), &payload);
    assert_eq!(
        unlisted.read().calls.len(),
        6,
        "its factory is never called"
    );
    assert_eq!(
        decide(&unlisted, &reverts),
        Err(Reason::Eip6492FactoryNotAllowed)
    );
}

#[tokio::test]
async fn a_node_that_cannot_be_asked_gives_no_verdict() {
    let checked = checked(&Envelope::new(), &signed(|_| {}));
    let refusal = Box::new(checked).verify().await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unavailable(_)), "{refusal:?}");
}
