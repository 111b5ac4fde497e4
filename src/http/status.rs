//! The HTTP status of every reason: one table, without a wildcard.

use axum::http::StatusCode;

use crate::protocol::Reason;

/// The status of a definitive failure. A bad payment is an answer like any other; only what is not about the payment is an HTTP error.
#[expect(
    clippy::too_many_lines,
    reason = "a new reason must ask for its status here"
)]
pub(super) fn status_of(reason: Reason) -> StatusCode {
    use Reason as R;
    match reason {
        R::InvalidJson | R::MissingParameters => StatusCode::BAD_REQUEST,
        R::UnexpectedError => StatusCode::INTERNAL_SERVER_ERROR,
        R::UnexpectedVerifyError | R::UnexpectedSettleError | R::SettlementCapacityExceeded => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        R::InsufficientScope | R::CallerPayToNotAllowed | R::CallerNetworkNotAllowed => {
            StatusCode::FORBIDDEN
        }
        R::GlobalVerifyCapExceeded
        | R::GlobalSettleCapExceeded
        | R::GlobalFeeSponsoredCapExceeded
        | R::GlobalConcurrencyCapExceeded
        | R::SellerVerifyCapExceeded
        | R::SellerSettleCapExceeded
        | R::SellerFeeSponsoredCapExceeded
        | R::SellerConcurrencyCapExceeded
        | R::PayerVerifyCapExceeded
        | R::PayerSettleCapExceeded
        | R::PayerFeeSponsoredCapExceeded
        | R::PayerConcurrencyCapExceeded
        | R::PayToFeeSponsoredCapExceeded => StatusCode::TOO_MANY_REQUESTS,
        R::InvalidX402Version
        | R::InvalidPayload
        | R::InvalidPaymentRequirements
        | R::UnsupportedScheme
        | R::InvalidNetwork
        | R::SettlementPending
        | R::DuplicateSettlement
        | R::InvalidExactEvmScheme
        | R::UnsupportedPayloadType
        | R::InvalidExactEvmNetworkMismatch
        | R::InvalidExactEvmMissingEip712Domain
        | R::AssetNotAllowed
        | R::AssetNotDeployedContract
        | R::Eip6492FactoryNotAllowed
        | R::InvalidExactEvmSignature
        | R::InvalidExactEvmRecipientMismatch
        | R::InvalidExactEvmAuthorizationValidBefore
        | R::InvalidExactEvmAuthorizationValidAfter
        | R::InvalidExactEvmAuthorizationValueMismatch
        | R::InvalidExactEvmAuthorizationValue
        | R::InvalidExactEvmEip3009NotSupported
        | R::InvalidExactEvmNonceAlreadyUsed
        | R::InvalidExactEvmTokenNameMismatch
        | R::InvalidExactEvmTokenVersionMismatch
        | R::InvalidExactEvmInsufficientBalance
        | R::InvalidExactEvmTransactionSimulationFailed
        | R::InvalidExactEvmTransactionFailed
        | R::InvalidExactEvmTransferEventMismatch
        | R::InvalidPermit2Spender
        | R::InvalidPermit2RecipientMismatch
        | R::Permit2DeadlineExpired
        | R::Permit2NotYetValid
        | R::Permit2AmountMismatch
        | R::Permit2TokenMismatch
        | R::InvalidPermit2Signature
        | R::Permit2ProxyNotDeployed
        | R::Permit2InsufficientBalance
        | R::Permit2AllowanceRequired
        | R::Permit2InvalidNonce
        | R::Permit2SimulationFailed
        | R::Permit2Permit2612AmountMismatch
        | R::InvalidEip2612ExtensionFormat
        | R::Eip2612FromMismatch
        | R::Eip2612AssetMismatch
        | R::Eip2612SpenderNotPermit2
        | R::Eip2612DeadlineExpired
        | R::InvalidUptoEvmPayload
        | R::MissingEip712Domain
        | R::SpenderNotFacilitator
        | R::CapTooLow
        | R::CapBelowRequiredMax
        | R::AuthorizationExpired
        | R::InvalidPermitSignature
        | R::UnsupportedSignatureType
        | R::InsufficientBalance
        | R::InsufficientAllowance
        | R::PermitFailed
        | R::InvalidTransactionState
        | R::CapExhausted
        | R::SessionClosed
        | R::SettlingInProgress
        | R::PermitBoundToOtherRecipient
        | R::PermitBoundToOtherCaller
        | R::PermitNonceReserved
        | R::HoldNotFound
        | R::HoldExceeded
        | R::InvalidUptoEvmScheme
        | R::InvalidUptoEvmNetworkMismatch
        | R::UptoFacilitatorMismatch
        | R::InvalidUptoEvmSettlementExceedsAmount
        | R::UptoAmountExceedsPermitted
        | R::UptoUnauthorizedFacilitator
        | R::InvalidUptoEvmTransactionFailed
        | R::UptoCallerMismatch
        | R::InvalidExactSvmUnsupportedScheme
        | R::InvalidExactSvmNetworkMismatch
        | R::NetworkMismatch
        | R::InvalidExactSvmMissingFeePayer
        | R::InvalidExactSvmFeePayerNotManaged
        | R::FeePayerNotManagedByFacilitator
        | R::InvalidExactSvmTransactionUndecodable
        | R::InvalidExactSvmExcessiveSigners
        | R::InvalidExactSvmFeePayerMismatch
        | R::InvalidExactSvmSignature
        | R::InvalidExactSvmInstructionsLength
        | R::InvalidExactSvmComputeLimitInstruction
        | R::InvalidExactSvmComputeLimitTooHigh
        | R::InvalidExactSvmComputePriceInstruction
        | R::InvalidExactSvmComputePriceTooHigh
        | R::InvalidExactSvmNoTransferInstruction
        | R::InvalidExactSvmFeePayerTransferringFunds
        | R::InvalidExactSvmMintMismatch
        | R::InvalidExactSvmRecipientMismatch
        | R::InvalidExactSvmAmountMismatch
        | R::InvalidExactSvmUnknownFourthInstruction
        | R::InvalidExactSvmUnknownFifthInstruction
        | R::InvalidExactSvmUnknownSixthInstruction
        | R::InvalidExactSvmUnknownSeventhInstruction
        | R::InvalidExactSvmMemoCount
        | R::InvalidExactSvmMemoMismatch
        | R::InvalidExactSvmTransactionSimulationFailed
        | R::TransactionSimulationFailed
        | R::InvalidExactSvmTransactionFailed
        | R::TransactionFailed
        | R::PostSettlementTransferNotConfirmed
        | R::InvalidExactSvmAltResolutionNotAvailable
        | R::InvalidExactSvmAltResolutionFailed
        | R::InvalidExactSvmFeePayerNotIsolated
        | R::InvalidExactSvmProgramNotAllowed
        | R::InvalidExactSvmUnsupportedComputeBudget
        | R::InvalidExactSvmMalformedComputeBudget
        | R::InvalidExactSvmMalformedComputeLimit
        | R::InvalidExactSvmMalformedComputePrice
        | R::InvalidExactSvmComputeUnitsTooHigh
        | R::InvalidExactSvmPriorityFeeTooHigh
        | R::InvalidExactSvmSmartWalletSimulationFailed
        | R::InvalidExactSvmNoTransferInSimulation
        | R::InvalidExactSvmTransferMismatch
        | R::InvalidExactSvmMultipleMatchingTransfers => StatusCode::OK,
    }
}
