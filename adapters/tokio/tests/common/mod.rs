//! What several of these tests share.
#![allow(dead_code, reason = "each test takes what it needs")]

use std::hash::{BuildHasher, RandomState};

/// A small generator of numbers (`SplitMix64`, by Sebastiano Vigna), so that a seed is all there is to repeat.
#[derive(Clone, Debug)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`.
    pub(crate) const fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }
}

/// The seed of this run: from the environment variable, or a new one. Printed if the test fails.
pub(crate) struct Seed(pub(crate) u64, &'static str);

impl Seed {
    pub(crate) fn from_env(variable: &'static str) -> Self {
        let seed = number_from_env(variable).unwrap_or_else(|| RandomState::new().hash_one(variable));
        Self(seed, variable)
    }
}

impl Drop for Seed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("to run this again, set {}={}", self.1, self.0);
        }
    }
}

pub(crate) fn number_from_env(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// Keeps the panics that a test causes on purpose out of its output: those whose text begins with `planned`.
pub(crate) fn quiet_about_planned_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info
                .payload_as_str()
                .is_some_and(|text| text.starts_with("planned"))
            {
                loud(info);
            }
        }));
    });
}
