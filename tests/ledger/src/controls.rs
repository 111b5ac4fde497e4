//! What only tests ask for: `test_` methods that make the unhappy paths.

use std::time::Duration;

use serde_json::{Value, json};
use solana_account::Account;

use crate::ledger::Ledger;
use crate::params;
use crate::rpc::{Answer, Refusal};

/// One more than a blockhash lives.
const EXPIRY: u64 = 151;

pub fn call(ledger: &mut Ledger, method: &str, params: &Value) -> Answer {
    match method {
        // []: every blockhash handed out so far is too old.
        "test_expireBlockhash" => ledger.advance(EXPIRY),
        // [slots]
        "test_advanceSlots" => ledger.advance(params::number(&params[0])?),
        // []: transactions are accepted, and none is executed.
        "test_hold" => ledger.rules.hold = true,
        // []: executes what waits.
        "test_release" => {
            ledger.rules.hold = false;
            ledger.catch_up();
        }
        // []: forgets what waits; how much that was.
        "test_drop" => return Ok(json!(ledger.drop_pool())),
        // [count]: accepts so many more transactions and forgets them.
        "test_swallow" => ledger.rules.swallow = params::number(&params[0])?,
        // [milliseconds]: executes transactions so much later.
        "test_delay" => ledger.rules.delay = Duration::from_millis(params::number(&params[0])?),
        // [{seen, confirmed, finalized}]: in how many slots after it landed a transaction is that.
        "test_setConfirmation" => {
            let slots = &params[0];
            ledger.rules.seen = params::number(&slots["seen"])?;
            ledger.rules.confirmed = params::number(&slots["confirmed"])?;
            ledger.rules.finalized = params::number(&slots["finalized"])?;
        }
        // []: how often each method was called since this was last asked, and how many HTTP requests that took.
        "test_asked" => return Ok(json!(std::mem::take(&mut ledger.asked))),
        // [key, {lamports, owner, data: base64, executable}]: null takes the account away.
        "test_setAccount" => set_account(ledger, params)?,
        // []: remembers everything as it is.
        "test_snapshot" => {
            ledger.saved = None;
            ledger.saved = Some(Box::new(ledger.clone()));
        }
        // []: goes back there, as a fork does that loses. Slots go on.
        "test_revert" => revert(ledger)?,
        _ => return Err(Refusal::new(-32601, "Method not found")),
    }
    Ok(Value::Null)
}

fn set_account(ledger: &mut Ledger, params: &Value) -> Result<(), Refusal> {
    let (key, wanted) = (params::pubkey(&params[0])?, &params[1]);
    let account = if wanted.is_null() {
        Account::default()
    } else {
        Account {
            lamports: params::number(&wanted["lamports"])?,
            data: params::base64(params::text(&wanted["data"])?)?,
            owner: params::pubkey(&wanted["owner"])?,
            executable: wanted["executable"] == true,
            rent_epoch: u64::MAX,
        }
    };
    let set = ledger.svm.set_account(key, account);
    set.map_err(Refusal::invalid)
}

fn revert(ledger: &mut Ledger) -> Result<(), Refusal> {
    let saved = ledger.saved.take();
    let saved = saved.ok_or_else(|| Refusal::invalid("there is no snapshot"))?;
    let passed = ledger.slot() - saved.slot();
    *ledger = *saved;
    ledger.advance(passed);
    Ok(())
}
