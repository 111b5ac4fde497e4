//! The command line: our own, or that of a local validator that this program stands in for. It takes no option that the real one does not
//! have, and what a real one reserves is reserved.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::path::PathBuf;
use std::time::Duration;

use tokio::net::TcpListener;

const DEVNET: &str = "EtWTRABZaYq6iMfeYKouRu166VU2xqa1wcaWoxPkrZBG";
/// Real validators listen some time after they were started.
const VALIDATOR_START: Duration = Duration::from_millis(300);

/// How it is run.
pub struct Arguments {
    pub genesis: String,
    /// Any free one unless given.
    port: u16,
    /// Where `solana-test-validator` keeps its chain.
    folder: Option<PathBuf>,
    /// Ports that it takes beside its own.
    others: Vec<u16>,
    /// Whether it ends with its standard input. Validators do not.
    pub is_leashed: bool,
}

impl Arguments {
    /// `ledger [--genesis HASH]`, `solana-test-validator …`, or `surfpool start …`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut this = Self {
            genesis: DEVNET.to_owned(),
            port: 0,
            folder: None,
            others: Vec::new(),
            is_leashed: true,
        };
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("{word} needs a value"));
            let number = |text: String| text.parse().map_err(|_| format!("no number: {text}"));
            match word.as_str() {
                "--genesis" => this.genesis = value()?,
                "--rpc-port" => {
                    this.become_validator(number(value()?)?);
                    this.others.push(this.port + 1);
                }
                "--port" => this.become_validator(number(value()?)?),
                "--faucet-port" | "--ws-port" => this.others.push(number(value()?)?),
                "--ledger" => this.folder = Some(value()?.into()),
                "--bind-address" | "--host" => match value()?.as_str() {
                    "127.0.0.1" => {}
                    other => return Err(format!("{other} is open to others")),
                },
                "start" | "--offline" | "--no-tui" | "--no-studio" | "--no-deploy" => {}
                "--quiet" | "--reset" => {}
                unknown => return Err(format!("Found argument '{unknown}'")),
            }
        }
        Ok(this)
    }

    fn become_validator(&mut self, port: u16) {
        self.port = port;
        self.genesis = fresh_hash();
        self.is_leashed = false;
    }

    /// Takes what it says, and the port to answer on.
    pub async fn settle_down(&self) -> std::io::Result<(TcpListener, Vec<TcpListener>)> {
        if !self.is_leashed {
            tokio::time::sleep(VALIDATOR_START).await;
        }
        if let Some(folder) = &self.folder {
            std::fs::create_dir(folder)?;
            std::fs::write(folder.join("genesis.bin"), &self.genesis)?;
        }
        let mut others = Vec::new();
        for port in &self.others {
            others.push(TcpListener::bind(("127.0.0.1", *port)).await?);
        }
        Ok((TcpListener::bind(("127.0.0.1", self.port)).await?, others))
    }
}

/// A chain of its own, as every local validator starts one.
fn fresh_hash() -> String {
    let random = std::iter::repeat_with(|| RandomState::new().hash_one(0_u8).to_le_bytes());
    let bytes: Vec<u8> = random.take(4).flatten().collect();
    bs58::encode(bytes).into_string()
}
