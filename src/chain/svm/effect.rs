//! What an instruction does, however a node shows it: compiled, partly decoded, or parsed.

use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;
use solana_pubkey::Pubkey;

use super::instruction::Instruction;
use super::programs;
use super::token::Transfer;

/// Deepest nesting that is searched for accounts in a parsed instruction.
const DEPTH_MAX: usize = 8;

/// As much of an instruction as a verdict on a payment needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    pub program: Pubkey,
    /// Every account that it names.
    pub accounts: Vec<Pubkey>,
    /// The transfer that it is.
    pub transfer: Option<Transfer>,
    /// The token account that it acts on first: a transfer's source.
    pub takes_from: Option<Pubkey>,
}

/// Inner instructions of one top-level instruction.
#[derive(Deserialize)]
struct Group {
    instructions: Vec<Shown>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Shown {
    #[serde(rename_all = "camelCase")]
    Compiled {
        program_id_index: u8,
        accounts: Vec<u8>,
        data: String,
    },
    #[serde(rename_all = "camelCase")]
    PartlyDecoded {
        program_id: String,
        accounts: Vec<String>,
        data: String,
    },
    #[serde(rename_all = "camelCase")]
    Parsed { program_id: String, parsed: Value },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParsedTransfer {
    source: String,
    mint: String,
    destination: String,
    authority: Option<String>,
    multisig_authority: Option<String>,
    token_amount: ParsedAmount,
}

#[derive(Deserialize)]
struct ParsedAmount {
    amount: String,
}

impl From<&Instruction> for Effect {
    fn from(instruction: &Instruction) -> Self {
        let first = instruction.accounts.first().copied();
        Self {
            program: instruction.program,
            accounts: instruction.accounts.clone(),
            transfer: Transfer::parse(instruction),
            takes_from: first.filter(|_| instruction.is_token()),
        }
    }
}

impl Effect {
    pub fn names(&self, key: &Pubkey) -> bool {
        self.program == *key || self.accounts.contains(key)
    }
}

/// Reads `innerInstructions` as `simulateTransaction` and `getTransaction` give them. `keys` are all accounts of the message, those of its lookup
/// tables after its own; `None` when anything cannot be read, since what is not understood cannot be judged.
pub fn read_inner(inner: &Value, keys: &[Pubkey]) -> Option<Vec<Effect>> {
    let groups = Vec::<Group>::deserialize(inner).ok()?;
    let shown = groups.into_iter().flat_map(|group| group.instructions);
    shown.map(|instruction| read(instruction, keys)).collect()
}

fn read(shown: Shown, keys: &[Pubkey]) -> Option<Effect> {
    match shown {
        Shown::Compiled {
            program_id_index,
            accounts,
            data,
        } => {
            let key = |index: &u8| keys.get(usize::from(*index)).copied();
            Some(Effect::from(&Instruction {
                program: key(&program_id_index)?,
                accounts: accounts.iter().map(key).collect::<Option<_>>()?,
                data: bs58::decode(data).into_vec().ok()?,
            }))
        }
        Shown::PartlyDecoded {
            program_id,
            accounts,
            data,
        } => Some(Effect::from(&Instruction {
            program: address(&program_id)?,
            accounts: accounts.iter().map(|a| address(a)).collect::<Option<_>>()?,
            data: bs58::decode(data).into_vec().ok()?,
        })),
        Shown::Parsed { program_id, parsed } => read_parsed(address(&program_id)?, &parsed),
    }
}

fn read_parsed(program: Pubkey, parsed: &Value) -> Option<Effect> {
    let (kind, info) = (&parsed["type"], &parsed["info"]);
    let is_token = programs::is_token(&program);
    let transfer = if is_token && kind == "transferChecked" {
        Some(read_transfer(program, info)?)
    } else {
        None
    };
    let first = ["source", "account"]
        .iter()
        .find_map(|name| info[name].as_str());
    let mut accounts = Vec::new();
    collect_accounts(parsed, DEPTH_MAX, &mut accounts);
    Some(Effect {
        program,
        accounts,
        transfer,
        takes_from: first.filter(|_| is_token).and_then(address),
    })
}

fn read_transfer(token_program: Pubkey, info: &Value) -> Option<Transfer> {
    let read = ParsedTransfer::deserialize(info).ok()?;
    let authority = read.authority.or(read.multisig_authority)?;
    Some(Transfer {
        token_program,
        source: address(&read.source)?,
        mint: address(&read.mint)?,
        destination: address(&read.destination)?,
        authority: address(&authority)?,
        amount: read.token_amount.amount.parse().ok()?,
    })
}

/// Everything in a parsed instruction that reads like an account.
fn collect_accounts(value: &Value, depth: usize, found: &mut Vec<Pubkey>) {
    let Some(depth) = depth.checked_sub(1) else {
        return;
    };
    match value {
        Value::String(text) => found.extend(address(text)),
        Value::Array(members) => {
            for member in members {
                collect_accounts(member, depth, found);
            }
        }
        Value::Object(members) => {
            for member in members.values() {
                collect_accounts(member, depth, found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn address(text: &str) -> Option<Pubkey> {
    Pubkey::from_str(text).ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    fn transfer() -> Transfer {
        Transfer {
            token_program: programs::TOKEN,
            source: key(1),
            mint: key(2),
            destination: key(3),
            authority: key(4),
            amount: 258,
        }
    }

    #[test]
    fn reads_a_transfer_in_each_of_the_three_forms() {
        let keys = [key(1), key(2), key(3), key(4), programs::TOKEN];
        let data = bs58::encode([12, 2, 1, 0, 0, 0, 0, 0, 0, 6]).into_string();
        let texts = keys.map(|key| key.to_string());
        let parsed = |authority: &str| {
            json!({"program": "spl-token", "programId": texts[4], "parsed": {"type": "transferChecked", "info": {
                "source": texts[0], "mint": texts[1], "destination": texts[2], authority: texts[3],
                "tokenAmount": {"amount": "258", "decimals": 6, "uiAmount": 0.000_258}}}})
        };
        for shown in [
            json!({"programIdIndex": 4, "accounts": [0, 1, 2, 3], "data": data, "stackHeight": 2}),
            json!({"programId": texts[4], "accounts": texts[..4], "data": data}),
            parsed("authority"),
            parsed("multisigAuthority"),
        ] {
            let inner = json!([{"index": 2, "instructions": [shown]}]);
            let effects = read_inner(&inner, &keys).unwrap();
            assert_eq!(effects[0].transfer, Some(transfer()), "{shown}");
            assert_eq!(effects[0].takes_from, Some(key(1)));
            assert!((1..=4).all(|n| effects[0].names(&key(n))));
        }
    }

    #[test]
    fn what_cannot_be_read_is_not_left_out() {
        for shown in [
            json!({"programIdIndex": 9, "accounts": [], "data": ""}),
            json!({"programIdIndex": 0, "accounts": [9], "data": ""}),
            json!({"programIdIndex": 0, "accounts": [], "data": "0OIl"}),
            json!({"programId": "me", "accounts": [], "data": ""}),
            json!({"programId": programs::TOKEN.to_string(), "parsed": {"type": "transferChecked", "info": {}}}),
            json!({}),
        ] {
            let inner = json!([{"index": 0, "instructions": [shown]}]);
            assert_eq!(read_inner(&inner, &[key(1)]), None, "{shown}");
        }
        assert_eq!(read_inner(&json!([]), &[]), Some(vec![]));
        assert_eq!(read_inner(&Value::Null, &[]), None);
    }

    #[test]
    fn finds_accounts_anywhere_in_a_parsed_instruction() {
        let inner = json!([{"index": 0, "instructions": [
            {"programId": key(9).to_string(), "parsed": {"type": "transfer", "info": {"source": key(5).to_string(), "signers": [key(6).to_string()], "lamports": 5}}},
            {"programId": programs::MEMO.to_string(), "parsed": "hello"},
        ]}]);
        let effects = read_inner(&inner, &[]).unwrap();
        assert!(effects[0].names(&key(5)) && effects[0].names(&key(6)));
        assert_eq!(effects[0].takes_from, None);
        assert_eq!(effects[1].accounts, []);
    }
}
