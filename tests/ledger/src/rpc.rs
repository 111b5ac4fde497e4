//! JSON-RPC: batches, and errors with a real node's codes.

use serde_json::{Value, json};
use solana_transaction_error::TransactionError;

use crate::ledger::Ledger;
use crate::{accounts, chain, controls, history, transactions};

/// What a method answers.
pub type Answer = Result<Value, Refusal>;

/// The methods of a module: nothing when it does not know that one.
type Method = fn(&mut Ledger, &str, &Value) -> Option<Answer>;

/// JSON-RPC's `error`.
#[derive(Debug)]
pub struct Refusal {
    code: i64,
    message: String,
    data: Value,
}

impl Refusal {
    pub fn new(code: i64, message: impl ToString) -> Self {
        Self {
            code,
            message: message.to_string(),
            data: Value::Null,
        }
    }

    /// -32602, for parameters and for transactions that cannot be read.
    pub fn invalid(message: impl ToString) -> Self {
        Self::new(-32602, message)
    }

    /// -32002: the simulation before sending failed with this.
    pub fn preflight(error: &TransactionError, simulated: Value) -> Self {
        Self {
            code: -32002,
            message: format!("Transaction simulation failed: {error}"),
            data: simulated,
        }
    }

    pub fn signature() -> Self {
        Self::new(-32003, "Transaction signature verification failure")
    }
}

pub fn answer(ledger: &mut Ledger, asked: &Value) -> Value {
    count(ledger, "HTTP requests");
    match asked {
        Value::Array(calls) => calls.iter().map(|call| answer_one(ledger, call)).collect(),
        call => answer_one(ledger, call),
    }
}

fn count(ledger: &mut Ledger, what: &str) {
    *ledger.asked.entry(what.to_owned()).or_default() += 1;
}

fn answer_one(ledger: &mut Ledger, call: &Value) -> Value {
    ledger.catch_up();
    let method = call["method"].as_str().unwrap_or_default();
    count(ledger, method);
    match dispatch(ledger, method, &call["params"]) {
        Ok(result) => json!({"jsonrpc": "2.0", "id": call["id"], "result": result}),
        Err(refusal) => {
            let mut error = json!({"code": refusal.code, "message": refusal.message});
            if !refusal.data.is_null() {
                error["data"] = refusal.data;
            }
            json!({"jsonrpc": "2.0", "id": call["id"], "error": error})
        }
    }
}

fn dispatch(ledger: &mut Ledger, method: &str, params: &Value) -> Answer {
    refuse_old_context(ledger, params)?;
    if method.starts_with("test_") {
        return controls::call(ledger, method, params);
    }
    let answers: [Method; 4] = [
        accounts::call,
        chain::call,
        history::call,
        transactions::call,
    ];
    answers
        .iter()
        .find_map(|answer| answer(&mut *ledger, method, params))
        .unwrap_or_else(|| Err(Refusal::new(-32601, "Method not found")))
}

fn refuse_old_context(ledger: &Ledger, params: &Value) -> Result<(), Refusal> {
    let mut given = params.as_array().into_iter().flatten();
    let wanted = given.find_map(|param| param.get("minContextSlot")?.as_u64());
    if wanted.is_some_and(|slot| slot > ledger.slot()) {
        let mut refusal = Refusal::new(-32016, "Minimum context slot has not been reached");
        refusal.data = json!({"contextSlot": ledger.slot()});
        return Err(refusal);
    }
    Ok(())
}
