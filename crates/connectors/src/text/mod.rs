//! What SMS text costs and which words mean something in it.

pub mod segments;
