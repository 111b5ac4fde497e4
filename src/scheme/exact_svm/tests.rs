mod adversarial;
mod codes;
mod layouts;
mod lookups;
mod onchain;
mod property;
mod vectors;
mod wallets;

use super::testing::*;
use super::*;
use crate::chain::svm::{programs, token, transaction};

#[test]
fn lists_both_versions_with_the_fee_payer() {
    let (scheme, _) = Case::new().scheme();
    let extra = advertise(&fee_payer());
    let kinds: Vec<_> = scheme
        .kinds()
        .into_iter()
        .map(|kind| (kind.version, kind.network, kind.extra))
        .collect();
    assert_eq!(
        kinds,
        [
            (2, DEVNET.to_owned(), Some(extra.clone())),
            (1, "solana-devnet".to_owned(), Some(extra)),
        ]
    );
    let mut signers = [fee_payer(), second_fee_payer()].map(|key| key.to_string());
    signers.sort_unstable();
    assert_eq!(scheme.signers(), signers);
    assert_eq!(scheme.networks()[0].family(), "solana:*");
}

#[test]
fn says_in_version_2_that_smart_wallets_are_taken() {
    let mut case = Case::new();
    case.policy.smart_wallet = Some(policy::SmartWallet::default());
    let kinds = case.scheme().0.kinds();
    let features = |at: usize| kinds[at].extra.as_ref().unwrap().get("features").cloned();
    let supported = serde_json::json!({"smartWalletSupported": true});
    assert_eq!((features(0), features(1)), (Some(supported), None));
}

#[test]
fn leaves_out_a_network_without_assets_or_fee_payers() {
    let bare = Cluster {
        assets: Assets::Listed(vec![]),
        ..cluster()
    };
    let unpaid = Cluster {
        fee_payers: vec![],
        assets: Assets::Any,
        ..cluster()
    };
    let nameless = Cluster {
        v1_name: None,
        assets: Assets::Any,
        ..cluster()
    };
    let scheme = ExactSvm::new(vec![bare, unpaid, nameless]);
    assert_eq!(scheme.networks().len(), 1);
    assert_eq!(scheme.kinds().len(), 1);
}

#[test]
fn refuses_a_network_it_does_not_serve() {
    let case = Case::new();
    let mut payment = case.payment();
    payment.requirements.network = Network::parse("solana:elsewhere").unwrap();
    let rejection = case.scheme().0.check(&payment, NOW).err().unwrap();
    assert_eq!(rejection.reason, Reason::InvalidNetwork);
}

#[test]
fn every_advertised_key_may_pay_the_fee() {
    let mut case = Case::new();
    let second = second_fee_payer();
    case.payer_of_fees = second;
    case.extra = advertise(&second);
    assert_eq!(case.rejection(), None);
}
