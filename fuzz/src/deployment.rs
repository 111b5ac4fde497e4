//! A service without a network: everything that is checked before anybody is asked.

use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use solana_hash::Hash;
use solana_message::v0::MessageAddressTableLookup;
use solana_pubkey::Pubkey;
use x402_facilitator::chain::evm;
use x402_facilitator::chain::svm::FeePayers;
use x402_facilitator::chain::svm::ledger::{
    Ledger, NotLoaded, Simulation, Trial, Unavailable, Validity,
};
use x402_facilitator::clock::UnixMillis;
use x402_facilitator::config::{Config, Environment};
use x402_facilitator::dev::solana;
use x402_facilitator::protocol::payment::Purpose;
use x402_facilitator::protocol::{Network, Payment, request};
use x402_facilitator::scheme;
use x402_facilitator::scheme::exact_evm::ExactEvm;
use x402_facilitator::scheme::exact_svm::{Cluster, ExactSvm, Policy};
use x402_facilitator::scheme::{Check, Checked, Registry, Rejection};

/// Both families, as they are configured.
pub struct Deployment {
    registry: Registry,
    names: Vec<(String, Network)>,
}

/// The keys that pay the fees on Solana: two, since a payment could name one and use the other.
pub static FEE_PAYERS: LazyLock<Vec<Pubkey>> = LazyLock::new(|| {
    let keys = (0..2).map(|index| solana::keys::account("fee payer", index));
    keys.map(|key| solana::keys::address(&key)).collect()
});

/// Nobody answers.
#[derive(Debug)]
struct Silent;

#[async_trait]
impl Ledger for Silent {
    async fn simulate(&self, _: &Trial) -> Result<Simulation, Unavailable> {
        Err(Unavailable("nobody is there".to_owned()))
    }

    async fn validity(&self, _: &Hash) -> Result<Validity, Unavailable> {
        Err(Unavailable("nobody is there".to_owned()))
    }

    async fn load(&self, _: &[MessageAddressTableLookup]) -> Result<Vec<Pubkey>, NotLoaded> {
        let nobody = Unavailable("nobody is there".to_owned());
        Err(NotLoaded::Unavailable(nobody))
    }
}

impl Deployment {
    /// With these settings beside Base Sepolia and Solana's devnet.
    pub fn new(settings: &[(&'static str, &str)]) -> Self {
        let key = solana::keys::secret(&solana::keys::account("fee payer", 0));
        let usual = [
            ("DATABASE_URL", "sqlite://fuzz.db"),
            ("EVM_NETWORKS", "base-sepolia"),
            ("EVM_RPC_URL_BASE_SEPOLIA", "http://127.0.0.1:1"),
            (
                "EVM_PRIVATE_KEY",
                "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d",
            ),
            ("SVM_NETWORKS", "solana-devnet"),
            ("SVM_RPC_URL_SOLANA_DEVNET", "http://127.0.0.1:1"),
            ("SVM_ANY_ASSET", "true"),
            ("SVM_PRIVATE_KEY", &key),
        ];
        let environment: Environment = usual.into_iter().chain(settings.iter().copied()).collect();
        let config = Config::load(&environment).expect("the settings are good");
        let named = config.evm.networks.iter();
        let named = named.map(|network| (&network.v1_name, &network.network));
        let others = config.svm.networks.iter();
        let named = named.chain(others.map(|network| (&network.v1_name, &network.network)));
        let names = named
            .filter_map(|(name, network)| Some((name.clone()?, network.clone())))
            .collect();
        Self {
            registry: Registry::new(vec![Box::new(evm(&config)), Box::new(svm(&config))]),
            names,
        }
    }

    /// Reads a body and makes every check of it that needs no chain. `None` for what is no payment.
    pub fn check(&self, body: &[u8]) -> Option<(Payment, Result<Box<dyn Checked>, Rejection>)> {
        let named = |name: &str| {
            let mut known = self.names.iter();
            let found = known.find(|(known, _)| known == name)?;
            Some(found.1.clone())
        };
        let payment = request::parse(Purpose::Verify, body, named).ok()?;
        let checked = match self.registry.check(&payment, now()) {
            Ok(Check::Payment(checked)) => Ok(checked),
            // No scheme of this deployment has sessions.
            Ok(Check::Session(_)) => return None,
            Err(rejection) => Err(rejection),
        };
        Some((payment, checked))
    }
}

/// Always the same, so that an input always does the same.
fn now() -> UnixMillis {
    UnixMillis(1_760_000_000_000)
}

fn evm(config: &Config) -> ExactEvm {
    // Nothing is sent, but a client is not made without it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::new();
    let chains = config.evm.networks.iter().map(|network| {
        let rpc = Arc::new(evm::connect(network, client.clone()));
        let reads = Arc::new(evm::Reads::new(rpc, Default::default()));
        scheme::evm::Chain::new(network.clone(), reads, Vec::new())
    });
    ExactEvm::new(chains.collect())
}

fn svm(config: &Config) -> ExactSvm {
    let policy = Policy::from(&config.svm.policy);
    let clusters = config.svm.networks.iter().map(|network| {
        let silent: Arc<dyn Ledger> = Arc::new(Silent);
        let fee_payers = Arc::new(FeePayers::new(FEE_PAYERS.clone()));
        Cluster::new(network, policy.clone(), fee_payers, silent)
    });
    ExactSvm::new(clusters.collect())
}
