//! `keygen`: a new key that pays gas, in a file that only its owner reads.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use alloy::signers::local::PrivateKeySigner;
use anyhow::Context;
use clap::{Args, ValueEnum};
use ed25519_dalek::SigningKey;

use crate::secret::Secret;

#[derive(Debug, Args)]
pub(super) struct Options {
    /// What the key is for.
    family: Family,
    /// File to write the key to; it must not exist. Name it in `EVM_PRIVATE_KEY_FILE` or `SVM_PRIVATE_KEY_FILE`.
    #[arg(long, required_unless_present = "show")]
    out: Option<PathBuf>,
    /// Print the key to the standard output instead, for a secret store's own command.
    #[arg(long, conflicts_with = "out")]
    show: bool,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Family {
    Evm,
    Solana,
}

/// A new key: the text that the configuration takes, and who it is.
struct Key {
    text: Secret,
    address: String,
}

pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let key = match options.family {
        Family::Evm => evm(),
        Family::Solana => solana()?,
    };
    let mut out = io::stdout().lock();
    if let Some(path) = &options.out {
        write(path, &key.text).with_context(|| format!("writing {}", path.display()))?;
        writeln!(out, "{}", key.address)?;
    } else {
        // The address goes where it does not end up in the secret store.
        writeln!(io::stderr(), "{}", key.address)?;
        writeln!(out, "{}", key.text.expose())?;
    }
    Ok(ExitCode::SUCCESS)
}

fn evm() -> Key {
    let signer = PrivateKeySigner::random();
    Key {
        text: Secret::new(signer.to_bytes().to_string()),
        address: signer.address().to_string(),
    }
}

fn solana() -> anyhow::Result<Key> {
    let mut seed = [0; 32];
    rustls::crypto::ring::default_provider()
        .secure_random
        .fill(&mut seed)
        .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    let key = SigningKey::from_bytes(&seed);
    Ok(Key {
        text: Secret::new(bs58::encode(key.to_keypair_bytes()).into_string()),
        address: bs58::encode(key.verifying_key().to_bytes()).into_string(),
    })
}

/// Never replaces a file: it may hold a key with money behind it.
fn write(path: &Path, key: &Secret) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", key.expose())?;
    file.sync_all()
}
