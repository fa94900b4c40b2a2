//! The curves as a picture.

use core::fmt::Write as _;

use sweet_async_core::limit::{Aimd, Gradient2, Vegas};

use super::{PHASES, QUEUE, Run, STEP, run};

/// Pixels of one panel.
const WIDTH: u64 = 800;
const HEIGHT: u64 = 150;
/// Pixels around the panels.
const LEFT: u64 = 50;
const TOP: u64 = 60;
const BETWEEN: u64 = 50;
/// The limit at the top of a panel.
const MOST: u64 = 100;

/// The limit and the throughput of each policy over time, with the knee, as SVG.
pub(crate) fn svg() -> String {
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <desc>Made by cargo run -p sweet-async-core --example convergence; do not edit.</desc>\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"15\">Concurrency limits before a server whose capacity changes</text>\n\
         <text x=\"{LEFT}\" y=\"38\"><tspan fill=\"#1f5fa8\">limit</tspan>   \
         <tspan fill=\"#3a9a5b\">calls served, in workers kept busy</tspan>   \
         <tspan fill=\"#c0392b\">knee: as many in flight as there are workers</tspan>   \
         <tspan fill=\"#888\">beyond that and {QUEUE} more, calls are refused</tspan></text>\n",
        LEFT + WIDTH + 20,
        TOP + 3 * (HEIGHT + BETWEEN),
    );
    panel(&mut text, 0, "AIMD", &run(Aimd::new()));
    panel(&mut text, 1, "Vegas", &run(Vegas::new()));
    panel(&mut text, 2, "Gradient2", &run(Gradient2::new()));
    text.push_str("</svg>\n");
    text
}

fn panel(text: &mut String, place: u64, name: &str, run: &Run) {
    let top = TOP + place * (HEIGHT + BETWEEN);
    let end = PHASES.last().map_or(1, |phase| phase.until);
    let across = |micros: u64| LEFT + micros * WIDTH / end;
    let up = |calls: u64| top + HEIGHT - calls.min(MOST) * HEIGHT / MOST;
    let mut from = 0;
    for phase in PHASES {
        let (workers, refused) = (u64::from(phase.workers), u64::from(phase.workers + QUEUE));
        let (left, right) = (across(from), across(phase.until));
        let _ = writeln!(
            text,
            "<path d=\"M{left} {0}H{right}\" stroke=\"#c0392b\" stroke-dasharray=\"6 3\"/>\
             <path d=\"M{left} {1}H{right}\" stroke=\"#888\" stroke-dasharray=\"2 3\"/>\
             <text x=\"{left}\" y=\"{2}\" dx=\"4\" fill=\"#c0392b\">{workers} workers</text>",
            up(workers),
            up(if workers == 0 { 0 } else { refused }),
            top + 10,
        );
        from = phase.until;
    }
    // A call takes a millisecond of a worker.
    let busy: Vec<u32> = run.served.iter().map(|calls| calls / 5).collect();
    for (curve, colour) in [(&busy, "#3a9a5b"), (&run.limits, "#1f5fa8")] {
        let _ = write!(text, "<polyline fill=\"none\" stroke=\"{colour}\" points=\"");
        for (at, value) in (1..).zip(curve) {
            let _ = write!(text, "{},{} ", across(at * STEP), up(u64::from(*value)));
        }
        text.push_str("\"/>\n");
    }
    let _ = writeln!(
        text,
        "<path d=\"M{LEFT} {top}V{0}H{1}\" stroke=\"black\" fill=\"none\"/>\
         <text x=\"{2}\" y=\"{3}\" font-weight=\"bold\">{name}</text>",
        top + HEIGHT,
        LEFT + WIDTH,
        LEFT + WIDTH / 2 - 30,
        top - 6,
    );
    for calls in [0, 50, 100] {
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{calls}</text>",
            LEFT - 6,
            up(calls) + 4
        );
    }
    for second in 0..=end / 1_000_000 {
        let _ = writeln!(
            text,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{second} s</text>",
            across(second * 1_000_000),
            top + HEIGHT + 16,
        );
    }
}
