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
}

impl Reason {
    /// Whether a check fails only because time passed: a payment on record with these terms may have been settled meanwhile.
    pub fn is_expiry(self) -> bool {
        self == Self::InvalidExactEvmAuthorizationValidBefore
            || self == Self::Permit2DeadlineExpired
            || self == Self::Eip2612DeadlineExpired
    }
}

impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
