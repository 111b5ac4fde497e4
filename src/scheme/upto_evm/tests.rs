use serde_json::json;

use super::*;
use crate::scheme::evm::testing::*;

fn scheme() -> UptoEvm {
    UptoEvm::new(vec![chain(network())])
}

#[test]
fn refuses_a_payload_of_neither_dialect() {
    let envelope = Envelope {
        scheme: "upto".to_owned(),
        accepted_scheme: "upto".to_owned(),
        ..Envelope::new()
    };
    for payload in [json!({}), json!({"signature": "0x"})] {
        let rejection = scheme().check(&envelope.payment(&payload), NOW).err();
        let reason = rejection.map(|rejection| rejection.reason);
        assert_eq!(reason, Some(Reason::UnsupportedPayloadType), "{payload}");
    }
}
