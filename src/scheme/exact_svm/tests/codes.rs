//! Every code that comes before the layout, each from a payment that is valid but for one thing.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::*;

type Change = fn(&mut Case);

/// The reason that a change to a valid payment is refused for.
fn reason_of(mut case: Case, change: Change) -> Option<Reason> {
    change(&mut case);
    case.rejection().map(|rejection| rejection.reason)
}

#[test]
fn takes_legacy_and_v0_for_both_token_programs_in_both_versions() {
    let legacy = |case: Case| Case {
        is_legacy: true,
        ..case
    };
    for case in [
        Case::new(),
        Case::v1(),
        Case::of(programs::TOKEN_2022),
        legacy(Case::new()),
        legacy(Case::of(programs::TOKEN_2022)),
        legacy(Case::v1()),
    ] {
        assert_eq!(case.rejection(), None);
    }
}

#[test]
fn takes_what_stock_clients_and_wallets_build() {
    let changes: [Change; 8] = [
        |case| case.instructions[0] = limit(12_000),
        |case| case.instructions.truncate(3),
        |case| {
            case.extra.insert("memo".to_owned(), json!(MEMO));
        },
        // As one wallet does it: guards before the transfer and at the end.
        |case| {
            for at in [2, 2, 2, 7] {
                case.instructions.insert(at, guard());
            }
        },
        |case| case.instructions.extend([guard(), memo("two"), guard()]),
        |case| case.instructions.extend([memo("2"), memo("3"), memo("4")]),
        // The most that each bound lets through.
        |case| case.instructions[1] = price(5_000_000),
        |case| case.set_budget(200_000, 500_000),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(reason_of(Case::new(), change), None, "change {number}");
    }
}

#[test]
fn each_flaw_of_the_envelope_has_its_code() {
    let changes: [(Change, Reason, Reason); 4] = [
        (
            |case| case.accepted_scheme = "upto".to_owned(),
            Reason::InvalidExactSvmUnsupportedScheme,
            Reason::UnsupportedScheme,
        ),
        (
            |case| case.accepted_network = "solana:elsewhere".to_owned(),
            Reason::InvalidExactSvmNetworkMismatch,
            Reason::NetworkMismatch,
        ),
        (
            |case| case.extra.clear(),
            Reason::InvalidExactSvmMissingFeePayer,
            Reason::InvalidExactSvmMissingFeePayer,
        ),
        (
            |case| case.extra = advertise(&other()),
            Reason::InvalidExactSvmFeePayerNotManaged,
            Reason::FeePayerNotManagedByFacilitator,
        ),
    ];
    for (change, v2, v1) in changes {
        assert_eq!(reason_of(Case::new(), change), Some(v2));
        assert_eq!(reason_of(Case::v1(), change), Some(v1));
    }
    let both: [(Change, Reason); 7] = [
        (
            |case| case.extra = [("feePayer".to_owned(), json!("me"))].into(),
            Reason::InvalidExactSvmFeePayerNotManaged,
        ),
        (
            |case| case.assets = Assets::Listed(vec![other()]),
            Reason::AssetNotAllowed,
        ),
        (
            |case| case.amount = "0".to_owned(),
            Reason::InvalidPaymentRequirements,
        ),
        (
            |case| case.asset = "USDC".to_owned(),
            Reason::InvalidPaymentRequirements,
        ),
        (
            |case| case.pay_to = "0x1".to_owned(),
            Reason::InvalidPaymentRequirements,
        ),
        (
            |case| {
                case.extra.insert("memo".to_owned(), json!(7));
            },
            Reason::InvalidPaymentRequirements,
        ),
        (
            |case| {
                case.accepted_scheme = "upto".to_owned();
                case.tamper = Vec::clear;
            },
            Reason::InvalidExactSvmUnsupportedScheme,
        ),
    ];
    for (change, reason) in both {
        assert_eq!(reason_of(Case::new(), change), Some(reason));
    }
}

#[test]
fn each_flaw_of_the_bytes_is_one_code() {
    let changes: [Change; 9] = [
        |case| case.tamper = Vec::clear,
        |case| case.tamper = |wire| wire.push(0),
        |case| {
            case.tamper = |wire| {
                wire.pop();
            };
        },
        // One signature too few, and one too many.
        |case| {
            case.tamper = |wire| {
                wire.drain(1..65);
                wire[0] = 1;
            };
        },
        |case| {
            case.tamper = |wire| {
                wire.splice(1..1, [0; 64]);
                wire[0] = 3;
            };
        },
        // The count of signatures in two bytes.
        |case| case.tamper = |wire| wire.splice(0..1, [0x82, 0]).for_each(drop),
        // Version 1 of messages.
        |case| case.tamper = |wire| wire[129] = 0x81,
        // An account that the message does not hold, and one that it holds twice.
        |case| case.edit = |message| message.instructions[2].accounts[0] = 99,
        |case| case.edit = |message| message.account_keys[3] = message.account_keys[0],
    ];
    let undecodable = Some(Reason::InvalidExactSvmTransactionUndecodable);
    for (number, change) in changes.into_iter().enumerate() {
        assert_eq!(
            reason_of(Case::new(), change),
            undecodable,
            "change {number}"
        );
    }
    let long: Change = |case| case.instructions.push(memo(&"m".repeat(1_000)));
    assert_eq!(reason_of(Case::new(), long), undecodable);
    for payload in [
        json!({}),
        json!({"transaction": 7}),
        json!({"transaction": "%"}),
        json!({"transaction": BASE64_STANDARD.encode(Case::new().wire()).trim_end_matches('=').to_owned() + " "}),
        json!([]),
    ] {
        let case = Case::new();
        let payment = case.payment_with(&payload);
        let rejection = case.scheme().0.check(&payment, NOW).err();
        assert_eq!(rejection.map(|r| r.reason), undecodable, "{payload}");
    }
}

#[test]
fn a_message_of_version_1_is_not_read_in_our_slots() {
    use solana_message::{VersionedMessage, v1};

    let case = Case::new();
    let payer = &case.payer_of_fees;
    let message = v1::Message::try_compile(payer, &case.instructions, [7; 32].into()).unwrap();
    let bytes = VersionedMessage::V1(message).serialize();
    let unsigned = solana_signature::Signature::default();
    let wire = transaction::assemble(&unsigned, &[unsigned], &bytes);
    let refused = Err("the bytes are not one legacy or v0 transaction");
    assert_eq!(transaction::Transaction::decode(&wire), refused);
}

#[test]
fn each_flaw_of_the_signers_has_its_code() {
    let changes: [(Change, Reason); 6] = [
        (
            |case| case.instructions[3].accounts = [4, 6, 7].map(key_signs).to_vec(),
            Reason::InvalidExactSvmExcessiveSigners,
        ),
        (
            |case| case.payer_of_fees = second_fee_payer(),
            Reason::InvalidExactSvmFeePayerMismatch,
        ),
        (
            |case| case.payer_of_fees = other(),
            Reason::InvalidExactSvmFeePayerMismatch,
        ),
        (
            |case| case.tamper = |wire| wire[70] ^= 1,
            Reason::InvalidExactSvmSignature,
        ),
        (
            |case| case.tamper = |wire| wire[65..129].fill(0),
            Reason::InvalidExactSvmSignature,
        ),
        // Signed by the payer, and not by another who has to.
        (
            |case| case.instructions[3].accounts = vec![signer(Pubkey::new_from_array([9; 32]))],
            Reason::InvalidExactSvmSignature,
        ),
    ];
    for (number, (change, reason)) in changes.into_iter().enumerate() {
        let rejection = {
            let mut case = Case::new();
            change(&mut case);
            case.rejection().unwrap()
        };
        assert_eq!(rejection.reason, reason, "change {number}");
        assert_eq!(rejection.payer, None);
    }
    let one_more: Change = |case| case.instructions[3].accounts = vec![signer(other())];
    assert_eq!(reason_of(Case::new(), one_more), None);
}

fn key_signs(seed: u8) -> solana_instruction::AccountMeta {
    use solana_signer::Signer;
    signer(solana_keypair::Keypair::new_from_array([seed; 32]).pubkey())
}
