//! What operators see: metrics, traces, lines of the log, readiness. From outside, of the program that is shipped.

mod alerts;
mod logs;
mod metrics;
mod readiness;
mod traces;

use alloy::primitives::{Address, address};
use alloy::signers::local::PrivateKeySigner;
use serde_json::Value;

use crate::harness::binary::Binary;
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::Settings;
use crate::harness::http::Client;
use crate::harness::proxy::Proxy;
use crate::harness::sign::{Eip3009, Terms};

const PAYEE: Address = address!("0x0000000000000000000000000000000000000b5e");
const PRICE: u64 = 2500;
const NETWORK: &str = "eip155:84532";

/// A program with a port of metrics, on a chain of its own.
struct Watched {
    sandbox: Sandbox,
    proxy: Proxy,
    program: Binary,
    metrics: Client,
    payer: PrivateKeySigner,
    _settings: Settings,
}

impl Watched {
    async fn with(settings: impl FnOnce(Settings) -> Settings) -> Self {
        let sandbox = Sandbox::start().await;
        sandbox.signer(0).await;
        Self::on(sandbox, settings).await
    }

    /// Its signer has nothing to pay gas with.
    async fn poor(settings: impl FnOnce(Settings) -> Settings) -> Self {
        Self::on(Sandbox::start().await, settings).await
    }

    async fn on(sandbox: Sandbox, settings: impl FnOnce(Settings) -> Settings) -> Self {
        let proxy = Proxy::start(sandbox.url()).await;
        let payer = sandbox.payers(1).await.remove(0);
        let settings = settings(Settings::new(proxy.url()).set("METRICS_PORT", "0"));
        let program = Binary::start(settings.path(), &settings.pairs()).await;
        Self {
            metrics: program.metrics().await,
            sandbox,
            proxy,
            program,
            payer,
            _settings: settings,
        }
    }

    fn payment(&self) -> Value {
        let terms = Terms::usdc(PAYEE, PRICE);
        let payment = Eip3009::new(&terms, self.payer.address());
        terms.v2(&payment.signed_by(&self.payer), &Value::Null)
    }

    async fn told(&self) -> Told {
        Told(self.metrics.get("/metrics").await.text)
    }

    /// What is told once `is_so`; it is looked at every five seconds at least.
    async fn told_when(&self, is_so: impl Fn(&Told) -> bool) -> Told {
        let waiting = async {
            loop {
                let told = self.told().await;
                if is_so(&told) {
                    return told;
                }
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        };
        let patience = std::time::Duration::from_secs(30);
        if let Ok(told) = tokio::time::timeout(patience, waiting).await {
            return told;
        }
        panic!("it never is so:\n{}", self.told().await.0)
    }
}

/// What `/metrics` says.
struct Told(String);

impl Told {
    /// The value of the one series whose line has all these parts.
    fn value(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let is_it = |line: &&str| {
            let named = line
                .strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']));
            named && labels.iter().all(|label| line.contains(label))
        };
        let mut found = self.0.lines().filter(is_it);
        let line = found.next()?;
        assert_eq!(found.next(), None, "{name} {labels:?} is not one series");
        line.rsplit_once(' ')?.1.parse().ok()
    }

    fn is(&self, name: &str, labels: &[&str], value: f64) -> bool {
        self.value(name, labels)
            .is_some_and(|told| (told - value).abs() < 1e-9)
    }

    fn assert(&self, name: &str, labels: &[&str], value: f64) {
        let told = self.value(name, labels);
        assert!(
            self.is(name, labels, value),
            "{name} {labels:?} is {told:?}, not {value}"
        );
    }

    fn series(&self) -> impl Iterator<Item = &str> {
        self.0
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty())
    }
}
