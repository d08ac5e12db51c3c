//! The one place that draws randomness, from the operating system's generator by way of AWS-LC.

/// `N` random bytes.
///
/// # Panics
/// When the operating system has no randomness to give: nothing may go on without it.
#[expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    reason = "this is randomness' home; without it the process must stop"
)]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives randomness");
    bytes
}

/// A number in `[0, 1)` for jitter.
pub fn fraction() -> f64 {
    (u64::from_le_bytes(bytes()) >> 11) as f64 / (1_u64 << 53) as f64
}
