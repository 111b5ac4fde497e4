//! ERC-2612 sessions end to end: real permits on a real chain, over HTTP.

mod calls;
mod crash;
mod manage;
mod merchant;
mod sweeps;
mod theft;

use alloy::primitives::{Address, B256, U256, b256, keccak256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use x402_facilitator::clock::Clock;

use crate::harness::chain::Sandbox;
use crate::harness::chain::USDC;
use crate::harness::facilitator::{Facilitator, Settings};
use crate::harness::http::{Answer, Client};
use crate::harness::oracle::eventually;
use crate::harness::rpc::Rpc;
use crate::harness::sign::{self, Eip2612, Terms};

sol! {
    function transfer(address to, uint256 value) external returns (bool);
}

const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");
pub(crate) const CAP: u64 = 10_000;

/// A permit to a spender, presented at one merchant.
#[derive(Debug, Clone)]
pub(crate) struct Permit {
    owner: PrivateKeySigner,
    signed: Eip2612,
    pay_to: Address,
    /// Seconds that a call may take.
    timeout: u64,
}

impl Permit {
    pub(crate) fn new(owner: &PrivateKeySigner, spender: Address, nonce: u64) -> Self {
        let mut permit = Eip2612::new(&Terms::usdc(Address::ZERO, CAP), owner.address(), nonce);
        permit.message.spender = spender;
        Self {
            owner: owner.clone(),
            signed: permit,
            pay_to: Address::from_word(keccak256(owner.address())),
            timeout: 60,
        }
    }

    pub(crate) fn with_cap(mut self, cap: u64) -> Self {
        self.signed.message.value = U256::from(cap);
        self
    }

    pub(crate) fn paying(mut self, pay_to: Address) -> Self {
        self.pay_to = pay_to;
        self
    }

    fn lasting(mut self, seconds: u64) -> Self {
        let now = Clock::system().now().as_secs();
        self.signed.message.deadline = U256::from(now + seconds);
        self
    }

    fn held_for(mut self, seconds: u64) -> Self {
        self.timeout = seconds;
        self
    }

    /// A call at this price.
    pub(crate) fn body(&self, price: u64) -> Value {
        let message = &self.signed.message;
        let payload = json!({
            "signature": sign::signature(&self.owner, self.signed.digest()),
            "authorization": {
                "from": message.owner.to_checksum(None),
                "to": message.spender.to_checksum(None),
                "value": message.value.to_string(),
                "nonce": message.nonce.to_string(),
                "validBefore": message.deadline.to_string(),
            },
        });
        let mut body = Terms::usdc(self.pay_to, price).v2(&payload, &Value::Null);
        for requirements in ["/paymentPayload/accepted", "/paymentRequirements"] {
            let requirements = body.pointer_mut(requirements).expect("version 2");
            requirements["scheme"] = json!("upto");
            requirements["maxTimeoutSeconds"] = json!(self.timeout);
        }
        body
    }

    /// What reached the merchant, one entry per transfer, in order.
    async fn paid(&self, chain: &Rpc) -> Vec<u64> {
        let topics = [
            TRANSFER,
            self.owner.address().into_word(),
            self.pay_to.into_word(),
        ];
        let filter =
            json!([{"address": USDC, "topics": topics, "fromBlock": "0x0", "toBlock": "latest"}]);
        let logs: Vec<Value> = chain.call("eth_getLogs", filter).await;
        let amount = |log: &Value| {
            let word: B256 = log["data"].as_str().expect("data").parse().expect("a word");
            U256::from_be_bytes(word.0).to::<u64>()
        };
        logs.iter().map(amount).collect()
    }
}

/// A chain, a service on it, and an owner with money.
pub(crate) struct Scene {
    chain: Sandbox,
    settings: Settings,
    facilitator: Facilitator,
    pub(crate) client: Client,
    owner: PrivateKeySigner,
    signer: PrivateKeySigner,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::with(|settings| settings).await
    }

    pub(crate) async fn with(change: impl FnOnce(Settings) -> Settings) -> Self {
        let chain = Sandbox::start().await;
        let signer = chain.signer(0).await;
        let owner = chain.payers(1).await.remove(0);
        let settings = change(Settings::new(chain.url()));
        let facilitator = Facilitator::start(settings.clone()).await;
        Self {
            client: facilitator.client(),
            chain,
            settings,
            facilitator,
            owner,
            signer,
        }
    }

    /// With a sweeper that looks five times a second and settles whatever was quiet for half a second.
    async fn swept(change: impl FnOnce(Settings) -> Settings) -> Self {
        Self::with(|settings| change(quick(settings))).await
    }

    pub(crate) fn permit(&self) -> Permit {
        Permit::new(&self.owner, self.signer.address(), 0)
    }

    pub(crate) fn next_permit(&self, nonce: u64) -> Permit {
        Permit::new(&self.owner, self.signer.address(), nonce)
    }

    /// Holds; the session's id.
    pub(crate) async fn hold(&self, permit: &Permit, price: u64) -> String {
        let held = self.client.verify(&permit.body(price)).await;
        assert_eq!(held.body["isValid"], true, "{}", held.body);
        held.header("x-upto-session-id").to_owned()
    }

    /// Holds and charges.
    pub(crate) async fn call(&self, permit: &Permit, price: u64) -> String {
        let id = self.hold(permit, price).await;
        let charged = self.client.settle(&permit.body(price)).await;
        assert_eq!(charged.body["success"], true, "{}", charged.body);
        id
    }

    /// The owner sends money elsewhere.
    async fn spend(&self, value: U256) {
        let owner = self.owner.address();
        let wei = U256::from(10).pow(U256::from(18));
        self.chain.set_balance(owner, wei).await;
        let to = Address::repeat_byte(0xee);
        let call = transferCall { to, value }.abi_encode().into();
        let nonce = self.chain.nonce(owner).await;
        let sent = self
            .chain
            .send_by(&self.owner, nonce, USDC, call, 400)
            .await;
        assert_eq!(self.chain.receipt(sent).await["status"], "0x1");
    }

    async fn session(&self, id: &str) -> Value {
        session(&self.client, id).await
    }

    async fn becomes(&self, id: &str, status: &str) -> Value {
        becomes(&self.client, id, status).await
    }

    pub(crate) async fn close(self) {
        assert!(self.facilitator.stop().await, "a task of the service died");
    }
}

fn quick(settings: Settings) -> Settings {
    settings
        .set("UPTO_SWEEP_INTERVAL_MS", "200")
        .set("UPTO_IDLE_SETTLE_MS", "500")
}

async fn session(client: &Client, id: &str) -> Value {
    let answer = client.get(&format!("/sessions/{id}")).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

async fn becomes(client: &Client, id: &str, status: &str) -> Value {
    eventually(&format!("a session that is {status}"), || async {
        let view = session(client, id).await;
        (view["status"] == status).then_some(view)
    })
    .await
}

/// Held, pending, in flight, settled.
fn sums(view: &Value) -> [u64; 4] {
    ["held", "pendingSpent", "inFlight", "settledTotal"].map(|name| {
        let text = view[name].as_str().expect("an amount");
        text.parse().expect("decimal")
    })
}

pub(crate) fn rejected(answer: &Answer, reason: &str) {
    assert_eq!(answer.reason(), reason, "{}", answer.body);
    assert_eq!(answer.status, 200);
}

async fn post(client: &Client, path: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let body = body.to_owned();
    client
        .send(reqwest::Method::POST, path, headers, body)
        .await
}
