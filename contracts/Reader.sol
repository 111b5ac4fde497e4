// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// Many reads in one eth_call, without anything being deployed: this constructor is the `data` of a call that has no `to`.
// It answers by `return`, which every node takes for the code of a new contract, so the answer must look like one that may be
// deposited: at most 24 576 bytes (EIP-170; hence the bound on what is copied from each call) and not beginning with 0xEF
// (EIP-3541; it begins with the high byte of the block number, which is zero). A `revert` would escape both rules, but nodes and
// gateways shorten or drop revert data. The input is bounded too: 49 152 bytes of init code with its arguments (EIP-3860).
//
// The service embeds reader.hex: the creation code by solc 0.8.28 with optimizer (100 000 runs), viaIR, evmVersion cancun, no metadata.
contract Reader {
    struct Call { address target; uint256 gas; bool isStatic; bytes data; }
    struct AccountCode { uint256 size; bytes32 head; }
    struct Result { bool success; uint256 gasUsed; bytes data; }

    // The whole read fails, as a call that got less than its stipend would look like a verdict on the payment.
    error StipendNotAvailable(uint256 index);

    // Most that is copied from what a call returns: a hostile contract may return megabytes.
    uint256 private constant COPIED_MAX = 1024;
    // Covers access to a cold account with an EIP-7702 delegation and the bookkeeping between the check and the call.
    uint256 private constant SPARE_GAS = 10_000;

    constructor(address[] memory accounts, Call[] memory calls) {
        AccountCode[] memory codes = new AccountCode[](accounts.length);
        for (uint256 i = 0; i < accounts.length; i++) codes[i] = _code(accounts[i]);
        Result[] memory results = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) results[i] = _run(calls[i], i);
        bytes memory answer = abi.encode(block.number, block.timestamp, codes, results);
        assembly { return(add(answer, 32), mload(answer)) }
    }

    function _code(address account) private view returns (AccountCode memory code) {
        bytes32 head;
        assembly {
            mstore(0, 0)
            extcodecopy(account, 0, 0, 32)
            head := mload(0)
        }
        code.size = account.code.length;
        code.head = head;
    }

    function _run(Call memory c, uint256 index) private returns (Result memory result) {
        // A call gets at most 63/64 of what is left (EIP-150), silently.
        if (gasleft() < c.gas + c.gas / 63 + SPARE_GAS) revert StipendNotAvailable(index);
        (address target, uint256 stipend, bytes memory data) = (c.target, c.gas, c.data);
        bool success;
        uint256 before = gasleft();
        if (c.isStatic) {
            assembly { success := staticcall(stipend, target, add(data, 32), mload(data), 0, 0) }
        } else {
            assembly { success := call(stipend, target, 0, add(data, 32), mload(data), 0, 0) }
        }
        result.gasUsed = before - gasleft();
        result.success = success;
        uint256 size;
        assembly { size := returndatasize() }
        if (size > COPIED_MAX) size = COPIED_MAX;
        bytes memory copied = new bytes(size);
        assembly { returndatacopy(add(copied, 32), 0, size) }
        result.data = copied;
    }
}
