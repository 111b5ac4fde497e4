//! Each test has a Postgres database to itself.

use sqlx::{Connection, PgConnection};

use crate::harness::postgres;

#[tokio::test]
async fn databases_do_not_see_each_other() {
    let mut one = PgConnection::connect(&postgres::database().await)
        .await
        .unwrap();
    let mut other = PgConnection::connect(&postgres::database().await)
        .await
        .unwrap();

    sqlx::query("create table payments (id text)")
        .execute(&mut one)
        .await
        .unwrap();

    let seen = "select count(*) from pg_tables where tablename = 'payments'";
    let there: i64 = sqlx::query_scalar(seen).fetch_one(&mut one).await.unwrap();
    let here: i64 = sqlx::query_scalar(seen)
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!((there, here), (1, 0));
}
