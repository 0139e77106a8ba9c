//! Cancelling what runs on a connection as libpq does it: the connection of the request stays open until the server
//! closes it.
//!
//! The driver's own `cancel_query` closes it first. PgBouncer 1.18 then ends, with all its clients.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::CancelToken;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::db::error::DbError;
use crate::model::visible::visible;

const ATTEMPTED: &str = "cancelling the running statement";

/// Where a session was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// At a Unix socket.
    Socket(PathBuf),
    /// At an address, under the name that a certificate would have.
    Tcp(SocketAddr, String),
}

/// Cancels what runs on one connection.
#[derive(Clone)]
pub struct Canceller {
    pub(super) token: CancelToken,
    pub(super) tls: MakeRustlsConnect,
    pub(super) timeout: Duration,
    /// The session is at one of them. The others know nothing of it, and ignore the request.
    pub(super) places: Vec<Place>,
}

impl Canceller {
    /// Asks the server to cancel the running statement. Whether it did is not known: the statement then fails with
    /// [`QueryCanceled`](crate::db::error::Meaning::QueryCanceled).
    pub async fn cancel(&self) -> Result<(), DbError> {
        let asked = async {
            for place in &self.places {
                self.ask(place).await?;
            }
            Ok(())
        };
        match tokio::time::timeout(self.timeout, asked).await {
            Ok(done) => done,
            Err(_) => Err(DbError::other(ATTEMPTED, format!("no answer in {} s", self.timeout.as_secs()))),
        }
    }

    /// The same, without waiting for the answer.
    pub async fn cancel_or_warn(self) {
        if let Err(error) = self.cancel().await {
            tracing::warn!(error = visible(&error.to_string()), "the running statement cannot be cancelled");
        }
    }

    async fn ask(&self, place: &Place) -> Result<(), DbError> {
        match place {
            Place::Socket(path) => {
                let (stream, end) = socket(path).await.map_err(|error| failed(&error))?;
                self.send(stream, "", end).await
            }
            Place::Tcp(address, name) => {
                let (stream, end) = tcp(*address).await.map_err(|error| failed(&error))?;
                self.send(stream, name, end).await
            }
        }
    }

    /// Sends the request on `stream`, and waits until nothing more comes from `end`, which is the same connection.
    async fn send<S>(&self, stream: S, name: &str, mut end: impl AsyncRead + Unpin) -> Result<(), DbError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let tls = MakeTlsConnect::<Open<S>>::make_tls_connect(&mut self.tls.clone(), name);
        let tls = tls.map_err(|error| DbError::other(ATTEMPTED, error.to_string()))?;
        let sent = self.token.cancel_query_raw(Open(stream), StaysOpen(tls)).await;
        sent.map_err(DbError::during(ATTEMPTED))?;
        // How it ends does not matter.
        let _ = end.read_to_end(&mut Vec::new()).await;
        Ok(())
    }
}

fn failed(error: &io::Error) -> DbError {
    DbError::other(ATTEMPTED, crate::db::error::tidy(&error.to_string()))
}

/// Two ends on one connection: it is closed when both are gone.
async fn socket(path: &PathBuf) -> io::Result<(UnixStream, UnixStream)> {
    let stream = UnixStream::connect(path).await?.into_std()?;
    Ok((UnixStream::from_std(stream.try_clone()?)?, UnixStream::from_std(stream)?))
}

async fn tcp(address: SocketAddr) -> io::Result<(TcpStream, TcpStream)> {
    let stream = TcpStream::connect(address).await?.into_std()?;
    Ok((TcpStream::from_std(stream.try_clone()?)?, TcpStream::from_std(stream)?))
}

/// A stream that is not closed when the driver says so.
struct Open<S>(S);

impl<S: AsyncRead + Unpin> AsyncRead for Open<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Open<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl<S: TlsStream + Unpin> TlsStream for Open<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.0.channel_binding()
    }
}

/// TLS that says no farewell either: PgBouncer takes that for the end.
struct StaysOpen<T>(T);

impl<S, T> TlsConnect<S> for StaysOpen<T>
where
    T: TlsConnect<S>,
    T::Stream: Unpin,
    T::Future: Send + 'static,
{
    type Stream = Open<T::Stream>;
    type Error = T::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Stream, T::Error>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        let connecting = self.0.connect(stream);
        Box::pin(async move { connecting.await.map(Open) })
    }
}
