//! How a run cancels what runs on a connection: the caller knows how to reach the server, the run knows when.

use futures_util::future::BoxFuture;
use tokio_postgres::Client;

/// Makes of a connection a way to cancel what runs on it, as often as that is called.
pub type Cancel<'a> = &'a (dyn Fn(&Client) -> Canceller + Sync);

/// Asks the server to cancel the statement of one connection; it may have ended by then.
pub type Canceller = Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>;
