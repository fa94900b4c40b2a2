//! Numbers and bars as text.

/// A whole number with a comma before each three digits.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// The eighths of a block, growing from the left.
const ACROSS: [char; 8] = [' ', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/// The eighths of a block, growing from below.
const UP: [char; 8] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇'];

/// A bar as long as `part` (from 0 to 1) of `width`.
pub(crate) fn bar(part: f64, width: usize) -> String {
    let eighths = eighths(part, width);
    let mut text = "█".repeat(eighths / 8);
    if !eighths.is_multiple_of(8) {
        text.extend(ACROSS.get(eighths % 8));
    }
    text
}

/// What a column as high as `part` (from 0 to 1) of `height` shows in `row`, counted from below.
pub(crate) fn column(part: f64, height: usize, row: usize) -> char {
    let eighths = eighths(part, height);
    match eighths.saturating_sub(row * 8) {
        filled @ 0..8 => UP.get(filled).copied().unwrap_or(' '),
        _ => '█',
    }
}

/// A whole number as a fraction, for shares and means: exact up to 2^53, and near enough beyond.
#[expect(clippy::cast_precision_loss, reason = "shown with one digit after the point")]
pub(crate) const fn approximate(number: i64) -> f64 {
    number as f64
}

/// At least one for what is more than nothing.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 0 and the size of a screen"
)]
fn eighths(part: f64, size: usize) -> usize {
    let most = size * 8;
    let eighths = (part.clamp(0.0, 1.0) * approximate(most.cast_signed() as i64)).round() as usize;
    if part > 0.0 { eighths.max(1) } else { eighths }
}

/// At most `width` characters of `text`, with a mark where it was cut.
pub(crate) fn shorten(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
