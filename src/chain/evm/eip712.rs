//! What payers sign, as EIP-712 hashes it. Own encoding: three times as fast as the general one, and the domain separator is remembered.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use alloy::primitives::{Address, B256, U256, b256, keccak256};

use super::contracts::PERMIT2;

const DOMAIN: B256 = b256!("0x8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f");
const DOMAIN_WITHOUT_VERSION: B256 =
    b256!("0x8cad95687ba82c2ce50e74f7b754645e5117c3a5bec8151c0726d5857980a866");
const TRANSFER_WITH_AUTHORIZATION: B256 =
    b256!("0x7c7c6cdb67a18743f49ec6fa9b35f50d52ed05cbed4cc592e13b44501c1a2267");
const PERMIT: B256 = b256!("0x6e71edae12b1b97f4d1f60370fef10105fa2faae0126114a169c64845d6126c9");
const TOKEN_PERMISSIONS: B256 =
    b256!("0x618358ac3db8dc274f0cd8829da7e234bd48cd73c4a740aede1adec9846d06a1");
const EXACT_WITNESS: B256 =
    b256!("0xd97b3239a7f32295517bd14cb074edfdd188dfe5eb42f802bb26d4fd1eb12c37");
const PERMIT_WITNESS_TRANSFER_FROM: B256 =
    b256!("0xebc156cd23678a74c94df13d772ef5478420637f0c94bd10d509e1dc98f521c7");
const UPTO_WITNESS: B256 =
    b256!("0xd4171c445a74218b01d4fd8af34ff1106580ea1e36ff837e64484bfaa2253b75");
const PERMIT_WITNESS_TRANSFER_FROM_UPTO: B256 =
    b256!("0x51dff6974ad4388c499e7fcfe838d2bd767162553a144098ce20ea661d70c2ee");

/// Most separators remembered at a time.
const DOMAINS_MAX: usize = 1024;
/// Longest name or version worth remembering, bytes: both come from strangers.
const TEXT_MAX: usize = 64;

/// A token's EIP-712 domain: `name`, `version`, `chainId`, `verifyingContract`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Domain {
    pub chain_id: u64,
    pub contract: Address,
    pub name: String,
    pub version: String,
}

impl Domain {
    pub fn separator(&self) -> B256 {
        hash(&[
            DOMAIN.0,
            keccak256(&self.name).0,
            keccak256(&self.version).0,
            word(U256::from(self.chain_id)),
            self.contract.into_word().0,
        ])
    }
}

/// Permit2's domain separator, which has no `version`.
pub fn permit2_separator(chain_id: u64) -> B256 {
    hash(&[
        DOMAIN_WITHOUT_VERSION.0,
        keccak256("Permit2").0,
        word(U256::from(chain_id)),
        PERMIT2.into_word().0,
    ])
}

/// Domain separators computed before, at most 1024.
#[derive(Debug, Default)]
pub struct Domains(Mutex<HashMap<Domain, B256>>);

impl Domains {
    pub fn separator(&self, domain: &Domain) -> B256 {
        if domain.name.len() > TEXT_MAX || domain.version.len() > TEXT_MAX {
            return domain.separator();
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(separator) = known.get(domain) {
            return *separator;
        }
        let separator = domain.separator();
        if known.len() >= DOMAINS_MAX {
            known.clear();
        }
        known.insert(domain.clone(), separator);
        separator
    }
}

/// EIP-3009 `TransferWithAuthorization`; times in unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authorization {
    pub from: Address,
    pub to: Address,
    pub value: U256,
    pub valid_after: U256,
    pub valid_before: U256,
    pub nonce: B256,
}

impl Authorization {
    /// What the payer signs under the token's domain.
    pub fn digest(&self, separator: B256) -> B256 {
        let message = hash(&[
            TRANSFER_WITH_AUTHORIZATION.0,
            self.from.into_word().0,
            self.to.into_word().0,
            word(self.value),
            word(self.valid_after),
            word(self.valid_before),
            self.nonce.0,
        ]);
        typed_data(separator, message)
    }
}

/// Permit2 `PermitWitnessTransferFrom` with the witness of an x402 proxy; times in unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PermitTransfer {
    pub token: Address,
    pub amount: U256,
    pub spender: Address,
    pub nonce: U256,
    pub deadline: U256,
    /// `witness.to`
    pub to: Address,
    /// `witness.facilitator`: the `upto` proxy's witness has one, the `exact` proxy's has none.
    pub facilitator: Option<Address>,
    /// `witness.validAfter`
    pub valid_after: U256,
}

impl PermitTransfer {
    /// What the payer signs under Permit2's domain.
    pub fn digest(&self, separator: B256) -> B256 {
        let permitted = hash(&[
            TOKEN_PERMISSIONS.0,
            self.token.into_word().0,
            word(self.amount),
        ]);
        let (to, valid_after) = (self.to.into_word().0, word(self.valid_after));
        let (primary_type, witness) = match self.facilitator {
            None => (
                PERMIT_WITNESS_TRANSFER_FROM,
                hash(&[EXACT_WITNESS.0, to, valid_after]),
            ),
            Some(facilitator) => (
                PERMIT_WITNESS_TRANSFER_FROM_UPTO,
                hash(&[UPTO_WITNESS.0, to, facilitator.into_word().0, valid_after]),
            ),
        };
        let message = hash(&[
            primary_type.0,
            permitted.0,
            self.spender.into_word().0,
            word(self.nonce),
            word(self.deadline),
            witness.0,
        ]);
        typed_data(separator, message)
    }
}

/// EIP-2612 `Permit`; `deadline` in unix seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    pub owner: Address,
    pub spender: Address,
    pub value: U256,
    pub nonce: U256,
    pub deadline: U256,
}

impl Permit {
    /// What the owner signs under the token's domain.
    pub fn digest(&self, separator: B256) -> B256 {
        let message = hash(&[
            PERMIT.0,
            self.owner.into_word().0,
            self.spender.into_word().0,
            word(self.value),
            word(self.nonce),
            word(self.deadline),
        ]);
        typed_data(separator, message)
    }
}

fn word(number: U256) -> [u8; 32] {
    number.to_be_bytes()
}

fn hash(words: &[[u8; 32]]) -> B256 {
    keccak256(words.as_flattened())
}

fn typed_data(separator: B256, message: B256) -> B256 {
    let mut bytes = [0; 66];
    bytes[..2].copy_from_slice(&[0x19, 0x01]);
    bytes[2..34].copy_from_slice(separator.as_slice());
    bytes[34..].copy_from_slice(message.as_slice());
    keccak256(bytes)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::{address, bytes, uint};

    use super::*;
    use crate::chain::evm::contracts::{EXACT_PERMIT2_PROXY, UPTO_PERMIT2_PROXY};
    use crate::chain::evm::signature::Ecdsa;

    const PAYER: Address = address!("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266");
    const PAY_TO: Address = address!("0x70997970C51812dc3A010C7d01b50e0d17dc79C8");
    const USDC: Address = address!("0x036CbD53842c5426634e7929541eC2318f3dCF7e");
    const CHAIN: u64 = 84_532;
    const AMOUNT: U256 = uint!(10_000_U256);
    const LATE: U256 = uint!(4_102_444_800_U256);

    fn usdc() -> Domain {
        Domain {
            chain_id: CHAIN,
            contract: USDC,
            name: "USDC".to_owned(),
            version: "2".to_owned(),
        }
    }

    #[test]
    fn type_hashes_are_those_of_the_type_strings() {
        let permissions = "TokenPermissions(address token,uint256 amount)";
        let witness = "Witness(address to,uint256 validAfter)";
        let upto_witness = "Witness(address to,address facilitator,uint256 validAfter)";
        let transfer = |witness: &str| {
            format!(
                "PermitWitnessTransferFrom(TokenPermissions permitted,address spender,uint256 nonce,uint256 deadline,Witness witness){permissions}{witness}"
            )
        };
        let (exact, upto) = (transfer(witness), transfer(upto_witness));
        for (hash, text) in [
            (
                DOMAIN,
                "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)",
            ),
            (
                DOMAIN_WITHOUT_VERSION,
                "EIP712Domain(string name,uint256 chainId,address verifyingContract)",
            ),
            (
                TRANSFER_WITH_AUTHORIZATION,
                "TransferWithAuthorization(address from,address to,uint256 value,uint256 validAfter,uint256 validBefore,bytes32 nonce)",
            ),
            (
                PERMIT,
                "Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)",
            ),
            (TOKEN_PERMISSIONS, permissions),
            (EXACT_WITNESS, witness),
            (PERMIT_WITNESS_TRANSFER_FROM, &exact),
            (UPTO_WITNESS, upto_witness),
            (PERMIT_WITNESS_TRANSFER_FROM_UPTO, &upto),
        ] {
            assert_eq!(hash, keccak256(text), "{text}");
        }
    }

    #[test]
    fn eip_3009_digest_is_the_one_computed_independently() {
        let separator = usdc().separator();
        assert_eq!(
            separator,
            b256!("0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818")
        );
        let authorization = Authorization {
            from: PAYER,
            to: PAY_TO,
            value: AMOUNT,
            valid_after: U256::ZERO,
            valid_before: LATE,
            nonce: B256::repeat_byte(0x11),
        };
        let digest = authorization.digest(separator);
        assert_eq!(
            digest,
            b256!("0x1831c2f3e187c15e7608b2008f59cd947cb9190aa43329a34bd38becfdde1cae")
        );
        let signed = bytes!(
            "df79cf974d736f9231cbf3a31e1e2bdf8dfeeb6ffb3f4a7a03656d210a57880c6fbd28c6da46717e5e9659ae1a36cb0c8ff6b658111c8a227f5f12246e8103d51b"
        );
        assert_eq!(Ecdsa::parse(&signed).unwrap().recover(digest), Some(PAYER));
    }

    #[test]
    fn permit2_digest_is_the_one_computed_independently() {
        let transfer = PermitTransfer {
            token: USDC,
            amount: AMOUNT,
            spender: EXACT_PERMIT2_PROXY,
            nonce: U256::ONE,
            deadline: LATE,
            to: PAY_TO,
            facilitator: None,
            valid_after: U256::ZERO,
        };
        let digest = transfer.digest(permit2_separator(CHAIN));
        assert_eq!(
            digest,
            b256!("0x34a4497d4e09e48782aca18e1261e6578e75e6c037f71480e8214f82cba83117")
        );
        let signed = bytes!(
            "02868abdbd5c381584df187e9f453b12f92813825fd8e053a35855ccdb88fdaa15b0c9af63694ba06da8a740188282e0def241bb1b61ae6b7549282d98c945f11b"
        );
        assert_eq!(Ecdsa::parse(&signed).unwrap().recover(digest), Some(PAYER));

        let upto = PermitTransfer {
            spender: UPTO_PERMIT2_PROXY,
            facilitator: Some(address!("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC")),
            ..transfer
        };
        assert_eq!(
            upto.digest(permit2_separator(CHAIN)),
            b256!("0x9aa2c8d6c91082d1c68f8620fce499cece4141d7353fad3d26ff9467c5ac7cf7")
        );
    }

    #[test]
    fn eip_2612_digest_is_the_one_computed_independently() {
        let permit = Permit {
            owner: PAYER,
            spender: PERMIT2,
            value: AMOUNT,
            nonce: U256::ZERO,
            deadline: LATE,
        };
        assert_eq!(
            permit.digest(usdc().separator()),
            b256!("0x189069b96f8e494a29002969cb8e901f8204925c9abd07a39a54488978d0b5cf")
        );
    }

    #[test]
    fn remembers_separators_within_bounds() {
        let domains = Domains::default();
        assert_eq!(domains.separator(&usdc()), usdc().separator());
        assert_eq!(domains.separator(&usdc()), usdc().separator());
        for chain_id in 0..2000 {
            let other = Domain { chain_id, ..usdc() };
            assert_eq!(domains.separator(&other), other.separator());
        }
        let long = Domain {
            name: "x".repeat(65),
            ..usdc()
        };
        assert_eq!(domains.separator(&long), long.separator());
        let known = domains.0.lock().unwrap();
        assert!(known.len() <= DOMAINS_MAX);
        assert!(!known.contains_key(&long));
    }
}
