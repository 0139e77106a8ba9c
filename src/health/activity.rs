//! Others: transactions that are open for too long, sessions that wait, and replicas that hold on to old rows.

use std::time::Duration;

use super::{Check, Finding, Terms};
use crate::model::health::{Beside, LockWait, PreparedTransaction, Slot, Standby, Transaction};
use crate::model::printable::quote;
use crate::model::words::{bytes, grouped, listed, plural, span};

/// Multiples of the limit: beyond this a working transaction is a problem, below it may be a slow report.
const FAR_TOO_LONG: u32 = 12;

/// Dead rows are kept for a transaction that is this number of transactions old: more than a busy hour.
const MANY_TRANSACTIONS: u64 = 10_000_000;

/// An abandoned slot that keeps less does no harm yet.
const MUCH_WAL: u64 = 1 << 30;

/// Transactions, prepared ones too, and sessions that wait.
pub(super) fn transactions(
    beside: &Beside,
    prepared: Result<&[PreparedTransaction], &String>,
    terms: &Terms,
    role: &str,
) -> Vec<Finding> {
    let Beside { transactions, hidden_sessions, waits } = beside;
    let limit = terms.long_transaction;
    let mut findings: Vec<Finding> =
        transactions.iter().map(|transaction| open(transaction, limit)).collect();
    match prepared {
        Ok(prepared) => {
            findings.extend(prepared.iter().filter(|prepared| prepared.age >= limit).map(abandoned));
        }
        Err(reason) => findings.push(super::unseen(Check::Transactions, reason)),
    }
    findings.extend(waits.iter().map(waiting));
    if findings.is_empty() && *hidden_sessions == 0 {
        findings.push(Check::Transactions.ok(format!(
                "None in this database is older than {}, none blocks these tables, and no session waits for them.",
                span(limit)
            )));
    }
    if *hidden_sessions > 0 {
        findings.push(
            Check::Transactions
                .note(format!(
                    "This role may not see what others do in this database: {}.",
                    plural(*hidden_sessions, "session")
                ))
                .meaning("One of them may have been idle in a transaction since yesterday.")
                .sql(format!("GRANT pg_read_all_stats TO {};", quote(role))),
        );
    }
    findings
}

fn open(transaction: &Transaction, limit: Duration) -> Finding {
    let Transaction { pid, age, blocks, .. } = transaction;
    let long = age.is_some_and(|age| age >= limit);
    let far_too_long = age.is_some_and(|age| age >= limit * FAR_TOO_LONG);
    let found = described(transaction);
    let finding = if *blocks || idle(transaction) || far_too_long {
        Check::Transactions.problem(found)
    } else {
        Check::Transactions.note(found)
    };
    let blocking = blocks.then_some(
        "Until it ends, sessions that write to these tables wait; where the lock is ACCESS EXCLUSIVE, those that read them wait too.",
    );
    let lasting = long.then_some(
        "Until it ends, VACUUM removes no row that was deleted since it began, and rows that it has locked are skipped.",
    );
    let meaning: Vec<&str> = blocking.into_iter().chain(lasting).collect();
    finding
        .meaning(meaning.join(" "))
        .sql(format!("SELECT state, query FROM pg_stat_activity WHERE pid = {pid};"))
        .sql(format!("SELECT pg_terminate_backend({pid});"))
}

/// Who it is, what it does, for how long, and what it has locked; as far as the role may see that.
fn described(transaction: &Transaction) -> String {
    let Transaction { pid, user, application, age, locks, .. } = transaction;
    let who = if application.is_empty() { user.clone() } else { format!("{user}, {application}") };
    let holding = if locks.is_empty() { String::new() } else { format!(", with locks on {}", listed(locks)) };
    let doing = match age {
        Some(age) if idle(transaction) => format!("has been idle in a transaction for {}", span(*age)),
        Some(age) => format!("has been in a transaction for {}", span(*age)),
        None => "is in a transaction".to_owned(),
    };
    format!("pid {pid} ({who}) {doing}{holding}.")
}

fn idle(transaction: &Transaction) -> bool {
    transaction.state.starts_with("idle in transaction")
}

fn abandoned(prepared: &PreparedTransaction) -> Finding {
    let PreparedTransaction { gid, owner, age } = prepared;
    Check::Transactions.problem(format!("Transaction {gid} of {owner} was prepared {} ago and never ended.", span(*age)))
    .meaning("It keeps its locks and all dead rows since then, even across restarts. The program that prepared it should end it.")
    .sql(format!("ROLLBACK PREPARED {};", super::literal(gid)))
}

fn waiting(wait: &LockWait) -> Finding {
    let LockWait { pid, table, mode, blockers } = wait;
    let blockers: Vec<String> = blockers.iter().map(ToString::to_string).collect();
    Check::Transactions
        .note(format!("pid {pid} waits for {mode} on {table}, behind pid {}.", listed(&blockers)))
        .meaning("Sessions that come after it wait, too.")
        .sql(format!(
            "SELECT pid, state, query FROM pg_stat_activity WHERE pid IN ({});",
            blockers.join(", ")
        ))
}

/// Slots and standbys.
pub(super) fn replication(slots: &[Slot], standbys: Result<&[Standby], &String>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = slots.iter().filter_map(slot).collect();
    match standbys {
        Ok(standbys) => {
            findings.extend(standbys.iter().filter(|s| s.xmin_age > MANY_TRANSACTIONS).map(standby));
        }
        Err(reason) => findings.push(super::unseen(Check::Replication, reason)),
    }
    if findings.is_empty() {
        let found = match slots.len() {
            0 => "No replication slot holds anything back.".to_owned(),
            count => format!("{}: nothing is held back.", plural(count as u64, "replication slot")),
        };
        findings.push(Check::Replication.ok(found));
    }
    findings
}

fn slot(slot: &Slot) -> Option<Finding> {
    let Slot { name, active, xmin_age, wal_bytes } = slot;
    let wal = wal_bytes.unwrap_or_default();
    let drop = format!("SELECT pg_drop_replication_slot({});", super::literal(name));
    match (active, xmin_age) {
        (false, Some(age)) => Some(
            Check::Replication.problem(format!(
                "Slot {name} is not in use, and it keeps the dead rows of {}.",
                plural(*age, "transaction")
            ))
            .meaning(format!("VACUUM removes none of them; {} of WAL stay as well. Drop it if its replica is gone.", bytes(wal)))
            .sql(drop),
        ),
        (false, None) if wal > MUCH_WAL => Some(
            Check::Replication.note(format!("Slot {name} is not in use, and it keeps {} of WAL.", bytes(wal)))
                .meaning("A large cleanup writes much WAL. Drop the slot if its replica is gone, before the disk is full.")
                .sql(drop),
        ),
        (true, Some(age)) if *age > MANY_TRANSACTIONS => Some(
            Check::Replication.note(format!(
                "The replica of slot {name} keeps the dead rows of {} transactions.",
                grouped(*age)
            ))
            .meaning("A long query there, or a replica that is far behind."),
        ),
        _ => None,
    }
}

fn standby(standby: &Standby) -> Finding {
    let Standby { name, xmin_age } = standby;
    Check::Replication
        .note(format!("Standby {name} keeps the dead rows of {} transactions.", grouped(*xmin_age)))
        .meaning("A long query there, with hot_standby_feedback on.")
}
