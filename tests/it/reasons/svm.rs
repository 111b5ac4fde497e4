//! Every code of payments on Solana, in both versions of the protocol.

pub(super) mod chain;
pub(super) mod payment;
pub(super) mod settling;
mod shapes;
pub(super) mod wallet;

use serde_json::{Value, json};
use x402_facilitator::protocol::Reason;

use super::{Costs, Way, copy, way};
use crate::harness::mint::Mint;
use crate::harness::svm_wire::{Key, Transaction};
use crate::harness::svm_world::SvmWorld;
use crate::harness::world::Version;

const V1_NAME: &str = "solana-devnet";

/// A request, and whom its refusal names as the payer.
pub(super) struct Case {
    pub(super) body: Value,
    pub(super) payer: Option<Key>,
}

/// Makes a payment that is good but for one thing.
pub(super) type Flaw = fn(&SvmWorld, Version) -> Case;

/// A payment that only its ledger can refuse.
pub(super) struct Staged {
    pub(super) world: SvmWorld,
    pub(super) case: Case,
}

/// Codes that version 1 spells in another way, or has another one for: it knows no lookup tables and one instruction fewer.
const IN_VERSION_1: [(Reason, Reason); 5] = [
    (
        Reason::InvalidExactSvmUnsupportedScheme,
        Reason::UnsupportedScheme,
    ),
    (
        Reason::InvalidExactSvmNetworkMismatch,
        Reason::NetworkMismatch,
    ),
    (
        Reason::InvalidExactSvmFeePayerNotManaged,
        Reason::FeePayerNotManagedByFacilitator,
    ),
    (
        Reason::InvalidExactSvmAltResolutionNotAvailable,
        Reason::InvalidExactSvmTransactionUndecodable,
    ),
    (
        Reason::InvalidExactSvmUnknownSeventhInstruction,
        Reason::InvalidExactSvmInstructionsLength,
    ),
];

/// The request for a transaction in a version of the protocol.
fn body(world: &SvmWorld, version: Version, transaction: &Transaction) -> Value {
    match version {
        Version::V1 => world.terms.v1(V1_NAME, transaction),
        Version::V2 => world.terms.v2(transaction),
    }
}

/// Where no lookup table is read.
async fn without_tables() -> SvmWorld {
    SvmWorld::with(Mint::token(), |it| it.set("SVM_LOOKUP_TABLES", "false")).await
}

async fn with_wallets() -> SvmWorld {
    SvmWorld::with(Mint::token(), |it| it.set("SVM_SMART_WALLETS", "on")).await
}

#[tokio::test]
async fn what_is_bad_on_solana_is_refused_with_its_reason_and_costs_no_read() {
    let world = without_tables().await;
    warm_up(&world, payment::good).await;
    for reason in Reason::ALL {
        if let Way::Solana(version, flaw) = way(*reason) {
            let case = flaw(&world, version);
            assert_refused(&world, *reason, &case, Costs::NoRead).await;
        }
    }
    world.close().await;
}

#[tokio::test]
async fn version_1_tells_the_same_flaws_by_its_own_codes() {
    let world = without_tables().await;
    warm_up(&world, payment::good).await;
    for reason in Reason::ALL {
        if let Way::Solana(Version::V2, flaw) = way(*reason) {
            let mut other = IN_VERSION_1.iter().filter(|(v2, _)| v2 == reason);
            let reason = other.next().map_or(*reason, |(_, v1)| *v1);
            let mut case = flaw(&world, Version::V1);
            // What is refused for its length or its encoding was not looked at any further.
            if reason == Reason::InvalidExactSvmInstructionsLength {
                case.payer = None;
            }
            assert_refused(&world, reason, &case, Costs::NoRead).await;
        }
    }
    world.close().await;
}

#[tokio::test]
async fn what_is_bad_of_a_smart_wallet_is_refused_with_its_reason_and_costs_no_read() {
    let world = with_wallets().await;
    wallet::furnish(&world).await;
    warm_up(&world, wallet::good).await;
    for reason in Reason::ALL {
        if let Way::Wallet(flaw) = way(*reason) {
            let case = flaw(&world, Version::V2);
            assert_refused(&world, *reason, &case, Costs::NoRead).await;
        }
    }
    let in_version_1 = Case {
        payer: None,
        ..wallet::good(&world, Version::V1)
    };
    let no_transfer = Reason::InvalidExactSvmNoTransferInstruction;
    assert_refused(&world, no_transfer, &in_version_1, Costs::NoRead).await;
    world.close().await;
}

#[tokio::test]
async fn what_a_ledger_refuses_is_refused_with_its_reason_and_nothing_is_sent() {
    for reason in Reason::ALL {
        if let Way::OnSolana(stage) = way(*reason) {
            let Staged { world, case } = stage.await;
            assert_refused(&world, *reason, &case, Costs::Reads).await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn what_fails_without_a_ledger_fails_the_same_without_one() {
    let world = without_tables().await;
    warm_up(&world, payment::good).await;
    world.proxy.cut();
    for reason in Reason::ALL {
        if let Way::Solana(version, flaw) = way(*reason) {
            let answer = world.client.verify(&flaw(&world, version).body).await;
            assert_eq!(answer.body["invalidReason"], reason.as_str());
        }
    }
    world.close().await;
}

/// The payment that the flaws are put into is good, and how high the chain is is known now.
async fn warm_up(world: &SvmWorld, good: Flaw) {
    let Case { body, payer } = good(world, Version::V2);
    let payer = payer.expect("whoever pays is known").to_string();
    let answer = world.client.verify(&body).await;
    assert_eq!(answer.body, json!({"isValid": true, "payer": payer}));
}

/// `/verify` and `/settle` refuse alike, in their own shapes, and leave the ledger and the sponsor's lamports alone.
pub(super) async fn assert_refused(world: &SvmWorld, reason: Reason, case: &Case, costs: Costs) {
    let code = reason.as_str();
    let before = purse(world).await;
    let reads = world.reads();

    let verified = world.client.verify(&case.body).await;
    let read_more = world.reads() > reads;
    assert_eq!(read_more, costs == Costs::Reads, "{code} and its reads");
    let mut expected = json!({"isValid": false, "invalidReason": code});
    copy(&verified, "invalidMessage", &mut expected);
    name_payer(case, &mut expected);
    assert_eq!(verified.body, expected);
    assert_eq!(verified.status.as_u16(), 200, "{code}");

    let reads = world.reads();
    let settled = world.client.settle(&case.body).await;
    let network = &case.body["paymentRequirements"]["network"];
    let mut expected =
        json!({"success": false, "errorReason": code, "transaction": "", "network": network});
    copy(&settled, "errorMessage", &mut expected);
    name_payer(case, &mut expected);
    assert_eq!(settled.body, expected);
    assert_eq!(settled.status.as_u16(), 200, "{code}");
    let read_more = world.reads() > reads;
    assert_eq!(read_more, costs == Costs::Reads, "{code} at /settle");

    assert_eq!(world.sends(), 0, "{code}: something was sent");
    assert_eq!(purse(world).await, before, "{code}");
}

/// The slot, which passes with whatever lands, and the lamports of the fee payer.
async fn purse(world: &SvmWorld) -> (u64, u64) {
    let lamports = world.ledger.lamports(world.fee_payer.key()).await;
    (world.ledger.slot().await, lamports)
}

fn name_payer(case: &Case, expected: &mut Value) {
    if let Some(payer) = case.payer {
        expected["payer"] = json!(payer.to_string());
    }
}
