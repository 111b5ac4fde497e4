// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {BenchToken} from "BenchToken.sol";
import {BenchWalletFactory} from "BenchWallet.sol";

// What the outside world may put in our way: tokens that lie, burn or merely differ; wallets and delegates that change their mind;
// factories that attack. Every switch is open to anyone and off at first, so a contract is honest until a test says otherwise.
// Like the others they have no constructor and no immutables: their runtime code can be placed with anvil_setCode.

/// Burns at least `units` of gas; more than there is left ends the call, out of gas.
function burnGasUnits(uint256 units) view {
    uint256 left = gasleft();
    // Asking for 4 GB of memory runs out of gas at once: same answer as a loop, and no test has to wait for a large gas limit.
    if (units >= left) assembly { revert(0, 0xffffffff) }
    while (left - gasleft() < units) {}
}

/// Plain ecrecover of r || s || v; false instead of a revert for anything malformed.
function recoversTo(bytes32 digest, bytes calldata sig, address signer) pure returns (bool) {
    if (sig.length != 65) return false;
    address a = ecrecover(digest, uint8(sig[64]), bytes32(sig[0:32]), bytes32(sig[32:64]));
    return a != address(0) && a == signer;
}

bytes4 constant MAGIC_1271 = 0x1626ba7e;
bytes4 constant WRONG_1271 = 0xffffffff;

// ---------------------------------------------------------------- tokens

/// BenchToken whose transfers lie. The lies are told in `_move`, so they reach transferWithAuthorization, transfer and transferFrom
/// (and through it Permit2); mint stays honest. Signature, window, nonce and AuthorizationUsed stay honest too, because a lie is
/// only dangerous if everything around it looks right.
contract SilentToken is BenchToken {
    address public constant THIEF = 0x000000000000000000000000000000000000dEaD;

    bool public silent;         // slot 16, byte 0
    bool public wrongValue;     // slot 16, byte 1
    bool public wrongRecipient; // slot 16, byte 2
    LogForger public forger;    // slot 16, bytes 3..22
    uint256 public burnUnits;   // slot 17

    /// Succeeds without moving money and without Transfer.
    function setSilent(bool on) external { silent = on; }
    /// Moves, and reports, one unit less than asked (a fee on transfer).
    function setWrongValue(bool on) external { wrongValue = on; }
    /// Moves, and reports moving, to THIEF.
    function setWrongRecipient(bool on) external { wrongRecipient = on; }
    /// While silent, this contract emits the Transfer that the token owes: right values, wrong emitter. Zero turns it off.
    function setForger(LogForger f) external { forger = f; }
    /// Burns so much gas before each transfer; type(uint256).max burns all of it, a smaller number burns and then succeeds,
    /// which is the case that a gas cap, not a simulation, has to stop.
    function setBurnGas(uint256 units) external { burnUnits = units; }

    function _move(address f, address t, uint256 v) internal override {
        if (burnUnits != 0) burnGasUnits(burnUnits);
        if (silent) {
            if (address(forger) != address(0)) forger.forge(f, t, v);
            return;
        }
        if (wrongRecipient) t = THIEF;
        if (wrongValue && v != 0) v -= 1;
        super._move(f, t, v);
    }
}

/// Emits a Transfer of a token that it is not.
contract LogForger {
    event Transfer(address indexed from, address indexed to, uint256 value);
    function forge(address f, address t, uint256 v) external { emit Transfer(f, t, v); }
}

/// PYUSD-like: a used nonce does not revert. As in Paxos's token the window is still checked, the signature is not, and the only
/// trace is AuthorizationAlreadyUsed: simulation and receipt status both say success while no money moves.
contract ForgivingToken is BenchToken {
    event AuthorizationAlreadyUsed(address indexed authorizer, bytes32 indexed nonce);

    function _auth(bytes32 th, address f, address t, uint256 v, uint256 va, uint256 vb, bytes32 n, bytes memory sig) internal override {
        require(block.timestamp > va, "FiatTokenV2: authorization is not yet valid");
        require(block.timestamp < vb, "FiatTokenV2: authorization is expired");
        if (used[f][n]) { emit AuthorizationAlreadyUsed(f, n); return; }
        super._auth(th, f, t, v, va, vb, n, sig);
    }
}

/// BenchToken under another EIP-712 domain: what a client signs with "USDC"/"2" does not hold here.
contract RenamedToken is BenchToken {
    function name() external pure override returns (string memory) { return "Other USD"; }
    function symbol() external pure override returns (string memory) { return "OUSD"; }
    function version() external pure override returns (string memory) { return "7"; }
    function DOMAIN_SEPARATOR() public view override returns (bytes32) {
        return keccak256(abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("Other USD"), keccak256("7"), block.chainid, address(this)));
    }
}

/// EIP-20 + EIP-2612 in the manner of OpenZeppelin 5: custom errors, no EIP-3009, no EIP-1271 owners, and no version() although
/// the domain has one ("1"). authorizationState and version revert with empty data, as any unknown selector.
contract LegacyToken {
    uint256[9] private _gap;                                        // slots 0..8
    mapping(address => uint256) internal bal;                       // slot 9, as in BenchToken
    mapping(address => mapping(address => uint256)) internal allow_;// slot 10
    mapping(address => uint256) public nonces;                      // slot 11
    uint256 public totalSupply;                                     // slot 12

    error ERC20InsufficientBalance(address sender, uint256 balance, uint256 needed);
    error ERC20InsufficientAllowance(address spender, uint256 allowance, uint256 needed);
    error ERC20InvalidReceiver(address receiver);
    error ERC2612ExpiredSignature(uint256 deadline);
    error ERC2612InvalidSigner(address signer, address owner);

    event Transfer(address indexed from, address indexed to, uint256 value);
    event Approval(address indexed owner, address indexed spender, uint256 value);

    bytes32 private constant PERMIT_TYPEHASH = keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)");

    function name() external pure returns (string memory) { return "Legacy USD"; }
    function symbol() external pure returns (string memory) { return "LUSD"; }
    function decimals() external pure returns (uint8) { return 6; }
    function balanceOf(address a) external view returns (uint256) { return bal[a]; }
    function allowance(address o, address s) external view returns (uint256) { return allow_[o][s]; }
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return keccak256(abi.encode(
            keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
            keccak256("Legacy USD"), keccak256("1"), block.chainid, address(this)));
    }

    function mint(address a, uint256 v) external { bal[a] += v; totalSupply += v; emit Transfer(address(0), a, v); }
    function transfer(address to, uint256 v) external returns (bool) { _move(msg.sender, to, v); return true; }
    function approve(address s, uint256 v) external returns (bool) { _approve(msg.sender, s, v); return true; }
    function transferFrom(address f, address to, uint256 v) external returns (bool) {
        uint256 a = allow_[f][msg.sender];
        if (a < v) revert ERC20InsufficientAllowance(msg.sender, a, v);
        if (a != type(uint256).max) allow_[f][msg.sender] = a - v;
        _move(f, to, v);
        return true;
    }
    function permit(address o, address s, uint256 v, uint256 dl, uint8 vv, bytes32 r, bytes32 ss) external {
        if (block.timestamp > dl) revert ERC2612ExpiredSignature(dl);
        bytes32 sh = keccak256(abi.encode(PERMIT_TYPEHASH, o, s, v, nonces[o]++, dl));
        address a = ecrecover(keccak256(abi.encodePacked(hex"1901", DOMAIN_SEPARATOR(), sh)), vv, r, ss);
        if (a == address(0) || a != o) revert ERC2612InvalidSigner(a, o);
        _approve(o, s, v);
    }

    function _approve(address o, address s, uint256 v) private { allow_[o][s] = v; emit Approval(o, s, v); }
    function _move(address f, address t, uint256 v) private {
        if (t == address(0)) revert ERC20InvalidReceiver(t);
        uint256 b = bal[f];
        if (b < v) revert ERC20InsufficientBalance(f, b, v);
        unchecked { bal[f] = b - v; bal[t] += v; }
        emit Transfer(f, t, v);
    }
}

/// Has code and nothing else: every call succeeds, returns nothing and logs nothing. As an asset it passes "has code", and its
/// transferWithAuthorization passes a simulation that only looks for a revert.
contract EmptyContract {
    fallback() external payable {}
}

// ---------------------------------------------------------------- wallets

/// BenchWallet that can change its mind between our check and the block. Owner in slot 0 as there; the mode has a slot of its own,
/// so that a test may write either without disturbing the other.
contract GasBurnerWallet {
    uint8 public constant HONEST = 0;
    uint8 public constant BURN_ALL = 1;         // takes all gas that it is given
    uint8 public constant WRONG_MAGIC = 2;      // says 0xffffffff
    uint8 public constant REVERT = 3;           // reverts with a reason
    uint8 public constant RETURN_BOMB = 4;      // the honest answer, in 1 MB
    uint8 public constant BURN_THEN_ANSWER = 5; // the honest answer, BURN_UNITS of gas later: simulates well, costs the sponsor
    uint8 public constant ONLY_IN_CALLS = 6;    // the honest answer at gas price zero (a bare eth_call), 0xffffffff in a block

    uint256 public constant BURN_UNITS = 1_000_000;
    uint256 private constant BOMB_BYTES = 1 << 20;

    address public owner; // slot 0
    uint256 public mode;  // slot 1

    function init(address o) external { require(owner == address(0), "init"); owner = o; }
    function setMode(uint8 m) external { require(m <= ONLY_IN_CALLS, "mode"); mode = m; }

    function isValidSignature(bytes32 h, bytes calldata sig) external view returns (bytes4) {
        uint256 m = mode;
        if (m == BURN_ALL) burnGasUnits(type(uint256).max);
        if (m == WRONG_MAGIC) return WRONG_1271;
        require(m != REVERT, "GasBurnerWallet: refused");
        if (m == ONLY_IN_CALLS && tx.gasprice != 0) return WRONG_1271;
        if (m == BURN_THEN_ANSWER) burnGasUnits(BURN_UNITS);

        bytes4 answer = recoversTo(h, sig, owner) ? MAGIC_1271 : WRONG_1271;
        if (m == RETURN_BOMB) {
            // The first word is the answer, the rest is memory that the caller may pay to copy.
            assembly {
                let at := mload(0x40)
                mstore(at, answer)
                return(at, BOMB_BYTES)
            }
        }
        return answer;
    }
    receive() external payable {}
}

/// Code for an EOA to delegate to (EIP-7702) that still accepts the EOA's own key. `address(this)` is the EOA.
contract Delegate7702 {
    function isValidSignature(bytes32 h, bytes calldata sig) external view returns (bytes4) {
        return recoversTo(h, sig, address(this)) ? MAGIC_1271 : WRONG_1271;
    }
    receive() external payable {}
}

/// The same, but it takes no signature at all: an EOA that delegates to it can no longer pay by signature, whatever its key signs.
contract StrictDelegate7702 {
    function isValidSignature(bytes32, bytes calldata) external pure returns (bytes4) { return WRONG_1271; }
    receive() external payable {}
}

// ---------------------------------------------------------------- factories

/// A factory that attacks whoever calls it, whatever the calldata, and then does its work: `create` and `walletOf` are
/// BenchWalletFactory's, so it also serves as a listed factory. It remembers its caller, which proves who called it in a mined
/// transaction: Multicall3 is fine, one of our signers is not.
contract DrainingFactory is BenchWalletFactory {
    address public lastCaller; // slot 0
    uint256 public calls;      // slot 1
    address public token;      // slot 2
    address public thief;      // slot 3

    /// Names the token to steal and the account to steal it for. Without a token the factory only remembers.
    function setPrey(address token_, address thief_) external { token = token_; thief = thief_; }

    function create(address owner, uint256 salt) public override returns (address) {
        _strike();
        return super.create(owner, salt);
    }
    fallback() external { _strike(); }

    function _strike() private {
        lastCaller = msg.sender;
        calls += 1;
        if (token == address(0)) return;
        _take(msg.sender);
        if (tx.origin != msg.sender) _take(tx.origin);
        // Money left in our own hands, for instance by a wallet that was paid before it existed.
        _try(abi.encodeCall(BenchToken.transfer, (thief, _read(abi.encodeCall(BenchToken.balanceOf, (address(this)))))));
        _try(abi.encodeCall(BenchToken.approve, (thief, type(uint256).max)));
    }
    // Works only on an account that has approved this factory; a signer that approves nothing loses nothing.
    function _take(address victim) private {
        uint256 has = _read(abi.encodeCall(BenchToken.balanceOf, (victim)));
        uint256 may = _read(abi.encodeCall(BenchToken.allowance, (victim, address(this))));
        _try(abi.encodeCall(BenchToken.transferFrom, (victim, thief, has < may ? has : may)));
    }
    function _read(bytes memory data) private view returns (uint256) {
        (bool ok, bytes memory r) = token.staticcall(data);
        return ok && r.length >= 32 ? abi.decode(r, (uint256)) : 0;
    }
    // Failure is ignored: the attacker wants the surrounding call to look healthy.
    function _try(bytes memory data) private { (bool ok, ) = token.call(data); ok; }
}

/// A factory that never deploys. walletOf still names the address that a payer would claim.
contract RevertingFactory is BenchWalletFactory {
    function create(address, uint256) public pure override returns (address) { revert("RevertingFactory: refused"); }
    fallback() external { revert("RevertingFactory: refused"); }
}
