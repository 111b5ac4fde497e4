//! Payments on Solana with one flaw that only the ledger knows.

use super::wallet::{calling, due, furnish, owner};
use super::{Case, Staged, body, payment, with_wallets};
use crate::harness::scene::AMOUNT;
use crate::harness::svm_wire::{Instruction, Key};
use crate::harness::svm_world::SvmWorld;
use crate::harness::world::Version;

/// Where a transfer's data has the lowest byte of its amount.
const AMOUNT_AT: usize = 1;

pub(in crate::reasons) async fn poor_payer(version: Version) -> Staged {
    let world = SvmWorld::new().await;
    let (mint, payer) = (&world.terms.mint, world.payer.key());
    world.ledger.fund(mint, payer, AMOUNT - 1).await;
    let case = payment::good(&world, version);
    Staged { world, case }
}

pub(in crate::reasons) async fn table_that_is_nowhere() -> Staged {
    let world = SvmWorld::new().await;
    let case = payment::with_a_lookup_table(&world, Version::V2);
    Staged { world, case }
}

pub(in crate::reasons) async fn poor_wallet() -> Staged {
    let world = with_wallets().await;
    let mint = &world.terms.mint;
    world.ledger.fund(mint, owner(), AMOUNT - 1).await;
    let calls = [due(&world)];
    staged(world, &calls, None)
}

pub(in crate::reasons) async fn idle_wallet() -> Staged {
    let world = with_wallets().await;
    furnish(&world).await;
    staged(world, &[], None)
}

pub(in crate::reasons) async fn mean_wallet() -> Staged {
    let world = with_wallets().await;
    furnish(&world).await;
    let mut less = due(&world);
    less.data[AMOUNT_AT] -= 1;
    staged(world, &[less], Some(owner()))
}

pub(in crate::reasons) async fn generous_wallet() -> Staged {
    let world = with_wallets().await;
    furnish(&world).await;
    let calls = [due(&world), due(&world)];
    staged(world, &calls, Some(owner()))
}

fn staged(world: SvmWorld, calls: &[Instruction], payer: Option<Key>) -> Staged {
    let transaction = calling(&world, calls).signed_by(&world.payer);
    let body = body(&world, Version::V2, &transaction);
    Staged {
        world,
        case: Case { body, payer },
    }
}
