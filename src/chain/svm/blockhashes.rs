//! How long a message can land: the newest blockhashes, and what is reckoned from them until they are asked for again.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;
use solana_hash::Hash;

use super::chain::InContext;
use super::ledger::Validity;
use super::rpc::{Call, parse};
use super::{Error, Rpc};

/// How long an answer is reckoned forward in place of asking again.
const ANSWER_FOR: Duration = Duration::from_secs(10);
/// Blocks after which a blockhash is too old.
const LIFE: u64 = 150;
/// Faster than blocks are made: so high the chain is at most.
const FASTEST_BLOCK: Duration = Duration::from_millis(200);
/// As fast as blocks are made: a blockhash is at least so old.
const USUAL_BLOCK: Duration = Duration::from_millis(400);
/// The account in which the runtime lists the blockhashes that are good, the newest first.
const RECENT: &str = "SysvarRecentB1ockHashes11111111111111111111";
/// Bytes that count the list's entries, and those of an entry: a hash, and what a signature cost then.
const COUNT_LENGTH: usize = 8;
const ENTRY_LENGTH: usize = 40;
const HASH_LENGTH: usize = 32;

/// What was last heard.
#[derive(Debug, Default)]
pub(super) struct Blockhashes(Mutex<Option<Arc<Newest>>>);

#[derive(Debug)]
struct Newest {
    /// The last valid height of the newest blockhash.
    last_valid: u64,
    /// The newest first; empty where the node does not show them.
    recent: Vec<Hash>,
    asked_at: Instant,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Latest {
    last_valid_block_height: u64,
}

#[derive(Deserialize)]
struct Shown {
    data: (String, String),
}

type Answers = Vec<Result<Box<RawValue>, Error>>;

impl Blockhashes {
    /// # Errors
    /// No endpoint could be asked.
    pub(super) async fn validity(&self, rpc: &Rpc, blockhash: &Hash) -> Result<Validity, Error> {
        let newest = match self.fresh() {
            Some(newest) => newest,
            None => self.ask(rpc).await?,
        };
        Ok(newest.validity(blockhash, newest.asked_at.elapsed()))
    }

    fn fresh(&self) -> Option<Arc<Newest>> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let newest = known.as_ref()?;
        (newest.asked_at.elapsed() < ANSWER_FOR).then(|| Arc::clone(newest))
    }

    /// The newest that any endpoint knows: its last valid height is an upper bound for all others. Wallets may know newer ones than the
    /// confirmed, and a node that lags would make a payment look dead that still can land.
    async fn ask(&self, rpc: &Rpc) -> Result<Arc<Newest>, Error> {
        let asked_at = Instant::now();
        let mut best: Result<Newest, Error> =
            Err(Error::Unavailable("no endpoint answered".to_owned()));
        for answers in rpc.ask_all(&questions()).await {
            let newest = answers.and_then(|answers| read(&answers, asked_at));
            best = match (best, newest) {
                (Ok(best), Ok(newest)) if newest.last_valid > best.last_valid => Ok(newest),
                (Ok(best), _) => Ok(best),
                (Err(_), newest) => newest,
            };
        }
        let newest = Arc::new(best?);
        let known = &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Some(Arc::clone(&newest));
        Ok(newest)
    }
}

impl Newest {
    fn validity(&self, blockhash: &Hash, elapsed: Duration) -> Validity {
        let at_most = elapsed.as_millis().div_ceil(FASTEST_BLOCK.as_millis());
        let at_least = elapsed.as_millis() / USUAL_BLOCK.as_millis();
        let last_valid = self.last_valid.saturating_add(blocks(at_most));
        // One that is not listed may be newer than the list. If it is older, no simulation takes it.
        let position = (0..).zip(&self.recent).find(|(_, one)| *one == blockhash);
        Validity {
            last_valid_block_height: last_valid,
            block_height: last_valid.saturating_sub(LIFE),
            age: position.map_or(0, |(position, _): (u64, _)| {
                position.saturating_add(blocks(at_least))
            }),
        }
    }
}

fn blocks(count: u128) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn questions() -> [Call; 2] {
    let latest = json!([{"commitment": "processed"}]);
    let recent = json!([RECENT, {"commitment": "processed", "encoding": "base64"}]);
    [("getLatestBlockhash", latest), ("getAccountInfo", recent)]
}

fn read(answers: &Answers, asked_at: Instant) -> Result<Newest, Error> {
    let latest: InContext<Latest> = parse(answers.first())?;
    let shown: Result<InContext<Option<Shown>>, Error> = parse(answers.get(1));
    let shown = shown.ok().and_then(|shown| shown.value);
    Ok(Newest {
        last_valid: latest.value.last_valid_block_height,
        recent: shown.map_or_else(Vec::new, |shown| hashes(&shown)),
        asked_at,
    })
}

fn hashes(shown: &Shown) -> Vec<Hash> {
    let data = BASE64_STANDARD.decode(&shown.data.0).unwrap_or_default();
    let entries = data.get(COUNT_LENGTH..).unwrap_or_default();
    let entries = entries.as_chunks::<ENTRY_LENGTH>().0.iter();
    let hash = |entry: &[u8; ENTRY_LENGTH]| {
        let bytes = entry.first_chunk::<HASH_LENGTH>()?;
        Some(Hash::new_from_array(*bytes))
    };
    entries.filter_map(hash).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn hash(n: u8) -> Hash {
        Hash::new_from_array([n; 32])
    }

    fn told(answers: [Value; 2]) -> Newest {
        let raw = answers.map(|answer| Ok(RawValue::from_string(answer.to_string()).unwrap()));
        read(&Vec::from(raw), Instant::now()).unwrap()
    }

    fn latest() -> Value {
        json!({"context": {"slot": 1}, "value": {"blockhash": "x", "lastValidBlockHeight": 1_150}})
    }

    fn listed(hashes: &[Hash]) -> Value {
        let mut data = (hashes.len() as u64).to_le_bytes().to_vec();
        for hash in hashes {
            data.extend(hash.as_ref());
            data.extend(5_000_u64.to_le_bytes());
        }
        let data = BASE64_STANDARD.encode(data);
        json!({"context": {"slot": 1}, "value": {"data": [data, "base64"], "owner": "x"}})
    }

    #[test]
    fn a_blockhash_is_as_old_as_there_are_newer_ones() {
        let newest = told([latest(), listed(&[hash(3), hash(2), hash(1)])]);
        for (blockhash, age) in [(hash(3), 0), (hash(2), 1), (hash(1), 2), (hash(9), 0)] {
            let validity = newest.validity(&blockhash, Duration::ZERO);
            assert_eq!(validity.age, age);
            assert_eq!(validity.blocks_left(), 150 - age);
            assert_eq!(validity.last_valid_block_height, 1_150);
        }
        // The height is never reckoned too low, and the age never too high.
        let later = newest.validity(&hash(1), Duration::from_millis(1_100));
        assert_eq!(later.last_valid_block_height, 1_156);
        assert_eq!((later.block_height, later.age), (1_006, 2 + 2));
    }

    #[test]
    fn without_a_list_every_blockhash_may_be_the_newest() {
        let nothing = json!({"context": {"slot": 1}, "value": null});
        let odd = json!({"context": {"slot": 1}, "value": {"data": ["AQI=", "base64"]}});
        for recent in [nothing, odd, json!("no account")] {
            let newest = told([latest(), recent]);
            assert_eq!(newest.validity(&hash(1), Duration::ZERO).age, 0);
        }
    }
}
