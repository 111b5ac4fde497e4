//! Daily numbers are everybody's, wherever they ask.

use futures::future::join_all;

use super::{count, limited, over_limit};
use crate::harness::chain::Sandbox;
use crate::harness::facilitator::{Process, Settings};
use crate::harness::oracle::{Payment, success};
use crate::harness::postgres;

#[tokio::test]
async fn two_replicas_on_one_database_share_a_daily_number() {
    let chain = Sandbox::start().await;
    chain.signer(0).await;
    let database = postgres::database().await;
    let settings = Settings::new(chain.url()).set("DATABASE_URL", &database);
    let settings = limited(settings, "[anonymous]\nsettle_per_day = 5\n");
    let one = Process::start(&settings, None).await;
    let other = Process::start(&settings, None).await;
    let payers = chain.payers(4).await;
    let payments: Vec<_> = (0..20).map(|n| Payment::new(&payers[n % 4])).collect();

    let asked = payments.iter().enumerate().map(|(n, payment)| {
        let replica = if n % 2 == 0 { &one } else { &other };
        replica.client.settle(&payment.body)
    });
    let answers = join_all(asked).await;

    assert_eq!((count(&answers, 200), count(&answers, 429)), (5, 15));
    for (answer, payment) in answers.iter().zip(&payments) {
        let paid = payment.transfers(&chain).await;
        if answer.status == 200 {
            assert_eq!(paid, [success(answer)]);
        } else {
            over_limit(answer, "seller_settle_cap_exceeded");
            assert_eq!(paid, [""; 0]);
        }
    }
    one.kill().await;
    other.kill().await;
}
