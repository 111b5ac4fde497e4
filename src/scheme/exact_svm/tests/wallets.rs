//! Payments from smart wallets: judged by a simulation, and again by what landed.

use serde_json::json;

use super::*;
use crate::chain::svm::effect::Effect;
use crate::chain::svm::ledger::Simulation;
use crate::chain::svm::token::Transfer;
use crate::scheme::Refusal;
use crate::scheme::exact_svm::policy::SmartWallet;

const WALLET: Pubkey = programs::SMART_WALLETS[0];
/// The wallet's account that owns the tokens.
const VAULT: Pubkey = Pubkey::new_from_array([0x77; 32]);

type Change = fn(&mut Case);

/// The key holder has the wallet pay; the transfer happens inside.
fn wallet() -> Case {
    let mut case = Case::new();
    case.policy.smart_wallet = Some(SmartWallet::default());
    let accounts = [
        signer(payer()),
        writable(VAULT),
        readonly(USDC),
        writable(account_of(pay_to(), programs::TOKEN)),
        readonly(programs::TOKEN),
    ];
    let call = ix(WALLET, &accounts, &[1, 2, 3]);
    case.instructions = vec![limit(400_000), price(50_000), call, memo(MEMO)];
    shows(&mut case, vec![pays(AMOUNT)]);
    case
}

fn shows(case: &mut Case, effects: Vec<Effect>) {
    case.answer.as_mut().unwrap().inner = Some(effects);
}

/// A transfer out of the vault, as an inner instruction.
fn pays(amount: u64) -> Effect {
    let transfer = Transfer {
        token_program: programs::TOKEN,
        source: account_of(VAULT, programs::TOKEN),
        mint: USDC,
        destination: account_of(pay_to(), programs::TOKEN),
        authority: VAULT,
        amount,
    };
    moved(transfer)
}

fn moved(transfer: Transfer) -> Effect {
    let Transfer {
        source,
        mint,
        destination,
        authority,
        ..
    } = transfer;
    Effect {
        program: transfer.token_program,
        accounts: vec![source, mint, destination, authority],
        takes_from: Some(source),
        transfer: Some(transfer),
    }
}

fn instead(change: fn(&mut Transfer)) -> Effect {
    let mut transfer = pays(AMOUNT).transfer.unwrap();
    change(&mut transfer);
    moved(transfer)
}

async fn reason_of(case: &Case) -> Reason {
    match case.verify().await {
        Err(Refusal::Rejected(rejection)) => rejection.reason,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_wallet_pays_where_it_is_switched_on() {
    let verified = wallet().verify().await.unwrap();
    assert_eq!(verified.payer(), VAULT.to_string());
    let mut more = wallet();
    shows(&mut more, vec![pays(AMOUNT + 1)]);
    more.verify().await.unwrap();
    let mut off = wallet();
    off.policy.smart_wallet = None;
    off.instructions[0] = limit(200_000);
    assert_eq!(
        reason_of(&off).await,
        Reason::InvalidExactSvmNoTransferInstruction
    );
    let mut first = wallet();
    first.instructions[0] = limit(200_000);
    first.version = Version::V1;
    first.wire_network = "solana-devnet".to_owned();
    first.accepted_network = "solana-devnet".to_owned();
    assert_eq!(
        reason_of(&first).await,
        Reason::InvalidExactSvmNoTransferInstruction
    );
}

#[tokio::test]
async fn units_and_price_of_a_wallet_are_bounded_together() {
    let mut case = wallet();
    // 400 000 units at 50 000 micro-lamports.
    case.policy.max_priority_fee = 20_000;
    case.verify().await.unwrap();
    case.policy.max_priority_fee = 19_999;
    assert_eq!(
        reason_of(&case).await,
        Reason::InvalidExactSvmPriorityFeeTooHigh
    );
}

#[tokio::test]
async fn a_plain_payment_stays_plain_where_wallets_are_on() {
    let mut plain = Case::new();
    plain.policy.smart_wallet = Some(SmartWallet::default());
    plain.verify().await.unwrap();
    plain.amount = "9999".to_owned();
    assert_eq!(
        reason_of(&plain).await,
        Reason::InvalidExactSvmAmountMismatch
    );
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn each_flaw_of_a_wallets_transaction_has_its_code() {
    let changes: [(Change, Reason); 13] = [
        (
            |case| {
                case.instructions[0] = limit(200_000);
                case.instructions[2].program_id = other();
            },
            Reason::InvalidExactSvmProgramNotAllowed,
        ),
        (
            |case| case.instructions.push(transfer(programs::TOKEN)),
            Reason::InvalidExactSvmProgramNotAllowed,
        ),
        (
            |case| case.instructions[2].accounts.push(writable(fee_payer())),
            Reason::InvalidExactSvmFeePayerNotIsolated,
        ),
        (
            |case| {
                case.instructions[2]
                    .accounts
                    .push(readonly(second_fee_payer()));
            },
            Reason::InvalidExactSvmFeePayerNotIsolated,
        ),
        (
            |case| case.instructions[1].data = vec![4, 0, 0, 0, 0],
            Reason::InvalidExactSvmUnsupportedComputeBudget,
        ),
        (
            |case| case.instructions[1].data = vec![],
            Reason::InvalidExactSvmMalformedComputeBudget,
        ),
        (
            |case| case.instructions[0].data.truncate(4),
            Reason::InvalidExactSvmMalformedComputeLimit,
        ),
        (
            |case| case.instructions[1].data.truncate(8),
            Reason::InvalidExactSvmMalformedComputePrice,
        ),
        (
            |case| case.instructions[0] = limit(400_001),
            Reason::InvalidExactSvmComputeUnitsTooHigh,
        ),
        // Without a limit the runtime grants more than we do.
        (
            |case| {
                case.instructions.remove(0);
                case.instructions.push(memo("m"));
            },
            Reason::InvalidExactSvmComputeUnitsTooHigh,
        ),
        (
            |case| {
                case.instructions.swap(0, 1);
                case.instructions[0] = price(50_001);
            },
            Reason::InvalidExactSvmPriorityFeeTooHigh,
        ),
        (
            |case| {
                case.extra.insert("memo".to_owned(), json!("order 8"));
            },
            Reason::InvalidExactSvmMemoMismatch,
        ),
        (
            |case| {
                case.extra.insert("memo".to_owned(), json!(MEMO));
                case.instructions.push(memo(MEMO));
            },
            Reason::InvalidExactSvmMemoCount,
        ),
    ];
    for (number, (change, reason)) in changes.into_iter().enumerate() {
        let mut case = wallet();
        change(&mut case);
        assert_eq!(reason_of(&case).await, reason, "change {number}");
    }
}

#[tokio::test]
async fn each_flaw_of_a_simulation_has_its_code() {
    let other_destination = || {
        let change: fn(&mut Transfer) = |t| t.destination = account_of(other(), t.token_program);
        instead(change)
    };
    for (inner, reason) in [
        (vec![], Reason::InvalidExactSvmNoTransferInSimulation),
        (
            vec![pays(AMOUNT - 1)],
            Reason::InvalidExactSvmTransferMismatch,
        ),
        (
            vec![other_destination()],
            Reason::InvalidExactSvmTransferMismatch,
        ),
        (
            vec![instead(|t| t.mint = other())],
            Reason::InvalidExactSvmTransferMismatch,
        ),
        (
            vec![instead(|t| t.source = t.destination)],
            Reason::InvalidExactSvmTransferMismatch,
        ),
        // Paid, and taken back.
        (
            vec![
                pays(AMOUNT),
                instead(|t| std::mem::swap(&mut t.source, &mut t.destination)),
            ],
            Reason::InvalidExactSvmTransferMismatch,
        ),
        (
            vec![pays(AMOUNT), pays(AMOUNT)],
            Reason::InvalidExactSvmMultipleMatchingTransfers,
        ),
        (
            vec![pays(AMOUNT), instead(|t| t.authority = second_fee_payer())],
            Reason::InvalidExactSvmFeePayerTransferringFunds,
        ),
        (
            vec![
                pays(AMOUNT),
                Effect {
                    program: SYSTEM,
                    accounts: vec![fee_payer(), other()],
                    transfer: None,
                    takes_from: None,
                },
            ],
            Reason::InvalidExactSvmFeePayerNotIsolated,
        ),
    ] {
        let mut case = wallet();
        shows(&mut case, inner);
        assert_eq!(reason_of(&case).await, reason);
    }
    let mut failing = wallet();
    failing.answer = Ok(Simulation {
        error: Some(json!("ProgramError")),
        ..Simulation::default()
    });
    let reason = reason_of(&failing).await;
    assert_eq!(reason, Reason::InvalidExactSvmSmartWalletSimulationFailed);
}

#[tokio::test]
async fn a_node_that_shows_no_inner_instructions_decides_nothing() {
    let mut case = wallet();
    case.answer.as_mut().unwrap().inner = None;
    let refusal = case.verify().await.unwrap_err();
    assert!(matches!(refusal, Refusal::Unavailable(_)));
}

#[test]
fn flaws_that_are_no_wallets_do_not_lead_there() {
    let changes: [Change; 3] = [
        |case| case.instructions[0] = limit(200_001),
        |case| case.instructions[1] = price(5_000_001),
        |case| case.instructions[2].accounts[1] = readonly(other()),
    ];
    for change in changes {
        let [mut on, mut off] = [Case::new(), Case::new()];
        on.policy.smart_wallet = Some(SmartWallet::default());
        change(&mut on);
        change(&mut off);
        assert_eq!(on.rejection(), off.rejection());
        assert!(on.rejection().is_some());
    }
}
