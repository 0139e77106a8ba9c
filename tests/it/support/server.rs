//! The one server of this test process: thrown away when the process ends, however it ends. The supervisor of
//! `oauthctl::embedded` sees to that; a static is never dropped, but its lock goes with the process.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, OnceLock};

use oauthctl::embedded::{Cluster, NotFound, Place, Programs, Supervisor};
use tokio::runtime::{Builder, Runtime};

static SERVER: OnceLock<Cluster> = OnceLock::new();

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap());

/// The environment of the test process: tests may look.
#[expect(clippy::disallowed_methods, reason = "this is where the tests' environment enters")]
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// The built binary, or the one that `OAUTHCTL_TEST_BINARY` names.
pub fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        environment("OAUTHCTL_TEST_BINARY")
            .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_oauthctl")), PathBuf::from)
    });
    &BINARY
}

/// The PostgreSQL programs. Fails the test where there are none.
pub fn programs() -> Programs {
    Programs::find(&environment).unwrap_or_else(|error| {
        let NotFound { install, .. } = &error;
        panic!(
            "the integration tests need the PostgreSQL server programs: {error}.\nInstall them with `{}`, or name their \
             directory in OAUTHCTL_PG_BINDIR.",
            install.unwrap_or("your package manager")
        )
    })
}

/// One of the client programs (`pg_dump`, `psql`) of the server's own version, not of the `PATH`'s.
pub fn server_program(name: &str) -> Command {
    let mut command = Command::new(programs().program(name));
    command.env("PGHOST", server().socket_dir()).env("PGPORT", server().port().to_string());
    command.env("PGUSER", server().user());
    command
}

/// The server, started by whoever asks first.
pub fn server() -> &'static Cluster {
    SERVER.get_or_init(|| {
        let temporary = environment("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let place = Place::throwaway(&temporary).expect("a directory for the server");
        Cluster::start(&programs(), &place, &Supervisor::program(binary())).expect("a server")
    })
}

/// Runs something async to its end on the suite's own runtime, from a thread of whichever kind.
pub fn block_on<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> T {
    let (send, receive) = std::sync::mpsc::sync_channel(1);
    let task = RUNTIME.spawn(async move {
        let _ = send.send(task.await);
    });
    receive.recv().unwrap_or_else(|_| {
        // The task ended without an answer: it panicked. Its message has been printed.
        task.abort();
        panic!("a database helper of the test failed, see above")
    })
}
