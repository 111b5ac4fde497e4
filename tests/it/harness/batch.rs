//! A session's batches as rows of the queue, made behind the service's back: what a lane and a watcher do with them is seen without the rest.

use std::time::Duration;

use alloy::primitives::{Address, B256, Bytes, U256, b256};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::SolCall;
use serde_json::{Value, json};
use x402_facilitator::chain::evm::work::{Expect, Guard, Kind, PERMIT_GAS_CAP, PermitCall, Work};
use x402_facilitator::clock::Clock;
use x402_facilitator::protocol::{Amount, Network};
use x402_facilitator::store::{Enqueued, NewSettlement, Settlement, Stage, Store};

use super::chain::{Sandbox, USDC};
use super::facilitator::Settings;
use super::oracle::{eventually, text};
use super::sign::{self, Eip2612, Terms};
use super::sign_upto;

const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

sol! {
    function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
    function transferFrom(address from, address to, uint256 value) external returns (bool);
    function allowance(address owner, address spender) external view returns (uint256);
    function nonces(address owner) external view returns (uint256);
}

/// What the owner signed: so much for this spender in all, at a token.
pub(crate) const CAP: u64 = 10_000;
/// Who is paid.
const PAYEE: Address = Address::repeat_byte(0x5e);

/// A permit and who it is between.
pub(crate) struct Batches {
    pub(crate) owner: PrivateKeySigner,
    pub(crate) spender: Address,
    pub(crate) asset: Address,
    pub(crate) permit: Eip2612,
    store: Store,
}

impl Batches {
    /// A permit of this owner for this spender, with rows in the database of these settings.
    pub(crate) async fn new(
        settings: &Settings,
        owner: &PrivateKeySigner,
        spender: Address,
    ) -> Self {
        let mut permit = Eip2612::new(&Terms::usdc(PAYEE, CAP), owner.address(), 0);
        permit.message.spender = spender;
        let config = settings.load();
        let store = Store::connect(&config.store.url, 2, Clock::system()).await;
        let store = store.expect("the service's database opens");
        store.migrate().await.expect("its schema is made");
        Self {
            owner: owner.clone(),
            spender,
            asset: USDC,
            permit,
            store,
        }
    }

    /// The permit as anybody may send it.
    pub(crate) fn permit_call(&self) -> Bytes {
        permit_call(&self.permit, &self.owner)
    }

    /// A call at this price, as the resource server posts it: `extra` of the requirements names the token.
    pub(crate) fn body(&self, price: u64) -> Value {
        let signature = sign::signature(&self.owner, self.permit.digest());
        let payload = self.permit.session_payload(&signature);
        sign_upto::body(&Terms::usdc(PAYEE, price), &payload, &Value::Null)
    }

    /// The same owner's next permit.
    pub(crate) fn permit_after(&self, nonce: u64) -> Eip2612 {
        let mut permit = self.permit.clone();
        permit.message.nonce = U256::from(nonce);
        permit
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Queues the first batch, its permit before it.
    pub(crate) async fn first(&self, amount: u64) -> String {
        let call = PermitCall {
            data: self.permit_call(),
            gas_limit: PERMIT_GAS_CAP,
        };
        self.enqueue(0, amount, Some(call)).await
    }

    /// Queues a batch on the allowance that there is.
    pub(crate) async fn next(&self, sequence: u64, amount: u64) -> String {
        self.enqueue(sequence, amount, None).await
    }

    async fn enqueue(&self, sequence: u64, amount: u64, permit: Option<PermitCall>) -> String {
        let owner = self.owner.address();
        let transfer = transferFromCall {
            from: owner,
            to: PAYEE,
            value: U256::from(amount),
        };
        let guard = Guard::Session {
            permit_deadline: permit.as_ref().map(|_| self.permit.message.deadline),
        };
        let expires_at = guard.expires_at();
        let work = Work {
            kind: Kind::Session,
            to: self.asset,
            data: transfer.abi_encode().into(),
            gas_limit: Kind::Session.gas_cap(),
            permit,
        };
        let expect = Expect {
            asset: self.asset,
            from: owner,
            to: PAYEE,
            value: U256::from(amount),
            guard,
        };
        let new = NewSettlement {
            payment_key: format!("session:{owner:#x}:{sequence}"),
            fingerprint: "f".to_owned(),
            proof: "p".to_owned(),
            caller: "anonymous".to_owned(),
            scheme: "upto".to_owned(),
            network: Network::eip155(84_532),
            wire_network: "eip155:84532".to_owned(),
            asset: format!("{:#x}", self.asset),
            payer: format!("{owner:#x}"),
            pay_to: format!("{PAYEE:#x}"),
            amount: Amount::from(U256::from(amount)),
            work: serde_json::to_string(&work).expect("JSON"),
            expect: serde_json::to_string(&expect).expect("JSON"),
            required_sender: Some(format!("{:#x}", self.spender)),
            batchable: false,
            deadline: Clock::system().now().plus(Duration::from_mins(1)),
            expires_at,
        };
        match self
            .store
            .enqueue(new, &[])
            .await
            .expect("the row is written")
        {
            Enqueued::First(id) => id,
            Enqueued::Known | Enqueued::UsedUp(_) => panic!("batch {sequence} is there already"),
        }
    }

    pub(crate) async fn row(&self, id: &str) -> Settlement {
        let row = self.store.get(id).await.expect("the row is read");
        row.expect("the row is there")
    }

    /// Waits until the row is in this state.
    pub(crate) async fn becomes(&self, id: &str, state: &str) -> Stage {
        eventually(&format!("a batch that is {state}"), || async {
            let now = self.row(id).await.stage;
            (now.name() == state).then_some(now)
        })
        .await
    }

    /// The transactions that paid, one entry per transfer, and what each paid.
    pub(crate) async fn transfers(&self, chain: &Sandbox) -> Vec<(String, U256)> {
        let topics = [
            TRANSFER,
            self.owner.address().into_word(),
            PAYEE.into_word(),
        ];
        let filter = json!([{"address": self.asset, "topics": topics, "fromBlock": "0x0", "toBlock": "latest"}]);
        let logs: Vec<Value> = chain.call("eth_getLogs", filter).await;
        let paid = logs.iter().map(|log| {
            let amount: U256 = text(&log["data"]).parse().expect("a word");
            (text(&log["transactionHash"]), amount)
        });
        paid.collect()
    }

    pub(crate) async fn allowance(&self, chain: &Sandbox) -> U256 {
        let call = allowanceCall {
            owner: self.owner.address(),
            spender: self.spender,
        };
        self.ask(chain, call.abi_encode()).await
    }

    /// The permit nonce that the token expects next.
    pub(crate) async fn nonce(&self, chain: &Sandbox) -> U256 {
        let owner = self.owner.address();
        self.ask(chain, noncesCall { owner }.abi_encode()).await
    }

    async fn ask(&self, chain: &Sandbox, data: Vec<u8>) -> U256 {
        let call = json!([{"to": self.asset, "data": Bytes::from(data)}, "latest"]);
        chain.call("eth_call", call).await
    }
}

/// A permit, signed by its owner, as a call of its token.
pub(crate) fn permit_call(permit: &Eip2612, owner: &PrivateKeySigner) -> Bytes {
    let signature = sign::signature(owner, permit.digest());
    let message = &permit.message;
    let call = permitCall {
        owner: message.owner,
        spender: message.spender,
        value: message.value,
        deadline: message.deadline,
        v: signature[64],
        r: B256::from_slice(&signature[..32]),
        s: B256::from_slice(&signature[32..64]),
    };
    call.abi_encode().into()
}

/// The transaction of a stage that has one.
#[track_caller]
pub(crate) fn transaction(stage: &Stage) -> String {
    let transaction = stage.transaction();
    transaction.expect("a transaction is named").to_owned()
}
