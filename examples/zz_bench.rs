use deadpool_postgres::{Manager, Pool};
use oauthctl::{
    db::{layout::Layout, tokens},
    model::*,
    plan::retention,
    sweep::{self, Event, Pace},
};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
#[tokio::main]
async fn main() {
    let mut config = tokio_postgres::Config::new();
    config.host("/tmp/cl/sock").port(5481).user("postgres").dbname(std::env::args().nth(1).unwrap());
    let pool = Pool::builder(Manager::new(config, tokio_postgres::NoTls)).max_size(1).build().unwrap();
    let mut client = pool.get().await.unwrap();
    let layout = Layout::probe(&**client, &TableNames::default()).await.unwrap();
    let policy = CleanupPolicy {
        refresh_token_expire: Some(Duration::from_secs(1209600)),
        refresh_token_grace_period: Duration::from_secs(864000),
        ..Default::default()
    };
    let now =
        time::OffsetDateTime::parse("2026-11-23T12:00:00Z", &time::format_description::well_known::Rfc3339)
            .unwrap();
    let available = TableRole::ALL.into_iter().filter(|r| layout.table(*r).is_some()).collect();
    let sweeps = retention::sweeps(&policy, now, &available);
    if std::env::args().nth(2).as_deref() == Some("count") {
        let t = std::time::Instant::now();
        let tx = client.build_transaction().read_only(true).start().await.unwrap();
        let c = tokens::count(&*tx, &layout, &sweeps).await.unwrap();
        println!("{} {:?} in {:?}", c.total(), c, t.elapsed());
        return;
    }
    let pid: i32 = client.query_one("select pg_backend_pid()", &[]).await.unwrap().get(0);
    let cpu = || {
        let s = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let f: Vec<f64> = s
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(|x| x.parse().unwrap())
            .collect();
        (f[0] + f[1]) / 100.
    };
    let c0 = cpu();
    drop(client);
    let mut pacing = Pace::from(&policy);
    if let Some(n) = std::env::args().nth(2).and_then(|s| s.parse::<u32>().ok()) {
        pacing.batch_size = std::num::NonZeroU32::new(n).unwrap();
    }
    let out = sweep::run(&pool, &layout, &sweeps, &pacing, &CancellationToken::new(), &mut |e| match e {
        Event::Finished { sweep, deleted, elapsed } => println!("{sweep}: {} {elapsed:?}", deleted.total()),
        Event::Retry { reason, .. } => println!("{reason:?}"),
        _ => {}
    })
    .await
    .unwrap();
    println!("CPU {:.2} s", cpu() - c0);
    println!(
        "{} rows in {:?} busy {:?}, {} batches, longest {:?} {:?}",
        out.deleted.total(),
        out.elapsed,
        out.busy,
        out.batches,
        out.longest,
        out.stop
    );
}
