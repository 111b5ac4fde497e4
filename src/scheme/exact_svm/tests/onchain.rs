//! What the one question to the chain decides.

use serde_json::{Value, json};

use super::*;
use crate::scheme::Refusal;
use crate::scheme::exact_svm::effect::Effect;
use crate::scheme::exact_svm::ledger::{Simulation, Unavailable};
use crate::scheme::exact_svm::mint::Extension;

async fn reason_of(case: Case) -> Reason {
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
    let checked = scheme.check(&case.payment(), NOW).unwrap();
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
        assert_eq!(reason_of(case).await, reason);
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
        assert_eq!(reason_of(case).await, Reason::AssetNotAllowed, "{kind}");
    }
    let mut allowed = Case::of(programs::TOKEN_2022);
    let mint = mint_account(programs::TOKEN_2022, &[18, 1]);
    allowed.answer.as_mut().unwrap().accounts[0] = Some(mint);
    allowed
        .policy
        .allowed_extensions
        .insert(Extension::TRANSFER_FEE);
    allowed.verify().await.unwrap();
    let mut foreign = Case::new();
    let mint = mint_account(programs::TOKEN_2022, &[]);
    foreign.answer.as_mut().unwrap().accounts[0] = Some(mint);
    assert_eq!(reason_of(foreign).await, Reason::AssetNotAllowed);
}

#[tokio::test]
async fn an_account_that_the_payee_gave_away_is_not_paid() {
    let mut given = Case::new();
    let account = token_account(programs::TOKEN, other());
    given.answer.as_mut().unwrap().accounts[1] = Some(account);
    assert_eq!(
        reason_of(given).await,
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
        let reason = reason_of(case).await;
        assert_eq!(reason, Reason::InvalidExactSvmFeePayerNotIsolated);
    }
}

#[tokio::test]
async fn what_was_refused_in_process_asks_nobody() {
    let mut case = Case::new();
    case.amount = "9999".to_owned();
    let (scheme, script) = case.scheme();
    let checked = scheme.check(&case.payment(), NOW).unwrap();
    assert!(matches!(checked.verify().await, Err(Refusal::Rejected(_))));
    assert_eq!(script.trials.lock().unwrap().len(), 0);
}
