//! Every reason code is provoked over HTTP by a request that is good but for one thing. A new code does not compile without its request.

mod chain;
mod door;
mod limits;
mod payment;
mod session;
mod sessions;
mod settling;
mod shapes;
mod svm;
mod upto;

use futures::future::BoxFuture;
use serde_json::{Value, json};
use x402_facilitator::protocol::Reason;

use crate::harness::http::Answer;
use crate::harness::world::{Version, World};

/// How a reason is provoked.
enum Way {
    /// By a body that cannot be read as a payment: nobody is named as its payer, and no node is asked.
    Envelope(fn(&World) -> String),
    /// By a payment that fails without asking a node, once the payer is known to have no code.
    InProcess(fn(&World) -> Value),
    /// By a payment that only the chain can refuse.
    OnChain(BoxFuture<'static, (World, Value)>),
    /// By what happens to a service while it settles; the scene checks the answer itself.
    Scene(BoxFuture<'static, ()>),
    /// By a payment on Solana that fails without asking a node.
    Solana(Version, svm::Flaw),
    /// The same, where smart wallets may pay.
    Wallet(svm::Flaw),
    /// By a payment on Solana that only the ledger can refuse.
    OnSolana(BoxFuture<'static, svm::Staged>),
}

fn on_chain(way: impl Future<Output = (World, Value)> + Send + 'static) -> Way {
    Way::OnChain(Box::pin(way))
}

fn on_solana(way: impl Future<Output = svm::Staged> + Send + 'static) -> Way {
    Way::OnSolana(Box::pin(way))
}

fn scene(way: impl Future<Output = ()> + Send + 'static) -> Way {
    Way::Scene(Box::pin(way))
}

#[rustfmt::skip]
#[expect(clippy::too_many_lines, reason = "a new reason must ask for its way here")]
fn way(reason: Reason) -> Way {
    use Reason as R;
    use Version::{V1, V2};
    match reason {
        R::InvalidJson => Way::Envelope(door::cut_short),
        R::MissingParameters => Way::Envelope(door::without_requirements),
        R::InvalidX402Version => Way::Envelope(door::of_version_three),
        R::InvalidPayload => Way::Envelope(door::without_nonce),
        R::InvalidPaymentRequirements => Way::Envelope(door::with_a_hexadecimal_price),
        R::UnsupportedScheme => Way::Envelope(door::of_another_scheme),
        R::InvalidNetwork => Way::Envelope(door::on_a_network_not_served),
        R::UnexpectedError => scene(settling::without_token()),
        R::UnexpectedVerifyError => scene(settling::verify_without_node()),
        R::UnexpectedSettleError => scene(settling::settle_without_node()),
        R::SettlementPending => scene(settling::without_blocks()),
        R::SettlementCapacityExceeded => scene(settling::without_gas()),
        R::DuplicateSettlement => scene(settling::twice()),
        R::InsufficientScope => scene(limits::without_the_scope()),
        R::CallerPayToNotAllowed => scene(limits::to_somebody_else()),
        R::CallerNetworkNotAllowed => scene(limits::on_another_network()),
        R::GlobalVerifyCapExceeded => scene(limits::met(reason, "[all]\nverify_per_minute = 0\n")),
        R::GlobalSettleCapExceeded => scene(limits::met(reason, "[all]\nsettle_per_day = 0\n")),
        R::GlobalFeeSponsoredCapExceeded => scene(limits::met(reason, "[all]\nfees = 0\n")),
        R::GlobalConcurrencyCapExceeded => scene(limits::met(reason, "[all]\nconcurrency = 0\n")),
        R::SellerVerifyCapExceeded => scene(limits::met(reason, "[anonymous]\nverify_per_minute = 0\n")),
        R::SellerSettleCapExceeded => scene(limits::met(reason, "[anonymous]\nsettle_per_minute = 0\n")),
        R::SellerFeeSponsoredCapExceeded => scene(limits::met(reason, "[anonymous]\nfees = 0\n")),
        R::SellerConcurrencyCapExceeded => scene(limits::met(reason, "[anonymous]\nconcurrency = 0\n")),
        R::PayerVerifyCapExceeded => scene(limits::met(reason, "[payer]\nverify_per_minute = 0\n")),
        R::PayerSettleCapExceeded => scene(limits::met(reason, "[payer]\nsettle_per_day = 0\n")),
        R::PayerFeeSponsoredCapExceeded => scene(limits::met(reason, "[payer]\nfailed_fees = 0\n")),
        R::PayerConcurrencyCapExceeded => scene(limits::met(reason, "[payer]\nconcurrency = 0\n")),
        R::PayToFeeSponsoredCapExceeded => scene(limits::met(reason, "[pay_to]\nfees = 0\n")),
        R::InvalidExactEvmScheme => Way::InProcess(payment::accepting_another_scheme),
        R::UnsupportedPayloadType => Way::InProcess(payment::permit2_accepting_another_scheme),
        R::InvalidExactEvmNetworkMismatch => Way::InProcess(payment::accepting_another_network),
        R::InvalidExactEvmMissingEip712Domain => Way::InProcess(payment::without_domain),
        R::AssetNotAllowed => Way::InProcess(payment::in_an_unlisted_asset),
        R::AssetNotDeployedContract => on_chain(chain::no_token()),
        R::Eip6492FactoryNotAllowed => Way::InProcess(payment::with_an_unlisted_factory),
        R::InvalidExactEvmSignature => Way::InProcess(payment::signed_by_another),
        R::InvalidExactEvmRecipientMismatch => Way::InProcess(payment::to_another),
        R::InvalidExactEvmAuthorizationValidBefore => Way::InProcess(payment::about_to_expire),
        R::InvalidExactEvmAuthorizationValidAfter => Way::InProcess(payment::not_valid_yet),
        R::InvalidExactEvmAuthorizationValueMismatch => Way::InProcess(payment::of_another_amount),
        R::InvalidExactEvmAuthorizationValue => Way::InProcess(payment::of_another_amount_v1),
        R::InvalidExactEvmEip3009NotSupported => on_chain(chain::legacy_token()),
        R::InvalidExactEvmNonceAlreadyUsed => on_chain(chain::used_authorization()),
        R::InvalidExactEvmTokenNameMismatch => on_chain(chain::other_name()),
        R::InvalidExactEvmTokenVersionMismatch => on_chain(chain::other_version()),
        R::InvalidExactEvmInsufficientBalance => on_chain(chain::poor_payer()),
        R::InvalidExactEvmTransactionSimulationFailed => on_chain(chain::paused_token()),
        R::InvalidExactEvmTransactionFailed => scene(settling::balance_gone_before_the_block()),
        R::InvalidExactEvmTransferEventMismatch => scene(settling::token_silent_before_the_block()),
        R::InvalidPermit2Spender => Way::InProcess(payment::permit2_for_another_spender),
        R::InvalidPermit2RecipientMismatch => Way::InProcess(payment::permit2_to_another),
        R::Permit2DeadlineExpired => Way::InProcess(payment::permit2_about_to_expire),
        R::Permit2NotYetValid => Way::InProcess(payment::permit2_not_valid_yet),
        R::Permit2AmountMismatch => Way::InProcess(payment::permit2_of_another_amount),
        R::Permit2TokenMismatch => Way::InProcess(payment::permit2_in_another_token),
        R::InvalidPermit2Signature => Way::InProcess(payment::permit2_signed_by_another),
        R::Permit2ProxyNotDeployed => on_chain(chain::no_proxy()),
        R::Permit2InsufficientBalance => on_chain(chain::poor_permit2_payer()),
        R::Permit2AllowanceRequired => on_chain(chain::no_allowance()),
        R::Permit2InvalidNonce => on_chain(chain::used_permit2_nonce()),
        R::Permit2SimulationFailed => on_chain(chain::paused_token_by_permit2()),
        R::Permit2Permit2612AmountMismatch => Way::InProcess(payment::with_a_permit_of_another_amount),
        R::InvalidEip2612ExtensionFormat => Way::InProcess(payment::with_a_malformed_permit),
        R::Eip2612FromMismatch => Way::InProcess(payment::with_a_permit_of_another),
        R::Eip2612AssetMismatch => Way::InProcess(payment::with_a_permit_for_another_asset),
        R::Eip2612SpenderNotPermit2 => Way::InProcess(payment::with_a_permit_for_another_spender),
        R::Eip2612DeadlineExpired => Way::InProcess(payment::with_a_permit_about_to_expire),
        R::InvalidUptoEvmScheme => Way::InProcess(upto::accepting_another_scheme),
        R::InvalidUptoEvmNetworkMismatch => Way::InProcess(upto::accepting_another_network),
        R::UptoFacilitatorMismatch => Way::InProcess(upto::for_another_facilitator),
        R::InvalidUptoEvmSettlementExceedsAmount => scene(upto::charging_more_than_the_ceiling()),
        R::UptoAmountExceedsPermitted => on_chain(upto::proxy_that_finds_the_amount_too_high()),
        R::UptoUnauthorizedFacilitator => on_chain(upto::proxy_that_wants_another_caller()),
        R::InvalidUptoEvmTransactionFailed => scene(upto::balance_gone_before_the_block()),
        R::UptoCallerMismatch => scene(upto::verified_by_another_caller()),
        R::CapExhausted => scene(sessions::beyond_the_cap()),
        R::SessionClosed => scene(sessions::after_its_end()),
        R::SettlingInProgress => scene(sessions::before_the_older_is_settled()),
        R::PermitBoundToOtherRecipient => scene(sessions::to_another_recipient()),
        R::PermitBoundToOtherCaller => scene(sessions::by_another_caller()),
        R::PermitNonceReserved => scene(sessions::of_a_nonce_at_work()),
        R::HoldNotFound => scene(sessions::without_a_promise()),
        R::HoldExceeded => scene(sessions::beyond_its_promise()),
        R::InvalidExactSvmUnsupportedScheme => Way::Solana(V2, svm::payment::accepting_another_scheme),
        R::InvalidExactSvmNetworkMismatch => Way::Solana(V2, svm::payment::accepting_another_network),
        R::NetworkMismatch => Way::Solana(V1, svm::payment::accepting_another_network),
        R::InvalidExactSvmMissingFeePayer => Way::Solana(V2, svm::payment::without_fee_payer),
        R::InvalidExactSvmFeePayerNotManaged => Way::Solana(V2, svm::payment::for_a_strange_fee_payer),
        R::FeePayerNotManagedByFacilitator => Way::Solana(V1, svm::payment::for_a_strange_fee_payer),
        R::InvalidExactSvmTransactionUndecodable => Way::Solana(V2, svm::payment::naming_no_account),
        R::InvalidExactSvmExcessiveSigners => Way::Solana(V2, svm::payment::by_four_signers),
        R::InvalidExactSvmFeePayerMismatch => Way::Solana(V2, svm::payment::with_another_fee_payer),
        R::InvalidExactSvmSignature => Way::Solana(V2, svm::payment::signed_by_another),
        R::InvalidExactSvmAltResolutionNotAvailable => Way::Solana(V2, svm::payment::with_a_lookup_table),
        R::InvalidExactSvmAltResolutionFailed => on_solana(svm::chain::table_that_is_nowhere()),
        R::InvalidExactSvmInstructionsLength => Way::Solana(V2, svm::payment::of_eight_instructions),
        R::InvalidExactSvmComputeLimitInstruction => Way::Solana(V2, svm::payment::without_unit_limit),
        R::InvalidExactSvmComputeLimitTooHigh => Way::Solana(V2, svm::payment::of_too_many_units),
        R::InvalidExactSvmComputePriceInstruction => Way::Solana(V2, svm::payment::without_unit_price),
        R::InvalidExactSvmComputePriceTooHigh => Way::Solana(V2, svm::payment::at_too_high_a_unit_price),
        R::InvalidExactSvmNoTransferInstruction => Way::Solana(V2, svm::payment::by_an_unchecked_transfer),
        R::InvalidExactSvmFeePayerTransferringFunds => Way::Solana(V2, svm::payment::out_of_the_sponsors_account),
        R::InvalidExactSvmMintMismatch => Way::Solana(V2, svm::payment::in_another_mint),
        R::InvalidExactSvmRecipientMismatch => Way::Solana(V2, svm::payment::to_another),
        R::InvalidExactSvmAmountMismatch => Way::Solana(V2, svm::payment::of_another_amount),
        R::InvalidExactSvmUnknownFourthInstruction => Way::Solana(V2, svm::payment::with_an_unknown_fourth),
        R::InvalidExactSvmUnknownFifthInstruction => Way::Solana(V2, svm::payment::with_an_unknown_fifth),
        R::InvalidExactSvmUnknownSixthInstruction => Way::Solana(V2, svm::payment::with_an_unknown_sixth),
        R::InvalidExactSvmUnknownSeventhInstruction => Way::Solana(V2, svm::payment::with_an_unknown_seventh),
        R::InvalidExactSvmMemoCount => Way::Solana(V2, svm::payment::without_the_memo),
        R::InvalidExactSvmMemoMismatch => Way::Solana(V2, svm::payment::with_another_memo),
        R::InvalidExactSvmFeePayerNotIsolated => Way::Solana(V2, svm::payment::naming_the_sponsor_in_a_memo),
        R::InvalidExactSvmTransactionSimulationFailed => on_solana(svm::chain::poor_payer(V2)),
        R::TransactionSimulationFailed => on_solana(svm::chain::poor_payer(V1)),
        R::InvalidExactSvmTransactionFailed => scene(svm::settling::tokens_gone_before_the_block(V2)),
        R::TransactionFailed => scene(svm::settling::tokens_gone_before_the_block(V1)),
        R::InvalidExactSvmProgramNotAllowed => Way::Wallet(svm::wallet::of_another_program),
        R::InvalidExactSvmUnsupportedComputeBudget => Way::Wallet(svm::wallet::with_a_budget_of_another_kind),
        R::InvalidExactSvmMalformedComputeBudget => Way::Wallet(svm::wallet::with_an_empty_budget),
        R::InvalidExactSvmMalformedComputeLimit => Way::Wallet(svm::wallet::with_half_a_limit),
        R::InvalidExactSvmMalformedComputePrice => Way::Wallet(svm::wallet::with_half_a_price),
        R::InvalidExactSvmComputeUnitsTooHigh => Way::Wallet(svm::wallet::of_too_many_units),
        R::InvalidExactSvmPriorityFeeTooHigh => Way::Wallet(svm::wallet::at_too_high_a_price),
        R::InvalidExactSvmSmartWalletSimulationFailed => on_solana(svm::chain::poor_wallet()),
        R::InvalidExactSvmNoTransferInSimulation => on_solana(svm::chain::idle_wallet()),
        R::InvalidExactSvmTransferMismatch => on_solana(svm::chain::mean_wallet()),
        R::InvalidExactSvmMultipleMatchingTransfers => on_solana(svm::chain::generous_wallet()),
        R::PostSettlementTransferNotConfirmed => scene(svm::settling::wallet_changed_before_the_block()),
        R::InvalidUptoEvmPayload => Way::InProcess(session::with_a_cap_that_is_no_number),
        R::MissingEip712Domain => Way::InProcess(session::without_domain),
        R::SpenderNotFacilitator => Way::InProcess(session::for_another_spender),
        R::CapTooLow => Way::InProcess(session::with_a_cap_below_the_price),
        R::CapBelowRequiredMax => Way::InProcess(session::with_a_cap_below_the_required),
        R::AuthorizationExpired => Way::InProcess(session::about_to_expire),
        R::InvalidPermitSignature => Way::InProcess(session::signed_for_another_nonce),
        R::UnsupportedSignatureType => Way::InProcess(session::signed_by_a_wallet),
        R::InsufficientBalance => scene(session::of_an_owner_whose_money_is_gone()),
        R::InsufficientAllowance => scene(session::whose_allowance_was_taken_back()),
        R::PermitFailed => scene(session::whose_nonce_another_permit_used()),
        R::InvalidTransactionState => scene(session::whose_money_went_before_the_block()),
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_told_in_the_protocols_shape_and_costs_no_read() {
    let world = World::new().await;
    warm_up(&world).await;
    for reason in Reason::ALL {
        if let Way::Envelope(body) = way(*reason) {
            assert_refused(&world, *reason, &body(&world), Costs::NoRead).await;
        }
    }
    world.close().await;
}

#[tokio::test]
async fn what_is_bad_for_every_chain_is_refused_with_its_reason_and_costs_no_read() {
    let world = World::new().await;
    warm_up(&world).await;
    for reason in Reason::ALL {
        if let Way::InProcess(body) = way(*reason) {
            let body = body(&world).to_string();
            assert_refused(&world, *reason, &body, Costs::NoRead).await;
        }
    }
    world.close().await;
}

#[tokio::test]
async fn what_the_chain_refuses_is_refused_with_its_reason_and_nothing_is_sent() {
    for reason in Reason::ALL {
        if let Way::OnChain(stage) = way(*reason) {
            let (world, body) = stage.await;
            assert_refused(&world, *reason, &body.to_string(), Costs::Reads).await;
            world.close().await;
        }
    }
}

#[tokio::test]
async fn what_happens_while_settling_is_told_with_its_reason() {
    for reason in Reason::ALL {
        if let Way::Scene(scene) = way(*reason) {
            scene.await;
        }
    }
}

#[tokio::test]
async fn what_fails_without_a_node_fails_the_same_without_one() {
    let world = World::new().await;
    warm_up(&world).await;
    world.proxy.cut();
    for reason in Reason::ALL {
        if let Way::InProcess(body) = way(*reason) {
            let answer = world.client.verify(&body(&world)).await;
            assert_eq!(answer.body["invalidReason"], reason.as_str());
        }
    }
    world.close().await;
}

/// What a refusal takes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Costs {
    NoRead,
    Reads,
}

/// A payment of the payer is verified: its code is known now.
async fn warm_up(world: &World) {
    let answer = world.client.verify(&world.eip3009(|_| {})).await;
    assert_eq!(answer.body["isValid"], true, "{}", answer.body);
}

/// `/verify` and `/settle` refuse alike, in their own shapes, and leave the chain alone.
async fn assert_refused(world: &World, reason: Reason, body: &str, costs: Costs) {
    let code = reason.as_str();
    let unreadable = matches!(reason, Reason::InvalidJson | Reason::MissingParameters);
    let status = if unreadable { 400 } else { 200 };
    let sent: Value = serde_json::from_str(body).unwrap_or_default();
    let block = world.sandbox.block_number().await;
    let reads = world.reads();

    let verified = world.client.post_text("/verify", body).await;
    let read_more = world.reads() > reads;
    assert_eq!(read_more, costs == Costs::Reads, "{code} and its reads");
    let mut expected = json!({"isValid": false, "invalidReason": code});
    copy(&verified, "invalidMessage", &mut expected);
    name_payer(reason, &sent, &mut expected);
    assert_eq!(verified.body, expected);
    assert_eq!(verified.status.as_u16(), status, "{code}");

    let reads = world.reads();
    let settled = world.client.post_text("/settle", body).await;
    let network = sent["paymentRequirements"]["network"].as_str();
    let mut expected = json!({
        "success": false, "errorReason": code, "transaction": "", "network": network.unwrap_or("unknown:unknown"),
    });
    copy(&settled, "errorMessage", &mut expected);
    name_payer(reason, &sent, &mut expected);
    assert_eq!(settled.body, expected);
    assert_eq!(settled.status.as_u16(), status, "{code}");
    if costs == Costs::NoRead {
        assert_eq!(world.reads(), reads, "{code} at /settle");
    }

    assert_eq!(world.sends(), 0, "{code}: something was sent");
    assert_eq!(world.sandbox.block_number().await, block, "{code}");
}

/// Messages are for people: bounded text where there is one.
fn copy(answer: &Answer, member: &str, expected: &mut Value) {
    let Some(message) = answer.body.get(member) else {
        return;
    };
    let length = message.as_str().expect("text").chars().count();
    assert!((1..=500).contains(&length), "{message}");
    expected[member] = message.clone();
}

/// Whoever a payment names as its payer is in the answer, as written.
fn name_payer(reason: Reason, sent: &Value, expected: &mut Value) {
    let payload = &sent["paymentPayload"]["payload"];
    let names = ["authorization", "permit2Authorization"];
    let payer = names.iter().find_map(|name| payload[name]["from"].as_str());
    if let (Way::InProcess(_) | Way::OnChain(_), Some(payer)) = (way(reason), payer) {
        expected["payer"] = json!(payer);
    }
}
