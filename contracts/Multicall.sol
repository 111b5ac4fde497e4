// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

// Own stand-in for Multicall3, written from its public ABI: the functions that a facilitator or a stock client calls.
// `dev` puts it at the canonical address, because a fresh anvil has nothing there. Left out: aggregate3Value, the block* variants
// and the block getters that nobody here asks for.
contract BenchMulticall3 {
    struct Call { address target; bytes callData; }
    struct Call3 { address target; bool allowFailure; bytes callData; }
    struct Result { bool success; bytes returnData; }

    /// Any failure of a call that is not allowed to fail undoes all of them.
    function aggregate3(Call3[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) {
            returnData[i] = _call(calls[i].target, calls[i].callData, !calls[i].allowFailure);
        }
    }
    function tryAggregate(bool requireSuccess, Call[] calldata calls) external payable returns (Result[] memory returnData) {
        returnData = new Result[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) returnData[i] = _call(calls[i].target, calls[i].callData, requireSuccess);
    }
    function aggregate(Call[] calldata calls) external payable returns (uint256 blockNumber, bytes[] memory returnData) {
        blockNumber = block.number;
        returnData = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; i++) returnData[i] = _call(calls[i].target, calls[i].callData, true).returnData;
    }

    function getEthBalance(address addr) external view returns (uint256 balance) { return addr.balance; }
    function getBlockNumber() external view returns (uint256 blockNumber) { return block.number; }
    function getCurrentBlockTimestamp() external view returns (uint256 timestamp) { return block.timestamp; }
    function getChainId() external view returns (uint256 chainid) { return block.chainid; }

    // The target's own revert data is dropped and replaced by this sentence, as the canonical contract does:
    // whoever needs the reason has to allow the failure and read returnData.
    function _call(address target, bytes calldata data, bool required) private returns (Result memory r) {
        (r.success, r.returnData) = target.call(data);
        require(r.success || !required, "Multicall3: call failed");
    }
}
