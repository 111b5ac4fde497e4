//! A chain, a node that can be told to misbehave, and a facilitator that sees the chain only through it: a private one per test.

use alloy::primitives::{Address, B256, Bytes, U256, address};
use alloy::signers::local::PrivateKeySigner;
use alloy::sol;
use alloy::sol_types::{SolCall, SolValue};
use serde_json::{Value, json};
use x402_facilitator::dev::{contracts, keys};

use super::chain::Sandbox;
use super::facilitator::{Facilitator, Settings};
use super::http::{Answer, Client};
use super::proxy::Proxy;
use super::sign::{Eip3009, Permit2, Terms};
use super::sign_upto::{self, Upto};

/// Who is paid.
pub(crate) const PAYEE: Address = address!("0x00000000000000000000000000000000000cafe1");
/// A contract that is not where stock clients expect it.
pub(crate) const ELSEWHERE: Address = address!("0x00000000000000000000000000000000be1c0042");
pub(crate) const MULTICALL3: Address = address!("0xcA11bde05977b3631167028862bE2a173976CA11");
/// What the payments of these tests cost.
pub(crate) const PRICE: u64 = 2500;

sol! {
    function create(address owner, uint256 salt) external returns (address);
    function walletOf(address owner, uint256 salt) external view returns (address);
    function lastCaller() external view returns (address);
    function approve(address spender, uint256 units) external returns (bool);
    function transfer(address to, uint256 units) external returns (bool);
    function invalidateUnorderedNonces(uint256 wordPos, uint256 mask) external;
    function setMode(uint8 mode) external;
    function setPaused(bool on) external;
    function setSilent(bool on) external;
    function setWrongValue(bool on) external;
    function setWrongRecipient(bool on) external;
    function setForger(address forger) external;
    function setBurnGas(uint256 units) external;
    function setPrey(address token, address thief) external;
    function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
}

/// The protocol's version of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

impl Version {
    pub(crate) const BOTH: [Self; 2] = [Self::V1, Self::V2];

    pub(crate) fn body(self, terms: &Terms, payload: &Value) -> Value {
        match self {
            Self::V1 => terms.v1("base-sepolia", payload),
            Self::V2 => terms.v2(payload, &Value::Null),
        }
    }
}

pub(crate) struct World {
    pub(crate) sandbox: Sandbox,
    pub(crate) proxy: Proxy,
    pub(crate) facilitator: Facilitator,
    pub(crate) client: Client,
    /// Has tokens, Permit2's approval, and no gas.
    pub(crate) payer: PrivateKeySigner,
    pub(crate) signer: Address,
}

/// What these tests' payments are for.
pub(crate) fn price() -> Terms {
    Terms::usdc(PAYEE, PRICE)
}

/// The same in the token at [`ELSEWHERE`].
pub(crate) fn price_elsewhere() -> Terms {
    let asset = ELSEWHERE;
    Terms { asset, ..price() }
}

/// A transaction that paid, as the chain tells it.
#[derive(Debug)]
pub(crate) struct Paid {
    pub(crate) transaction: Value,
}

impl Paid {
    pub(crate) fn to(&self) -> Address {
        let to = self.transaction["to"].as_str().expect("a call has a `to`");
        to.parse().expect("an address")
    }

    /// The first four bytes of the calldata, as `0x` and hex.
    pub(crate) fn selector(&self) -> &str {
        &self.transaction["input"].as_str().expect("calldata")[..10]
    }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|settings| settings).await
    }

    pub(crate) async fn with(settings: impl FnOnce(Settings) -> Settings) -> Self {
        let world = Self::poor(settings).await;
        world.sandbox.signer(0).await;
        world
    }

    /// A world that also takes the token at [`ELSEWHERE`], which is this contract; the payer has some of it and has approved nothing.
    pub(crate) async fn with_token(contract: &str) -> Self {
        let assets = ELSEWHERE.to_string();
        let world = Self::with(|s| s.set("EVM_ASSETS_BASE_SEPOLIA", &assets)).await;
        world.place(contract, ELSEWHERE).await;
        let (payer, sandbox) = (world.payer.address(), &world.sandbox);
        sandbox.mint(ELSEWHERE, payer, 1_000_000).await;
        world
    }

    /// A world whose signer has nothing to pay gas with.
    pub(crate) async fn poor(settings: impl FnOnce(Settings) -> Settings) -> Self {
        let sandbox = Sandbox::start().await;
        let proxy = Proxy::start(sandbox.url()).await;
        let payer = sandbox.payers(1).await.remove(0);
        let facilitator = Facilitator::start(settings(Settings::new(proxy.url()))).await;
        Self {
            client: facilitator.client(),
            signer: keys::account("signer", 0).address(),
            sandbox,
            proxy,
            facilitator,
            payer,
        }
    }

    /// Stops the service, which must have had no trouble of its own.
    pub(crate) async fn close(self) {
        assert!(self.facilitator.stop().await, "a task of the service died");
    }

    /// A payment by EIP-3009, changed before the payer signs it.
    pub(crate) fn eip3009(&self, change: impl FnOnce(&mut Eip3009)) -> Value {
        let mut payment = Eip3009::new(&price(), self.payer.address());
        change(&mut payment);
        let payload = payment.signed_by(&self.payer);
        price().v2(&payload, &Value::Null)
    }

    /// A payment by Permit2, changed before the payer signs it.
    pub(crate) fn permit2(&self, change: impl FnOnce(&mut Permit2)) -> Value {
        let mut payment = Permit2::new(&price(), self.payer.address());
        change(&mut payment);
        let payload = payment.signed_by(&self.payer);
        price().v2(&payload, &Value::Null)
    }

    /// A ceiling that our signer may charge, changed before the payer signs it.
    pub(crate) fn upto(&self, change: impl FnOnce(&mut Upto)) -> Value {
        let mut payment = Upto::new(&price(), self.payer.address(), self.signer);
        change(&mut payment);
        let payload = payment.signed_by(&self.payer);
        sign_upto::body(&price(), &payload, &Value::Null)
    }

    /// Calls of the node that reading a payment takes, so far. What the service reads in the background does not count.
    pub(crate) fn reads(&self) -> usize {
        let methods = ["eth_call", "eth_getCode", "eth_getStorageAt"];
        methods.map(|m| self.proxy.calls(m).len()).iter().sum()
    }

    /// Transactions sent so far.
    pub(crate) fn sends(&self) -> usize {
        self.proxy.calls("eth_sendRawTransaction").len()
    }

    /// Puts one of our contracts at an address.
    pub(crate) async fn place(&self, contract: &str, at: Address) {
        let code = contracts::runtime(contract).expect("a contract of ours");
        self.sandbox.set_code(at, &code).await;
    }

    /// A contract wallet at an address, with an owner and the payer's wealth.
    pub(crate) async fn place_wallet(&self, contract: &str, at: Address, owner: Address) {
        self.place(contract, at).await;
        let owner = owner.into_word();
        self.sandbox.set_storage(at, U256::ZERO, owner).await;
        self.sandbox.fund(&[at]).await;
    }

    /// A call by somebody else, mined.
    pub(crate) async fn call(&self, to: Address, call: impl SolCall) {
        let rich = self.sandbox.rich_account().await;
        let data = call.abi_encode().into();
        let transaction = self.sandbox.send(rich, to, data).await;
        let receipt = self.sandbox.receipt(transaction).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }

    /// What a view function that returns an address says.
    pub(crate) async fn ask(&self, to: Address, call: impl SolCall) -> Address {
        let data = Bytes::from(call.abi_encode());
        let call = json!([{"to": to, "data": data}, "latest"]);
        let word: B256 = self.sandbox.call("eth_call", call).await;
        Address::from_word(word)
    }

    /// Settles while no blocks are made; once the transaction is in the pool, `call` is put before it, then a block is made of both.
    pub(crate) async fn settle_after(&self, body: &Value, to: Address, call: Bytes) -> Answer {
        let rich = self.sandbox.rich_account().await;
        self.settle_after_call_of(rich, body, to, call).await
    }

    pub(crate) async fn settle_after_call_of(
        &self,
        caller: Address,
        body: &Value,
        to: Address,
        call: Bytes,
    ) -> Answer {
        self.sandbox.hold_blocks().await;
        let interfere = async {
            self.sandbox.pooled(self.signer).await;
            let first = self.sandbox.send_first(caller, to, call).await;
            self.sandbox.mine(1).await;
            let receipt = self.sandbox.receipt(first).await;
            assert_eq!(receipt["status"], "0x1", "{receipt}");
            assert_eq!(receipt["transactionIndex"], "0x0", "it went first");
        };
        let (answer, ()) = tokio::join!(self.client.settle(body), interfere);
        self.sandbox.release_blocks().await;
        answer
    }

    /// Verifies and settles. Every member of both answers, and the money, must be as the protocol says; one transaction, from the signer.
    pub(crate) async fn assert_paid(&self, terms: &Terms, body: &Value, payer: Address) -> Paid {
        let (sandbox, asset) = (&self.sandbox, terms.asset);
        let before = sandbox.balance_of(asset, payer).await;
        let earned = sandbox.balance_of(asset, terms.pay_to).await;
        let nonce = sandbox.account_nonce(self.signer).await;
        let name = payer.to_checksum(None);

        let verified = self.client.verify(body).await;
        let valid = json!({"isValid": true, "payer": name});
        assert_eq!((verified.status.as_u16(), verified.body), (200, valid));
        assert_eq!(sandbox.account_nonce(self.signer).await, nonce);

        let settled = self.client.settle(body).await;
        let hash = settled.body["transaction"].clone();
        let network = &body["paymentRequirements"]["network"];
        let success =
            json!({"success": true, "payer": name, "transaction": hash, "network": network});
        assert_eq!((settled.status.as_u16(), &settled.body), (200, &success));

        let receipt: Value = sandbox
            .call("eth_getTransactionReceipt", json!([hash]))
            .await;
        let transaction: Value = sandbox
            .call("eth_getTransactionByHash", json!([hash]))
            .await;
        assert_eq!(receipt["status"], "0x1");
        assert_eq!(transaction["from"], json!(self.signer));
        assert_eq!(sandbox.account_nonce(self.signer).await, nonce + 1);
        assert_eq!(
            sandbox.balance_of(asset, payer).await,
            before - terms.amount
        );
        assert_eq!(
            sandbox.balance_of(asset, terms.pay_to).await,
            earned + terms.amount
        );
        Paid { transaction }
    }

    /// The gas that a transaction of ours used.
    pub(crate) async fn gas_used(&self, transaction: &Value) -> u64 {
        let receipt: Value = self
            .sandbox
            .call("eth_getTransactionReceipt", json!([transaction]))
            .await;
        assert_eq!(receipt["from"], json!(self.signer), "{receipt}");
        let gas: U256 = serde_json::from_value(receipt["gasUsed"].clone()).expect("a receipt");
        gas.to()
    }
}

/// Permit2's storage slot for a word of an owner's nonces.
pub(crate) fn permit2_nonces_slot(owner: Address, word: U256) -> U256 {
    use alloy::primitives::keccak256;
    let of_owner = keccak256((owner, U256::ZERO).abi_encode());
    keccak256((word, of_owner).abi_encode()).into()
}

/// An EIP-3009 payment as a call of the token by somebody else.
pub(crate) fn transfer_call(body: &Value) -> Bytes {
    let payload = &body["paymentPayload"]["payload"];
    let signed = &payload["authorization"];
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let number = |name: &str| text(&signed[name]).parse::<U256>().expect("a number");
    transferWithAuthorizationCall {
        from: text(&signed["from"]).parse().expect("an address"),
        to: text(&signed["to"]).parse().expect("an address"),
        value: number("value"),
        validAfter: number("validAfter"),
        validBefore: number("validBefore"),
        nonce: text(&signed["nonce"]).parse().expect("a word"),
        signature: text(&payload["signature"]).parse().expect("bytes"),
    }
    .abi_encode()
    .into()
}
