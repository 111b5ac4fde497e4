//! The contracts we call, and where they live.

use alloy::primitives::{Address, address};
use alloy::sol;

pub const PERMIT2: Address = address!("0x000000000022D473030F116dDEE9F6B43aC78BA3");
pub const EXACT_PERMIT2_PROXY: Address = address!("0x402085c248EeA27D92E8b30b2C58ed07f9E20001");
pub const UPTO_PERMIT2_PROXY: Address = address!("0x4020A4f3b7b90ccA423B9fabCc0CE57C6C240002");
pub const MULTICALL3: Address = address!("0xcA11bde05977b3631167028862bE2a173976CA11");

sol! {
    #[derive(Debug)]
    interface Token {
        event Transfer(address indexed from, address indexed to, uint256 value);
        event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);
        event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

        error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
        error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);

        function name() external view returns (string memory);
        function version() external view returns (string memory);
        function balanceOf(address account) external view returns (uint256);
        function allowance(address owner, address spender) external view returns (uint256);
        function nonces(address owner) external view returns (uint256);
        function permit(address owner, address spender, uint256 value, uint256 deadline, uint8 v, bytes32 r, bytes32 s) external;
        function transferFrom(address from, address to, uint256 value) external returns (bool);
        function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;
        function transferWithAuthorization(address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce, bytes signature) external;
    }

    interface Wallet {
        function isValidSignature(bytes32 digest, bytes signature) external view returns (bytes4);
    }

    interface Permit2 {
        event UnorderedNonceInvalidation(address indexed owner, uint256 word, uint256 mask);

        function nonceBitmap(address owner, uint256 word) external view returns (uint256);

        error SignatureExpired(uint256 deadline);
        error InvalidNonce();
        error InvalidSigner();
        error InvalidSignatureLength();
        error InvalidSignature();
        error InvalidContractSignature();
    }

    struct TokenPermissions { address token; uint256 amount; }
    struct PermitTransferFrom { TokenPermissions permitted; uint256 nonce; uint256 deadline; }
    struct ExactWitness { address to; uint256 validAfter; }
    struct UptoWitness { address to; address facilitator; uint256 validAfter; }
    struct Permit2612 { uint256 value; uint256 deadline; bytes32 r; bytes32 s; uint8 v; }

    interface ExactPermit2Proxy {
        event Settled();
        event SettledWithPermit();

        function PERMIT2() external view returns (address);
        function settle(PermitTransferFrom permit, address owner, ExactWitness witness, bytes signature) external;
        function settleWithPermit(Permit2612 permit2612, PermitTransferFrom permit, address owner, ExactWitness witness, bytes signature) external;

        error Permit2612AmountMismatch();
    }

    /// Reverts unless `msg.sender` is the facilitator of the witness; its events and its other error are those of the exact proxy.
    interface UptoPermit2Proxy {
        function settle(PermitTransferFrom permit, uint256 amount, address owner, UptoWitness witness, bytes signature) external;
        function settleWithPermit(Permit2612 permit2612, PermitTransferFrom permit, uint256 amount, address owner, UptoWitness witness, bytes signature) external;

        error AmountExceedsPermitted();
        error UnauthorizedFacilitator();
    }

    interface Multicall3 {
        struct Call3 { address target; bool allowFailure; bytes callData; }
        struct Result { bool success; bytes returnData; }
        function aggregate3(Call3[] calls) external payable returns (Result[] results);
    }
}
