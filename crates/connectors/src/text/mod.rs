//! Numbers and texts of short messages: what they cost, how they are spelt, which words mean something.

pub mod opt_out;
pub mod phone;
pub mod segments;
pub mod transliterate;
