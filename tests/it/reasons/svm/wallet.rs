//! Payments out of a smart wallet with one flaw that costs no read to see.

use super::{Case, body};
use crate::harness::scene::WEALTH;
use crate::harness::sign_svm::{
    SQUADS, SvmPayment, through_wallet, transfer, unit_limit, unit_price, vault,
};
use crate::harness::svm_wire::{Instruction, Key, Meta};
use crate::harness::svm_world::SvmWorld;
use crate::harness::world::Version;

/// Where the instructions of a wallet's payment stand.
const LIMIT: usize = 0;
const PRICE: usize = 1;
pub(super) const CALL: usize = 2;

const MAX_UNITS: u32 = 400_000;
const MAX_UNIT_PRICE: u64 = 50_000;
const SET_LOADED_ACCOUNTS_DATA_SIZE_LIMIT: u8 = 4;

/// The account that owns the wallet's tokens.
pub(super) fn owner() -> Key {
    vault(Key::of(SQUADS))
}

/// Gives the wallet something to pay with.
pub(super) async fn furnish(world: &SvmWorld) {
    world.ledger.fund(&world.terms.mint, owner(), WEALTH).await;
}

/// The transfer that is due, out of the wallet.
pub(super) fn due(world: &SvmWorld) -> Instruction {
    transfer(&world.terms, owner())
}

/// The wallet makes these calls for the payer, who holds a key of it.
pub(super) fn calling(world: &SvmWorld, calls: &[Instruction]) -> SvmPayment {
    let mut payment = world.draft();
    let call = through_wallet(Key::of(SQUADS), calls);
    payment.instructions[CALL] = held_by(world.payer.key(), call);
    payment
}

/// A wallet's call, signed by the holder of a key of it.
pub(super) fn held_by(holder: Key, mut call: Instruction) -> Instruction {
    call.accounts.push(Meta::signer(holder));
    call
}

pub(in crate::reasons) fn good(world: &SvmWorld, version: Version) -> Case {
    let case = changed(world, version, |_| {});
    Case {
        payer: Some(owner()),
        ..case
    }
}

fn changed(world: &SvmWorld, version: Version, change: impl FnOnce(&mut SvmPayment)) -> Case {
    let mut payment = calling(world, &[due(world)]);
    change(&mut payment);
    Case {
        body: body(world, version, &payment.signed_by(&world.payer)),
        payer: None,
    }
}

pub(in crate::reasons) fn of_another_program(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[CALL].program = Key::fresh();
    })
}

pub(in crate::reasons) fn with_a_budget_of_another_kind(
    world: &SvmWorld,
    version: Version,
) -> Case {
    changed(world, version, |payment| {
        payment.instructions[PRICE].data = vec![SET_LOADED_ACCOUNTS_DATA_SIZE_LIMIT, 0, 0, 1, 0];
    })
}

pub(in crate::reasons) fn with_an_empty_budget(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[PRICE].data.clear();
    })
}

pub(in crate::reasons) fn with_half_a_limit(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[LIMIT].data.truncate(3);
    })
}

pub(in crate::reasons) fn with_half_a_price(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[PRICE].data.truncate(5);
    })
}

pub(in crate::reasons) fn of_too_many_units(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[LIMIT] = unit_limit(MAX_UNITS + 1);
    })
}

pub(in crate::reasons) fn at_too_high_a_price(world: &SvmWorld, version: Version) -> Case {
    changed(world, version, |payment| {
        payment.instructions[PRICE] = unit_price(MAX_UNIT_PRICE + 1);
    })
}
