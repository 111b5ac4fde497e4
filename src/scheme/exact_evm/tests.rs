use serde_json::json;

use super::*;
use crate::scheme::evm::testing::*;

pub(in crate::scheme) fn scheme() -> ExactEvm {
    ExactEvm::new(vec![chain(network())])
}

#[test]
fn lists_both_versions_of_every_network_with_an_asset() {
    let bare = crate::config::EvmNetwork {
        network: Network::eip155(1),
        assets: vec![],
        ..network()
    };
    let open = crate::config::EvmNetwork {
        network: Network::eip155(2),
        v1_name: None,
        any_asset: true,
        ..bare.clone()
    };
    let scheme = ExactEvm::new(vec![chain(network()), chain(bare), chain(open)]);
    let kinds: Vec<_> = scheme
        .kinds()
        .into_iter()
        .map(|kind| (kind.version, kind.network))
        .collect();
    let kind = |version, network: &str| (version, network.to_owned());
    assert_eq!(
        kinds,
        [
            kind(2, "eip155:84532"),
            kind(2, "eip155:2"),
            kind(1, "base-sepolia")
        ]
    );
    assert_eq!(
        scheme.networks(),
        [Network::eip155(84_532), Network::eip155(2)]
    );
    assert_eq!(scheme.extensions(), ["eip2612GasSponsoring"]);
    assert_eq!(
        scheme.signers(),
        ["0x5151515151515151515151515151515151515151"]
    );
}

#[test]
fn refuses_a_network_it_does_not_serve() {
    let mut payment = Envelope::new().payment(&eip3009_payload(&authorization()));
    payment.requirements.network = Network::eip155(1);
    let rejection = scheme().check(&payment, NOW).err().unwrap();
    assert_eq!(rejection.reason, Reason::InvalidNetwork);
}

#[test]
fn tells_payloads_apart_by_their_shape() {
    let v1 = Envelope {
        version: Version::V1,
        ..Envelope::new()
    };
    let delegation =
        json!({"delegationManager": "0x1", "permissionContext": "0x", "delegator": "0x1"});
    for (envelope, payload) in [
        (Envelope::new(), delegation.clone()),
        (v1.clone(), delegation),
        (v1, permit2_payload(&transfer())),
    ] {
        let rejection = scheme().check(&envelope.payment(&payload), NOW).err();
        let reason = rejection.map(|rejection| rejection.reason);
        assert_eq!(reason, Some(Reason::UnsupportedPayloadType), "{payload}");
    }
    let checked = |payload| {
        let checked = scheme().check(&Envelope::new().payment(&payload), NOW);
        checked.map(Check::payment)
    };
    let eip3009 = checked(eip3009_payload(&authorization())).unwrap();
    assert!(eip3009.identity().payment_key.starts_with("eip3009:84532:"));
    let permit2 = checked(permit2_payload(&transfer())).unwrap();
    assert!(permit2.identity().payment_key.starts_with("permit2:84532:"));
}
