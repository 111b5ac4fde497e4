//! What the one question to the chain decides.

use serde_json::{Value, json};

use super::*;
use crate::chain::svm::effect::Effect;
use crate::chain::svm::ledger::{Simulation, Unavailable, Validity};
use crate::chain::svm::work::{Expect, Kind, Work};
use crate::scheme::exact_svm::checked::{MintFee, Paid};
use crate::scheme::exact_svm::mint::Extension;
use crate::scheme::{Check, Refusal};

async fn reason_of(case: &Case) -> Reason {
    match case.verify().await {
        Err(Refusal::Rejected(rejection)) => rejection.reason,
        other => panic!("not rejected: {other:?}"),
    }
}

fn failing(error: Value) -> Simulation {
    Simulation {
        error: Some(error),
        ..Simulation::default()
    }
}

#[tokio::test]
async fn a_good_payment_asks_once_with_our_slot_empty() {
    let case = Case {
        tamper: |wire| wire[1..65].fill(9),
        ..Case::new()
    };
    let (scheme, script) = case.scheme();
    let checked = scheme.check(&case.payment(), NOW);
    let checked = checked.map(Check::payment).unwrap();
    let verified = checked.verify().await.unwrap();
    assert_eq!(verified.payer(), payer().to_string());
    let trials = script.trials.lock().unwrap();
    let [trial] = &trials[..] else {
        panic!("asked {} times", trials.len());
    };
    assert_eq!(trial.wire, Case::new().wire());
    assert_eq!(
        trial.accounts,
        [USDC, account_of(pay_to(), programs::TOKEN)]
    );
    assert!(
        trial
            .accounts
            .iter()
            .all(|account| trial.keys.contains(account))
    );
}

#[tokio::test]
async fn both_token_programs_verify_in_both_versions() {
    for case in [Case::new(), Case::v1(), Case::of(programs::TOKEN_2022)] {
        case.verify().await.unwrap();
    }
}

#[tokio::test]
async fn a_failed_simulation_refuses_the_payment() {
    let error = json!({"InstructionError": [2, {"Custom": 1}]});
    for (mut case, reason) in [
        (
            Case::new(),
            Reason::InvalidExactSvmTransactionSimulationFailed,
        ),
        (Case::v1(), Reason::TransactionSimulationFailed),
    ] {
        case.answer = Ok(failing(error.clone()));
        let Err(Refusal::Rejected(rejection)) = case.verify().await else {
            panic!("not rejected");
        };
        assert_eq!(rejection.reason, reason);
        let message = r#"Simulation failed: {"InstructionError":[2,{"Custom":1}]}"#;
        assert_eq!(rejection.message.as_deref(), Some(message));
        assert_eq!(rejection.payer, Some(payer().to_string()));
    }
    for (error, reason) in [
        (
            json!("BlockhashNotFound"),
            Reason::InvalidExactSvmTransactionSimulationFailed,
        ),
        (json!("AlreadyProcessed"), Reason::DuplicateSettlement),
        (
            json!({"InsufficientFundsForRent": {"account_index": 2}}),
            Reason::InvalidExactSvmTransactionSimulationFailed,
        ),
    ] {
        let mut case = Case::new();
        case.answer = Ok(failing(error));
        assert_eq!(reason_of(&case).await, reason);
    }
}

#[tokio::test]
async fn trouble_of_our_own_is_no_verdict() {
    let silent = |change: fn(&mut Simulation)| {
        let mut simulation = paid(programs::TOKEN);
        change(&mut simulation);
        Ok(simulation)
    };
    for answer in [
        Err(Unavailable("no node".to_owned())),
        Ok(failing(json!("AccountNotFound"))),
        Ok(failing(json!("InsufficientFundsForFee"))),
        Ok(failing(json!("InvalidAccountForFee"))),
        Ok(failing(
            json!({"InsufficientFundsForRent": {"account_index": 0}}),
        )),
        silent(|simulation| simulation.accounts.clear()),
        silent(|simulation| simulation.accounts[0] = None),
        silent(|simulation| simulation.accounts[1] = None),
    ] {
        let mut case = Case::new();
        case.answer = answer;
        let refusal = case.verify().await.unwrap_err();
        assert!(matches!(refusal, Refusal::Unavailable(_)), "{refusal:?}");
    }
}

#[tokio::test]
async fn a_mint_that_may_change_the_payment_is_not_paid_with() {
    for kind in [1, 4, 6, 9, 12, 14, 16, 24, 26, 99] {
        let mut case = Case::of(programs::TOKEN_2022);
        let mint = mint_account(programs::TOKEN_2022, &[18, kind]);
        case.answer.as_mut().unwrap().accounts[0] = Some(mint);
        assert_eq!(reason_of(&case).await, Reason::AssetNotAllowed, "{kind}");
    }
    let mut allowed = Case::of(programs::TOKEN_2022);
    let mint = mint_account(programs::TOKEN_2022, &[18, 1]);
    allowed.answer.as_mut().unwrap().accounts[0] = Some(mint);
    let fee = [Extension::TRANSFER_FEE].into();
    allowed.extensions = [(other(), fee)].into();
    assert_eq!(reason_of(&allowed).await, Reason::AssetNotAllowed);
    let fee = [Extension::TRANSFER_FEE].into();
    allowed.extensions = [(USDC, fee)].into();
    allowed.verify().await.unwrap();
    let mut foreign = Case::new();
    let mint = mint_account(programs::TOKEN_2022, &[]);
    foreign.answer.as_mut().unwrap().accounts[0] = Some(mint);
    assert_eq!(reason_of(&foreign).await, Reason::AssetNotAllowed);
}

#[tokio::test]
async fn an_account_that_the_payee_gave_away_is_not_paid() {
    let mut given = Case::new();
    let account = token_account(programs::TOKEN, other());
    given.answer.as_mut().unwrap().accounts[1] = Some(account);
    assert_eq!(
        reason_of(&given).await,
        Reason::InvalidExactSvmRecipientMismatch
    );
}

#[tokio::test]
async fn no_inner_instruction_gets_a_key_of_ours() {
    for key in [fee_payer(), second_fee_payer()] {
        let mut case = Case::new();
        case.answer.as_mut().unwrap().inner = Some(vec![Effect {
            program: other(),
            accounts: vec![payer(), key],
            transfer: None,
            takes_from: None,
        }]);
        let reason = reason_of(&case).await;
        assert_eq!(reason, Reason::InvalidExactSvmFeePayerNotIsolated);
    }
}

#[tokio::test]
async fn a_message_about_to_expire_is_refused() {
    for (blocks_left, v2, v1) in [
        (50, None, None),
        (
            49,
            Some(Reason::InvalidExactSvmTransactionSimulationFailed),
            Some(Reason::TransactionSimulationFailed),
        ),
    ] {
        for (case, expected) in [(Case::new(), v2), (Case::v1(), v1)] {
            let case = Case {
                blocks_left,
                ..case
            };
            match expected {
                Some(reason) => assert_eq!(reason_of(&case).await, reason),
                None => assert!(case.verify().await.is_ok()),
            }
        }
    }
}

#[test]
fn the_row_carries_what_a_lane_and_a_watcher_need() {
    let case = Case::new();
    let sponsored = checked::check(Arc::new(cluster()), &case.payment()).unwrap();
    let transfer = token::Transfer {
        token_program: programs::TOKEN,
        source: account_of(payer(), programs::TOKEN),
        mint: USDC,
        destination: account_of(pay_to(), programs::TOKEN),
        authority: payer(),
        amount: AMOUNT,
    };
    let validity = Validity {
        last_valid_block_height: HEIGHT,
        block_height: 0,
        age: 0,
    };
    for (fee, gain) in [(MintFee::None, Some(AMOUNT)), (MintFee::Possible, None)] {
        let paid = Paid {
            kind: Kind::Transfer,
            transfer: transfer.clone(),
            fee,
        };
        let terms = terms::of(&sponsored, &paid, validity);
        let work: Work = serde_json::from_str(&terms.work).unwrap();
        assert_eq!(
            work.wire(&solana_signature::Signature::default()),
            case.wire()
        );
        assert_eq!(work.fee_payer, fee_payer());
        assert_eq!(work.last_valid_block_height, HEIGHT + 16);
        let expect: Expect = serde_json::from_str(&terms.expect).unwrap();
        assert_eq!(expect.destination, transfer.destination);
        assert_eq!((expect.amount, expect.gain), (AMOUNT, gain));
        assert_eq!(terms.required_sender, Some(fee_payer().to_string()));
        assert_eq!(terms.payer, payer().to_string());
        assert_eq!(terms.pay_to, pay_to().to_string());
        assert_eq!(
            (terms.asset, terms.expires_at),
            (USDC.to_string(), i64::MAX)
        );
    }
}

#[tokio::test]
async fn what_was_refused_in_process_asks_nobody() {
    let mut case = Case::new();
    case.amount = "9999".to_owned();
    let (scheme, script) = case.scheme();
    let checked = scheme.check(&case.payment(), NOW);
    let checked = checked.map(Check::payment).unwrap();
    assert!(matches!(checked.verify().await, Err(Refusal::Rejected(_))));
    assert_eq!(script.trials.lock().unwrap().len(), 0);
}
