//! Attempts to spend a Solana sponsor's lamports, tokens or signature: each would land if the sponsor co-signed it, and none is.

use serde_json::{Value, json};

use super::assert_unsent;
use super::loot::Loot;
use crate::harness::mint::Mint;
use crate::harness::oracle::success;
use crate::harness::scene::WEALTH;
use crate::harness::sign_svm::{
    LIGHTHOUSE, SQUADS, SvmPayment, through_wallet, unit_limit, unit_price,
};
use crate::harness::svm_wire::{Instruction, Key, Keypair, Meta};
use crate::harness::svm_world::SvmWorld;

/// Where the instructions of a plain payment stand.
const LIMIT: usize = 0;
const PRICE: usize = 1;
const TRANSFER: usize = 2;
const MEMO: usize = 3;

/// The most that may be asked for: of each, and of both together.
const UNITS: u32 = 200_000;
const UNIT_PRICE: u64 = 5_000_000;
const UNITS_AT_THAT_PRICE: u32 = 20_000;
const PRIORITY_FEE: u64 = 100_000;
const SIGNATURES_FEE: u64 = 10_000;

const UNKNOWN: &str = "invalid_exact_svm_payload_unknown_fourth_instruction";
const NO_TRANSFER: &str = "invalid_exact_svm_payload_no_transfer_instruction";
const OURS: &str = "invalid_exact_svm_payload_transaction_fee_payer_transferring_funds";
const NO_LIMIT: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction";
const TOO_MANY_UNITS: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high";
const TOO_DEAR: &str =
    "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high";
const EXPOSED: &str = "invalid_exact_svm_smart_wallet_fee_payer_not_isolated";
const NOT_ALLOWED: &str = "invalid_exact_svm_smart_wallet_program_not_allowed";
const LOOKED_UP: &str = "invalid_exact_svm_smart_wallet_alt_resolution_not_available";

/// Somebody with an idea.
struct Thief<'a> {
    world: &'a SvmWorld,
    loot: &'a Loot,
    /// Makes an account of its own.
    keypair: &'a Keypair,
}

/// A payment with something in it for the thief.
type Bait = fn(&Thief<'_>) -> SvmPayment;

/// Each with its code, and its code where smart wallets may pay.
#[rustfmt::skip]
const ATTACKS: [(&str, Bait, &str, &str); 28] = [
    ("System Transfer", |it| it.also(it.loot.lamports()), UNKNOWN, NOT_ALLOWED),
    ("CreateAccount", |it| it.also(it.loot.account_for(it.keypair)), UNKNOWN, NOT_ALLOWED),
    ("Assign", |it| it.also(it.loot.assignment()), UNKNOWN, NOT_ALLOWED),
    ("TransferWithSeed", |it| it.also(it.loot.lamports_with_seed()), UNKNOWN, NOT_ALLOWED),
    ("AssignWithSeed", |it| it.also(it.loot.assignment_with_seed()), UNKNOWN, NOT_ALLOWED),
    ("Create", |it| it.also(it.loot.associated_account(it.world, 0)), UNKNOWN, NOT_ALLOWED),
    ("CreateIdempotent", |it| it.also(it.loot.associated_account(it.world, 1)), UNKNOWN, NOT_ALLOWED),
    ("CreateIdempotent first", |it| it.first(it.loot.associated_account(it.world, 1)), NO_LIMIT, NOT_ALLOWED),
    ("AdvanceNonce", |it| it.also(it.loot.nonce_advance()), UNKNOWN, NOT_ALLOWED),
    ("AdvanceNonce first", |it| it.first(it.loot.nonce_advance()), NO_LIMIT, NOT_ALLOWED),
    ("Transfer", |it| it.also(it.loot.unchecked_units()), UNKNOWN, NOT_ALLOWED),
    ("TransferChecked", |it| it.also(it.loot.units()), UNKNOWN, NOT_ALLOWED),
    ("TransferChecked instead", |it| it.instead(it.loot.units()), OURS, OURS),
    ("batch", |it| it.also(it.loot.batch()), UNKNOWN, NOT_ALLOWED),
    ("batch instead", |it| it.instead(it.loot.batch()), NO_TRANSFER, NOT_ALLOWED),
    ("Approve", |it| it.also(it.loot.approval()), UNKNOWN, NOT_ALLOWED),
    ("SetAuthority", |it| it.also(it.loot.authority()), UNKNOWN, NOT_ALLOWED),
    ("CloseAccount", |it| it.also(it.loot.closing()), UNKNOWN, NOT_ALLOWED),
    ("Burn", |it| it.also(it.loot.burning()), UNKNOWN, NOT_ALLOWED),
    ("WithdrawExcessLamports", |it| it.also(it.loot.excess()), UNKNOWN, NOT_ALLOWED),
    ("multisig co-signer", |it| it.out_of_the_multisig(), OURS, OURS),
    ("Lighthouse MemoryWrite", |it| it.also(it.memory_write()), UNKNOWN, NOT_ALLOWED),
    ("named by a memo", |it| it.with_memo_of(Meta::readonly(it.sponsor())), EXPOSED, EXPOSED),
    ("signing a memo", |it| it.with_memo_of(Meta::signer(it.sponsor())), EXPOSED, EXPOSED),
    ("called by a wallet", |it| it.through_a_wallet(it.loot.lamports()), NO_TRANSFER, EXPOSED),
    ("a price one too high", |it| it.budget(UNITS_AT_THAT_PRICE, UNIT_PRICE + 1), TOO_DEAR, TOO_DEAR),
    ("a unit too many at the highest price", |it| it.budget(UNITS_AT_THAT_PRICE + 1, UNIT_PRICE), TOO_DEAR, TOO_DEAR),
    ("a unit too many", |it| it.budget(UNITS + 1, 0), TOO_MANY_UNITS, TOO_MANY_UNITS),
];

impl Thief<'_> {
    fn sponsor(&self) -> Key {
        self.world.fee_payer.key()
    }

    fn draft(&self) -> SvmPayment {
        let mut payment = self.world.draft();
        payment.instructions[LIMIT] = unit_limit(UNITS);
        payment
    }

    /// Pays, and something else.
    fn also(&self, other: Instruction) -> SvmPayment {
        let mut payment = self.draft();
        payment.instructions.insert(MEMO, other);
        payment
    }

    fn first(&self, other: Instruction) -> SvmPayment {
        let mut payment = self.draft();
        payment.instructions.insert(0, other);
        payment
    }

    /// Pays nothing.
    fn instead(&self, other: Instruction) -> SvmPayment {
        let mut payment = self.with_memo_of(Meta::signer(self.world.payer.key()));
        payment.instructions[TRANSFER] = other;
        payment
    }

    fn with_memo_of(&self, account: Meta) -> SvmPayment {
        let mut payment = self.draft();
        payment.instructions[MEMO].accounts.push(account);
        payment
    }

    fn budget(&self, units: u32, price: u64) -> SvmPayment {
        let mut payment = self.draft();
        payment.instructions[LIMIT] = unit_limit(units);
        payment.instructions[PRICE] = unit_price(price);
        payment
    }

    /// The payee is paid, out of what the payer and the sponsor have together.
    fn out_of_the_multisig(&self) -> SvmPayment {
        let mut payment = self.draft();
        let accounts = &mut payment.instructions[TRANSFER].accounts;
        accounts[0] = Meta::writable(self.loot.shared);
        accounts[3] = Meta::readonly(self.loot.multisig);
        accounts.push(Meta::signer(self.sponsor()));
        accounts.push(Meta::signer(self.world.payer.key()));
        payment
    }

    /// The guard that has its memory paid for.
    fn memory_write(&self) -> Instruction {
        Instruction {
            program: Key::of(LIGHTHOUSE),
            accounts: vec![Meta::signer(self.sponsor())],
            data: vec![0, 0, 0],
        }
    }

    fn through_a_wallet(&self, call: Instruction) -> SvmPayment {
        self.instead(through_wallet(Key::of(SQUADS), &[call]))
    }
}

/// What is the sponsor's: lamports, and units of both accounts.
async fn belongings(world: &SvmWorld, loot: &Loot) -> [u64; 4] {
    let (ledger, mint) = (&world.ledger, &world.terms.mint);
    let sponsor = world.fee_payer.key();
    [
        ledger.lamports(sponsor).await,
        ledger.lamports(loot.full).await,
        ledger.units(mint, sponsor).await,
        ledger.units(mint, loot.multisig).await,
    ]
}

#[tokio::test]
async fn nothing_of_a_sponsor_can_be_had() {
    for wallets in ["off", "on"] {
        let world = SvmWorld::with(Mint::token(), |it| it.set("SVM_SMART_WALLETS", wallets)).await;
        let (loot, keypair) = (Loot::place(&world).await, Keypair::fresh());
        let (thief, before) = (
            Thief {
                world: &world,
                loot: &loot,
                keypair: &keypair,
            },
            belongings(&world, &loot).await,
        );
        for (name, bait, plain, with_wallets) in ATTACKS {
            let code = if wallets == "on" { with_wallets } else { plain };
            try_it(&world, name, &bait(&thief), &keypair, code).await;
        }
        assert_eq!(belongings(&world, &loot).await, before);
        assert_eq!(before[2..], [WEALTH, WEALTH]);
        assert_eq!((world.reads(), world.sends()), (0, 0));
        world.close().await;
    }
}

/// Refused with the code, though nothing but our signature is missing.
async fn try_it(world: &SvmWorld, name: &str, bait: &SvmPayment, keypair: &Keypair, code: &str) {
    let mut transaction = bait.signed_by(&world.payer);
    if transaction.message.keys.contains(&keypair.key()) {
        transaction = transaction.signed_by(keypair);
    }
    let signed = transaction.clone().signed_by(&world.fee_payer);
    let config = json!({"sigVerify": true});
    let simulated = world.ledger.simulate(&signed, config).await;
    let error = simulated.map(|simulated| simulated["err"].clone());
    assert_eq!(error, Ok(Value::Null), "{name} would not land");

    let body = world.terms.v2(&transaction);
    let verified = world.client.verify(&body).await;
    assert_eq!(verified.reason(), code, "{name}");
    let settled = world.client.settle(&body).await;
    assert_eq!(settled.reason(), code, "{name}");
    assert_unsent(&settled, code);
}

#[tokio::test]
async fn a_lookup_table_hides_nothing_from_the_sponsor() {
    for (tables, wallets) in [("true", "off"), ("true", "on"), ("false", "on")] {
        let world = SvmWorld::with(Mint::token(), |it| {
            it.set("SVM_LOOKUP_TABLES", tables)
                .set("SVM_SMART_WALLETS", wallets)
        })
        .await;
        let (loot, keypair) = (Loot::place(&world).await, Keypair::fresh());
        let thief = Thief {
            world: &world,
            loot: &loot,
            keypair: &keypair,
        };
        let before = belongings(&world, &loot).await;
        let mint = &world.terms.mint;
        let payee = mint.account_of(world.terms.pay_to);
        let hidden = [loot.bag, payee, mint.key, loot.shared, loot.multisig];
        let table = world.ledger.place_table(&hidden).await;

        let beside = if wallets == "on" {
            NOT_ALLOWED
        } else {
            UNKNOWN
        };
        for (mut bait, code) in [
            (thief.also(loot.lamports()), beside),
            // Seen before any table is read.
            (thief.instead(loot.units()), EXPOSED),
            (thief.out_of_the_multisig(), EXPOSED),
        ] {
            bait.tables = vec![table.clone()];
            let code = if tables == "true" { code } else { LOOKED_UP };
            try_it(&world, "a table", &bait, &keypair, code).await;
        }

        assert_eq!(belongings(&world, &loot).await, before);
        world.close().await;
    }
}

#[tokio::test]
async fn the_dearest_payment_costs_what_the_bounds_say() {
    let world = SvmWorld::new().await;
    let (loot, keypair) = (Loot::place(&world).await, Keypair::fresh());
    let thief = Thief {
        world: &world,
        loot: &loot,
        keypair: &keypair,
    };
    let before = belongings(&world, &loot).await;

    let dearest = thief.budget(UNITS_AT_THAT_PRICE, UNIT_PRICE);
    let body = world.terms.v2(&dearest.signed_by(&world.payer));
    success(&world.client.settle(&body).await);

    let after = belongings(&world, &loot).await;
    assert_eq!(before[0] - after[0], SIGNATURES_FEE + PRIORITY_FEE);
    assert_eq!(before[1..], after[1..]);
    world.close().await;
}
