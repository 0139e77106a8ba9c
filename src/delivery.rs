//! Stub.
use crate::secret::Secret;
/// x
pub struct Delivery;
impl Delivery {
    /// x
    pub fn prepare(_p: &std::path::Path) -> std::io::Result<Self> {
        Ok(Self)
    }
    /// x
    pub fn write(&mut self, _s: &[(&str, &Secret)]) -> std::io::Result<()> {
        Ok(())
    }
    /// x
    pub fn keep(self) {}
}
