pub struct Error;
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("")
    }
}
impl Error {
    pub fn causes(&self) -> Vec<String> {
        vec![]
    }
    pub fn hints(&self) -> &[String] {
        &[]
    }
}
