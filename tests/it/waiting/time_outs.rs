//! Time-outs of the role, which would end a transaction that waits on purpose.

use super::super::support::not_run;
use super::*;

/// PostgreSQL 17 and newer. The holder's session began before the setting, so it stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_timeout_of_the_database_does_not_end_a_wait_for_a_row() {
    const TEST: &str =
        "waiting::time_outs::a_transaction_timeout_of_the_database_does_not_end_a_wait_for_a_row";
    let world = World::new();
    if world.database.value("SELECT current_setting('transaction_timeout', true) IS NULL") == "t" {
        return not_run(TEST, "`transaction_timeout` came with PostgreSQL 17");
    }
    world.database.execute("UPDATE oauth2_provider_application SET client_type = 'confidential'");
    for verb in [&["apply", "--yes"][..], &["rotate-secret", "web", "--yes", "--secrets-out", "s.json"]] {
        let (holder, pid) =
            world.holder("SELECT FROM oauth2_provider_application WHERE id = 1 FOR UPDATE").await;
        let name = world.database.value("SELECT current_database()");
        world.database.execute(format!("ALTER DATABASE {name} SET transaction_timeout = '3s'"));
        let (running, said) = world.until_it_waits(&[verb, &["--lock-timeout", "10m"]].concat());
        assert!(said.contains(&format!("held by pid {pid}")), "{said}");
        tokio::time::sleep(Duration::from_secs(4)).await;
        holder.batch_execute("ROLLBACK").await.unwrap();
        running.wait().exits(0);
        world.database.execute(format!("ALTER DATABASE {name} RESET transaction_timeout"));
    }
}
