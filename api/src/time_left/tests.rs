use core::time::Duration;

use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};

use super::{TimeLeft, TimeLeftError};
use crate::Moment;

const fn left(seconds: u64, nanos: u32) -> TimeLeft {
    TimeLeft::new(Duration::new(seconds, nanos))
}

#[test]
fn the_finest_unit_that_eight_digits_suffice_for_is_written() {
    let cases = [
        (left(0, 0), "0n", "0"),
        (left(0, 1), "1n", "0"),
        (left(0, 99_999_999), "99999999n", "99"),
        (left(0, 100_000_000), "100000u", "100"),
        (left(99, 999_999_999), "99999999u", "99999"),
        (left(100, 0), "100000m", "100000"),
        (left(99_999, 999_999_999), "99999999m", "99999999"),
        (left(100_000, 0), "100000S", "100000000"),
        (left(100_000_000, 0), "1666666M", "100000000000"),
        (left(6_000_000_000, 0), "1666666H", "6000000000000"),
        (left(360_000_000_000, 0), "99999999H", "360000000000000"),
        (left(u64::MAX, 999_999_999), "99999999H", "9999999999999999999"),
    ];
    for (left, grpc, millis) in cases {
        assert_eq!(
            (left.to_grpc(), left.to_millis()),
            (grpc.to_owned(), millis.to_owned())
        );
    }
}

#[test]
fn each_unit_is_read() {
    for (value, seconds, nanos) in [
        ("0n", 0, 0),
        ("00000007n", 0, 7),
        ("25u", 0, 25_000),
        ("250m", 0, 250_000_000),
        ("3S", 3, 0),
        ("2M", 120, 0),
        ("99999999H", 359_999_996_400, 0),
    ] {
        assert_eq!(TimeLeft::from_grpc(value), Ok(left(seconds, nanos)), "{value}");
    }
    assert_eq!(TimeLeft::from_millis("1480"), Ok(left(1, 480_000_000)));
    let most = TimeLeft::from_millis("9999999999999999999").unwrap();
    assert_eq!(most.deadline(Moment::START), Moment::NEVER);
}

#[test]
fn what_is_no_length_of_time_is_refused_by_what_is_wrong() {
    use TimeLeftError::{NoNumber, NotADigit, TooManyDigits, Unit};
    let cases: [(&[u8], TimeLeftError, TimeLeftError); 17] = [
        (b"", NoNumber, NoNumber),
        (b"n", NoNumber, NotADigit { at: 0 }),
        (b"1", Unit { found: b'1' }, NoNumber),
        (b"1s", Unit { found: b's' }, NotADigit { at: 1 }),
        (b"1h", Unit { found: b'h' }, NotADigit { at: 1 }),
        (b"1m ", Unit { found: b' ' }, NotADigit { at: 1 }),
        (b" 1m", NotADigit { at: 0 }, NotADigit { at: 0 }),
        (b"+1m", NotADigit { at: 0 }, NotADigit { at: 0 }),
        (b"-1m", NotADigit { at: 0 }, NotADigit { at: 0 }),
        (b"1.5S", NotADigit { at: 1 }, NotADigit { at: 1 }),
        (b"1_0S", NotADigit { at: 1 }, NotADigit { at: 1 }),
        (b"0x1S", NotADigit { at: 1 }, NotADigit { at: 1 }),
        (b"1e3m", NotADigit { at: 1 }, NotADigit { at: 1 }),
        (b"1\0m", NotADigit { at: 1 }, NotADigit { at: 1 }),
        (b"\xd9\xa3S", NotADigit { at: 0 }, NotADigit { at: 0 }),
        (b"123456789m", TooManyDigits, NotADigit { at: 9 }),
        (b"12345678901234567890", Unit { found: b'0' }, TooManyDigits),
    ];
    for (value, grpc, millis) in cases {
        let text = value.escape_ascii();
        assert_eq!(TimeLeft::from_grpc(value), Err(grpc), "{text}");
        if value != b"1" {
            assert_eq!(TimeLeft::from_millis(value), Err(millis), "{text}");
        }
        for error in [grpc, millis] {
            assert!(error.to_string().is_ascii(), "{error}");
        }
    }
}

/// Of every size.
fn durations() -> impl Strategy<Value = Duration> {
    (any::<u64>(), 0_u32..64, 0_u32..1_000_000_000)
        .prop_map(|(seconds, shift, nanos)| Duration::new(seconds >> shift, nanos))
}

proptest! {
    #[test]
    fn what_arrives_is_never_more_and_hardly_less(given in durations()) {
        let sent = TimeLeft::new(given);
        let value = sent.to_grpc();
        prop_assert!(value.len() <= 9);
        let read = TimeLeft::from_grpc(&value).unwrap();
        prop_assert!(read <= sent);
        // What was read is written as it was read, so that it does not shrink at each hop.
        prop_assert_eq!(TimeLeft::from_grpc(read.to_grpc()).unwrap(), read);
        if given < Duration::from_secs(99_999) {
            let lost = given.checked_sub(read.duration()).unwrap();
            prop_assert!(lost < Duration::from_micros(1).max(given / 99_999));
        }
        let read = TimeLeft::from_millis(sent.to_millis()).unwrap();
        prop_assert!(read <= sent);
        prop_assert_eq!(TimeLeft::from_millis(read.to_millis()).unwrap(), read);
    }

    #[test]
    fn whatever_bytes_arrive_nothing_panics(value in any::<Vec<u8>>(), digits in "[0-9]{0,21}[HMSmun]?") {
        for bytes in [&value[..], digits.as_bytes()] {
            if let Ok(left) = TimeLeft::from_grpc(bytes) {
                prop_assert!(bytes.len() <= 9);
                prop_assert!(left.less(Duration::MAX).is_over());
            }
            let _ = TimeLeft::from_millis(bytes);
        }
    }
}
