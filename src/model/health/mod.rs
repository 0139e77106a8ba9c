//! What a database says about itself: the rows of the token tables and their ages, sizes, statistics, privileges,
//! indexes, and what goes on beside us.
//!
//! Facts only, as `db::health` read them at one moment. What follows from them is decided in `health`. Names are
//! written as SQL takes them, quoted where that is needed. Knows no SQL and no verdict.

mod beside;
mod census;
mod job_role;
mod read_only;
mod registration;
mod rights;
mod sequence;
mod server;
mod storage;
mod stored;
mod upgrade;
mod vacuuming;

pub use beside::{Beside, LockWait, PreparedTransaction, Slot, Standby, Transaction};
pub use census::{AgeBand, Ages, Measurement, PastRun, TableRows};
pub use job_role::JobRole;
pub use read_only::{ReadOnly, SetBy};
pub use registration::{Registration, Registrations, announces_registration};
pub use rights::{Lack, Lacks, Privilege, Purpose};
pub use sequence::LaggingSequence;
pub use server::{DjangoHint, Encryption, Functions, LedgerRights, Privileges, Repacker, Server};
pub use storage::{Autovacuum, Index, Part, Rebuild, Referrer, Storage, Trigger};
pub use stored::{Duplicates, PlainSecrets};
pub use upgrade::{Affected, Change};
pub use vacuuming::{Vacuumed, Vacuuming};
