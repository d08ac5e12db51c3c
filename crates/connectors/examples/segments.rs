//! Measures the segment calculator: `cargo run --release -p santral-connectors --example segments`.

use std::hint::black_box;
use std::time::Instant;

use santral_connectors::text::segments::{INTERNATIONAL, turkish_gateway};

const ROUNDS: u32 = 1_000_000;

fn main() {
    let gateway = turkish_gateway(6);
    let turkish = "Sayın müşterimiz, siparişiniz kargoya verildi. ".repeat(4);
    let turkish: String = turkish.chars().take(160).collect();
    let texts = [
        ("160 plain characters", "a".repeat(160)),
        ("160 Turkish characters", turkish),
        ("80 emoji", "😀".repeat(80)),
        ("912 plain characters", "a".repeat(912)),
    ];
    for (name, text) in &texts {
        for (vendor, profile) in [("gateway", &gateway), ("international", &INTERNATIONAL)] {
            let began = Instant::now();
            for _ in 0..ROUNDS {
                black_box(profile.count(black_box(text)));
            }
            println!("{name}, {vendor}: {:?}", began.elapsed() / ROUNDS);
        }
    }
}
