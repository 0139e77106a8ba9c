//! How fast a cleanup may go.

use super::problems;

#[test]
fn each_problem_of_the_pace_is_at_its_place() {
    for (text, expected) in [
        ("workers = 0", "out-of-range@2:11"),
        ("workers = \"many\"", "invalid-value@2:11"),
        ("workers = true", "wrong-type@2:11"),
        ("max_wal_rate = \"20mb/s\"", "invalid-size@2:16"),
        ("max_wal_rate = -1", "invalid-size@2:16"),
        ("max_slot_lag = \"5GB/s\"", "invalid-size@2:16"),
        ("vacuum_every = -1", "out-of-range@2:16"),
        ("max_archive_backlog = \"2\"", "wrong-type@2:23"),
    ] {
        assert_eq!(problems(&format!("[cleanup]\n{text}")), [expected], "{text}");
    }
    for text in ["workers = \"auto\"", "max_wal_rate = \"20MB\"", "max_slot_lag = 0", "vacuum_every = 0"] {
        assert_eq!(problems(&format!("[cleanup]\n{text}")), Vec::<String>::new(), "{text}");
    }
}
