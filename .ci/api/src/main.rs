//! Prints the public interface of a crate, one item a line, from the JSON that rustdoc wrote of it.
#![forbid(unsafe_code)]

use std::error::Error;

/// What the compiler adds to each type, or a derive to each trait that is listed anyway.
const NOISE: [&str; 11] = [
    "impl core::marker::Freeze for ",
    "impl core::marker::StructuralPartialEq for ",
    "impl core::marker::UnsafeUnpin for ",
    "impl core::panic::unwind_safe::",
    "::clone(&self) -> ",
    "::cmp(&self, &",
    "::default() -> ",
    "::eq(&self, &",
    "::fmt(&self, &mut core::fmt::Formatter<'_>)",
    "::hash<__H",
    "::partial_cmp(&self, &",
];

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::args_os().nth(1).ok_or("name the JSON that rustdoc wrote")?;
    let api = public_api::Builder::from_rustdoc_json(path)
        .omit_blanket_impls(true)
        .build()?;
    for item in api.items() {
        let item = item.to_string();
        if !NOISE.iter().any(|noise| item.contains(noise)) {
            println!("{item}");
        }
    }
    Ok(())
}
