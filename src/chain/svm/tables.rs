//! Address lookup tables, whose accounts a v0 message names by their index: what they hold is read before anybody judges the message.
//!
//! What stands at an index of a table stays there: tables only grow, and one that was closed cannot be made again at its address, which comes
//! from a slot that has to be recent. So accounts that were read from a confirmed state are those that the runtime will load, or the
//! transaction does not land. Nothing is cached: a table may be longer in the next slot.

use serde::Deserialize;
use serde_json::json;
use solana_message::v0::MessageAddressTableLookup as Lookup;
use solana_pubkey::Pubkey;

use super::ledger::{Account, NotLoaded, Unavailable};
use super::reads::{Shown, read_account};
use super::rpc::{Call, parse};
use super::{Error, Rpc, programs};

/// Most tables of one message. Payments out of shared wallets name one or two.
pub const TABLES_MAX: usize = 8;
/// Most accounts that a message may list and load together: what the runtime locks for one transaction.
pub const ACCOUNTS_MAX: usize = 64;
/// Bytes before the addresses: the kind, the slots of deactivation and of the last extension, where that began, and who may extend it.
const HEADER: usize = 56;
const KIND_TABLE: u32 = 1;
const DEACTIVATED_AT: usize = 4;
const EXTENDED_AT: usize = 12;
const EXTENDED_FROM_AT: usize = 20;
/// In the place of a slot: not deactivated.
const NEVER: u64 = u64::MAX;

/// Tables as a node tells them, and the slot that they are of.
#[derive(Debug, Deserialize)]
struct Told {
    context: Context,
    value: Vec<Option<Shown>>,
}

#[derive(Debug, Deserialize)]
struct Context {
    slot: u64,
}

/// The accounts that these lookups load: the writable ones of every table first, as the runtime lists them.
///
/// # Errors
/// No node could be asked, or none shows tables that hold all the accounts: one that is behind is no verdict on a table made a moment ago.
pub(super) async fn load(rpc: &Rpc, lookups: &[Lookup]) -> Result<Vec<Pubkey>, NotLoaded> {
    let unavailable = |cause: Error| NotLoaded::Unavailable(Unavailable(cause.to_string()));
    let (method, params) = question(lookups);
    let first: Told = rpc.read(method, params).await.map_err(unavailable)?;
    let unusable = match resolve(lookups, first) {
        Err(NotLoaded::Unusable(why)) => NotLoaded::Unusable(why),
        loaded => return loaded,
    };
    let answers = rpc.ask_all(&[question(lookups)]).await;
    let mut others = answers.iter().flatten().filter_map(|answers| {
        let told: Told = parse(answers.first()).ok()?;
        resolve(lookups, told).ok()
    });
    others.next().ok_or(unusable)
}

fn question(lookups: &[Lookup]) -> Call {
    let tables = lookups.iter().map(|lookup| lookup.account_key.to_string());
    let tables: Vec<String> = tables.collect();
    let config = json!({"encoding": "base64", "commitment": "confirmed"});
    ("getMultipleAccounts", json!([tables, config]))
}

fn resolve(lookups: &[Lookup], told: Told) -> Result<Vec<Pubkey>, NotLoaded> {
    let unreadable = || NotLoaded::Unavailable(Unavailable("unreadable tables".to_owned()));
    if told.value.len() != lookups.len() {
        return Err(unreadable());
    }
    let (mut writable, mut readonly) = (Vec::new(), Vec::new());
    for (lookup, shown) in lookups.iter().zip(told.value) {
        let unusable = |why| NotLoaded::Unusable(format!("{} {why}", lookup.account_key));
        let shown = shown.ok_or_else(|| unusable("does not exist"))?;
        let account = read_account(&shown).ok_or_else(unreadable)?;
        let addresses = addresses(&account, told.context.slot).map_err(unusable)?;
        let pick = |indexes: &[u8]| {
            let keys = indexes.iter().map(|index| {
                let key = addresses.get(usize::from(*index));
                key.copied().map(Pubkey::new_from_array)
            });
            let keys: Option<Vec<_>> = keys.collect();
            keys.ok_or_else(|| unusable("holds fewer accounts"))
        };
        writable.extend(pick(&lookup.writable_indexes)?);
        readonly.extend(pick(&lookup.readonly_indexes)?);
    }
    writable.append(&mut readonly);
    Ok(writable)
}

/// What a table holds for transactions of this slot: what was added in the slot itself cannot be used before the next. One that is being
/// deactivated works for some minutes more, and may be gone when the message lands.
fn addresses(table: &Account, slot: u64) -> Result<&[[u8; 32]], &'static str> {
    let no_table = "is not a lookup table";
    let Some((header, addresses)) = table.data.split_at_checked(HEADER) else {
        return Err(no_table);
    };
    let slot_at = |at: usize| {
        let bytes = header.get(at..at + 8)?.try_into().ok()?;
        Some(u64::from_le_bytes(bytes))
    };
    let (addresses, rest) = addresses.as_chunks::<32>();
    let is_table = header.starts_with(&KIND_TABLE.to_le_bytes()) && rest.is_empty();
    if table.owner != programs::LOOKUP_TABLES || !is_table {
        return Err(no_table);
    }
    if slot_at(DEACTIVATED_AT) != Some(NEVER) {
        return Err("is deactivated");
    }
    let is_settled = slot_at(EXTENDED_AT).is_some_and(|extended| extended < slot);
    let settled = usize::from(header[EXTENDED_FROM_AT]).min(addresses.len());
    Ok(if is_settled {
        addresses
    } else {
        &addresses[..settled]
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;
    use serde_json::Value;

    use super::*;

    const SLOT: u64 = 100;

    fn key(n: u8) -> Pubkey {
        Pubkey::new_from_array([n; 32])
    }

    /// A table that holds the keys 10, 11, … and was extended before.
    fn table(count: u8) -> Account {
        let mut data = vec![0; HEADER];
        data[0] = 1;
        data[DEACTIVATED_AT..EXTENDED_AT].fill(0xff);
        data[EXTENDED_AT] = 99;
        data.extend((10..10 + count).flat_map(|n| [n; 32]));
        Account {
            owner: programs::LOOKUP_TABLES,
            data,
        }
    }

    fn show(account: &Account) -> Value {
        let data = [BASE64_STANDARD.encode(&account.data), "base64".to_owned()];
        json!({"owner": account.owner.to_string(), "data": data, "lamports": 1})
    }

    fn lookup(table: u8, writable: &[u8], readonly: &[u8]) -> Lookup {
        Lookup {
            account_key: key(table),
            writable_indexes: writable.to_vec(),
            readonly_indexes: readonly.to_vec(),
        }
    }

    fn resolved(lookups: &[Lookup], shown: &[Value]) -> Result<Vec<Pubkey>, NotLoaded> {
        let told = json!({"context": {"slot": SLOT}, "value": shown});
        resolve(lookups, serde_json::from_value(told).unwrap())
    }

    #[test]
    fn lists_the_writable_accounts_of_all_tables_first() {
        let lookups = [lookup(1, &[1], &[0]), lookup(2, &[2], &[])];
        let shown = [show(&table(2)), show(&table(3))];
        let keys = [key(11), key(12), key(10)];
        assert_eq!(resolved(&lookups, &shown), Ok(keys.to_vec()));
    }

    #[test]
    fn what_cannot_be_loaded_is_told_and_never_left_out() {
        let changed = |change: fn(&mut Account)| {
            let mut table = table(2);
            change(&mut table);
            show(&table)
        };
        for (shown, why) in [
            (Value::Null, "does not exist"),
            (show(&table(1)), "holds fewer accounts"),
            (changed(|t| t.owner = key(9)), "is not a lookup table"),
            (changed(|t| t.data[0] = 0), "is not a lookup table"),
            (changed(|t| t.data.truncate(40)), "is not a lookup table"),
            (changed(|t| t.data.push(0)), "is not a lookup table"),
            (changed(|t| t.data[DEACTIVATED_AT] = 0), "is deactivated"),
            // The second account was added in this very slot.
            (
                changed(|t| (t.data[EXTENDED_AT], t.data[EXTENDED_FROM_AT]) = (100, 1)),
                "holds fewer accounts",
            ),
        ] {
            let expected = NotLoaded::Unusable(format!("{} {why}", key(1)));
            assert_eq!(
                resolved(&[lookup(1, &[1], &[])], &[shown]),
                Err(expected.clone())
            );
        }
        let old = changed(|t| (t.data[EXTENDED_AT], t.data[EXTENDED_FROM_AT]) = (100, 1));
        assert_eq!(resolved(&[lookup(1, &[0], &[])], &[old]), Ok(vec![key(10)]));
    }

    #[test]
    fn a_short_or_garbled_answer_is_no_verdict() {
        let garbled = json!({"owner": "me", "data": ["", "base64"]});
        for shown in [vec![], vec![garbled]] {
            let resolved = resolved(&[lookup(1, &[0], &[])], &shown);
            assert!(matches!(resolved, Err(NotLoaded::Unavailable(_))));
        }
    }
}
