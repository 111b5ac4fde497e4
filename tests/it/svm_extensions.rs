//! Mints that may change a payment are paid with only where the operator has accepted just that of just this mint.

use std::fs;

use crate::harness::facilitator::Facilitator;
use crate::harness::mint::{Extension, Mint};
use crate::harness::oracle::{failure, success};
use crate::harness::scene::{AMOUNT, Scene, WEALTH};
use crate::harness::svm_wire::Key;
use crate::harness::svm_world::{SvmRequest, settings};

/// Keeps a tenth of every transfer, and lets somebody take everything back.
fn risky() -> Mint {
    Mint::token_2022(&[
        Extension::TransferFee {
            basis_points: 1_000,
            maximum: WEALTH,
        },
        Extension::PermanentDelegate(Key::fresh()),
    ])
}

async fn is_refused(scene: &Scene, permission: &str) {
    let settings = settings(scene, scene.ledger.url());
    let settings = if permission.is_empty() {
        settings
    } else {
        settings.set("SVM_TOKEN_2022_EXTENSIONS", permission)
    };
    let facilitator = Facilitator::start(settings).await;
    let request = SvmRequest::new(scene).await;
    let settled = facilitator.client().settle(&request.body).await;
    assert_eq!(failure(&settled, "asset_not_allowed"), "", "{permission}");
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn a_permission_is_for_one_mint_and_for_each_extension() {
    let scene = Scene::with(risky()).await;
    let (mint, other) = (scene.terms.mint.key, Key::fresh());
    for permission in [
        String::new(),
        format!("{mint}:transfer_fee"),
        format!("{mint}:permanent_delegate"),
        format!("{other}:transfer_fee+permanent_delegate"),
    ] {
        is_refused(&scene, &permission).await;
    }
    let permission = format!("{other}:pausable, {mint}:transfer_fee+permanent_delegate");
    let settings =
        settings(&scene, scene.ledger.url()).set("SVM_TOKEN_2022_EXTENSIONS", &permission);
    let facilitator = Facilitator::start(settings).await;
    let request = SvmRequest::new(&scene).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert_eq!(scene.received().await, AMOUNT - AMOUNT / 10);
    assert!(facilitator.stop().await);
}

#[tokio::test]
async fn an_asset_in_the_networks_file_brings_its_permissions() {
    let scene = Scene::with(risky()).await;
    let mint = scene.terms.mint.key;
    let settings = settings(&scene, scene.ledger.url()).without("SVM_ANY_ASSET");
    let row = format!(
        "[svm.solana-devnet]\nassets = [{{ mint = '{mint}', symbol = 'RISK', extensions = ['transfer_fee', 'permanent_delegate'] }}]\n"
    );
    fs::write(settings.get("NETWORKS_FILE"), row).unwrap();
    let facilitator = Facilitator::start(settings).await;
    let request = SvmRequest::new(&scene).await;

    let settled = facilitator.client().settle(&request.body).await;

    assert_eq!(success(&settled), request.id);
    assert!(facilitator.stop().await);
}
