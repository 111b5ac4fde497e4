//! Bodies that are no payment.

use serde_json::{Value, json};

use crate::harness::world::World;

fn changed(world: &World, change: impl FnOnce(&mut Value)) -> String {
    let mut body = world.eip3009(|_| {});
    change(&mut body);
    body.to_string()
}

pub(super) fn cut_short(world: &World) -> String {
    let body = changed(world, |_| {});
    body[..body.len() - 1].to_owned()
}

pub(super) fn without_requirements(world: &World) -> String {
    changed(world, |body| {
        body["paymentRequirements"] = Value::Null;
    })
}

pub(super) fn of_version_three(world: &World) -> String {
    changed(world, |body| {
        body["x402Version"] = json!(3);
        body["paymentPayload"]["x402Version"] = json!(3);
    })
}

pub(super) fn without_nonce(world: &World) -> String {
    changed(world, |body| {
        let authorization = &mut body["paymentPayload"]["payload"]["authorization"];
        let members = authorization.as_object_mut();
        members.expect("an object").remove("nonce");
    })
}

pub(super) fn with_a_hexadecimal_price(world: &World) -> String {
    changed(world, |body| {
        for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
            body.pointer_mut(terms).expect("terms")["amount"] = json!("0x9c4");
        }
    })
}

pub(super) fn of_another_scheme(world: &World) -> String {
    changed(world, |body| {
        for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
            body.pointer_mut(terms).expect("terms")["scheme"] = json!("deferred");
        }
    })
}

pub(super) fn on_a_network_not_served(world: &World) -> String {
    changed(world, |body| {
        for terms in ["/paymentRequirements", "/paymentPayload/accepted"] {
            body.pointer_mut(terms).expect("terms")["network"] = json!("eip155:8453");
        }
    })
}
