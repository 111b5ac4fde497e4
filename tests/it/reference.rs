//! The control: the stock facilitator accepts and settles what our harness signs and what the stock clients pay, on our sandbox.
//! When these pass and ours fail, it is our facilitator.

use alloy::primitives::{Address, Bytes, U256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use tokio::process::Child;
use x402_facilitator::dev::keys;

use crate::harness::chain::{Sandbox, USDC, WALLET_FACTORY};
use crate::harness::http::Client;
use crate::harness::npm;
use crate::harness::sign::{self, Eip2612, Eip3009, Permit2, Terms};
use crate::sandbox::PAY_TO;

sol! {
    function walletOf(address owner, uint256 salt) external view returns (address);
    function create(address owner, uint256 salt) external returns (address);
}

/// The stock facilitator before a sandbox.
struct Reference {
    chain: Sandbox,
    url: String,
    client: Client,
    _process: Child,
}

impl Reference {
    async fn start() -> Self {
        let chain = Sandbox::start().await;
        chain.signer(0).await;
        let key = keys::key("signer", 0).to_string();
        let factory = WALLET_FACTORY.to_string();
        let arguments = ["--rpc", chain.url(), "--key", &key, "--factory", &factory];
        let (process, said) = npm::serve("reference.mjs", &arguments).await;
        let url = said["url"].as_str().unwrap_or_default().to_owned();
        Self {
            client: Client::new(&url),
            chain,
            url,
            _process: process,
        }
    }

    /// Verifies and settles, and asserts that exactly the amount arrived.
    async fn accepts(&self, request: &Value) {
        let before = self.chain.balance_of(USDC, PAY_TO).await;
        let verdict = self.client.verify(request).await;
        assert_eq!(verdict.body["isValid"], true, "{:?}", verdict.body);
        let outcome = self.client.settle(request).await;
        assert_eq!(outcome.body["success"], true, "{:?}", outcome.body);
        let after = self.chain.balance_of(USDC, PAY_TO).await;
        assert_eq!(after - before, U256::from(2_500));
    }
}

fn terms() -> Terms {
    Terms::usdc(PAY_TO, 2_500)
}

/// The wallet of an owner that the factory makes, and the call that makes it.
async fn wallet_of(chain: &Sandbox, owner: Address) -> (Address, Bytes) {
    let salt = U256::ZERO;
    let ask = Bytes::from(walletOfCall { owner, salt }.abi_encode());
    let call = json!([{"to": WALLET_FACTORY, "data": ask}, "latest"]);
    let word: Bytes = chain.call("eth_call", call).await;
    let wallet = walletOfCall::abi_decode_returns(&word).expect("an address");
    (wallet, createCall { owner, salt }.abi_encode().into())
}

#[tokio::test]
async fn speaks_both_versions() {
    let reference = Reference::start().await;

    let answer = reference.client.get("/supported").await;

    assert_eq!(answer.status, 200);
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert!(kind.starts_with("application/json"), "{kind}");
    let kinds = answer.body["kinds"].as_array().unwrap();
    let speaks = |version: u64, network: &str| {
        kinds
            .iter()
            .any(|kind| kind["x402Version"] == version && kind["network"] == network)
    };
    assert!(speaks(1, "base-sepolia") && speaks(2, "eip155:84532"));
}

#[tokio::test]
async fn accepts_plain_payments() {
    let reference = Reference::start().await;
    let payer = &reference.chain.payers(1).await[0];
    let (terms, from) = (terms(), payer.address());

    let eip3009 = || Eip3009::new(&terms, from).signed_by(payer);
    reference.accepts(&terms.v2(&eip3009(), &Value::Null)).await;
    reference
        .accepts(&terms.v1("base-sepolia", &eip3009()))
        .await;
    let permit2 = Permit2::new(&terms, from).signed_by(payer);
    reference.accepts(&terms.v2(&permit2, &Value::Null)).await;
}

#[tokio::test]
async fn accepts_a_first_payment_through_permit2() {
    let reference = Reference::start().await;
    let payer = keys::account("unapproved", 0);
    let (terms, from) = (terms(), payer.address());
    reference.chain.mint(USDC, from, 2_500).await;

    let permit2 = Permit2::new(&terms, from).signed_by(&payer);
    let approval = Eip2612::new(&terms, from, 0).signed_by(&payer);

    reference.accepts(&terms.v2(&permit2, &approval)).await;
}

#[tokio::test]
async fn accepts_smart_wallets() {
    let reference = Reference::start().await;
    let chain = &reference.chain;
    let (terms, owner) = (terms(), keys::account("owner", 0));
    let (wallet, deployment) = wallet_of(chain, owner.address()).await;
    chain.fund(&[wallet]).await;
    let request = |wrap: &dyn Fn(Bytes) -> Bytes| {
        let payment = Eip3009::new(&terms, wallet);
        let signature = wrap(sign::signature(&owner, payment.digest()));
        terms.v2(&payment.payload(&signature), &Value::Null)
    };

    let undeployed = request(&|inner| sign::undeployed(WALLET_FACTORY, &deployment, &inner));
    reference.accepts(&undeployed).await;

    let deployed = request(&|inner| inner);
    reference.accepts(&deployed).await;
}

#[tokio::test]
async fn refuses_a_stranger_s_signature() {
    let reference = Reference::start().await;
    let payers: Vec<PrivateKeySigner> = reference.chain.payers(2).await;
    let payment = Eip3009::new(&terms(), payers[0].address()).signed_by(&payers[1]);

    let verdict = reference
        .client
        .verify(&terms().v2(&payment, &Value::Null))
        .await;

    assert_eq!(verdict.body["invalidReason"], "invalid_exact_evm_signature");
}

#[tokio::test]
async fn stock_clients_pay() {
    let reference = Reference::start().await;
    let payer = &reference.chain.payers(1).await[0];
    let (key, pay_to) = (payer.to_bytes().to_string(), PAY_TO.to_checksum(None));
    let common = [
        "--facilitator",
        &reference.url,
        "--key",
        &key,
        "--pay-to",
        &pay_to,
    ];

    let runs: [(&str, &[&str]); 3] = [
        ("pay.mjs", &["--count", "2"]),
        ("pay.mjs", &["--method", "permit2"]),
        ("pay-v1.mjs", &["--amount", "100"]),
    ];
    for (script, arguments) in runs {
        let (paid, told) = npm::run(script, &[&common, arguments].concat()).await;
        assert!(paid, "{script} {arguments:?}: {told}");
    }

    let arrived = reference.chain.balance_of(USDC, PAY_TO).await;
    assert_eq!(arrived, U256::from(3 * 2_500 + 100));
}
