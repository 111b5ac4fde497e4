//! Payments on Solana with one flaw that costs no read to see.

use serde_json::{Value, json};

use super::{Case, V1_NAME, body};
use crate::harness::sign_svm::{SvmPayment, SvmTerms, memo, unit_limit, unit_price};
use crate::harness::svm_wire::{Instruction, Key, Keypair, Meta, Table, Transaction};
use crate::harness::svm_world::SvmWorld;
use crate::harness::world::Version;

/// Where the instructions of a plain payment stand.
pub(super) const LIMIT: usize = 0;
pub(super) const PRICE: usize = 1;
pub(super) const TRANSFER: usize = 2;
pub(super) const MEMO: usize = 3;

const MAX_UNITS: u32 = 200_000;
const MAX_UNIT_PRICE: u64 = 5_000_000;
const WANTED_MEMO: &str = "order 7";

/// What a request is made of.
pub(super) struct Draft {
    pub(super) terms: SvmTerms,
    pub(super) payment: SvmPayment,
    /// Who signs beside the payer.
    pub(super) cosigners: Vec<Keypair>,
}

/// A request, changed before anybody signs.
pub(super) fn request(
    world: &SvmWorld,
    version: Version,
    change: impl FnOnce(&mut Draft),
) -> Value {
    let mut draft = Draft {
        terms: world.terms.clone(),
        payment: world.draft(),
        cosigners: Vec::new(),
    };
    change(&mut draft);
    let mut transaction = draft.payment.signed_by(&world.payer);
    for cosigner in &draft.cosigners {
        transaction = transaction.signed_by(cosigner);
    }
    match version {
        Version::V1 => draft.terms.v1(V1_NAME, &transaction),
        Version::V2 => draft.terms.v2(&transaction),
    }
}

/// Refused before anybody asked who pays.
fn of_nobody(world: &SvmWorld, version: Version, change: impl FnOnce(&mut Draft)) -> Case {
    let body = request(world, version, change);
    Case { body, payer: None }
}

/// Refused as a payment of the payer.
fn of_payer(world: &SvmWorld, version: Version, change: impl FnOnce(&mut Draft)) -> Case {
    Case {
        body: request(world, version, change),
        payer: Some(world.payer.key()),
    }
}

/// Changed after it was signed.
fn edited(world: &SvmWorld, version: Version, edit: impl FnOnce(&mut Value)) -> Case {
    let mut case = of_nobody(world, version, |_| {});
    edit(&mut case.body);
    case
}

/// The same with another transaction.
fn carrying(world: &SvmWorld, version: Version, transaction: &Transaction) -> Case {
    Case {
        body: body(world, version, transaction),
        payer: None,
    }
}

/// What the buyer says to have accepted.
fn accepted(body: &mut Value, version: Version) -> &mut Value {
    match version {
        Version::V1 => &mut body["paymentPayload"],
        Version::V2 => &mut body["paymentPayload"]["accepted"],
    }
}

fn unknown() -> Instruction {
    Instruction {
        program: Key::fresh(),
        accounts: Vec::new(),
        data: vec![1],
    }
}

pub(in crate::reasons) fn good(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |_| {})
}

pub(in crate::reasons) fn accepting_another_scheme(world: &SvmWorld, version: Version) -> Case {
    edited(world, version, |body| {
        accepted(body, version)["scheme"] = json!("upto");
    })
}

pub(in crate::reasons) fn accepting_another_network(world: &SvmWorld, version: Version) -> Case {
    edited(world, version, |body| {
        let mainnet = match version {
            Version::V1 => "solana",
            Version::V2 => "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp",
        };
        accepted(body, version)["network"] = json!(mainnet);
    })
}

pub(in crate::reasons) fn without_fee_payer(world: &SvmWorld, version: Version) -> Case {
    edited(world, version, |body| {
        for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
            if let Some(terms) = body.pointer_mut(terms) {
                terms["extra"] = json!({});
            }
        }
    })
}

pub(in crate::reasons) fn for_a_strange_fee_payer(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        let stranger = Key::fresh();
        draft.terms.fee_payer = stranger;
        draft.payment.fee_payer = stranger;
    })
}

pub(in crate::reasons) fn naming_no_account(world: &SvmWorld, version: Version) -> Case {
    let mut message = world.draft().message();
    message.instructions[TRANSFER].accounts[0] = 99;
    let transaction = Transaction::new(message).signed_by(&world.payer);
    carrying(world, version, &transaction)
}

pub(in crate::reasons) fn by_four_signers(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.cosigners = vec![Keypair::fresh(), Keypair::fresh()];
        let metas = draft.cosigners.iter().map(|one| Meta::signer(one.key()));
        draft.payment.instructions[MEMO].accounts.extend(metas);
    })
}

pub(in crate::reasons) fn with_another_fee_payer(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.fee_payer = Key::fresh();
    })
}

pub(in crate::reasons) fn signed_by_another(world: &SvmWorld, version: Version) -> Case {
    let mut transaction = Transaction::new(world.draft().message());
    let thief = Keypair::fresh();
    transaction.signatures[1] = thief.sign(&transaction.message.bytes());
    carrying(world, version, &transaction)
}

pub(in crate::reasons) fn with_a_lookup_table(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        let payee = draft.terms.mint.account_of(draft.terms.pay_to);
        draft.payment.tables = vec![Table {
            address: Key::fresh(),
            addresses: vec![payee],
        }];
    })
}

pub(in crate::reasons) fn of_eight_instructions(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.instructions.resize_with(8, || memo(b"more"));
    })
}

pub(in crate::reasons) fn without_unit_limit(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.instructions.remove(LIMIT);
    })
}

pub(in crate::reasons) fn of_too_many_units(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.instructions[LIMIT] = unit_limit(MAX_UNITS + 1);
    })
}

pub(in crate::reasons) fn without_unit_price(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.instructions.remove(PRICE);
    })
}

pub(in crate::reasons) fn at_too_high_a_unit_price(world: &SvmWorld, version: Version) -> Case {
    of_nobody(world, version, |draft| {
        draft.payment.instructions[PRICE] = unit_price(MAX_UNIT_PRICE + 1);
    })
}

/// `Transfer`, which names no mint.
pub(in crate::reasons) fn by_an_unchecked_transfer(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        let data = &mut draft.payment.instructions[TRANSFER].data;
        data[0] = 3;
        data.truncate(9);
    })
}

pub(in crate::reasons) fn out_of_the_sponsors_account(world: &SvmWorld, version: Version) -> Case {
    let sponsor = world.fee_payer.key();
    let body = request(world, version, |draft| {
        let accounts = &mut draft.payment.instructions[TRANSFER].accounts;
        accounts[0] = Meta::writable(draft.terms.mint.account_of(sponsor));
        accounts[3] = Meta::signer(sponsor);
        // Somebody has to be the buyer.
        let buyer = Meta::signer(world.payer.key());
        draft.payment.instructions[MEMO].accounts.push(buyer);
    });
    Case {
        body,
        payer: Some(sponsor),
    }
}

pub(in crate::reasons) fn in_another_mint(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        draft.payment.instructions[TRANSFER].accounts[1] = Meta::readonly(Key::fresh());
    })
}

pub(in crate::reasons) fn to_another(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        let account = draft.terms.mint.account_of(Key::fresh());
        draft.payment.instructions[TRANSFER].accounts[2] = Meta::writable(account);
    })
}

pub(in crate::reasons) fn of_another_amount(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| draft.terms.amount -= 1)
}

/// With so many known instructions before the one that nobody asked for.
fn unknown_after(known: usize, world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        let instructions = &mut draft.payment.instructions;
        instructions.resize_with(known, || memo(b"more"));
        instructions.push(unknown());
    })
}

pub(in crate::reasons) fn with_an_unknown_fourth(world: &SvmWorld, version: Version) -> Case {
    unknown_after(3, world, version)
}

pub(in crate::reasons) fn with_an_unknown_fifth(world: &SvmWorld, version: Version) -> Case {
    unknown_after(4, world, version)
}

pub(in crate::reasons) fn with_an_unknown_sixth(world: &SvmWorld, version: Version) -> Case {
    unknown_after(5, world, version)
}

pub(in crate::reasons) fn with_an_unknown_seventh(world: &SvmWorld, version: Version) -> Case {
    unknown_after(6, world, version)
}

pub(in crate::reasons) fn without_the_memo(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        draft.terms.memo = Some(WANTED_MEMO.to_owned());
        draft.payment.instructions.truncate(MEMO);
    })
}

pub(in crate::reasons) fn with_another_memo(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        draft.terms.memo = Some(WANTED_MEMO.to_owned());
    })
}

pub(in crate::reasons) fn naming_the_sponsor_in_a_memo(world: &SvmWorld, version: Version) -> Case {
    of_payer(world, version, |draft| {
        let sponsor = Meta::readonly(world.fee_payer.key());
        draft.payment.instructions[MEMO].accounts.push(sponsor);
    })
}
