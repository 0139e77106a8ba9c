//! To be written.

use tokio_postgres::GenericClient;

use super::layout::Layout;
use crate::model::{Sweep, Tally};

/// x
pub async fn count(
    client: &impl GenericClient,
    layout: &Layout,
    sweeps: &[Sweep],
) -> Result<Tally, tokio_postgres::Error> {
    let _ = (client, layout, sweeps);
    Ok(Tally::ZERO)
}
