//! The keys of the database, held in memory for a short time: a request costs no query whatever key it shows, and a revoked key is of no
//! use within seconds.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use alloy::signers::local::PrivateKeySigner;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{Denied, hex};
use crate::facilitator::{Grant, Scope};
use crate::observe;
use crate::protocol::Network;
use crate::secret::Secret;
use crate::store::{self, ApiKey, Store};

/// How often the database is asked.
const REFRESH: Duration = Duration::from_secs(2);
/// How long keys are believed when it does not answer.
const STALE_AFTER: Duration = Duration::from_secs(30);
const BEGINNING: &str = "x402_";
/// Hex digits of the public prefix after [`BEGINNING`].
const PREFIX_DIGITS: usize = 12;
/// Longest text that is looked at as a key.
const KEY_LIMIT: usize = 128;

/// The keys in use.
#[derive(Debug)]
pub struct Keyring {
    store: Store,
    keys: RwLock<HashMap<String, Entry>>,
    read_at: Mutex<Option<Instant>>,
}

#[derive(Debug, Clone)]
struct Entry {
    /// SHA-256 of the key, hex. A plain digest is enough: there are 2²⁵⁶ keys to try, so making each try slow would protect nothing and only
    /// slow down requests.
    hash: String,
    grant: Arc<Grant>,
}

/// A key just made. It is shown once and kept nowhere.
#[derive(Debug)]
pub struct NewKey {
    pub id: String,
    pub key: Secret,
    pub hash: String,
}

impl NewKey {
    /// `x402_<prefix>_<secret>`: the prefix is public, the secret has 256 bits.
    pub fn generate() -> Self {
        // A signing key is the generator of secrets at hand: uniform below the curve's order, which is 2²⁵⁶ but for a sliver.
        let secret = bs58::encode(PrivateKeySigner::random().to_bytes()).into_string();
        let prefix = hex(&Sha256::digest(PrivateKeySigner::random().to_bytes()));
        let id = format!("{BEGINNING}{}", &prefix[..PREFIX_DIGITS]);
        let key = Secret::new(format!("{id}_{secret}"));
        let hash = digest(key.expose());
        Self { id, key, hash }
    }
}

impl Keyring {
    /// Reads the keys for the first time.
    pub async fn open(store: Store) -> store::Result<Self> {
        let keyring = Self {
            store,
            keys: RwLock::default(),
            read_at: Mutex::default(),
        };
        keyring.refresh().await?;
        Ok(keyring)
    }

    /// Reads the keys again and again until `stop`.
    pub async fn keep_fresh(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(REFRESH) => {}
            }
            if let Err(cause) = self.refresh().await {
                observe::store_trouble(&cause);
            }
        }
    }

    /// How many keys are in use.
    pub fn len(&self) -> usize {
        self.keys
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    async fn refresh(&self) -> store::Result<()> {
        let asked = Instant::now();
        let rows = self.store.live_keys().await?;
        let keys = rows.into_iter().map(entry).collect();
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
        *self.read_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(())
    }

    pub(super) fn admit(&self, shown: &str) -> Result<Arc<Grant>, Denied> {
        let id = prefix(shown).ok_or(Denied::Unknown)?;
        // Whether a key was revoked meanwhile, or made, cannot be told.
        if self.is_stale() {
            return Err(Denied::Unavailable);
        }
        let digest = digest(shown);
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let entry = keys.get(id).ok_or(Denied::Unknown)?;
        let is_right: bool = digest.as_bytes().ct_eq(entry.hash.as_bytes()).into();
        is_right
            .then(|| Arc::clone(&entry.grant))
            .ok_or(Denied::Unknown)
    }

    fn is_stale(&self) -> bool {
        let read_at = *self.read_at.lock().unwrap_or_else(PoisonError::into_inner);
        read_at.is_none_or(|at| at.elapsed() > STALE_AFTER)
    }
}

/// The public part of something that looks like a key.
fn prefix(shown: &str) -> Option<&str> {
    let end = BEGINNING.len() + PREFIX_DIGITS;
    let looks_like_one = shown.len() <= KEY_LIMIT
        && shown.starts_with(BEGINNING)
        && shown.as_bytes().get(end) == Some(&b'_');
    looks_like_one.then(|| shown.get(..end)).flatten()
}

fn digest(key: &str) -> String {
    hex(&Sha256::digest(key.as_bytes()))
}

fn entry(key: ApiKey) -> (String, Entry) {
    let scopes = key.scopes.iter().filter_map(|scope| Scope::parse(scope));
    let networks: Vec<Network> = key
        .networks
        .iter()
        .filter_map(|n| Network::parse(n))
        .collect();
    let grant = Grant {
        id: key.id.clone(),
        scopes: if networks.len() == key.networks.len() {
            scopes.collect()
        } else {
            // A binding that this version cannot read must not open more than it did.
            Vec::new()
        },
        pay_to: key.pay_to,
        networks,
        rate: key.rate,
        daily: key.daily,
        is_tenant: true,
    };
    let entry = Entry {
        hash: key.hash,
        grant: Arc::new(grant),
    };
    (key.id, entry)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::store::Added;

    async fn store() -> Store {
        let memory = Secret::new("sqlite::memory:");
        let store = Store::connect(&memory, 1, Clock::system()).await.unwrap();
        store.migrate().await.unwrap();
        store
    }

    async fn add(store: &Store, new: &NewKey, name: &str, networks: &[&str]) -> Added {
        let key = ApiKey {
            id: new.id.clone(),
            name: name.to_owned(),
            hash: new.hash.clone(),
            scopes: vec!["verify".to_owned()],
            pay_to: Vec::new(),
            networks: networks.iter().map(|n| (*n).to_owned()).collect(),
            rate: None,
            daily: None,
            created_at: 0,
            revoked_at: None,
        };
        store.add_key(&key).await.unwrap()
    }

    #[tokio::test]
    async fn a_key_opens_the_door_until_it_is_revoked() {
        let store = store().await;
        let new = NewKey::generate();
        assert_eq!(add(&store, &new, "shop", &[]).await, Added::Done);
        let other = NewKey::generate();
        assert_eq!(add(&store, &other, "shop", &[]).await, Added::NameTaken);
        let keyring = Keyring::open(store.clone()).await.unwrap();
        let grant = keyring.admit(new.key.expose()).unwrap();
        assert_eq!(
            (grant.id.as_str(), &grant.scopes[..]),
            (new.id.as_str(), &[Scope::Verify][..])
        );
        for wrong in [
            other.key.expose().to_owned(),
            format!("{}x", new.key.expose()),
            format!("{}_{}", new.id, "1".repeat(44)),
            new.id.clone(),
            new.hash.clone(),
        ] {
            assert_eq!(
                keyring.admit(&wrong).unwrap_err(),
                Denied::Unknown,
                "{wrong}"
            );
        }
        assert!(store.revoke_key("shop").await.unwrap());
        assert!(!store.revoke_key("shop").await.unwrap());
        keyring.refresh().await.unwrap();
        assert_eq!(
            keyring.admit(new.key.expose()).unwrap_err(),
            Denied::Unknown
        );
        assert_eq!(add(&store, &other, "shop", &[]).await, Added::Done);
    }

    #[tokio::test]
    async fn a_database_that_is_gone_makes_keys_unavailable_and_not_invalid() {
        let store = store().await;
        let new = NewKey::generate();
        add(&store, &new, "shop", &[]).await;
        let keyring = Keyring::open(store).await.unwrap();
        let long_ago = Instant::now().checked_sub(STALE_AFTER + REFRESH);
        *keyring.read_at.lock().unwrap() = long_ago;
        assert_eq!(
            keyring.admit(new.key.expose()).unwrap_err(),
            Denied::Unavailable
        );
    }

    #[tokio::test]
    async fn a_binding_that_cannot_be_read_opens_nothing() {
        let store = store().await;
        let new = NewKey::generate();
        add(&store, &new, "shop", &["no network"]).await;
        let keyring = Keyring::open(store).await.unwrap();
        assert_eq!(keyring.admit(new.key.expose()).unwrap().scopes, []);
    }

    #[test]
    fn every_key_is_another_and_names_itself() {
        let keys = [NewKey::generate(), NewKey::generate()];
        assert_ne!(keys[0].id, keys[1].id);
        for new in &keys {
            assert_eq!(prefix(new.key.expose()), Some(new.id.as_str()));
            assert!(new.key.expose().len() > new.id.len() + 40);
            assert!(!format!("{new:?}").contains(new.key.expose()));
        }
    }
}
