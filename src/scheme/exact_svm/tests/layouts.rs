//! Every code of the layout, each from a payment that is valid but for one thing.

use serde_json::json;

use super::*;

type Change = fn(&mut Case);

/// The reason that a change to a valid payment is refused for.
fn reason_of(mut case: Case, change: Change) -> Option<Reason> {
    change(&mut case);
    case.rejection().map(|rejection| rejection.reason)
}

#[test]
fn each_flaw_of_length_and_budget_has_its_code() {
    let changes: [(Change, Reason); 10] = [
        (
            |case| case.instructions.truncate(2),
            Reason::InvalidExactSvmInstructionsLength,
        ),
        (
            |case| case.instructions.extend((0..4).map(|_| memo("m"))),
            Reason::InvalidExactSvmInstructionsLength,
        ),
        (
            |case| case.instructions.extend((0..5).map(|_| guard())),
            Reason::InvalidExactSvmInstructionsLength,
        ),
        (
            |case| case.instructions.swap(0, 1),
            Reason::InvalidExactSvmComputeLimitInstruction,
        ),
        (
            |case| case.instructions[0].data.push(0),
            Reason::InvalidExactSvmComputeLimitInstruction,
        ),
        (
            |case| case.instructions[0] = limit(200_001),
            Reason::InvalidExactSvmComputeLimitTooHigh,
        ),
        (
            |case| case.instructions[1] = limit(1),
            Reason::InvalidExactSvmComputePriceInstruction,
        ),
        (
            |case| case.instructions[1].data.truncate(8),
            Reason::InvalidExactSvmComputePriceInstruction,
        ),
        (
            |case| case.instructions[1] = price(5_000_001),
            Reason::InvalidExactSvmComputePriceTooHigh,
        ),
        // Each within its bound, and the product over it.
        (
            |case| case.set_budget(20_001, 5_000_000),
            Reason::InvalidExactSvmComputePriceTooHigh,
        ),
    ];
    for (number, (change, reason)) in changes.into_iter().enumerate() {
        let refused = reason_of(Case::new(), change);
        assert_eq!(refused, Some(reason), "change {number}");
    }
}

#[test]
fn each_flaw_of_the_transfer_has_its_code() {
    let changes: [(Change, Reason); 11] = [
        (
            |case| case.instructions.swap(2, 3),
            Reason::InvalidExactSvmNoTransferInstruction,
        ),
        (
            |case| case.instructions[2].data[0] = 3,
            Reason::InvalidExactSvmNoTransferInstruction,
        ),
        (
            |case| case.instructions[2].data.truncate(9),
            Reason::InvalidExactSvmNoTransferInstruction,
        ),
        (
            |case| case.instructions[2].accounts.truncate(3),
            Reason::InvalidExactSvmNoTransferInstruction,
        ),
        (
            |case| case.instructions[2].accounts[1] = readonly(other()),
            Reason::InvalidExactSvmMintMismatch,
        ),
        (
            |case| {
                case.instructions[2].accounts[2] = writable(account_of(other(), programs::TOKEN));
            },
            Reason::InvalidExactSvmRecipientMismatch,
        ),
        (
            |case| {
                let account = account_of(pay_to(), programs::TOKEN_2022);
                case.instructions[2].accounts[2] = writable(account);
            },
            Reason::InvalidExactSvmRecipientMismatch,
        ),
        (
            |case| case.instructions[2].data = transfer_data(AMOUNT - 1),
            Reason::InvalidExactSvmAmountMismatch,
        ),
        (
            |case| case.instructions[2].data = transfer_data(AMOUNT + 1),
            Reason::InvalidExactSvmAmountMismatch,
        ),
        // 2⁶⁴ more than is paid.
        (
            |case| case.amount = "18446744073709561616".to_owned(),
            Reason::InvalidExactSvmAmountMismatch,
        ),
        // The payee's delegate pays with the payee's tokens.
        (
            |case| case.instructions[2].accounts[0] = case.instructions[2].accounts[2].clone(),
            Reason::InvalidExactSvmNoTransferInstruction,
        ),
    ];
    for (number, (change, reason)) in changes.into_iter().enumerate() {
        let refused = reason_of(Case::new(), change);
        assert_eq!(refused, Some(reason), "change {number}");
    }
}

#[test]
fn version_1_takes_one_instruction_fewer() {
    let seven: Change = |case| case.instructions.extend([memo("a"), memo("b"), memo("c")]);
    assert_eq!(reason_of(Case::new(), seven), None);
    let length = Some(Reason::InvalidExactSvmInstructionsLength);
    assert_eq!(reason_of(Case::v1(), seven), length);
}

#[test]
fn an_unknown_instruction_is_told_by_its_position() {
    for (position, reason) in [
        (3, Reason::InvalidExactSvmUnknownFourthInstruction),
        (4, Reason::InvalidExactSvmUnknownFifthInstruction),
        (5, Reason::InvalidExactSvmUnknownSixthInstruction),
        (6, Reason::InvalidExactSvmUnknownSeventhInstruction),
    ] {
        let mut case = Case::new();
        case.instructions.truncate(3);
        case.instructions.resize_with(position, || memo("m"));
        case.instructions.push(ix(other(), &[], &[]));
        let rejection = case.rejection().unwrap();
        assert_eq!(rejection.reason, reason);
        assert_eq!(rejection.payer, Some(payer().to_string()));
    }
}

#[test]
fn the_memo_is_the_one_that_was_asked_for() {
    let asked = |memos: &[&str]| {
        let mut case = Case::new();
        case.extra.insert("memo".to_owned(), json!("order 7"));
        case.instructions.truncate(3);
        case.instructions
            .extend(memos.iter().map(|text| memo(text)));
        case.rejection().map(|rejection| rejection.reason)
    };
    assert_eq!(asked(&["order 7"]), None);
    assert_eq!(
        asked(&["order 8"]),
        Some(Reason::InvalidExactSvmMemoMismatch)
    );
    assert_eq!(asked(&[]), Some(Reason::InvalidExactSvmMemoCount));
    assert_eq!(
        asked(&["order 7", "order 7"]),
        Some(Reason::InvalidExactSvmMemoCount)
    );
    let long: Change = |case| case.instructions[3] = memo(&"m".repeat(567));
    assert_eq!(
        reason_of(Case::new(), long),
        Some(Reason::InvalidExactSvmMemoMismatch)
    );
    let longest: Change = |case| case.instructions[3] = memo(&"m".repeat(566));
    assert_eq!(reason_of(Case::new(), longest), None);
}

#[test]
fn the_strict_layout_takes_guards_after_the_transfer_only() {
    let strict = |at: usize| {
        let mut case = Case::new();
        case.policy.layout = policy::Layout::Npm;
        case.instructions.insert(at, guard());
        case.rejection().map(|rejection| rejection.reason)
    };
    assert_eq!(strict(3), None);
    assert_eq!(strict(4), None);
    assert_eq!(
        strict(2),
        Some(Reason::InvalidExactSvmNoTransferInstruction)
    );
    assert_eq!(
        strict(0),
        Some(Reason::InvalidExactSvmComputeLimitInstruction)
    );
}
