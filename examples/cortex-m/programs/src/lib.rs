//! What the programs share: how an answer is compared and told, and how the emulator learns how it ended.
#![no_std]

use core::fmt::Debug;
use core::panic::PanicInfo;

// The critical section of a single core, for whoever asks for one.
use cortex_m as _;
use cortex_m_semihosting::{debug, hprintln};
#[cfg(feature = "portable-atomic")]
use portable_atomic as _;

/// Whether the answers of a machine were the expected ones. What was wrong has been printed.
pub type Verdict = Result<(), Wrong>;

/// An answer was not the expected one.
#[derive(Debug)]
pub struct Wrong;

/// Ends the function with [`Wrong`] unless the answer is the expected one.
#[macro_export]
macro_rules! expect {
    ($answer:expr, $expected:expr) => {
        $crate::compare(file!(), line!(), &$answer, &$expected)?
    };
}

/// Prints what is different, and where.
///
/// # Errors
/// [`Wrong`] if anything is.
pub fn compare<A: PartialEq<E> + Debug, E: Debug>(
    file: &str,
    line: u32,
    answer: &A,
    expected: &E,
) -> Verdict {
    if answer == expected {
        return Ok(());
    }
    hprintln!("{}:{}: {:?} instead of {:?}", file, line, answer, expected);
    Err(Wrong)
}

/// Runs each check, prints a line for it, and ends the emulator: with 0 if all went well, with 1 if not.
pub fn run(checks: &[(&str, fn() -> Verdict)]) -> ! {
    let mut wrong = 0;
    for (name, check) in checks {
        let verdict = check();
        hprintln!("{:<28} {}", name, if verdict.is_ok() { "ok" } else { "WRONG" });
        wrong += u32::from(verdict.is_err());
    }
    hprintln!("{} checked, {} wrong", checks.len(), wrong);
    exit(wrong == 0 && !checks.is_empty())
}

/// Ends the emulator with 0 or 1.
pub fn exit(well: bool) -> ! {
    debug::exit(if well {
        debug::EXIT_SUCCESS
    } else {
        debug::EXIT_FAILURE
    });
    loop {
        core::hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    exit(false)
}
