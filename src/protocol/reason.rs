//! Every reason code this facilitator answers with, spelled once. The strings are those of the npm packages 2.27; a code nobody emits is not here.

use serde::{Serialize, Serializer};

/// The failure codes with their spelling on the wire.
macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $code:literal,)+) => {
        /// Why a payment was not valid or not settled: `invalidReason` and `errorReason`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)+ }

        impl Reason {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The reason of a code read back from the store.
            pub fn parse(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

reasons! {
    // The envelope.
    InvalidJson = "invalid_json",
    MissingParameters = "missing_parameters",
    InvalidX402Version = "invalid_x402_version",
    InvalidPayload = "invalid_payload",
    InvalidPaymentRequirements = "invalid_payment_requirements",
    UnsupportedScheme = "unsupported_scheme",
    InvalidNetwork = "invalid_network",
    // The service.
    UnexpectedError = "unexpected_error",
    UnexpectedVerifyError = "unexpected_verify_error",
    UnexpectedSettleError = "unexpected_settle_error",
    SettlementPending = "settlement_pending",
    SettlementCapacityExceeded = "settlement_capacity_exceeded",
    DuplicateSettlement = "duplicate_settlement",
    // The caller's key does not allow it.
    InsufficientScope = "insufficient_scope",
    CallerPayToNotAllowed = "caller_pay_to_not_allowed",
    CallerNetworkNotAllowed = "caller_network_not_allowed",
    // Limits; a caller is a seller.
    GlobalVerifyCapExceeded = "global_verify_cap_exceeded",
    GlobalSettleCapExceeded = "global_settle_cap_exceeded",
    GlobalFeeSponsoredCapExceeded = "global_fee_sponsored_cap_exceeded",
    GlobalConcurrencyCapExceeded = "global_concurrency_cap_exceeded",
    SellerVerifyCapExceeded = "seller_verify_cap_exceeded",
    SellerSettleCapExceeded = "seller_settle_cap_exceeded",
    SellerFeeSponsoredCapExceeded = "seller_fee_sponsored_cap_exceeded",
    SellerConcurrencyCapExceeded = "seller_concurrency_cap_exceeded",
    PayerVerifyCapExceeded = "payer_verify_cap_exceeded",
    PayerSettleCapExceeded = "payer_settle_cap_exceeded",
    PayerFeeSponsoredCapExceeded = "payer_fee_sponsored_cap_exceeded",
    PayerConcurrencyCapExceeded = "payer_concurrency_cap_exceeded",
    PayToFeeSponsoredCapExceeded = "pay_to_fee_sponsored_cap_exceeded",
    // Exact on EVM.
    InvalidExactEvmScheme = "invalid_exact_evm_scheme",
    UnsupportedPayloadType = "unsupported_payload_type",
    InvalidExactEvmNetworkMismatch = "invalid_exact_evm_network_mismatch",
    InvalidExactEvmMissingEip712Domain = "invalid_exact_evm_missing_eip712_domain",
    AssetNotAllowed = "asset_not_allowed",
    AssetNotDeployedContract = "asset_not_deployed_contract",
    // EIP-3009.
    Eip6492FactoryNotAllowed = "eip6492_factory_not_allowed",
    InvalidExactEvmSignature = "invalid_exact_evm_signature",
    InvalidExactEvmRecipientMismatch = "invalid_exact_evm_recipient_mismatch",
    InvalidExactEvmAuthorizationValidBefore = "invalid_exact_evm_payload_authorization_valid_before",
    InvalidExactEvmAuthorizationValidAfter = "invalid_exact_evm_payload_authorization_valid_after",
    InvalidExactEvmAuthorizationValueMismatch = "invalid_exact_evm_payload_authorization_value_mismatch",
    /// Version 1's spelling of a wrong value.
    InvalidExactEvmAuthorizationValue = "invalid_exact_evm_authorization_value",
    InvalidExactEvmEip3009NotSupported = "invalid_exact_evm_eip3009_not_supported",
    InvalidExactEvmNonceAlreadyUsed = "invalid_exact_evm_nonce_already_used",
    InvalidExactEvmTokenNameMismatch = "invalid_exact_evm_token_name_mismatch",
    InvalidExactEvmTokenVersionMismatch = "invalid_exact_evm_token_version_mismatch",
    InvalidExactEvmInsufficientBalance = "invalid_exact_evm_insufficient_balance",
    InvalidExactEvmTransactionSimulationFailed = "invalid_exact_evm_transaction_simulation_failed",
    InvalidExactEvmTransactionFailed = "invalid_exact_evm_transaction_failed",
    InvalidExactEvmTransferEventMismatch = "invalid_exact_evm_transfer_event_mismatch",
    // Permit2.
    InvalidPermit2Spender = "invalid_permit2_spender",
    InvalidPermit2RecipientMismatch = "invalid_permit2_recipient_mismatch",
    Permit2DeadlineExpired = "permit2_deadline_expired",
    Permit2NotYetValid = "permit2_not_yet_valid",
    Permit2AmountMismatch = "permit2_amount_mismatch",
    Permit2TokenMismatch = "permit2_token_mismatch",
    InvalidPermit2Signature = "invalid_permit2_signature",
    Permit2ProxyNotDeployed = "permit2_proxy_not_deployed",
    Permit2InsufficientBalance = "permit2_insufficient_balance",
    Permit2AllowanceRequired = "permit2_allowance_required",
    Permit2InvalidNonce = "permit2_invalid_nonce",
    Permit2SimulationFailed = "permit2_simulation_failed",
    Permit2Permit2612AmountMismatch = "permit2_2612_amount_mismatch",
    // EIP-2612 gas sponsoring.
    InvalidEip2612ExtensionFormat = "invalid_eip2612_extension_format",
    Eip2612FromMismatch = "eip2612_from_mismatch",
    Eip2612AssetMismatch = "eip2612_asset_mismatch",
    Eip2612SpenderNotPermit2 = "eip2612_spender_not_permit2",
    Eip2612DeadlineExpired = "eip2612_deadline_expired",
    // Upto on EVM, EIP-2612 sessions.
    InvalidUptoEvmPayload = "invalid_upto_evm_payload",
    MissingEip712Domain = "missing_eip712_domain",
    SpenderNotFacilitator = "spender_not_facilitator",
    CapTooLow = "cap_too_low",
    CapBelowRequiredMax = "cap_below_required_max",
    AuthorizationExpired = "authorization_expired",
    InvalidPermitSignature = "invalid_permit_signature",
    UnsupportedSignatureType = "unsupported_signature_type",
    InsufficientBalance = "insufficient_balance",
    InsufficientAllowance = "insufficient_allowance",
    PermitFailed = "permit_failed",
    InvalidTransactionState = "invalid_transaction_state",
    // The account of sessions.
    CapExhausted = "cap_exhausted",
    SessionClosed = "session_closed",
    SettlingInProgress = "settling_in_progress",
    PermitBoundToOtherRecipient = "permit_bound_to_other_recipient",
    PermitBoundToOtherCaller = "permit_bound_to_other_caller",
    /// Another permit with this nonce is at work, or was charged.
    PermitNonceReserved = "permit_nonce_reserved",
    HoldNotFound = "hold_not_found",
    HoldExceeded = "hold_exceeded",
    // Upto on EVM, by Permit2.
    InvalidUptoEvmScheme = "invalid_upto_evm_scheme",
    InvalidUptoEvmNetworkMismatch = "invalid_upto_evm_network_mismatch",
    UptoFacilitatorMismatch = "upto_facilitator_mismatch",
    InvalidUptoEvmSettlementExceedsAmount = "invalid_upto_evm_payload_settlement_exceeds_amount",
    UptoAmountExceedsPermitted = "upto_amount_exceeds_permitted",
    UptoUnauthorizedFacilitator = "upto_unauthorized_facilitator",
    InvalidUptoEvmTransactionFailed = "invalid_upto_evm_transaction_failed",
    /// Another caller verified this payment first, and the one that asks is not bound to its recipient.
    UptoCallerMismatch = "upto_caller_mismatch",
    // Exact on Solana.
    InvalidExactSvmUnsupportedScheme = "invalid_exact_svm_unsupported_scheme",
    InvalidExactSvmNetworkMismatch = "invalid_exact_svm_network_mismatch",
    /// Version 1's spelling of another network.
    NetworkMismatch = "network_mismatch",
    InvalidExactSvmMissingFeePayer = "invalid_exact_svm_payload_missing_fee_payer",
    InvalidExactSvmFeePayerNotManaged = "invalid_exact_svm_fee_payer_not_managed_by_facilitator",
    /// Version 1's spelling of a fee payer that is not ours.
    FeePayerNotManagedByFacilitator = "fee_payer_not_managed_by_facilitator",
    InvalidExactSvmTransactionUndecodable = "invalid_exact_svm_payload_transaction_could_not_be_decoded",
    InvalidExactSvmExcessiveSigners = "invalid_exact_svm_payload_excessive_signers",
    InvalidExactSvmFeePayerMismatch = "invalid_exact_svm_fee_payer_mismatch",
    InvalidExactSvmSignature = "invalid_exact_svm_payload_signature_invalid",
    InvalidExactSvmInstructionsLength = "invalid_exact_svm_payload_transaction_instructions_length",
    InvalidExactSvmComputeLimitInstruction = "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction",
    InvalidExactSvmComputeLimitTooHigh = "invalid_exact_svm_payload_transaction_instructions_compute_limit_instruction_too_high",
    InvalidExactSvmComputePriceInstruction = "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction",
    InvalidExactSvmComputePriceTooHigh = "invalid_exact_svm_payload_transaction_instructions_compute_price_instruction_too_high",
    InvalidExactSvmNoTransferInstruction = "invalid_exact_svm_payload_no_transfer_instruction",
    InvalidExactSvmFeePayerTransferringFunds = "invalid_exact_svm_payload_transaction_fee_payer_transferring_funds",
    InvalidExactSvmMintMismatch = "invalid_exact_svm_payload_mint_mismatch",
    InvalidExactSvmRecipientMismatch = "invalid_exact_svm_payload_recipient_mismatch",
    InvalidExactSvmAmountMismatch = "invalid_exact_svm_payload_amount_mismatch",
    InvalidExactSvmUnknownFourthInstruction = "invalid_exact_svm_payload_unknown_fourth_instruction",
    InvalidExactSvmUnknownFifthInstruction = "invalid_exact_svm_payload_unknown_fifth_instruction",
    InvalidExactSvmUnknownSixthInstruction = "invalid_exact_svm_payload_unknown_sixth_instruction",
    InvalidExactSvmUnknownSeventhInstruction = "invalid_exact_svm_payload_unknown_seventh_instruction",
    InvalidExactSvmMemoCount = "invalid_exact_svm_payload_memo_count",
    InvalidExactSvmMemoMismatch = "invalid_exact_svm_payload_memo_mismatch",
    InvalidExactSvmTransactionSimulationFailed = "invalid_exact_svm_transaction_simulation_failed",
    /// Version 1's spelling of a failed simulation.
    TransactionSimulationFailed = "transaction_simulation_failed",
    InvalidExactSvmTransactionFailed = "invalid_exact_svm_transaction_failed",
    /// Version 1's spelling of a failed transaction.
    TransactionFailed = "transaction_failed",
    PostSettlementTransferNotConfirmed = "post_settlement_transfer_not_confirmed",
    // Exact on Solana, from smart wallets; the first two are about every transaction.
    InvalidExactSvmAltResolutionNotAvailable = "invalid_exact_svm_smart_wallet_alt_resolution_not_available",
    InvalidExactSvmAltResolutionFailed = "invalid_exact_svm_smart_wallet_alt_resolution_failed",
    InvalidExactSvmFeePayerNotIsolated = "invalid_exact_svm_smart_wallet_fee_payer_not_isolated",
    InvalidExactSvmProgramNotAllowed = "invalid_exact_svm_smart_wallet_program_not_allowed",
    InvalidExactSvmUnsupportedComputeBudget = "invalid_exact_svm_smart_wallet_unsupported_compute_budget_instruction",
    InvalidExactSvmMalformedComputeBudget = "invalid_exact_svm_smart_wallet_malformed_compute_budget",
    InvalidExactSvmMalformedComputeLimit = "invalid_exact_svm_smart_wallet_malformed_compute_limit",
    InvalidExactSvmMalformedComputePrice = "invalid_exact_svm_smart_wallet_malformed_compute_price",
    InvalidExactSvmComputeUnitsTooHigh = "invalid_exact_svm_smart_wallet_compute_units_too_high",
    InvalidExactSvmPriorityFeeTooHigh = "invalid_exact_svm_smart_wallet_priority_fee_too_high",
    InvalidExactSvmSmartWalletSimulationFailed = "invalid_exact_svm_smart_wallet_simulation_failed",
    InvalidExactSvmNoTransferInSimulation = "invalid_exact_svm_smart_wallet_no_transfer_in_simulation",
    InvalidExactSvmTransferMismatch = "invalid_exact_svm_smart_wallet_transfer_mismatch",
    InvalidExactSvmMultipleMatchingTransfers = "invalid_exact_svm_smart_wallet_multiple_matching_transfers",
}

impl Reason {
    /// Whether a check fails only because time passed: a payment on record with these terms may have been settled meanwhile.
    pub fn is_expiry(self) -> bool {
        self == Self::InvalidExactEvmAuthorizationValidBefore
            || self == Self::Permit2DeadlineExpired
            || self == Self::Eip2612DeadlineExpired
            || self == Self::AuthorizationExpired
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
